//! Checks a command before it is sent to the session: limits, policy, approval.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::denied_command;
use crate::jobs::{INPUT_BYTES_MAX, JobSpec, WorkingFolder};
use crate::kasm::{KasmId, UserId};
use crate::policy::{CommandRequest, Denial, FileAccess, Judgement, Permit};
use crate::providers::kasm::KasmProvider;
use crate::tool::{ApprovalQuestion, ErrorType, PrivateArgument, ToolError};

#[derive(Deserialize, JsonSchema)]
pub(super) struct ExecuteArgs {
    /// The `kasm_id` of the session.
    pub(super) kasm_id: KasmId,
    /// A bash script, at most 64 KiB. Each call runs in a new shell.
    pub(super) command: String,
    /// The absolute path of the folder to run in. Default: the home folder.
    pub(super) working_dir: Option<String>,
    /// Environment variables for the command.
    #[serde(default)]
    pub(super) environment: PrivateArgument<BTreeMap<String, String>>,
    /// The command's standard input.
    #[serde(default)]
    pub(super) stdin: PrivateArgument<String>,
    /// Time limit for the command, in seconds. Default: the server's limit.
    pub(super) timeout_seconds: Option<u64>,
    /// How long this call waits for the command, in seconds. The command continues after that. Default: 30.
    pub(super) wait_seconds: Option<u64>,
    /// Run the command as root. The operator of this server must allow this.
    #[serde(default)]
    pub(super) as_root: bool,
    /// Optional: must be the id of the token's own Kasm user.
    pub(super) user_id: Option<UserId>,
}

/// The most bytes of all variables together: names and values, and two more for each.
const ENVIRONMENT_BYTES_MAX: usize = 16 * 1024;

/// Refuses long input before the policy judges it, because the policy's work grows with the length.
pub(super) fn check_limits(provider: &KasmProvider, args: &ExecuteArgs) -> Result<(), ToolError> {
    if args.as_root && !provider.commands.allow_root {
        return Err(ToolError::new(
            ErrorType::Security,
            "this server does not run commands as root",
            "omit `as_root`; the operator can allow it with KASM_ALLOW_ROOT",
        )
        .with_code("root_not_allowed"));
    }
    if args.stdin.len() + args.command.len() > INPUT_BYTES_MAX {
        return Err(ToolError::validation(
            format!("`command` and `stdin` together are longer than {INPUT_BYTES_MAX} bytes"),
            "write the data to a file in several calls, then read that file in the command",
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
            format!(
                "`environment` has {total} bytes, but at most {ENVIRONMENT_BYTES_MAX} are allowed"
            ),
            "write the variables to a file and source it",
        )
        .with_code("environment_too_long"));
    }
    for (name, value) in environment {
        // The policy reads `name='value'` as a script, so a name must not have characters that a shell
        // interprets.
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let plain = name.chars().all(letter) && !name.starts_with(|c: char| c.is_ascii_digit());
        if name.is_empty() || !plain || value.contains('\0') {
            return Err(ToolError::validation(
                format!("`{name}` is not a valid environment variable"),
                "use letters, digits and `_` in names, and values without NUL",
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
) -> Result<Option<WorkingFolder>, ToolError> {
    let Some(folder) = working_dir else {
        return Ok(None);
    };
    let permit = provider.policy.judge_path(folder, FileAccess::Read);
    let permit = permit.map_err(|denial| denied_command(&denial))?;
    Ok(Some(WorkingFolder {
        path: permit.permitted_value().as_str().to_owned(),
        roots: provider.policy.roots().to_vec(),
        // A command can write in the folder that it starts in, so trees protected from writing are barred
        // too.
        barred: provider.policy.protected_paths(FileAccess::Write),
    }))
}

/// Judges script, folder and variables by the policy. The error is the denial, in words for a model.
pub(super) async fn judge_command(
    provider: &KasmProvider,
    args: &ExecuteArgs,
) -> Result<Judgement, ToolError> {
    let judged = provider.judge.judge_request(CommandRequest {
        script: unix_lines(&args.command),
        working_dir: args.working_dir.clone(),
        environment: (*args.environment).clone(),
    });
    judged.await.map_err(|denial| match denial {
        Some(denial) => denied_command(&denial),
        None => ToolError::internal("the policy could not judge the command"),
    })
}

/// The script with LF line ends. Windows clients send CR LF, and bash would read each CR as part of a word.
fn unix_lines(script: &str) -> String {
    script.replace("\r\n", "\n")
}

/// The question to a person about a command that needs approval.
pub(super) fn consent_question(args: &ExecuteArgs, denial: &Denial) -> ApprovalQuestion {
    let folder = args.working_dir.as_deref().unwrap_or("the home folder");
    let command = unix_lines(&args.command);
    // The approval is bound to all of the input, also to what the question does not show: other input needs
    // another approval.
    let what = serde_json::json!([
        "execute_kasm_command",
        args.kasm_id.to_string(),
        command,
        args.working_dir,
        *args.environment,
        *args.stdin,
        args.as_root,
    ]);
    ApprovalQuestion {
        title: "Run this command?".to_owned(),
        text: format!(
            "{command}\n\nIn session {}, in {folder}{}.\nReason for this question: {} (rule `{}`).",
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
    folder: Option<WorkingFolder>,
) -> JobSpec {
    let limits = &provider.commands;
    // A time above the operator's limit is lowered, not refused: the command still ends in time.
    let asked = args
        .timeout_seconds
        .map_or(limits.time_max, Duration::from_secs);
    let time_limit = asked.clamp(Duration::from_secs(1), limits.time_max);
    JobSpec::of_permitted_command(permit)
        .with_stdin(args.stdin.as_bytes().to_vec())
        .in_folder(folder)
        .with_limits(time_limit, limits.keep_bytes)
        .as_root(args.as_root)
}
