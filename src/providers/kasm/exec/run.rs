//! `execute_kasm_command` and `get_command_output`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::Instant;

use super::REMEDY;
use super::output::{CommandOutput, KnownState, OutputStreams};
use super::prepare::{self, ExecuteArgs};
use super::stop::StopCommand;
use crate::jobs::{FolderRemoval, JobError, JobId, OutputReader, ReadStep};
use crate::kasm::{KasmId, UserId};
use crate::policy::Judgement;
use crate::providers::kasm::{KasmProvider, SessionNeed, running_session};
use crate::tool::progress::ProgressReport;
use crate::tool::{ContinuationTools, Effect, Tool, ToolCallContext, ToolError, ToolReply};

/// How long output is kept: the wrapper of a later command removes older output.
const KEEP: Duration = Duration::from_secs(24 * 3_600);

pub(super) struct ExecuteKasmCommand;

impl Tool for ExecuteKasmCommand {
    type Provider = KasmProvider;
    type Args = ExecuteArgs;
    type Output = CommandOutput;
    const NAME: &'static str = "execute_kasm_command";
    const TITLE: &'static str = "Run a command";
    const ABOUT: &'static str = "Run a shell command in a session and return its output and exit code. If it runs \
        longer than wait_seconds, it continues: get_command_output reads on, stop_command ends it.";
    const EFFECT: Effect = Effect::Write;
    const ASKS: bool = true;
    const OPEN_WORLD: bool = true;
    const CONTINUES: Option<ContinuationTools> = Some(ContinuationTools {
        poll: GetCommandOutput::NAME,
        stop: StopCommand::NAME,
        keys: &["kasm_id", "job_id"],
        keep: KEEP,
    });

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        args: ExecuteArgs,
    ) -> Result<ToolReply<CommandOutput>, ToolError> {
        prepare::check_limits(cx.provider, &args)?;
        let folder = prepare::checked_folder(cx.provider, args.working_dir.as_deref())?;
        // The policy comes before Kasm: a denied command costs no request.
        let judgement = prepare::judge_command(cx.provider, &args).await?;
        let place = running_session(&cx, args.kasm_id, args.user_id, SessionNeed::Command).await?;
        let permit = match judgement {
            Judgement::Permitted(permit) => permit,
            // The session runs, so a person is asked only about a command that can run.
            Judgement::NeedsConsent(pending) => {
                cx.ask_for_approval(prepare::consent_question(&args, pending.denial()))
                    .await?;
                pending.permit_with_consent()
            }
        };
        let spec = prepare::job_spec(cx.provider, &args, permit, folder);
        let jobs = &cx.provider.jobs;
        let started = jobs.start_job(&place, &spec).await?;
        let id = started.id;
        report_progress(&cx, 0, format!("job {id} started")).await;
        let wait = wait_time(cx.provider, args.wait_seconds, cx.provider.commands.wait);
        let mut streams = OutputStreams::with_excerpts(cx.provider.commands.output_bytes);
        let mut reader = jobs.read_new(&place, started);
        let read = read_until(&cx, &mut reader, &mut streams, wait).await;
        let (known, message) = match &read {
            Ok(step) => (KnownState::Step(step), None),
            // The command may run from here on, so every failure must return its `job_id`.
            Err(error @ (JobError::NoChannel { .. } | JobError::NotStarted)) => {
                let message = format!(
                    "the command was sent, but its output and exit code cannot be read: {error}; {REMEDY}"
                );
                (KnownState::Never, Some(message))
            }
            Err(JobError::Unreachable { why }) => {
                let message = format!(
                    "the command was sent, but its output could not be read, so it may still be running: {why}; \
                     call get_command_output to try again"
                );
                (KnownState::NotNow, Some(message))
            }
            Err(error) => return Err(error.clone().into()),
        };
        let output = CommandOutput::new(args.kasm_id, id, &reader, &known, streams);
        // The reply has everything, so the copy in the session is needed only for a repeated call.
        if output.is_whole() {
            jobs.remove_folder(&place, id, FolderRemoval::AfterReport);
        }
        let message = message.unwrap_or_else(|| output.message());
        Ok(ToolReply::new(output, message))
    }
}

pub(super) struct GetCommandOutput;

#[derive(Deserialize, JsonSchema)]
pub(super) struct OutputArgs {
    /// The `kasm_id` of the session.
    kasm_id: KasmId,
    /// The `job_id` from execute_kasm_command.
    job_id: JobId,
    /// Where to start reading: the `next_offset` of the last reply. Default: the beginning.
    #[serde(default)]
    offset: u64,
    /// How long to wait for more output, in seconds. Default: 0.
    wait_seconds: Option<u64>,
    /// Optional: must be the id of the token's own Kasm user.
    user_id: Option<UserId>,
}

impl Tool for GetCommandOutput {
    type Provider = KasmProvider;
    type Args = OutputArgs;
    type Output = CommandOutput;
    const NAME: &'static str = "get_command_output";
    const TITLE: &'static str = "Read command output";
    const ABOUT: &'static str =
        "Return a command's output from `offset` on, and its exit code once it has finished.";
    const EFFECT: Effect = Effect::Read;

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        args: OutputArgs,
    ) -> Result<ToolReply<CommandOutput>, ToolError> {
        let place = running_session(&cx, args.kasm_id, args.user_id, SessionNeed::Command).await?;
        let jobs = &cx.provider.jobs;
        let wait = wait_time(cx.provider, args.wait_seconds, Duration::ZERO);
        // Pages, not excerpts: calls that follow each other return every byte once.
        let mut streams = OutputStreams::with_page(cx.provider.commands.output_bytes);
        let mut reader = jobs.read_by_id(&place, args.job_id, args.offset);
        let step = read_until(&cx, &mut reader, &mut streams, wait).await?;
        // The last page was read. The folder stays for a while, for a call that is repeated.
        if matches!(step, ReadStep::Ended(_)) {
            jobs.remove_folder(&place, args.job_id, FolderRemoval::AfterReading);
        }
        let known = KnownState::Step(&step);
        let output = CommandOutput::new(args.kasm_id, args.job_id, &reader, &known, streams);
        let message = output.message();
        Ok(ToolReply::new(output, message))
    }
}

/// Reads output until the command ends, the wait is over, or the reply is full.
async fn read_until(
    cx: &ToolCallContext<'_, KasmProvider>,
    reader: &mut OutputReader<'_>,
    streams: &mut OutputStreams,
    wait: Duration,
) -> Result<ReadStep, JobError> {
    if cx.progress.has_listener() {
        // Output is then read more often, which is of use only if a client shows it.
        reader.watch_output();
    }
    let deadline = Instant::now() + wait;
    loop {
        let step = reader.read_output(streams, deadline).await?;
        let news = streams.take_news();
        if !news.is_empty() {
            report_progress(cx, reader.offset(), news).await;
        }
        // A piece means that more may be there now; any other step ends the reading.
        if step != ReadStep::Piece || Instant::now() >= deadline {
            return Ok(step);
        }
    }
}

async fn report_progress(cx: &ToolCallContext<'_, KasmProvider>, offset: u64, message: String) {
    let done = offset as f64;
    cx.progress
        .send_report(ProgressReport {
            done,
            total: None,
            message,
        })
        .await;
}

fn wait_time(provider: &KasmProvider, asked: Option<u64>, otherwise: Duration) -> Duration {
    asked
        .map_or(otherwise, Duration::from_secs)
        .min(provider.commands.wait_max)
}
