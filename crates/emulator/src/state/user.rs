//! Users.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::State;
use crate::date;
use crate::id::Id;

/// One user.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) id: Id,
    pub(crate) username: String,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) organization: Option<String>,
    pub(crate) notes: Option<String>,
    pub(crate) locked: bool,
    pub(crate) disabled: bool,
    pub(crate) anonymous: bool,
    pub(crate) created: Timestamp,
    pub(crate) password_set: Timestamp,
    pub(crate) last_session: Option<Timestamp>,
    pub(crate) groups: BTreeSet<Id>,
    /// What `get_attributes` shows beside the ids.
    pub(crate) attributes: Map<String, Value>,
    pub(crate) attributes_id: Id,
}

impl User {
    pub(crate) fn new(id: Id, username: String, attributes_id: Id, now: Timestamp) -> Self {
        Self {
            id,
            username,
            first_name: None,
            last_name: None,
            phone: None,
            organization: None,
            notes: None,
            locked: false,
            disabled: false,
            anonymous: false,
            created: now,
            password_set: now,
            last_session: None,
            groups: BTreeSet::new(),
            attributes: Map::new(),
            attributes_id,
        }
    }
}

impl State {
    pub(crate) fn is_admin(&self, user: &User) -> bool {
        self.groups
            .iter()
            .any(|g| g.is_admin && user.groups.contains(&g.id))
    }

    /// A user as every user endpoint shows one.
    pub(crate) fn user_json(&self, user: &User) -> Value {
        let groups = self.groups.iter().filter(|g| user.groups.contains(&g.id));
        let groups: Vec<Value> = groups
            .map(|g| json!({"group_id": g.id.to_string(), "name": g.name}))
            .collect();
        let kasms = self.sessions.iter().filter(|s| s.user_id == user.id);
        let kasms: Vec<Value> = kasms
            .map(|s| json!({"kasm_id": s.id.to_string()}))
            .collect();
        json!({
            "user_id": user.id.to_string(),
            "username": user.username,
            "realm": if user.anonymous { "anonymous" } else { "local" },
            "first_name": user.first_name,
            "last_name": user.last_name,
            "phone": user.phone,
            "organization": user.organization,
            "notes": user.notes,
            "locked": user.locked,
            "disabled": user.disabled,
            "two_factor": false,
            "program_id": null,
            "created": date::plain(user.created),
            "last_session": date::or_none_text(user.last_session),
            "password_set_date": date::plain(user.password_set),
            "groups": groups,
            "kasms": kasms,
            "assigned_servers": [],
        })
    }

    /// A new user for a session nobody is named for.
    pub(crate) fn add_anonymous(&mut self, now: Timestamp) -> Id {
        let id = self.random.id();
        let name = format!("anon_{}", self.random.hex(1));
        let mut user = User::new(id, name, self.random.id(), now);
        user.anonymous = true;
        user.groups.extend(self.everyone());
        self.users.push(user);
        id
    }

    /// The group every user is in.
    pub(crate) fn everyone(&self) -> Option<Id> {
        let group = self.groups.iter().find(|g| g.is_system && !g.is_admin);
        group.map(|g| g.id)
    }
}
