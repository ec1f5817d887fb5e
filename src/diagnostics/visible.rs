//! Text from outside as a terminal may show it: without control characters, and how many columns it takes.
//!
//! Names, descriptions, keys and excerpts can hold sequences that move the cursor, change the title or hide text. The
//! printer passes everything through [`visible`]; tables and carets count with [`width`].

use std::borrow::Cow;
use unicode_width::UnicodeWidthStr;

/// The first of the Unicode pictures of the control characters below a space.
const CONTROL_PICTURES: u32 = 0x2400;
const DELETE_PICTURE: char = '\u{2421}';

/// The text with a picture of one column in the place of each control character, line breaks and tabs excepted.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if is_hidden(c) { picture(c) } else { c }).collect())
}

/// Like [`visible`], with pictures of line breaks and tabs too.
pub(crate) fn visible_line(text: &str) -> String {
    let all = visible(text);
    all.chars().map(|c| if c.is_control() { picture(c) } else { c }).collect()
}

/// JSON in which the control characters that its writer leaves as they are have become escapes.
pub(crate) fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if is_hidden(c) { out.push_str(&format!("\\u{:04x}", u32::from(c))) } else { out.push(c) }
    }
    out
}

/// The columns that a terminal needs for a text in one line.
pub(crate) fn width(text: &str) -> usize {
    visible(text).width()
}

/// Whether a terminal would obey a character instead of showing it: controls, and those that reorder text.
pub(crate) fn is_hidden(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t')) || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn picture(c: char) -> char {
    match u32::from(c) {
        code @ 0..0x20 => char::from_u32(CONTROL_PICTURES + code).unwrap_or(char::REPLACEMENT_CHARACTER),
        0x7f => DELETE_PICTURE,
        _ => char::REPLACEMENT_CHARACTER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_pictures_of_one_column() {
        assert_eq!(visible("a\u{1b}[2J\u{7}\r\u{7f}\u{9b}\u{202e}b\n\tc"), "a␛[2J␇␍␡\u{fffd}\u{fffd}b\n\tc");
        assert_eq!(visible_line("a\u{1b}\n\tc"), "a␛␊␉c");
        assert_eq!(width("a\u{1b}\u{9b}"), 3);
        assert!(matches!(visible("wine, für 日本\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_keeps_its_meaning_without_control_characters() {
        assert_eq!(escaped("{\"a\":\"\u{9b}é\"}\n"), "{\"a\":\"\\u009bé\"}\n");
    }

    #[test]
    fn columns_are_not_characters() {
        assert_eq!(["é", "e\u{301}", "日本", "👩‍🚀"].map(width), [1, 1, 4, 2]);
    }
}
