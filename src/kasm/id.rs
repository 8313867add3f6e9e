//! Kasm's identifiers. Kasm writes the same UUID as 32 hex digits and dashed, even within one
//! answer, so they are compared as numbers and written in one form.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::{Builder, Uuid};

use crate::random;

/// A UUID that names a `T`. Prints as 32 lower-case hex digits, accepts dashes and upper case.
pub struct Id<T> {
    uuid: Uuid,
    // A function type, so that an id is `Send` and `Sync` whatever it marks.
    kind: PhantomData<fn() -> T>,
}

/// Marks the id of a session.
#[derive(Debug)]
pub enum SessionKind {}
/// Marks the id of a user.
#[derive(Debug)]
pub enum UserKind {}
/// Marks the id of a workspace image.
#[derive(Debug)]
pub enum ImageKind {}

/// A session (`kasm_id`).
pub type KasmId = Id<SessionKind>;
/// A Kasm user (`user_id`).
pub type UserId = Id<UserKind>;
/// A workspace image (`image_id`).
pub type ImageId = Id<ImageKind>;

/// The text is not a UUID.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not an id: expected 32 hex digits, with or without dashes")]
pub struct NotAnId(String);

impl<T> Id<T> {
    /// An id that does not exist.
    #[must_use]
    pub fn random() -> Self {
        Self {
            uuid: Builder::from_random_bytes(random::bytes()).into_uuid(),
            kind: PhantomData,
        }
    }

    /// The id in the form that Kasm puts into paths: `8-4-4-4-12` hex digits.
    #[must_use]
    pub fn dashed(&self) -> String {
        self.uuid.hyphenated().to_string()
    }
}

impl<T> FromStr for Id<T> {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let bare = text.trim();
        // The parser also takes `{…}` and `urn:uuid:…`, which Kasm never writes.
        let is_plain = bare.starts_with(|first: char| first.is_ascii_hexdigit());
        let uuid = Uuid::try_parse(bare).ok().filter(|_| is_plain);
        let uuid = uuid.ok_or_else(|| NotAnId(text.chars().take(64).collect()))?;
        Ok(Self {
            uuid,
            kind: PhantomData,
        })
    }
}

impl<T> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.uuid.as_simple(), f)
    }
}

impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// Written out, because a derived trait would be demanded of the mark as well.
impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Id<T> {}

impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }
}

impl<T> Eq for Id<T> {}

impl<T> std::hash::Hash for Id<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.uuid.hash(state);
    }
}

impl<T> Serialize for Id<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, T> Deserialize<'de> for Id<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl<T> schemars::JsonSchema for Id<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Id".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kasm_id_in_hex_and_dashed_form_is_equal() {
        let hex: KasmId = "b057c3754cb6499cb8d3afeadd6bf0fc".parse().unwrap();
        let dashed: KasmId = "B057C375-4CB6-499C-B8D3-AFEADD6BF0FC".parse().unwrap();
        assert_eq!(hex, dashed);
        assert_eq!(dashed.to_string(), "b057c3754cb6499cb8d3afeadd6bf0fc");
        assert_eq!(hex.dashed(), "b057c375-4cb6-499c-b8d3-afeadd6bf0fc");
    }

    #[test]
    fn kasm_id_in_any_other_form_is_refused() {
        for text in [
            "",
            "abc",
            "+057c3754cb6499cb8d3afeadd6bf0fc",
            "../../etc/passwd",
            "{b057c375-4cb6-499c-b8d3-afeadd6bf0fc}",
            "urn:uuid:b057c375-4cb6-499c-b8d3-afeadd6bf0fc",
            "b057c3754cb6499cb8d3afeadd6bf0fc0",
            "b057c3754cb6499cb8d3afeadd6bf0f",
            "b057c375-4cb6-499c-b8d3-afeadd6bf0fg",
        ] {
            assert!(text.parse::<KasmId>().is_err(), "{text}");
        }
    }
}
