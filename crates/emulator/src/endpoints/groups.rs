//! Groups, and who and what is in them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::answer::{Outcome, Refusal, done, json_answer};
use crate::body::Body;
use crate::call::Call;
use crate::id::Id;
use crate::state::State;
use crate::state::group::Group;
use crate::state::image::Image;
use crate::wording::Topic;

/// Needed on top of the rest for the groups that came with the server.
pub(super) const MODIFY_SYSTEM: &str = "Groups Modify System";

const TARGET: &str = "target_group";

pub(super) fn get_groups(state: &mut State, _: &Call<'_>) -> Outcome {
    let groups: Vec<Value> = state.groups.iter().map(Group::json).collect();
    json_answer(json!({"groups": groups}))
}

pub(super) fn create_group(state: &mut State, call: &Call<'_>) -> Outcome {
    let target = call.body.target(TARGET)?;
    let Some(name) = target.text("name") else {
        return Err(state.failure(Topic::Field));
    };
    if state.groups.iter().any(|g| g.name == name) {
        return Err(state.failure(Topic::Taken));
    }
    let mut group = Group {
        id: state.random.id(),
        name: String::new(),
        description: String::new(),
        priority: 100,
        is_system: false,
        is_admin: false,
        images: BTreeSet::new(),
    };
    fill(&mut group, target);
    let answer = json!({"group": group.json()});
    state.groups.push(group);
    json_answer(answer)
}

pub(super) fn update_group(state: &mut State, call: &Call<'_>) -> Outcome {
    let id = changeable(state, call)?;
    let target = call.body.target(TARGET)?;
    let Some(group) = state.group_mut(id) else {
        return Err(state.failure(Topic::Group));
    };
    fill(group, target);
    json_answer(json!({"group": group.json()}))
}

/// A group with members goes only by force; one that came with the server
/// stays.
pub(super) fn delete_group(state: &mut State, call: &Call<'_>) -> Outcome {
    let id = known(state, call)?;
    let system = state.groups.iter().any(|g| g.id == id && g.is_system);
    let used = state.users.iter().any(|u| u.groups.contains(&id));
    if system || used && !call.body.flag("force") {
        return Err(state.failure(Topic::State));
    }
    for user in &mut state.users {
        user.groups.remove(&id);
    }
    state.groups.retain(|g| g.id != id);
    done()
}

pub(super) fn get_users_group(state: &mut State, call: &Call<'_>) -> Outcome {
    let id = known(state, call)?;
    let members = state.users.iter().filter(|u| u.groups.contains(&id));
    let members: Vec<Value> = members.map(|u| state.user_json(u)).collect();
    json_answer(json!({"users": members}))
}

pub(super) fn add_user_group(state: &mut State, call: &Call<'_>) -> Outcome {
    let (user_id, group_id) = membership(state, call)?;
    if let Some(user) = state.user_mut(user_id) {
        user.groups.insert(group_id);
    }
    done()
}

pub(super) fn remove_user_group(state: &mut State, call: &Call<'_>) -> Outcome {
    let (user_id, group_id) = membership(state, call)?;
    if let Some(user) = state.user_mut(user_id) {
        user.groups.remove(&group_id);
    }
    done()
}

pub(super) fn get_images_group(state: &mut State, call: &Call<'_>) -> Outcome {
    let id = known(state, call)?;
    let group = state.groups.iter().find(|g| g.id == id);
    let inside = |image: &&Image| group.is_some_and(|g| g.images.contains(&image.id));
    let images = state.images.iter().filter(inside);
    let images: Vec<Value> = images.map(Image::brief_json).collect();
    json_answer(json!({"images": images}))
}

pub(super) fn add_images_group(state: &mut State, call: &Call<'_>) -> Outcome {
    let (group_id, image_id) = assignment(state, call)?;
    if let Some(group) = state.group_mut(group_id) {
        group.images.insert(image_id);
    }
    done()
}

pub(super) fn remove_images_group(state: &mut State, call: &Call<'_>) -> Outcome {
    let (group_id, image_id) = assignment(state, call)?;
    if let Some(group) = state.group_mut(group_id) {
        group.images.remove(&image_id);
    }
    done()
}

fn known(state: &State, call: &Call<'_>) -> Result<Id, Refusal> {
    let id = call.body.target(TARGET)?.id("group_id");
    id.filter(|id| state.groups.iter().any(|g| g.id == *id))
        .ok_or_else(|| state.failure(Topic::Group))
}

/// The group, if the key may change one of its kind.
fn changeable(state: &State, call: &Call<'_>) -> Result<Id, Refusal> {
    let id = known(state, call)?;
    if state.groups.iter().any(|g| g.id == id && g.is_system) {
        state.require(call, MODIFY_SYSTEM)?;
    }
    Ok(id)
}

fn membership(state: &State, call: &Call<'_>) -> Result<(Id, Id), Refusal> {
    let user_id = call.body.target("target_user")?.id("user_id");
    let group_id = changeable(state, call)?;
    match user_id.filter(|id| state.user(*id).is_some()) {
        Some(user_id) => Ok((user_id, group_id)),
        None => Err(state.failure(Topic::User)),
    }
}

fn assignment(state: &State, call: &Call<'_>) -> Result<(Id, Id), Refusal> {
    let image_id = call.body.target("target_image")?.id("image_id");
    let group_id = changeable(state, call)?;
    match image_id.filter(|id| state.image(*id).is_some()) {
        Some(image_id) => Ok((group_id, image_id)),
        None => Err(state.failure(Topic::Image)),
    }
}

fn fill(group: &mut Group, from: Body<'_>) {
    if let Some(name) = from.text("name") {
        name.clone_into(&mut group.name);
    }
    if let Some(description) = from.text("description") {
        description.clone_into(&mut group.description);
    }
    if let Some(priority) = from.get("priority").and_then(Value::as_i64) {
        group.priority = priority;
    }
}
