//! `execute_kasm_command` and `get_command_output`.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::Instant;

use super::output::{CommandOutput, Streams};
use super::stop::StopCommand;
use super::{REMEDY, denied};
use crate::jobs::{Folder, Follow, INPUT_BYTES_MAX, JobError, JobId, Spec, Step};
use crate::kasm::{KasmId, UserId};
use crate::policy::{Access, Decision, Denial, Policy};
use crate::providers::kasm::{KasmProvider, place};
use crate::tool::progress::Report;
use crate::tool::{
    Call, Continuation, Effect, ErrorType, Private, Question, Reply, Tool, ToolError,
};

/// How long results are there: the wrapper of a later command removes what is older.
const KEEP: Duration = Duration::from_secs(24 * 3_600);

pub(super) struct ExecuteKasmCommand;

#[derive(Deserialize, JsonSchema)]
pub(super) struct ExecuteArgs {
    /// The session.
    kasm_id: KasmId,
    /// A bash script, at most 64 KiB. Each call is a shell of its own.
    command: String,
    /// Where it runs, absolute. Default: the home folder.
    working_dir: Option<String>,
    /// Environment variables for it.
    #[serde(default)]
    environment: Private<BTreeMap<String, String>>,
    /// Its standard input.
    #[serde(default)]
    stdin: Private<String>,
    /// When it is ended, seconds. Default: the server's limit.
    timeout_seconds: Option<u64>,
    /// How long to wait for its end. It goes on afterwards. Default: 30.
    wait_seconds: Option<u64>,
    /// Run it as root, if the operator of this server allows that.
    #[serde(default)]
    as_root: bool,
    /// Not needed: the user follows from the token.
    user_id: Option<UserId>,
}

impl Tool for ExecuteKasmCommand {
    type Provider = KasmProvider;
    type Args = ExecuteArgs;
    type Output = CommandOutput;
    const NAME: &'static str = "execute_kasm_command";
    const TITLE: &'static str = "Run a command";
    const ABOUT: &'static str = "Run a shell command in a session and return its output and exit code. If it takes \
                                 longer than wait_seconds it goes on: get_command_output reads on, stop_command ends it.";
    const EFFECT: Effect = Effect::Write;
    const OPEN_WORLD: bool = true;
    const CONTINUES: Option<Continuation> = Some(Continuation {
        poll: GetCommandOutput::NAME,
        stop: StopCommand::NAME,
        keys: &["kasm_id", "job_id"],
        keep: KEEP,
    });

    async fn call(
        &self,
        cx: Call<'_, KasmProvider>,
        args: ExecuteArgs,
    ) -> Result<Reply<CommandOutput>, ToolError> {
        let (spec, doubt) = spec(cx.provider, &args)?;
        let place = place(&cx, args.kasm_id, args.user_id).await?;
        if let Some(denial) = doubt {
            cx.confirm(question(&args, &denial)).await?;
        }
        let jobs = &cx.provider.jobs;
        let started = jobs.start(&place, &spec).await?;
        let id = started.id;
        if let Err(why) = started.channel() {
            let message = format!(
                "the command was dispatched, but its output and exit code cannot be had: {why}; {REMEDY}"
            );
            return Ok(Reply::new(
                CommandOutput::unheard(args.kasm_id, id),
                message,
            ));
        }
        report(&cx, 0, format!("job {id} started")).await;
        let wait = wait(cx.provider, args.wait_seconds, cx.provider.commands.wait);
        let streams = Streams::excerpts(cx.provider.commands.output_bytes);
        match hear(
            &cx,
            args.kasm_id,
            id,
            jobs.hear(&place, started),
            streams,
            wait,
        )
        .await
        {
            Ok(output) => {
                if output.is_whole() {
                    jobs.reported(&place, id);
                }
                let message = output.message();
                Ok(Reply::new(output, message))
            }
            Err(JobError::Unheard { why }) => {
                let message = format!(
                    "the command was dispatched, but its output and exit code cannot be had: {why}; {REMEDY}"
                );
                Ok(Reply::new(
                    CommandOutput::unheard(args.kasm_id, id),
                    message,
                ))
            }
            Err(error) => Err(error.into()),
        }
    }
}

pub(super) struct GetCommandOutput;

#[derive(Deserialize, JsonSchema)]
pub(super) struct OutputArgs {
    /// The session.
    kasm_id: KasmId,
    /// The command, as execute_kasm_command named it.
    job_id: JobId,
    /// Where to read on: `next_offset` of the last reply. Default: from the start.
    #[serde(default)]
    offset: u64,
    /// How long to wait for more. Default: 0.
    wait_seconds: Option<u64>,
    /// Not needed: the user follows from the token.
    user_id: Option<UserId>,
}

impl Tool for GetCommandOutput {
    type Provider = KasmProvider;
    type Args = OutputArgs;
    type Output = CommandOutput;
    const NAME: &'static str = "get_command_output";
    const TITLE: &'static str = "Read on in a command's output";
    const ABOUT: &'static str = "What a command wrote from an offset on, and whether and how it ended. Never repeats what was read.";
    const EFFECT: Effect = Effect::Read;

    async fn call(
        &self,
        cx: Call<'_, KasmProvider>,
        args: OutputArgs,
    ) -> Result<Reply<CommandOutput>, ToolError> {
        let place = place(&cx, args.kasm_id, args.user_id).await?;
        let jobs = &cx.provider.jobs;
        let wait = wait(cx.provider, args.wait_seconds, Duration::ZERO);
        let streams = Streams::page(cx.provider.commands.output_bytes);
        let follow = jobs.follow(&place, args.job_id, args.offset);
        let output = hear(&cx, args.kasm_id, args.job_id, follow, streams, wait).await?;
        let message = output.message();
        Ok(Reply::new(output, message))
    }
}

/// Listens until the end, the wait is over or the reply is full.
async fn hear(
    cx: &Call<'_, KasmProvider>,
    kasm_id: KasmId,
    id: JobId,
    mut follow: Follow<'_>,
    mut streams: Streams,
    wait: Duration,
) -> Result<CommandOutput, JobError> {
    if cx.progress.is_heard() {
        follow.watched();
    }
    let deadline = Instant::now() + wait;
    loop {
        let step = follow.next(&mut streams, deadline).await?;
        let news = streams.news();
        if !news.is_empty() {
            report(cx, follow.offset(), news).await;
        }
        if step != Step::Piece || Instant::now() >= deadline {
            return Ok(CommandOutput::new(kasm_id, id, &follow, &step, streams));
        }
    }
}

async fn report(cx: &Call<'_, KasmProvider>, offset: u64, message: String) {
    let done = offset as f64;
    cx.progress
        .report(Report {
            done,
            total: None,
            message,
        })
        .await;
}

fn wait(provider: &KasmProvider, asked: Option<u64>, otherwise: Duration) -> Duration {
    asked
        .map_or(otherwise, Duration::from_secs)
        .min(provider.commands.wait_max)
}

/// What a person is asked before a command runs that the rules leave to a person.
fn question(args: &ExecuteArgs, denial: &Denial) -> Question {
    let folder = args.working_dir.as_deref().unwrap_or("the home folder");
    let what = serde_json::json!([
        "execute_kasm_command",
        args.kasm_id.to_string(),
        args.command,
        args.working_dir,
        *args.environment,
        *args.stdin,
        args.as_root,
    ]);
    Question {
        title: "Run this command?".to_owned(),
        text: format!(
            "{}\n\nIn session {}, in {folder}{}.\nWhy it is asked: {} (rule `{}`).",
            args.command,
            args.kasm_id,
            if args.as_root { ", as root" } else { "" },
            denial.message,
            denial.rule,
        ),
        what: what.to_string(),
    }
}

/// Checks everything that can be checked before the command meets the workspace. Beside the job: what a
/// person has to agree to first.
fn spec(provider: &KasmProvider, args: &ExecuteArgs) -> Result<(Spec, Option<Denial>), ToolError> {
    let limits = &provider.commands;
    if args.as_root && !limits.allow_root {
        return Err(ToolError::new(
            ErrorType::Security,
            "commands do not run as root on this server",
            "leave `as_root` out; the operator can set KASM_ALLOW_ROOT",
        ));
    }
    if args.stdin.len() + args.command.len() > INPUT_BYTES_MAX {
        return Err(ToolError::validation(
            format!("`command` and `stdin` together are longer than {INPUT_BYTES_MAX} bytes"),
            "put the data into a file in several calls, then read that",
        ));
    }
    let judged = provider
        .policy
        .command(&args.command, args.working_dir.as_deref());
    let doubt = match judged {
        Ok(_permit) => None,
        Err(denial) if denial.decision == Decision::Ask => Some(denial),
        Err(denial) => return Err(denied(&denial)),
    };
    check_environment(&provider.policy, &args.environment)?;
    let folder = match &args.working_dir {
        None => None,
        Some(folder) => {
            let permit = provider.policy.path(folder, Access::Read);
            let permit = permit.map_err(|denial| denied(&denial))?;
            Some(Folder {
                path: permit.get().as_str().to_owned(),
                roots: provider.policy.roots().to_vec(),
                barred: provider.policy.barred(Access::Write),
            })
        }
    };
    let asked = args
        .timeout_seconds
        .map_or(limits.time_max, Duration::from_secs);
    let spec = Spec {
        script: args.command.clone(),
        args: Vec::new(),
        stdin: args.stdin.as_bytes().to_vec(),
        environment: args.environment.clone().into_inner().into_iter().collect(),
        folder,
        time_limit: asked.clamp(Duration::from_secs(1), limits.time_max),
        keep_bytes: limits.keep_bytes,
        as_root: args.as_root,
    };
    Ok((spec, doubt))
}

/// Variables are judged as the assignments that they are.
fn check_environment(
    policy: &Policy,
    environment: &BTreeMap<String, String>,
) -> Result<(), ToolError> {
    for (name, value) in environment {
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let plain = name.chars().all(letter) && !name.starts_with(|c: char| c.is_ascii_digit());
        if name.is_empty() || !plain || value.contains('\0') {
            return Err(ToolError::validation(
                format!("`{name}` is no environment variable"),
                "use names of letters, digits and `_`, and values without NUL",
            ));
        }
        let assignment = format!("{name}='{}' true", value.replace('\'', r"'\''"));
        policy
            .command(&assignment, None)
            .map_err(|denial| denied(&denial))?;
    }
    let total: usize = environment
        .iter()
        .map(|(name, value)| name.len() + value.len() + 2)
        .sum();
    if total > 16 * 1024 {
        return Err(ToolError::validation(
            "`environment` is longer than 16 KiB",
            "write it to a file and source that",
        ));
    }
    Ok(())
}
