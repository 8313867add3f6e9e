//! Starting, finding and joining sessions.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::answer::{Outcome, Refusal, json_answer};
use crate::body::Body;
use crate::call::Call;
use crate::date;
use crate::id::Id;
use crate::profile::{NotReadyShape, RequestToken};
use crate::state::State;
use crate::state::session::{Phase, Session};
use crate::state::token::{Origin, Token};
use crate::wording::{self, Topic};

/// Starts a session. An image can only be named by its id.
pub(super) fn request_kasm(state: &mut State, call: &Call<'_>) -> Outcome {
    let body = call.body;
    let environment = body.texts("environment")?;
    let Some(image_id) = body.id("image_id") else {
        return Err(Refusal::Business(wording::NO_DEFAULT_IMAGE.to_owned()));
    };
    admit_image(state, body, image_id)?;
    if let Some(user_id) = body.id("user_id") {
        admit_user(state, user_id)?;
    }
    let room = state.profile.capacity;
    if room.is_some_and(|room| state.sessions.len() >= room) {
        return Err(Refusal::Business(wording::NO_RESOURCES.to_owned()));
    }
    let user_id = body
        .id("user_id")
        .unwrap_or_else(|| state.add_anonymous(call.now));
    let mut session = new_session(state, call, user_id, image_id);
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    session.environment = environment.into_iter().map(owned).collect();
    let (kasm_id, share_id) = (session.id, session.share_id.clone());
    state.sessions.push(session);
    if let Some(user) = state.user_mut(user_id) {
        user.last_session = Some(call.now);
    }

    let token = mint(state, call, user_id, Origin::Request(kasm_id));
    let mut answer = Map::from_iter([
        ("kasm_id".to_owned(), json!(kasm_id.to_string())),
        ("status".to_owned(), json!("starting")),
        ("user_id".to_owned(), json!(user_id.to_string())),
        ("username".to_owned(), json!(state.username(user_id))),
        ("share_id".to_owned(), json!(share_id)),
        (
            "kasm_url".to_owned(),
            json!(connect(kasm_id, user_id, &token)),
        ),
    ]);
    if state.profile.request_token == RequestToken::Missing {
        answer.remove("kasm_url");
    } else {
        answer.insert("session_token".to_owned(), json!(token));
    }
    json_answer(Value::Object(answer))
}

fn admit_image(state: &State, body: Body<'_>, image_id: Id) -> Result<(), Refusal> {
    let Some(image) = state.image(image_id) else {
        return Err(state.failure(Topic::Image));
    };
    if !image.enabled {
        return Err(state.failure(Topic::ImageDisabled));
    }
    if !image.available {
        return Err(Refusal::Business(wording::NO_RESOURCES.to_owned()));
    }
    let profile_path = image.persistent_profile_path.is_some();
    match body.text("persistent_profile_mode") {
        None | Some("Disabled") => {}
        Some("Enabled" | "Reset") if profile_path => {}
        Some(_) => return Err(state.failure(Topic::Value)),
    }
    // No user has an egress credential here, and without one none may be used.
    if body.id("egress_gateway_id").is_some() {
        return Err(state.failure(Topic::Value));
    }
    if body.flag("enable_sharing") && !state.profile.sharing_allowed {
        return Err(state.failure(Topic::GroupPolicy));
    }
    Ok(())
}

fn admit_user(state: &State, user_id: Id) -> Result<(), Refusal> {
    let Some(user) = state.user(user_id) else {
        return Err(state.failure(Topic::User));
    };
    if user.disabled || user.locked {
        return Err(state.failure(Topic::UserDisabled));
    }
    let has = state.sessions.iter().filter(|s| s.user_id == user_id);
    let has = has.count();
    if state
        .profile
        .sessions_per_user
        .is_some_and(|most| has >= most)
    {
        return Err(state.failure(Topic::Quota));
    }
    Ok(())
}

fn new_session(state: &mut State, call: &Call<'_>, user_id: Id, image_id: Id) -> Session {
    let random = &mut state.random;
    let mode = call.body.text("persistent_profile_mode");
    let share = call.body.flag("enable_sharing");
    let mut session = Session {
        id: random.id(),
        user_id,
        image_id,
        phase: Phase::Stopped,
        created: call.now,
        started: None,
        kept_alive: None,
        expiration: call.now,
        container_id: random.hex(4),
        server_id: crate::state::seed::SERVER,
        share_id: share.then(|| random.hex(1)),
        persistent_profile_mode: mode.filter(|m| *m != "Disabled").map(str::to_owned),
        viewers: Vec::new(),
        shared_with: BTreeMap::new(),
        pictured: None,
        environment: BTreeMap::new(),
        vnc_password: format!("emulated-vnc-password-{}", random.hex(1)),
        container_jwt: format!("{}.emulated", random.jwt()),
    };
    session.start(call.now, &state.profile);
    session
}

/// The state of one session, with a fresh login in its link.
pub(super) fn get_kasm_status(state: &mut State, call: &Call<'_>) -> Outcome {
    let session = state.owned(call)?.clone();
    let current_time = state.current_time(call.now);
    if session.is_running() {
        if state.profile.status_invalidates_tokens {
            state.tokens.void_session(session.id);
        }
        let token = mint(state, call, session.user_id, Origin::Status(session.id));
        return json_answer(json!({
            "current_time": current_time,
            "kasm_url": connect(session.id, session.user_id, &token),
            "kasm": state.session_json(&session),
        }));
    }
    let shape = state.profile.not_ready_shape;
    if shape == NotReadyShape::Kasm {
        return json_answer(json!({
            "current_time": current_time,
            "kasm": state.session_json(&session),
        }));
    }
    let mut answer = json!({
        "current_time": current_time,
        "operational_status": session.status(&state.profile),
        "operational_progress": session.progress(call.now),
        "operational_message": state.wording.say(Topic::NotReady),
    });
    if shape == NotReadyShape::ProgressAndError {
        answer["error_message"] = json!(state.wording.say(Topic::State));
    }
    json_answer(answer)
}

/// A viewer's way into a shared session.
pub(super) fn join_kasm(state: &mut State, call: &Call<'_>) -> Outcome {
    let Some(share_id) = call.body.text("share_id") else {
        return Err(state.failure(Topic::Field));
    };
    let shared = |s: &&Session| s.share_id.as_deref() == Some(share_id);
    let Some(session) = state.sessions.iter().find(shared).cloned() else {
        return Err(state.failure(Topic::Share));
    };
    if !session.is_running() {
        return Err(state.failure(Topic::State));
    }
    let user_id = match call.body.id("user_id") {
        Some(id) if state.user(id).is_none() => return Err(state.failure(Topic::User)),
        Some(id) => id,
        None => state.add_anonymous(call.now),
    };
    let token = mint(state, call, user_id, Origin::Viewer(session.id));
    json_answer(json!({
        "kasm": state.joined_json(&session),
        "kasm_url": State::connect_url("join", share_id, user_id, &token),
        "session_token": token,
        "user_id": user_id.to_string(),
        "username": state.username(user_id),
        "current_time": state.current_time(call.now),
    }))
}

/// The sessions of everybody.
pub(super) fn get_kasms(state: &mut State, call: &Call<'_>) -> Outcome {
    let kasms: Vec<Value> = state
        .sessions
        .iter()
        .map(|s| state.listed_json(s))
        .collect();
    json_answer(json!({"current_time": state.current_time(call.now), "kasms": kasms}))
}

/// The sessions of one user.
pub(super) fn get_user_kasms(state: &mut State, call: &Call<'_>) -> Outcome {
    let user_id = call.body.id("user_id");
    let Some(user_id) = user_id.filter(|id| state.user(*id).is_some()) else {
        return Err(state.failure(Topic::User));
    };
    let own = state.sessions.iter().filter(|s| s.user_id == user_id);
    let kasms: Vec<Value> = own.map(|s| state.listed_json(s)).collect();
    json_answer(json!({"kasms": kasms}))
}

fn connect(kasm_id: Id, user_id: Id, token: &str) -> String {
    State::connect_url("kasm", &kasm_id.to_string(), user_id, token)
}

fn mint(state: &mut State, call: &Call<'_>, user_id: Id, origin: Origin) -> String {
    let token = state.new_token(user_id, origin, call.now);
    let jwt = token.jwt.clone();
    state.tokens.add(token);
    jwt
}

impl State {
    /// A token that is not in force yet.
    pub(super) fn new_token(&mut self, user_id: Id, origin: Origin, now: jiff::Timestamp) -> Token {
        Token {
            name: self.random.id().dashed(),
            jwt: self.random.jwt(),
            user_id,
            created: now,
            expires: date::after(now, self.profile.token_lifetime),
            origin,
        }
    }

    /// The session the call names, if the user it names owns it.
    pub(super) fn owned(&self, call: &Call<'_>) -> Result<&Session, Refusal> {
        let (Some(kasm_id), Some(user_id)) = (call.body.id("kasm_id"), call.body.id("user_id"))
        else {
            return Err(self.failure(Topic::Field));
        };
        let Some(session) = self.session(kasm_id) else {
            return Err(self.failure(Topic::Session));
        };
        if session.user_id != user_id && self.profile.owners_checked {
            return Err(self.failure(Topic::Owner));
        }
        Ok(session)
    }
}
