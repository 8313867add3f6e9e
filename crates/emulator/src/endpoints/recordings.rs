//! Session recordings.

use serde_json::{Map, Value, json};

use crate::answer::{Outcome, Refusal, json_answer};
use crate::call::Call;
use crate::id::Id;
use crate::state::State;
use crate::wording::Topic;

pub(super) fn get_session_recordings(state: &mut State, call: &Call<'_>) -> Outcome {
    let Some(kasm_id) = call.body.id("target_kasm_id") else {
        return Err(state.failure(Topic::Field));
    };
    json_answer(of_session(state, call, kasm_id)?)
}

pub(super) fn get_sessions_recordings(state: &mut State, call: &Call<'_>) -> Outcome {
    let Some(Value::Array(ids)) = call.body.get("target_kasm_ids") else {
        return Err(Refusal::Crash);
    };
    let ids = ids.iter().filter_map(|id| id.as_str().and_then(Id::parse));
    let sessions = ids.map(|id| Ok((id.to_string(), of_session(state, call, id)?)));
    let sessions: Map<String, Value> = sessions.collect::<Result<_, Refusal>>()?;
    json_answer(json!({"kasm_sessions": sessions}))
}

fn of_session(state: &State, call: &Call<'_>, kasm_id: Id) -> Result<Value, Refusal> {
    let recordings = state.recordings.get(&kasm_id);
    if recordings.is_none() && state.session(kasm_id).is_none() {
        return Err(state.failure(Topic::Session));
    }
    let link = call.body.flag("preauth_download_link");
    let recordings = recordings.into_iter().flatten();
    let recordings: Vec<Value> = recordings.map(|r| r.json(kasm_id, link)).collect();
    Ok(json!({"session_recordings": recordings}))
}
