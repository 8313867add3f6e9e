//! Lenient parsing of Kasm's JSON: any field may be missing, have a similar type, or be the string `"None"`.
//! Parsing never fails; an invalid value counts as absent.

use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::de::value::MapAccessDeserializer;
use serde::de::{
    Deserialize, DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Number, Value};

use super::id::Id;

/// Types that can be parsed from the values that Kasm writes. Anything else counts as absent.
pub(super) trait FromLooseJson: Sized {
    /// Reads a text.
    fn from_text(_: &str) -> Option<Self> {
        None
    }

    /// Reads a number.
    fn from_number(_: &Number) -> Option<Self> {
        None
    }

    /// Reads a truth value.
    fn from_boolean(_: bool) -> Option<Self> {
        None
    }

    /// Reads an object, all of it.
    fn from_object<'de, A: MapAccess<'de>>(mut object: A) -> Result<Option<Self>, A::Error> {
        // serde_json fails if a visitor leaves an object before its end.
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    /// Reads a list, all of it.
    fn from_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

/// A text with content: not empty, not `"None"`.
impl FromLooseJson for String {
    fn from_text(text: &str) -> Option<Self> {
        (!text.is_empty() && text != "None").then(|| text.to_owned())
    }

    fn from_number(number: &Number) -> Option<Self> {
        Some(number.to_string())
    }
}

impl FromLooseJson for f64 {
    fn from_text(text: &str) -> Option<Self> {
        text.trim().parse().ok()
    }

    fn from_number(number: &Number) -> Option<Self> {
        number.as_f64()
    }
}

impl FromLooseJson for u64 {
    fn from_text(text: &str) -> Option<Self> {
        // Kasm writes some whole numbers as floats. The cast saturates and cuts fractions.
        f64::from_text(text)
            .filter(|n| *n >= 0.0)
            .map(|n| n as Self)
    }

    fn from_number(number: &Number) -> Option<Self> {
        number.as_f64().filter(|n| *n >= 0.0).map(|n| n as Self)
    }
}

impl FromLooseJson for bool {
    fn from_text(text: &str) -> Option<Self> {
        text.to_ascii_lowercase().parse().ok()
    }

    fn from_number(number: &Number) -> Option<Self> {
        number.as_f64().map(|n| n != 0.0)
    }

    fn from_boolean(boolean: bool) -> Option<Self> {
        Some(boolean)
    }
}

impl<T> FromLooseJson for Id<T> {
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// A point in time. Kasm writes UTC without a zone, with a space; some answers are ISO with `Z`.
impl FromLooseJson for Timestamp {
    fn from_text(text: &str) -> Option<Self> {
        if text.ends_with('Z') || text.contains('+') {
            return text.parse().ok();
        }
        // The parser takes a space for the `T` of ISO 8601.
        let local: DateTime = text.parse().ok()?;
        TimeZone::UTC.to_timestamp(local).ok()
    }
}

impl<T: FromLooseJson> FromLooseJson for Box<T> {
    fn from_object<'de, A: MapAccess<'de>>(object: A) -> Result<Option<Self>, A::Error> {
        T::from_object(object).map(|read| read.map(Self::new))
    }
}

/// The elements that can be read.
impl<T: FromLooseJson> FromLooseJson for Vec<T> {
    fn from_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        let mut all = Self::new();
        while let Some(Lenient(element)) = list.next_element()? {
            all.extend(element);
        }
        Ok(Some(all))
    }
}

/// For [`FromLooseJson::from_object`] of a type with named fields.
pub(super) fn read_object<'de, T, A>(object: A) -> Result<Option<T>, A::Error>
where
    T: Deserialize<'de>,
    A: MapAccess<'de>,
{
    T::deserialize(MapAccessDeserializer::new(object)).map(Some)
}

/// A field of an answer that is read while it is parsed, by the rules of `T`.
#[derive(Debug)]
pub(super) struct Lenient<T>(pub(super) Option<T>);

impl<T> Default for Lenient<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: FromLooseJson> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(LooseVisitor(PhantomData))
            .map(Self)
    }
}

/// A part of an answer that has fields of its own. Anything but an object has none of them.
#[derive(Debug, Default)]
pub(super) struct ObjectMember<T>(pub(super) T);

impl<'de, T: Default + DeserializeOwned> Deserialize<'de> for ObjectMember<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Through `Lenient`, so that null or a text in the place of the object leaves its fields absent.
        let Lenient(object) = Lenient::<ObjectMembers<T>>::deserialize(deserializer)?;
        Ok(Self(object.map(|object| object.0).unwrap_or_default()))
    }
}

struct ObjectMembers<T>(T);

impl<T: DeserializeOwned> FromLooseJson for ObjectMembers<T> {
    fn from_object<'de, A: MapAccess<'de>>(object: A) -> Result<Option<Self>, A::Error> {
        read_object(object).map(|read| read.map(Self))
    }
}

struct LooseVisitor<T>(PhantomData<T>);

impl<'de, T: FromLooseJson> Visitor<'de> for LooseVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(T::from_text(text))
    }

    fn visit_bool<E>(self, boolean: bool) -> Result<Self::Value, E> {
        Ok(T::from_boolean(boolean))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(T::from_number(&number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(T::from_number(&number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Number::from_f64(number).and_then(|number| T::from_number(&number)))
    }

    // null.
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        T::from_object(object)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        T::from_list(list)
    }
}

fn scalar_member<T: FromLooseJson>(value: &Value, key: &str) -> Option<T> {
    match value.get(key)? {
        Value::String(text) => T::from_text(text),
        Value::Number(number) => T::from_number(number),
        Value::Bool(boolean) => T::from_boolean(*boolean),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

pub(super) fn text_member(value: &Value, key: &str) -> Option<String> {
    scalar_member(value, key)
}

pub(super) fn number_member(value: &Value, key: &str) -> Option<f64> {
    scalar_member(value, key)
}

pub(super) fn integer_member(value: &Value, key: &str) -> Option<u64> {
    scalar_member(value, key)
}

pub(super) fn boolean_member(value: &Value, key: &str) -> Option<bool> {
    scalar_member(value, key)
}

pub(super) fn id_member<T>(value: &Value, key: &str) -> Option<Id<T>> {
    scalar_member(value, key)
}

pub(super) fn date_member(value: &Value, key: &str) -> Option<Timestamp> {
    scalar_member(value, key)
}

pub(super) fn list_member<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn kasm_date_is_read_in_every_known_form() {
        let v = json!({
            "plain": "2026-09-10 12:52:49.000000", "iso": "2026-09-10T12:52:49Z",
            "none": "None", "null": null, "odd": "soon", "short": "2026-09-10 12:52:49",
        });
        let expected: Timestamp = "2026-09-10T12:52:49Z".parse().unwrap();
        for key in ["plain", "iso", "short"] {
            assert_eq!(date_member(&v, key), Some(expected), "{key}");
        }
        for key in ["none", "null", "odd", "absent"] {
            assert_eq!(date_member(&v, key), None, "{key}");
        }
    }

    #[test]
    fn kasm_values_of_neighbouring_types_are_read() {
        let v = json!({"s": "2.5", "b": "True", "n": 3, "neg": -1});
        assert_eq!(number_member(&v, "s"), Some(2.5));
        assert_eq!(boolean_member(&v, "b"), Some(true));
        assert_eq!(integer_member(&v, "n"), Some(3));
        assert_eq!(integer_member(&v, "neg"), None);
        assert_eq!(text_member(&v, "n").as_deref(), Some("3"));
    }

    #[derive(Debug, Default, serde::Deserialize)]
    #[serde(default)]
    struct Answer {
        name: Lenient<String>,
        cores: Lenient<f64>,
        memory: Lenient<u64>,
        shared: Lenient<bool>,
        inner: Lenient<Box<Self>>,
        list: Lenient<Vec<Self>>,
    }

    impl FromLooseJson for Answer {
        fn from_object<'de, A: MapAccess<'de>>(object: A) -> Result<Option<Self>, A::Error> {
            read_object(object)
        }
    }

    #[test]
    fn kasm_fields_are_read_as_values_are() {
        let odd = json!({
            "name": 2.0, "cores": "2.5", "memory": -1, "shared": "True", "unknown": [{"a": [1]}],
            "inner": {"name": "None", "cores": {"a": 1}, "shared": 0, "inner": 3, "list": {}},
            "list": [1, {"memory": 7}, null, [], {"memory": "8"}, "x"],
        });
        let read: Answer = serde_json::from_value(odd.clone()).unwrap();
        assert_eq!(read.name.0, text_member(&odd, "name"));
        assert_eq!(read.cores.0, Some(2.5));
        assert_eq!(read.memory.0, None);
        assert_eq!(read.shared.0, Some(true));
        let inner = read.inner.0.unwrap();
        assert_eq!((inner.name.0, inner.cores.0), (None, None));
        assert_eq!(inner.shared.0, Some(false));
        assert!(inner.inner.0.is_none() && inner.list.0.is_none());
        let list = read.list.0.unwrap();
        let memory: Vec<_> = list.iter().map(|answer| answer.memory.0).collect();
        assert_eq!(memory, [Some(7), Some(8)]);
    }
}
