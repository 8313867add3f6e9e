//! Logins of a user: tokens, links, and the end of all of them.

use serde_json::{Value, json};

use crate::answer::{Outcome, Refusal, done, json_answer};
use crate::call::Call;
use crate::date;
use crate::id::Id;
use crate::state::State;
use crate::state::token::{Origin, Token};
use crate::wording::Topic;

pub(super) fn logout_user(state: &mut State, call: &Call<'_>) -> Outcome {
    let user_id = target_user(state, call)?;
    state.tokens.void_user(user_id);
    done()
}

/// A link that logs a browser in.
pub(super) fn get_login(state: &mut State, call: &Call<'_>) -> Outcome {
    let user_id = target_user(state, call)?;
    let token = state.new_token(user_id, Origin::Link, call.now);
    let link = State::connect_url("login", "dash", user_id, &token.jwt);
    state.tokens.add(token);
    json_answer(json!({"url": format!("{}{link}", state.url)}))
}

pub(super) fn create_session_token(state: &mut State, call: &Call<'_>) -> Outcome {
    let user_id = target_user(state, call)?;
    let token = state.new_token(user_id, Origin::Login, call.now);
    let body = token.json();
    state.tokens.add(token);
    json_answer(json!({"session_token": body}))
}

pub(super) fn get_session_token(state: &mut State, call: &Call<'_>) -> Outcome {
    let name = target_token(state, call)?;
    let Some(token) = state.tokens.login_mut(name) else {
        return Err(state.failure(Topic::Token));
    };
    json_answer(json!({"session_token": token.json()}))
}

/// Moves the expiry.
pub(super) fn update_session_token(state: &mut State, call: &Call<'_>) -> Outcome {
    let name = target_token(state, call)?;
    let expires = date::after(call.now, state.profile.token_lifetime);
    let Some(token) = state.tokens.login_mut(name) else {
        return Err(state.failure(Topic::Token));
    };
    token.expires = expires;
    json_answer(json!({"session_token": token.json()}))
}

pub(super) fn get_session_tokens(state: &mut State, call: &Call<'_>) -> Outcome {
    let user_id = target_user(state, call)?;
    let tokens: Vec<Value> = state.tokens.logins(user_id).map(Token::json).collect();
    json_answer(json!({"session_tokens": tokens}))
}

pub(super) fn delete_session_token(state: &mut State, call: &Call<'_>) -> Outcome {
    let name = target_token(state, call)?;
    if !state.tokens.remove_login(name) {
        return Err(state.failure(Topic::Token));
    }
    done()
}

pub(super) fn delete_session_tokens(state: &mut State, call: &Call<'_>) -> Outcome {
    let user_id = target_user(state, call)?;
    state.tokens.void_user(user_id);
    done()
}

fn target_user(state: &State, call: &Call<'_>) -> Result<Id, Refusal> {
    let user_id = call.body.target("target_user")?.id("user_id");
    user_id
        .filter(|id| state.user(*id).is_some())
        .ok_or_else(|| state.failure(Topic::User))
}

fn target_token<'a>(state: &State, call: &Call<'a>) -> Result<&'a str, Refusal> {
    let target = call.body.target("target_session_token")?;
    target
        .text("session_token")
        .ok_or_else(|| state.failure(Topic::Field))
}
