//! The JSON body of a call: where the ids are checked before any endpoint sees
//! them, and how an endpoint reads its fields.

use serde_json::{Map, Value};

use crate::answer::Refusal;
use crate::id::Id;

/// Fields that hold a UUID, or a list of them.
const ID_FIELDS: [&str; 9] = [
    "kasm_id",
    "user_id",
    "image_id",
    "group_id",
    "server_id",
    "zone_id",
    "egress_gateway_id",
    "target_kasm_id",
    "target_kasm_ids",
];

/// Fields whose inside belongs to the caller.
const OPAQUE_FIELDS: [&str; 3] = ["environment", "exec_config", "connection_info"];

/// An object of the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body<'a>(pub(crate) &'a Map<String, Value>);

impl<'a> Body<'a> {
    pub(crate) fn get(self, field: &str) -> Option<&'a Value> {
        self.0.get(field).filter(|v| !v.is_null())
    }

    /// A non-empty text.
    pub(crate) fn text(self, field: &str) -> Option<&'a str> {
        self.get(field)?.as_str().filter(|t| !t.is_empty())
    }

    pub(crate) fn flag(self, field: &str) -> bool {
        self.get(field).and_then(Value::as_bool).unwrap_or(false)
    }

    pub(crate) fn id(self, field: &str) -> Option<Id> {
        self.text(field).and_then(Id::parse)
    }

    /// An object that has to be there: without it the server falls over.
    pub(crate) fn target(self, field: &str) -> Result<Self, Refusal> {
        match self.get(field) {
            Some(Value::Object(map)) => Ok(Self(map)),
            _ => Err(Refusal::Crash),
        }
    }

    /// An object that may be missing, but may not be something else.
    pub(crate) fn object(self, field: &str) -> Result<Option<Self>, Refusal> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Self(map))),
            Some(_) => Err(Refusal::Crash),
        }
    }

    /// An object of texts.
    pub(crate) fn texts(self, field: &str) -> Result<Vec<(&'a str, &'a str)>, Refusal> {
        let Some(object) = self.object(field)? else {
            return Ok(Vec::new());
        };
        let pair = |(k, v): (&'a String, &'a Value)| v.as_str().map(|v| (k.as_str(), v));
        object
            .0
            .iter()
            .map(|entry| pair(entry).ok_or(Refusal::Crash))
            .collect()
    }
}

/// Whether every id in the body can be read as one. The database behind the
/// real server falls over where this says no.
pub(crate) fn ids_are_readable(map: &Map<String, Value>) -> bool {
    map.iter().all(|(field, value)| {
        if ID_FIELDS.contains(&field.as_str()) {
            is_id(value)
        } else {
            OPAQUE_FIELDS.contains(&field.as_str()) || nested(value)
        }
    })
}

fn nested(value: &Value) -> bool {
    match value {
        Value::Object(map) => ids_are_readable(map),
        Value::Array(items) => items.iter().all(nested),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

fn is_id(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty() || Id::parse(text).is_some(),
        Value::Array(items) => items.iter().all(is_id),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}
