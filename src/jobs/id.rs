//! The name of a job: all that is needed to find it again, in this process or the next.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer};

use crate::random;

/// 128 random bits, and whether the job runs as root. Written as 32 hex digits, with an `r` for root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JobId {
    bits: u128,
    as_root: bool,
}

/// The text names no job.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a job id; execute_kasm_command returns them, 32 hex digits")]
pub struct BadJobId(String);

impl JobId {
    /// An id that no other job has, of 128 random bits.
    #[must_use]
    pub fn random(as_root: bool) -> Self {
        Self {
            bits: u128::from_be_bytes(random::bytes()),
            as_root,
        }
    }

    /// Whether the job runs as root.
    #[must_use]
    pub fn as_root(self) -> bool {
        self.as_root
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:032x}{}",
            self.bits,
            if self.as_root { "r" } else { "" }
        )
    }
}

impl FromStr for JobId {
    type Err = BadJobId;

    fn from_str(text: &str) -> Result<Self, BadJobId> {
        // The text comes from a model. The error repeats a bounded part of it.
        let bad = || BadJobId(text.chars().take(64).collect());
        // The user is part of the id, so a process that did not start the job knows how to stop it.
        let (digits, as_root) = match text.strip_suffix('r') {
            Some(digits) => (digits, true),
            None => (text, false),
        };
        let bytes = HEXLOWER.decode(digits.as_bytes()).map_err(|_| bad())?;
        let bytes = bytes.try_into().map_err(|_| bad())?;
        Ok(Self {
            bits: u128::from_be_bytes(bytes),
            as_root,
        })
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for JobId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "JobId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string" })
    }
}
