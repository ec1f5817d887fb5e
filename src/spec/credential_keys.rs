//! Which keys look as if their values were credentials, also where they are misspelt, and what follows them in a text that
//! is not YAML.

use crate::diagnostics::{Span, nearest};

/// Keys whose values are credentials.
const SECRET_KEYS: [&str; 3] = ["password", "key_password", "username"];
/// Keys of maps that hold credentials.
pub(super) const SECTIONS: [&str; 2] = ["security", "sasl"];

/// Whether a key looks as if its value is a credential.
pub(super) fn is_secret(key: &str) -> bool {
    let lower = key.to_lowercase();
    nearest(&lower, SECRET_KEYS).is_some()
        || ["passw", "passphrase", "secret", "token"].iter().any(|w| lower.contains(w))
}

/// The spans of what follows keys that look like those of credentials, in a text that is not YAML and so has no fields:
/// the rest of the line, and the lines below that are indented deeper.
pub(super) fn in_text(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut start = 0;
    // The indentation of the last line with such a key.
    let mut open: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        match secret_value(line) {
            Some(at) => {
                spans.push(Span::new(start + at, start + line.len()));
                open = Some(indent);
            }
            None if line.trim().is_empty() => {}
            None if open.is_some_and(|key| indent > key) => spans.push(Span::new(start + indent, start + line.len())),
            None => open = None,
        }
        start += line.len();
    }
    spans
}

/// Where the value of the first key in a line begins that looks like that of a credential.
fn secret_value(line: &str) -> Option<usize> {
    line.match_indices(':').find_map(|(colon, _)| {
        let key = line[..colon].trim_end().trim_end_matches(['"', '\'']);
        let word = key.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |i| i + 1);
        let word = key.get(word..).unwrap_or_default();
        (!word.is_empty()
            && (is_secret(word) || nearest(word, SECTIONS).is_some_and(|_| line[colon + 1..].contains('{'))))
        .then_some(colon + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::in_text;

    fn hidden(text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        for span in in_text(text) {
            bytes[span.start..span.end].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b'*');
        }
        String::from_utf8(bytes).unwrap_or_default()
    }

    #[test]
    fn what_follows_a_password_in_a_text_is_hidden() {
        assert_eq!(hidden("a: b\npasword: x\nc: d\n"), "a: b\npasword:**\nc: d\n");
        assert_eq!(hidden("k: {\"password\" : x, b: 1}\n"), "k: {\"password\" :*********\n");
        assert_eq!(hidden("  password: |\n    x\n\n   y\n  z: 1\n"), "  password:**\n    *\n\n   *\n  z: 1\n");
        assert_eq!(hidden("a: 1:2\n"), "a: 1:2\n");
    }
}
