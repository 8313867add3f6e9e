//! Sharing a session with named users.

use serde_json::{Value, json};

use crate::answer::{Outcome, Refusal, json_answer};
use crate::body::Body;
use crate::call::Call;
use crate::id::Id;
use crate::state::State;
use crate::wording::Topic;

const TARGET: &str = "target_session_permissions";

pub(super) fn get_session_permissions(state: &mut State, call: &Call<'_>) -> Outcome {
    let (kasm_id, _) = target(state, call)?;
    listing(state, kasm_id)
}

pub(super) fn set_session_permissions(state: &mut State, call: &Call<'_>) -> Outcome {
    let (kasm_id, target) = target(state, call)?;
    if !state.profile.sharing_allowed {
        return Err(state.failure(Topic::GroupPolicy));
    }
    let mut entries = Vec::new();
    for entry in named(target)? {
        let user_id = entry.id("user_id");
        let Some(user_id) = user_id.filter(|id| state.user(*id).is_some()) else {
            return Err(state.failure(Topic::User));
        };
        entries.push((user_id, access(state, entry)?));
    }
    if let Some(session) = state.session_mut(kasm_id) {
        session.shared_with.extend(entries);
    }
    listing(state, kasm_id)
}

pub(super) fn set_all_session_permissions(state: &mut State, call: &Call<'_>) -> Outcome {
    let (kasm_id, target) = target(state, call)?;
    let access = access(state, target)?;
    if let Some(session) = state.session_mut(kasm_id) {
        for entry in session.shared_with.values_mut() {
            entry.clone_from(&access);
        }
    }
    listing(state, kasm_id)
}

pub(super) fn delete_session_permissions(state: &mut State, call: &Call<'_>) -> Outcome {
    let (kasm_id, target) = target(state, call)?;
    let users: Vec<Id> = named(target)?
        .into_iter()
        .filter_map(|entry| entry.id("user_id"))
        .collect();
    if let Some(session) = state.session_mut(kasm_id) {
        session.shared_with.retain(|user, _| !users.contains(user));
    }
    listing(state, kasm_id)
}

pub(super) fn delete_all_session_permissions(state: &mut State, call: &Call<'_>) -> Outcome {
    let (kasm_id, _) = target(state, call)?;
    if let Some(session) = state.session_mut(kasm_id) {
        session.shared_with.clear();
    }
    listing(state, kasm_id)
}

fn target<'a>(state: &State, call: &Call<'a>) -> Result<(Id, Body<'a>), Refusal> {
    let target = call.body.target(TARGET)?;
    let kasm_id = target.id("kasm_id");
    match kasm_id.filter(|id| state.session(*id).is_some()) {
        Some(kasm_id) => Ok((kasm_id, target)),
        None => Err(state.failure(Topic::Session)),
    }
}

fn named(target: Body<'_>) -> Result<Vec<Body<'_>>, Refusal> {
    let Some(Value::Array(entries)) = target.get("session_permissions") else {
        return Err(Refusal::Crash);
    };
    let object = |entry: &'_ Value| entry.is_object();
    if !entries.iter().all(object) {
        return Err(Refusal::Crash);
    }
    Ok(entries
        .iter()
        .filter_map(Value::as_object)
        .map(Body)
        .collect())
}

fn access(state: &State, entry: Body<'_>) -> Result<String, Refusal> {
    match entry.text("access") {
        Some(access @ ("r" | "rw")) => Ok(access.to_owned()),
        _ => Err(state.failure(Topic::Value)),
    }
}

fn listing(state: &State, kasm_id: Id) -> Outcome {
    let shared = state.session(kasm_id).into_iter();
    let entries: Vec<Value> = shared
        .flat_map(|session| &session.shared_with)
        .map(|(user_id, access)| {
            let username = state.username(*user_id);
            json!({
                "user_id": user_id.to_string(),
                "username": username,
                "vnc_username": format!("viewer_{username}"),
                "access": access,
            })
        })
        .collect();
    json_answer(json!({"session_permissions": entries}))
}
