//! What happens to a command before it meets the workspace: limits, the policy, the question to a person.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::denied;
use crate::jobs::{Folder, INPUT_BYTES_MAX, JobSpec};
use crate::kasm::{KasmId, UserId};
use crate::policy::{Access, CommandRequest, Denial, Judgement, Permit};
use crate::providers::kasm::KasmProvider;
use crate::tool::{ErrorType, Private, Question, ToolError};

#[derive(Deserialize, JsonSchema)]
pub(super) struct ExecuteArgs {
    /// The session.
    pub(super) kasm_id: KasmId,
    /// A bash script, at most 64 KiB. Each call is a shell of its own.
    pub(super) command: String,
    /// Where it runs, absolute. Default: the home folder.
    pub(super) working_dir: Option<String>,
    /// Environment variables for it.
    #[serde(default)]
    pub(super) environment: Private<BTreeMap<String, String>>,
    /// Its standard input.
    #[serde(default)]
    pub(super) stdin: Private<String>,
    /// When it is ended, seconds. Default: the server's limit.
    pub(super) timeout_seconds: Option<u64>,
    /// How long to wait for its end. It goes on afterwards. Default: 30.
    pub(super) wait_seconds: Option<u64>,
    /// Run it as root, if the operator of this server allows that.
    #[serde(default)]
    pub(super) as_root: bool,
    /// Not needed: the user follows from the token.
    pub(super) user_id: Option<UserId>,
}

/// The most bytes of all variables together: their names, their values, and two for each.
const ENVIRONMENT_BYTES_MAX: usize = 16 * 1024;

/// Refuses what is too long before anything works through it: the policy's work grows with the length.
pub(super) fn check_limits(provider: &KasmProvider, args: &ExecuteArgs) -> Result<(), ToolError> {
    if args.as_root && !provider.commands.allow_root {
        return Err(ToolError::new(
            ErrorType::Security,
            "commands do not run as root on this server",
            "leave `as_root` out; the operator can set KASM_ALLOW_ROOT",
        )
        .with_code("root_not_allowed"));
    }
    if args.stdin.len() + args.command.len() > INPUT_BYTES_MAX {
        return Err(ToolError::validation(
            format!("`command` and `stdin` together are longer than {INPUT_BYTES_MAX} bytes"),
            "put the data into a file in several calls, then read that",
        )
        .with_code("command_too_long"));
    }
    check_environment(&args.environment)
}

fn check_environment(environment: &BTreeMap<String, String>) -> Result<(), ToolError> {
    let lengths = environment.iter();
    let total: usize = lengths
        .map(|(name, value)| name.len() + value.len() + 2)
        .sum();
    if total > ENVIRONMENT_BYTES_MAX {
        return Err(ToolError::validation(
            format!("`environment` has {total} bytes, {ENVIRONMENT_BYTES_MAX} are allowed"),
            "write it to a file and source that",
        )
        .with_code("environment_too_long"));
    }
    for (name, value) in environment {
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let plain = name.chars().all(letter) && !name.starts_with(|c: char| c.is_ascii_digit());
        if name.is_empty() || !plain || value.contains('\0') {
            return Err(ToolError::validation(
                format!("`{name}` cannot be an environment variable"),
                "use names of letters, digits and `_`, and values without NUL",
            )
            .with_code("environment_invalid"));
        }
    }
    Ok(())
}

/// The folder that the command starts in. The workspace checks it again, because links may lead anywhere.
pub(super) fn checked_folder(
    provider: &KasmProvider,
    working_dir: Option<&str>,
) -> Result<Option<Folder>, ToolError> {
    let Some(folder) = working_dir else {
        return Ok(None);
    };
    let permit = provider.policy.path(folder, Access::Read);
    let permit = permit.map_err(|denial| denied(&denial))?;
    Ok(Some(Folder {
        path: permit.get().as_str().to_owned(),
        roots: provider.policy.roots().to_vec(),
        barred: provider.policy.barred(Access::Write),
    }))
}

/// Asks the policy.
pub(super) async fn judge_command(
    provider: &KasmProvider,
    args: &ExecuteArgs,
) -> Result<Judgement, ToolError> {
    let judged = provider.judge.judge(CommandRequest {
        script: unix_lines(&args.command),
        working_dir: args.working_dir.clone(),
        environment: (*args.environment).clone(),
    });
    judged.await.map_err(|denial| match denial {
        Some(denial) => denied(&denial),
        None => ToolError::internal("the command could not be judged"),
    })
}

/// The script with line feeds alone. Clients on Windows send CR LF, and bash would take each CR for a part
/// of a word.
fn unix_lines(script: &str) -> String {
    script.replace("\r\n", "\n")
}

/// What a person is asked before a command runs that the policy leaves to a person.
pub(super) fn consent_question(args: &ExecuteArgs, denial: &Denial) -> Question {
    let folder = args.working_dir.as_deref().unwrap_or("the home folder");
    let command = unix_lines(&args.command);
    let what = serde_json::json!([
        "execute_kasm_command",
        args.kasm_id.to_string(),
        command,
        args.working_dir,
        *args.environment,
        *args.stdin,
        args.as_root,
    ]);
    Question {
        title: "Run this command?".to_owned(),
        text: format!(
            "{command}\n\nIn session {}, in {folder}{}.\nWhy it is asked: {} (rule `{}`).",
            args.kasm_id,
            if args.as_root { ", as root" } else { "" },
            denial.message,
            denial.rule,
        ),
        what: what.to_string(),
    }
}

/// The job that runs the permitted command.
pub(super) fn job_spec(
    provider: &KasmProvider,
    args: &ExecuteArgs,
    permit: Permit<CommandRequest>,
    folder: Option<Folder>,
) -> JobSpec {
    let limits = &provider.commands;
    let asked = args
        .timeout_seconds
        .map_or(limits.time_max, Duration::from_secs);
    let time_limit = asked.clamp(Duration::from_secs(1), limits.time_max);
    JobSpec::permitted(permit)
        .with_stdin(args.stdin.as_bytes().to_vec())
        .in_folder(folder)
        .with_limits(time_limit, limits.keep_bytes)
        .as_root(args.as_root)
}
