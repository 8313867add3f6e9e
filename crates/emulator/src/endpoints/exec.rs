//! Commands. Kasm says that it passed a command on and nothing more, ever: its
//! output goes nowhere, and so does its exit status.

use std::collections::BTreeMap;

use serde_json::json;

use crate::answer::{Outcome, Refusal, json_answer};
use crate::body::Body;
use crate::call::Call;
use crate::container::{Job, RunError};
use crate::record::CommandRecord;
use crate::state::State;
use crate::state::session::Session;
use crate::wording::Topic;

/// The longest `NAME=value` a Linux process can be given, with its final zero.
const ENVIRONMENT_STRING_MAX: usize = 128 * 1024;

pub(super) fn exec_command_kasm(state: &mut State, call: &Call<'_>) -> Outcome {
    let session = state.owned(call)?.clone();
    if !state.is_container(&session) {
        return Err(state.failure(Topic::Kind));
    }
    if !session.is_running() {
        return Err(state.failure(Topic::State));
    }
    let record = command(state, call)?;
    run(state, &session, &record)?;
    state.log_command(CommandRecord {
        kasm_id: session.id.to_string(),
        user_id: session.user_id.to_string(),
        ..record
    });
    json_answer(json!({
        "kasm": state.session_json(&session),
        "current_time": state.current_time(call.now),
    }))
}

fn run(state: &mut State, session: &Session, record: &CommandRecord) -> Result<(), Refusal> {
    let root = match record.user.as_deref() {
        None | Some("kasm-user" | "1000") => false,
        Some("root" | "0") => true,
        Some(_) => return Err(state.failure(Topic::Exec)),
    };
    let mut environment = state.container_environment(session);
    environment.extend(record.environment.clone());
    let job = Job {
        cmd: &record.cmd,
        workdir: record.workdir.as_deref(),
        root,
        environment,
    };
    let State {
        containers,
        profile,
        ..
    } = state;
    let started = containers.run(session.id, &job, profile);
    started.map_err(|error| match error {
        // Not Kasm speaking, so it says what it means.
        RunError::NoConfinement(_) | RunError::Disk(_) => Refusal::Business(error.to_string()),
        RunError::Dead | RunError::Unusable => state.failure(Topic::Exec),
    })
}

/// Reads what is inside `exec_config`; the same fields outside mean nothing.
fn command(state: &State, call: &Call<'_>) -> Result<CommandRecord, Refusal> {
    let Some(config) = call.body.object("exec_config")? else {
        return Err(state.failure(Topic::Exec));
    };
    let Some(cmd) = config.text("cmd") else {
        return Err(state.failure(Topic::Exec));
    };
    let environment = environment(state, config)?;
    Ok(CommandRecord {
        kasm_id: String::new(),
        user_id: String::new(),
        cmd: cmd.to_owned(),
        user: config.text("user").map(str::to_owned),
        workdir: config.text("workdir").map(str::to_owned),
        environment,
    })
}

fn environment(state: &State, config: Body<'_>) -> Result<BTreeMap<String, String>, Refusal> {
    let pairs = config.texts("environment")?;
    let too_long =
        |(name, value): &(&str, &str)| name.len() + value.len() + 2 > ENVIRONMENT_STRING_MAX;
    if pairs.iter().any(too_long) {
        return Err(state.failure(Topic::Exec));
    }
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Ok(pairs.into_iter().map(owned).collect())
}
