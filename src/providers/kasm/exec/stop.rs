//! `stop_command`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::jobs::{JobError, JobId};
use crate::kasm::{KasmId, UserId};
use crate::providers::kasm::{KasmProvider, SessionNeed, running_session};
use crate::tool::{Effect, ErrorType, Tool, ToolCallContext, ToolError, ToolReply};

pub(super) struct StopCommand;

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
enum StopSignal {
    #[default]
    #[serde(rename = "TERM")]
    Term,
    #[serde(rename = "INT")]
    Int,
    #[serde(rename = "HUP")]
    Hup,
    #[serde(rename = "QUIT")]
    Quit,
    #[serde(rename = "KILL")]
    Kill,
    #[serde(rename = "USR1")]
    Usr1,
    #[serde(rename = "USR2")]
    Usr2,
}

impl StopSignal {
    fn signal_name(self) -> &'static str {
        match self {
            Self::Term => "TERM",
            Self::Int => "INT",
            Self::Hup => "HUP",
            Self::Quit => "QUIT",
            Self::Kill => "KILL",
            Self::Usr1 => "USR1",
            Self::Usr2 => "USR2",
        }
    }
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct StopArgs {
    /// The `kasm_id` of the session.
    kasm_id: KasmId,
    /// The `job_id` from execute_kasm_command.
    job_id: JobId,
    /// The signal for the command and all its processes. Default: TERM, then KILL after 5 seconds.
    #[serde(default)]
    signal: StopSignal,
    /// Optional: must be the id of the token's own Kasm user.
    user_id: Option<UserId>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct StoppedCommand {
    kasm_id: String,
    job_id: String,
    /// Whether the signal was sent. False: the command and all its processes had ended already.
    signalled: bool,
    /// How many of the command's processes are left.
    processes_left: usize,
    /// The first of these processes.
    processes: Vec<LeftProcess>,
}

#[derive(Serialize, JsonSchema)]
struct LeftProcess {
    /// The process id in the session.
    pid: u32,
    name: String,
}

impl Tool for StopCommand {
    type Provider = KasmProvider;
    type Args = StopArgs;
    type Output = StoppedCommand;
    const NAME: &'static str = "stop_command";
    const TITLE: &'static str = "Stop a command";
    const ABOUT: &'static str =
        "End a running command and all its processes, or send them a signal.";
    const EFFECT: Effect = Effect::Write;

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        args: StopArgs,
    ) -> Result<ToolReply<StoppedCommand>, ToolError> {
        if args.job_id.as_root() && !cx.provider.commands.allow_root {
            // The script that sends the signal runs as the job's own user.
            return Err(ToolError::new(
                ErrorType::Security,
                "the command runs as root, which this server does not",
                "let it run; the operator can set KASM_ALLOW_ROOT",
            )
            .with_code("root_not_allowed"));
        }
        let place = running_session(&cx, args.kasm_id, args.user_id, SessionNeed::Command).await?;
        let jobs = &cx.provider.jobs;
        let report = jobs
            .stop_job(&place, args.job_id, args.signal.signal_name())
            .await
            // Without an output channel the signal was sent all the same: the error must not deny that.
            .map_err(unconfirmed_stop)?;
        let message = match (report.was_running, report.left) {
            (false, _) => "the command had ended already; get_command_output shows how".to_owned(),
            (true, 0) => {
                "the command and all its processes have ended; get_command_output shows how"
                    .to_owned()
            }
            (true, left) => format!(
                "the signal was sent; {left} processes are left, see `processes`; send KILL to end them"
            ),
        };
        let processes = report.processes.into_iter();
        let stopped = StoppedCommand {
            kasm_id: args.kasm_id.to_string(),
            job_id: args.job_id.to_string(),
            signalled: report.was_running,
            processes_left: report.left,
            processes: processes
                .map(|process| LeftProcess {
                    pid: process.pid,
                    name: process.name,
                })
                .collect(),
        };
        Ok(ToolReply::new(stopped, message))
    }
}

/// The error if the signal was sent but the session's report of it cannot be read.
fn unconfirmed_stop(error: JobError) -> ToolError {
    let (JobError::NoChannel { why } | JobError::Unreachable { why }) = error else {
        return error.into();
    };
    ToolError::new(
        ErrorType::Unavailable,
        format!("the signal was sent off, but what came of it is not known: {why}"),
        "get_command_output reports whether the command has ended, as soon as output can be read; sending it again does no harm",
    )
    .with_code("stop_unconfirmed")
}
