//! Groups.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::id::Id;

/// One group.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) id: Id,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) priority: i64,
    pub(crate) is_system: bool,
    /// Members are administrators.
    pub(crate) is_admin: bool,
    pub(crate) images: BTreeSet<Id>,
}

impl Group {
    pub(crate) fn json(&self) -> Value {
        json!({
            "group_id": self.id.to_string(),
            "name": self.name,
            "description": self.description,
            "priority": self.priority,
            "is_system": self.is_system,
            "group_metadata": {},
        })
    }
}
