//! The parts of a message that decide where it goes, read without the rest.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The member of `_meta` that names the revision of a request.
pub(super) const REVISION: &str = "io.modelcontextprotocol/protocolVersion";

#[derive(Deserialize)]
pub(super) struct Head<'a> {
    #[serde(borrow)]
    pub(super) jsonrpc: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) method: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "read_params")]
    pub(super) params: Params,
}

/// Borrowed where it has no escapes; `Option<Cow<str>>` alone would always be copied.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// The members of the params that decide the way. Params that are no object have none.
#[derive(Default)]
pub(super) struct Params {
    pub(super) name: Option<String>,
    pub(super) has_revision: bool,
}

fn read_params<'de, D: Deserializer<'de>>(params: D) -> Result<Params, D::Error> {
    params.deserialize_any(ParamsVisitor)
}

struct ParamsVisitor;

impl<'de> Visitor<'de> for ParamsVisitor {
    type Value = Params;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Params, A::Error> {
        let mut params = Params::default();
        while let Some(Text(key)) = object.next_key()? {
            match &*key {
                "name" => {
                    // Raw, so that a name of another type does not fail the message. The method reports it
                    // with the id.
                    let name: &RawValue = object.next_value()?;
                    params.name = serde_json::from_str(name.get()).ok();
                }
                "_meta" => params.has_revision = names_revision(object.next_value()?),
                _ => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        Ok(params)
    }

    // Params of another type must not fail here: the error of the method carries the id of the request.
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Params, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Params::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Params, E> {
        Ok(Params::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Params, E> {
        Ok(Params::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Params, E> {
        Ok(Params::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Params, E> {
        Ok(Params::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Params, E> {
        Ok(Params::default())
    }

    fn visit_unit<E>(self) -> Result<Params, E> {
        Ok(Params::default())
    }
}

/// Whether `_meta` names a revision. The values of the other members stay text.
fn names_revision(meta: &RawValue) -> bool {
    let members = serde_json::from_str::<HashMap<Cow<'_, str>, &RawValue>>(meta.get());
    let revision = members
        .ok()
        .and_then(|members| members.get(REVISION).copied());
    revision.is_some_and(|revision| revision.get() != "null")
}
