//! Users. Everything about one user is inside `target_user`.

use serde_json::{Value, json};

use crate::answer::{Outcome, Refusal, done, json_answer, object};
use crate::body::Body;
use crate::call::Call;
use crate::id::Id;
use crate::state::State;
use crate::state::session::Rest;
use crate::state::user::User;
use crate::wording::Topic;

/// Needed on top of the rest if the user is an administrator.
pub(super) const MODIFY_ADMIN: &str = "Users Modify Admin";

const TARGET: &str = "target_user";

pub(super) fn get_users(state: &mut State, _: &Call<'_>) -> Outcome {
    let users: Vec<Value> = state.users.iter().map(|u| state.user_json(u)).collect();
    json_answer(json!({"users": users}))
}

/// Finds a user by id or by name.
pub(super) fn get_user(state: &mut State, call: &Call<'_>) -> Outcome {
    let target = call.body.target(TARGET)?;
    let user = match (target.id("user_id"), target.text("username")) {
        (Some(id), _) => state.user(id),
        (None, Some(name)) => state.users.iter().find(|u| u.username == name),
        (None, None) => return Err(state.failure(Topic::Field)),
    };
    answer(state, user)
}

pub(super) fn create_user(state: &mut State, call: &Call<'_>) -> Outcome {
    let target = call.body.target(TARGET)?;
    let (Some(name), Some(password)) = (target.text("username"), target.text("password")) else {
        return Err(state.failure(Topic::Field));
    };
    admit_password(state, password)?;
    if state.users.iter().any(|u| u.username == name) {
        return Err(state.failure(Topic::Taken));
    }
    let (id, attributes_id) = (state.random.id(), state.random.id());
    let mut user = User::new(id, name.to_owned(), attributes_id, call.now);
    user.groups.extend(state.everyone());
    fill(&mut user, target)?;
    state.users.push(user);
    answer(state, state.user(id))
}

pub(super) fn update_user(state: &mut State, call: &Call<'_>) -> Outcome {
    let target = call.body.target(TARGET)?;
    let id = modifiable(state, call)?;
    if let Some(name) = target.text("username")
        && state.users.iter().any(|u| u.username == name && u.id != id)
    {
        return Err(state.failure(Topic::Taken));
    }
    let password = target.text("password");
    if let Some(password) = password {
        admit_password(state, password)?;
    }
    if let Some(user) = state.user_mut(id) {
        let mut changed = user.clone();
        fill(&mut changed, target)?;
        if let Some(name) = target.text("username") {
            name.clone_into(&mut changed.username);
        }
        if password.is_some() {
            changed.password_set = call.now;
        }
        *user = changed;
    }
    answer(state, state.user(id))
}

/// A user with sessions goes only by force, and takes them along.
pub(super) fn delete_user(state: &mut State, call: &Call<'_>) -> Outcome {
    let id = modifiable(state, call)?;
    let busy = state.sessions.iter().any(|s| s.user_id == id);
    if busy && !call.body.flag("force") {
        return Err(state.failure(Topic::UserBusy));
    }
    let transition = state.profile.transition_time;
    for session in state.sessions.iter_mut().filter(|s| s.user_id == id) {
        session.leave(Rest::Gone, call.now, transition);
    }
    state.users.retain(|u| u.id != id);
    state.tokens.void_user(id);
    done()
}

pub(super) fn get_attributes(state: &mut State, call: &Call<'_>) -> Outcome {
    let target = call.body.target(TARGET)?;
    let user = target.id("user_id").and_then(|id| state.user(id));
    let Some(user) = user else {
        return Err(state.failure(Topic::User));
    };
    let mut attributes = object(json!({
        "ssh_public_key": null,
        "show_tips": true,
        "theme": "Auto",
        "preferred_language": "en_US.UTF-8",
        "preferred_timezone": "Etc/UTC",
        "toggle_control_panel": false,
        "default_image": null,
        "auto_login_kasm": null,
        "chat_sfx": true,
    }));
    attributes.extend(user.attributes.clone());
    attributes.insert("user_id".into(), json!(user.id.to_string()));
    let attributes_id = user.attributes_id.to_string();
    attributes.insert("user_attributes_id".into(), json!(attributes_id));
    json_answer(json!({"user_attributes": attributes}))
}

pub(super) fn update_user_attributes(state: &mut State, call: &Call<'_>) -> Outcome {
    let target = call.body.target("target_user_attributes")?;
    let id = target.id("user_id");
    let Some(user) = id.and_then(|id| state.user(id)).cloned() else {
        return Err(state.failure(Topic::User));
    };
    admit_admin(state, call, &user)?;
    if let Some(user) = state.user_mut(user.id) {
        user.attributes.extend(target.0.clone());
    }
    done()
}

fn answer(state: &State, user: Option<&User>) -> Outcome {
    match user {
        Some(user) => json_answer(json!({"user": state.user_json(user)})),
        None => Err(state.failure(Topic::User)),
    }
}

/// The user the call is to change, if its key may.
fn modifiable(state: &State, call: &Call<'_>) -> Result<Id, Refusal> {
    let target = call.body.target(TARGET)?;
    let Some(user) = target.id("user_id").and_then(|id| state.user(id)) else {
        return Err(state.failure(Topic::User));
    };
    admit_admin(state, call, user)?;
    Ok(user.id)
}

fn admit_admin(state: &State, call: &Call<'_>, user: &User) -> Result<(), Refusal> {
    if state.is_admin(user) {
        state.require(call, MODIFY_ADMIN)?;
    }
    Ok(())
}

fn admit_password(state: &State, password: &str) -> Result<(), Refusal> {
    let kinds: [fn(char) -> bool; 4] = [
        |c| c.is_ascii_uppercase(),
        |c| c.is_ascii_lowercase(),
        |c| c.is_ascii_digit(),
        |c| c.is_ascii_punctuation(),
    ];
    let strong = password.chars().count() >= 8 && kinds.iter().all(|is| password.contains(*is));
    if state.profile.password_rule && !strong {
        return Err(state.failure(Topic::Value));
    }
    Ok(())
}

fn fill(user: &mut User, from: Body<'_>) -> Result<(), Refusal> {
    let texts = [
        (&mut user.first_name, "first_name"),
        (&mut user.last_name, "last_name"),
        (&mut user.phone, "phone"),
        (&mut user.organization, "organization"),
        (&mut user.notes, "notes"),
    ];
    for (place, field) in texts {
        if let Some(value) = from.get(field) {
            *place = Some(value.as_str().ok_or(Refusal::Crash)?.to_owned());
        }
    }
    let flags = [
        (&mut user.locked, "locked"),
        (&mut user.disabled, "disabled"),
    ];
    for (place, field) in flags {
        if let Some(value) = from.get(field) {
            *place = value.as_bool().ok_or(Refusal::Crash)?;
        }
    }
    Ok(())
}
