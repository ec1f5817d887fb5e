//! Finds a value in a JSON text without parsing what is beside it.
//!
//! A value is cut out of the text as it stands, so that a number keeps its digits. A text is checked as a whole
//! first; after that no step can fail, and nothing here checks it again.

use serde::de::IgnoredAny;

/// One step of a path.
#[derive(Clone, Copy, Debug)]
pub(super) enum PathStep<'a> {
    /// A member of an object.
    Name(&'a str),
    /// An element of a list, from 0.
    Index(usize),
}

/// The text of the value at a path; `None` where there is none, or where the text is not JSON.
pub(super) fn find<'a>(text: &'a str, path: &[PathStep<'_>]) -> Option<&'a str> {
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let mut value = text.trim_matches(SPACE);
    for step in path {
        value = match step {
            // Of members with one name the last counts.
            PathStep::Name(name) => JsonParts::of(value, '{')?.filter(|part| part.is_named(name)).last()?.value,
            PathStep::Index(index) => JsonParts::of(value, '[')?.nth(*index)?.value,
        };
    }
    Some(value)
}

/// The text of a string value.
pub(super) fn string(value: &str) -> Option<String> {
    serde_json::from_str(value).ok()
}

/// The value without the space between its parts.
pub(super) fn compact(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(c) = rest.chars().next() {
        let length = if c == '"' { string_length(rest) } else { c.len_utf8() };
        if !SPACE.contains(&c) {
            out.push_str(&rest[..length]);
        }
        rest = &rest[length..];
    }
    out
}

const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// A member of an object or an element of a list.
struct JsonPart<'a> {
    /// The name of a member, with its quotes.
    name: &'a str,
    value: &'a str,
}

impl JsonPart<'_> {
    fn is_named(&self, name: &str) -> bool {
        let bare = self.name.get(1..self.name.len().saturating_sub(1)).unwrap_or_default();
        if bare.contains('\\') { string(self.name).is_some_and(|n| n == name) } else { bare == name }
    }
}

/// The parts of an object or a list.
struct JsonParts<'a> {
    rest: &'a str,
    has_names: bool,
}

impl<'a> JsonParts<'a> {
    /// Those of a value that begins with this bracket.
    fn of(value: &'a str, open: char) -> Option<Self> {
        Some(Self { rest: value.strip_prefix(open)?, has_names: open == '{' })
    }
}

impl<'a> Iterator for JsonParts<'a> {
    type Item = JsonPart<'a>;

    fn next(&mut self) -> Option<JsonPart<'a>> {
        let start = self.rest.trim_start_matches([' ', '\t', '\n', '\r', ',']);
        if start.starts_with(['}', ']']) {
            return None;
        }
        let (name, value) = if self.has_names {
            let (name, rest) = start.split_at(string_length(start));
            (name, rest.trim_start_matches([' ', '\t', '\n', '\r', ':']))
        } else {
            ("", start)
        };
        let (value, rest) = value.split_at(value_length(value));
        self.rest = rest;
        Some(JsonPart { name, value })
    }
}

/// The bytes of a string with its quotes, at the start of a text.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.bytes().skip(1).position(|b| {
        let ends = b == b'"' && !is_escaped;
        is_escaped = b == b'\\' && !is_escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

/// The bytes of the value at the start of a text.
fn value_length(text: &str) -> usize {
    match text.as_bytes().first() {
        Some(b'"') => string_length(text),
        Some(b'{' | b'[') => {
            let (mut at, mut depth) = (0, 0usize);
            while let Some(byte) = text.as_bytes().get(at) {
                match byte {
                    b'"' => at += string_length(&text[at..]) - 1,
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    break;
                }
            }
            at
        }
        _ => text.find([',', '}', ']', ' ', '\t', '\n', '\r']).unwrap_or(text.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_cut_out_as_it_stands() {
        let text = " {\"a\" : [ 0.10, -1e5,{\"b\\\"\":\"x]}\\\\\"} ,[ ] ],\"a b\":\t{}, \"n\":12345678901234567890123 , \"a\\u0062\": 1}";
        let at = |path: &[PathStep<'_>]| find(text, path);
        let (name, index) = (PathStep::Name, PathStep::Index);
        assert_eq!(at(&[name("n")]), Some("12345678901234567890123"));
        assert_eq!(at(&[name("a"), index(0)]), Some("0.10"));
        assert_eq!(at(&[name("a"), index(1)]), Some("-1e5"));
        assert_eq!(at(&[name("a"), index(2), name("b\"")]), Some(r#""x]}\\""#));
        assert_eq!(at(&[name("a"), index(3)]), Some("[ ]"));
        assert_eq!(at(&[name("a"), index(3), index(0)]), None);
        assert_eq!(at(&[name("a"), index(4)]), None);
        assert_eq!(at(&[name("a b")]), Some("{}"));
        assert_eq!(at(&[name("a b"), name("x")]), None);
        assert_eq!(at(&[name("ab")]), Some("1"));
        assert_eq!(at(&[index(0)]), None);
        assert_eq!(find("[1,2", &[index(0)]), None);
        assert_eq!(find(r#"{"a":1,"a":2}"#, &[name("a")]), Some("2"));
        assert_eq!(find("7", &[]), Some("7"));
        assert_eq!(find("é", &[]), None);
        assert_eq!(compact("{ \"a b\" :\n[ 0.10 , \"x \\\" y\" ] }"), r#"{"a b":[0.10,"x \" y"]}"#);
    }

    #[test]
    fn depth_has_no_limit() {
        let text = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(find(&text, &[PathStep::Index(0)]), Some(&text[1..text.len() - 1]));
    }
}
