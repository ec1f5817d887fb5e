//! One field of an object as its text, without reading the others.

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

#[cfg(test)]
mod tests {
    use super::json_field_text;

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
