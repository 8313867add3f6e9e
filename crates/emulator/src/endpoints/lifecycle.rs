//! Ending, pausing and keeping sessions. Each answers at once; the session
//! follows in its own time.

use serde_json::json;

use crate::answer::{Outcome, Refusal, done, json_answer};
use crate::call::Call;
use crate::id::Id;
use crate::state::State;
use crate::state::session::{Phase, Rest};
use crate::wording::Topic;

/// Ends a session for good. Asking again while it goes is no mistake.
pub(super) fn destroy_kasm(state: &mut State, call: &Call<'_>) -> Outcome {
    let session = state.owned(call)?;
    let going = matches!(session.phase, Phase::Leaving { to: Rest::Gone, .. });
    let id = session.id;
    if !going {
        state.send(id, Rest::Gone, call);
    }
    done()
}

pub(super) fn stop_kasm(state: &mut State, call: &Call<'_>) -> Outcome {
    let id = running_container(state, call, state.profile.stop_allowed)?;
    state.send(id, Rest::Stopped, call);
    done()
}

pub(super) fn pause_kasm(state: &mut State, call: &Call<'_>) -> Outcome {
    let id = running_container(state, call, state.profile.pause_allowed)?;
    state.send(id, Rest::Paused, call);
    done()
}

pub(super) fn resume_kasm(state: &mut State, call: &Call<'_>) -> Outcome {
    let session = state.owned(call)?;
    if !matches!(session.phase, Phase::Paused | Phase::Stopped) {
        return Err(state.failure(Topic::State));
    }
    let id = session.id;
    let State {
        profile, sessions, ..
    } = state;
    if let Some(session) = sessions.iter_mut().find(|s| s.id == id) {
        session.start(call.now, profile);
    }
    done()
}

/// Moves the expiry. It asks for no user.
pub(super) fn keepalive(state: &mut State, call: &Call<'_>) -> Outcome {
    let Some(kasm_id) = call.body.id("kasm_id") else {
        return Err(state.failure(Topic::Field));
    };
    let State {
        profile, sessions, ..
    } = state;
    let Some(session) = sessions.iter_mut().find(|s| s.id == kasm_id) else {
        return Err(state.failure(Topic::Session));
    };
    session.keep_alive(call.now, profile);
    json_answer(json!({"usage_reached": profile.usage_reached}))
}

fn running_container(state: &State, call: &Call<'_>, allowed: bool) -> Result<Id, Refusal> {
    let session = state.owned(call)?;
    if !state.is_container(session) {
        return Err(state.failure(Topic::Kind));
    }
    if !allowed {
        return Err(state.failure(Topic::GroupPolicy));
    }
    if !session.is_running() {
        return Err(state.failure(Topic::State));
    }
    Ok(session.id)
}

impl State {
    fn send(&mut self, id: Id, to: Rest, call: &Call<'_>) {
        let transition = self.profile.transition_time;
        if let Some(session) = self.session_mut(id) {
            session.leave(to, call.now, transition);
        }
        self.settle(call.now);
    }
}
