//! The key of a JSON record: one of its fields.
//!
//! Separate because files and generators share it. The rest of the record is passed over, not decoded.

use super::super::exit::WrongInput;
use super::super::output::counted;
use crate::diagnostics::one_of;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// A key column that no record has.
pub(super) fn missing<'a>(name: &str, columns: impl Iterator<Item = &'a str> + Clone) -> WrongInput {
    WrongInput::new(format!("there is no column `{name}` to take the key from")).maybe_hint(one_of(name, columns))
}

/// What the person should know where some records had no key.
pub(super) fn remark(keyless: u64, name: &str) -> String {
    format!("{} without `{name}` went in without a key", counted(keyless, "record"))
}

/// The value of one field of a JSON object as a key: a string as it is, all else as JSON.
pub(super) fn of(row: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut json = serde_json::Deserializer::from_slice(row);
    let value = Field(name).deserialize(&mut json).ok()??;
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.into_bytes()),
        other => Some(other.to_string().into_bytes()),
    }
}

/// Reads one field of an object and passes over the others.
struct Field<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Field<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Field<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is_it) = map.next_key_seed(Is(self.0))? {
            if is_it {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Compares a field's name without copying it.
struct Is<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<bool, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn a_key_is_text_as_it_is_or_json() {
        let key = |row: &str| of(row.as_bytes(), "k").map(|k| String::from_utf8_lossy(&k).into_owned());
        assert_eq!(key(r#"{"a":{"k":1},"k":"x\"y"}"#).as_deref(), Some("x\"y"));
        assert_eq!(key(r#"{"k":7}"#).as_deref(), Some("7"));
        assert_eq!(key(r#"{"\u006b":[1,true]}"#).as_deref(), Some("[1,true]"));
        assert_eq!(key(r#"{"k":null}"#), None);
        assert_eq!(key("not json"), None);
    }
}
