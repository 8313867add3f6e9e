//! `stop_command`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::jobs::JobId;
use crate::kasm::{KasmId, UserId};
use crate::providers::kasm::{KasmProvider, place};
use crate::tool::{Call, Effect, ErrorType, Reply, Tool, ToolError};

pub(super) struct StopCommand;

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
enum Signal {
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

impl Signal {
    fn name(self) -> &'static str {
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
    signal: Signal,
    /// Optional: must be the id of the token's own Kasm user.
    user_id: Option<UserId>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Stopped {
    kasm_id: String,
    job_id: String,
    /// Whether the signal was sent. False: the command had ended already.
    signalled: bool,
}

impl Tool for StopCommand {
    type Provider = KasmProvider;
    type Args = StopArgs;
    type Output = Stopped;
    const NAME: &'static str = "stop_command";
    const TITLE: &'static str = "Stop a command";
    const ABOUT: &'static str =
        "End a running command and all its processes, or send them a signal.";
    const EFFECT: Effect = Effect::Write;

    async fn call(
        &self,
        cx: Call<'_, KasmProvider>,
        args: StopArgs,
    ) -> Result<Reply<Stopped>, ToolError> {
        if args.job_id.as_root() && !cx.provider.commands.allow_root {
            // The script that sends the signal runs as the job's own user.
            return Err(ToolError::new(
                ErrorType::Security,
                "the command runs as root, which this server does not allow",
                "let it run to its end; the operator can allow root with KASM_ALLOW_ROOT",
            ));
        }
        let place = place(&cx, args.kasm_id, args.user_id).await?;
        let jobs = &cx.provider.jobs;
        let signalled = jobs.stop(&place, args.job_id, args.signal.name()).await?;
        let message = if signalled {
            "the signal was sent; get_command_output shows how the command ended"
        } else {
            "the command had ended already; get_command_output shows how"
        };
        let stopped = Stopped {
            kasm_id: args.kasm_id.to_string(),
            job_id: args.job_id.to_string(),
            signalled,
        };
        Ok(Reply::new(stopped, message))
    }
}
