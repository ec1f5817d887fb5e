//! The fields of an object as their texts, without columns.

use super::cursor::JsonCursor;
use super::read::check_utf8;
use std::borrow::Cow;

/// The value of a field of a JSON object: a string without quotes and escapes, any other value as it is written.
/// `None` if the record is no object, or the field is missing or null. Duplicate fields: the last value wins.
#[must_use]
pub fn json_field_text<'a>(record: &'a [u8], name: &str) -> Option<Cow<'a, [u8]>> {
    check_utf8(record).ok()?;
    let mut cursor = JsonCursor::new(record, false);
    if cursor.peek_token() != b'{' {
        return None;
    }
    let mut found = None;
    let read = cursor.for_each_item(b'}', |c| {
        if *c.name()? != *name.as_bytes() {
            return c.skip_value(1);
        }
        let first = c.peek_token();
        let start = c.at;
        if first == b'"' {
            let text = c.string()?;
            let mut owned = Vec::new();
            text.append_to(&mut owned)?;
            found = Some(Cow::Owned(owned));
            return Ok(());
        }
        c.skip_value(1)?;
        found = (first != b'n').then(|| Cow::Borrowed(&record[start..c.at]));
        Ok(())
    });
    read.ok().and(found)
}

/// A field of a JSON object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonField {
    /// Its name.
    pub name: String,
    /// A string without quotes and escapes, any other value as it is written; `None` where it is null.
    pub text: Option<String>,
    /// Whether it is a string.
    pub is_string: bool,
}

/// The fields of a JSON object in their order; `None` if the record is no object.
#[must_use]
pub fn json_fields(record: &[u8]) -> Option<Vec<JsonField>> {
    check_utf8(record).ok()?;
    let mut cursor = JsonCursor::new(record, false);
    if cursor.peek_token() != b'{' {
        return None;
    }
    let mut fields = Vec::new();
    let owned = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let read = cursor.for_each_item(b'}', |c| {
        let name = owned(&c.name()?);
        let first = c.peek_token();
        let (start, is_string) = (c.at, first == b'"');
        let text = match is_string {
            true => {
                let mut text = Vec::new();
                c.string()?.append_to(&mut text)?;
                Some(owned(&text))
            }
            false => {
                c.skip_value(1)?;
                (first != b'n').then(|| owned(&record[start..c.at]))
            }
        };
        fields.push(JsonField { name, text, is_string });
        Ok(())
    });
    let is_whole = read.is_ok() && cursor.peek_token() == 0 && cursor.at >= record.len();
    is_whole.then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_fields_keep_their_texts_and_their_order() {
        let fields = json_fields(br#" {"b": 0.10, "a":"x\"y", "c":{"d":[1]},"n":null } "#).unwrap_or_default();
        let shown: Vec<_> = fields.iter().map(|f| (f.name.as_str(), f.text.as_deref(), f.is_string)).collect();
        let nested = ("c", Some(r#"{"d":[1]}"#), false);
        assert_eq!(shown, [("b", Some("0.10"), false), ("a", Some("x\"y"), true), nested, ("n", None, false)]);
        for none in ["[1]", "{\"a\":1", "{\"a\":1} x", "", "\u{1}"] {
            assert_eq!(json_fields(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn a_value_keeps_its_text() {
        let text = |row: &str| json_field_text(row.as_bytes(), "k").map(|k| String::from_utf8_lossy(&k).into_owned());
        assert_eq!(text(r#"{"a":{"k":1},"k":"x\"y"}"#).as_deref(), Some("x\"y"));
        for number in ["7", "12345678901234567890123", "0.10", "-1.50e3", "1E400"] {
            assert_eq!(text(&format!("{{\"k\" : {number} ,\"b\":1}}")).as_deref(), Some(number));
        }
        assert_eq!(text(r#"{"\u006b":[1,true]}"#).as_deref(), Some("[1,true]"));
        assert_eq!(text(r#"{"k":1,"k":2}"#).as_deref(), Some("2"));
        for none in [r#"{"k":1,"k":null}"#, r#"{"j":1}"#, "not json", "[1]", r#"{"k":1"#, ""] {
            assert_eq!(text(none), None, "{none}");
        }
    }
}
