//! The key of a JSON record: one of its fields. The other fields are skipped, not decoded.

use super::super::exit::UserError;
use super::super::figures::counted;
use crate::diagnostics::one_of;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// The error for a key column that no record has.
pub(super) fn unknown_column<'a>(name: &str, columns: impl Iterator<Item = &'a str> + Clone) -> UserError {
    UserError::new(format!("there is no column `{name}` to take the key from")).maybe_hint(one_of(name, columns))
}

/// The warning about records without a key.
pub(super) fn without_key_warning(count: u64, name: &str) -> String {
    format!("{} without `{name}` written without a key", counted(count, "record"))
}

/// The value of a field of a JSON object as a key: a string as plain text, other values as JSON.
pub(super) fn from_json(row: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut json = serde_json::Deserializer::from_slice(row);
    let value = FieldValue(name).deserialize(&mut json).ok()??;
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.into_bytes()),
        other => Some(other.to_string().into_bytes()),
    }
}

/// Reads one field of an object and skips the others.
struct FieldValue<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for FieldValue<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FieldValue<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(matches) = map.next_key_seed(FieldName(self.0))? {
            if matches {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Compares the name of a field without copying it.
struct FieldName<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for FieldName<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<bool, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldName<'_> {
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
    use super::from_json;

    #[test]
    fn a_key_is_plain_text_or_json() {
        let key = |row: &str| from_json(row.as_bytes(), "k").map(|k| String::from_utf8_lossy(&k).into_owned());
        assert_eq!(key(r#"{"a":{"k":1},"k":"x\"y"}"#).as_deref(), Some("x\"y"));
        assert_eq!(key(r#"{"k":7}"#).as_deref(), Some("7"));
        assert_eq!(key(r#"{"\u006b":[1,true]}"#).as_deref(), Some("[1,true]"));
        assert_eq!(key(r#"{"k":null}"#), None);
        assert_eq!(key("not json"), None);
    }
}
