//! The texts that no output may show: what `${…}` brought in, and passwords that stand in a file.
//!
//! One set for the process, because the texts turn up wherever an error is worded. It grows only; the printer, the log
//! writer, reports and dead letters replace what it holds by what the file says instead. Records are never masked.

use arc_swap::ArcSwap;
use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

/// From this length on a text is also recognised inside a longer word and in another case.
const LONG_BYTES: usize = 8;
/// A shorter text is recognised only in quotes: it occurs in messages by chance.
const MIN_BYTES: usize = 3;
/// The same bound for a text that begins with a digit.
const MIN_NUMBER_BYTES: usize = 5;
/// From this length on each line of a text of several lines is recognised too.
const MIN_LINE_BYTES: usize = 8;

/// Hidden texts and what is shown instead.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets {
    /// Longer texts first, so that a text is recognised before its parts.
    hidden: Vec<(String, Arc<str>)>,
}

static KNOWN: LazyLock<ArcSwap<Secrets>> = LazyLock::new(ArcSwap::default);

impl Secrets {
    /// Those of the process.
    pub(crate) fn known() -> Arc<Self> {
        KNOWN.load_full()
    }

    /// Adds texts to those of the process; each with what is shown instead.
    pub(crate) fn register<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)> + Clone) {
        KNOWN.rcu(|known| {
            let mut all = Self::clone(known);
            texts.clone().into_iter().for_each(|(text, shown)| all.insert(text, shown));
            all.hidden.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
            all.hidden.dedup_by(|later, first| later.0 == first.0);
            all
        });
    }

    fn insert(&mut self, text: &str, shown: &str) {
        let shown: Arc<str> = shown.into();
        let lines = text.lines().filter(|l| text.contains('\n') && l.trim().len() >= MIN_LINE_BYTES).map(str::trim);
        for text in lines.chain([text]).filter(|t| !t.trim().is_empty()) {
            // As SQL reads it, and as it stands in the file.
            let forms: Vec<String> = [text.replace("''", "'"), text.to_owned()].iter().flat_map(|t| forms(t)).collect();
            for (i, form) in forms.iter().enumerate() {
                if !forms[..i].contains(form) {
                    self.hidden.push((form.clone(), shown.clone()));
                }
            }
        }
    }

    /// The text with every hidden text replaced.
    pub(crate) fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut out = String::new();
        let (mut at, mut copied) = (0, 0);
        while at < text.len() && !self.hidden.is_empty() {
            let rest = &text[at..];
            // What is shown instead may contain a hidden text, such as a variable that has its name as its value.
            if let Some((_, shown)) = self.hidden.iter().find(|(_, shown)| rest.starts_with(&**shown)) {
                at += shown.len();
            } else if let Some((hidden, shown)) = self.hidden.iter().find(|(hidden, _)| occurs(text, at, hidden)) {
                out.push_str(&text[copied..at]);
                out.push_str(shown);
                at += hidden.len();
                copied = at;
            } else {
                at += rest.chars().next().map_or(1, char::len_utf8);
            }
        }
        if copied == 0 {
            return Cow::Borrowed(text);
        }
        out.push_str(&text[copied..]);
        Cow::Owned(out)
    }
}

/// A text as outputs may write it.
fn forms(text: &str) -> [String; 8] {
    [
        text.to_owned(),
        text.trim().to_owned(),
        text.escape_debug().to_string(),
        text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"),
        text.replace('"', "\\\""),
        text.replace('"', "#quot;"),
        text.replace('\'', "''"),
        text.replace('"', "\"\""),
    ]
}

/// A text with the process's hidden texts replaced.
pub(crate) fn mask(text: &str) -> String {
    Secrets::known().mask(text).into_owned()
}

/// Whether a hidden text is at this place of a text, rather than letters that are the same by chance.
fn occurs(text: &str, at: usize, hidden: &str) -> bool {
    let Some(found) = text.as_bytes().get(at..at + hidden.len()) else { return false };
    if hidden.len() >= LONG_BYTES {
        return found.eq_ignore_ascii_case(hidden.as_bytes()) && text.is_char_boundary(at + hidden.len());
    }
    if found != hidden.as_bytes() {
        return false;
    }
    let (before, after) = (text[..at].chars().next_back(), text[at + hidden.len()..].chars().next());
    let min = if hidden.starts_with(|c: char| c.is_ascii_digit()) { MIN_NUMBER_BYTES } else { MIN_BYTES };
    if hidden.len() < min {
        return before == after && matches!(before, Some('`' | '\'' | '"'));
    }
    let joins = |inner: Option<char>, outer: Option<char>| is_word(inner) && is_word(outer);
    !joins(hidden.chars().next(), before) && !joins(hidden.chars().next_back(), after)
}

fn is_word(c: Option<char>) -> bool {
    c.is_some_and(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::Secrets;

    fn masked(hidden: &[(&str, &str)], text: &str) -> String {
        let mut secrets = Secrets::default();
        hidden.iter().for_each(|(text, shown)| secrets.insert(text, shown));
        secrets.hidden.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        secrets.mask(text).into_owned()
    }

    #[test]
    fn a_long_text_is_recognised_anywhere_and_in_any_case() {
        let hidden = [("Hunter2-token", "${T}")];
        assert_eq!(masked(&hidden, "xhunter2-TOKENx and 'Hunter2-token'"), "x${T}x and '${T}'");
    }

    #[test]
    fn a_word_is_recognised_where_it_stands_by_itself() {
        let hidden = [("raw", "${TOPIC}")];
        assert_eq!(
            masked(&hidden, "raw/0/1 of `raw`: draw, raws, raw_1"),
            "${TOPIC}/0/1 of `${TOPIC}`: draw, raws, raw_1"
        );
    }

    #[test]
    fn a_text_that_occurs_by_chance_is_recognised_in_quotes() {
        let hidden = [("1", "${N}"), ("1000", "${M}"), ("id", "${C}")];
        assert_eq!(
            masked(&hidden, "line 1: `1` of 1000, `1000`, id, 'id', \"id\""),
            "line 1: `${N}` of 1000, `${M}`, id, '${C}', \"${C}\""
        );
        assert_eq!(masked(&[("73913", "${N}")], "every 73913, 739131"), "every ${N}, 739131");
    }

    #[test]
    fn the_whole_is_recognised_before_its_parts_and_what_is_shown_is_kept() {
        let hidden = [("raw", "${raw}"), ("raw-events", "${raw}-events")];
        assert_eq!(masked(&hidden, "raw-events raw ${raw}"), "${raw}-events ${raw} ${raw}");
    }

    #[test]
    fn escaped_forms_and_lines_are_recognised() {
        let hidden = [("it's \"a\"\nsecond-line", "${T}")];
        let all = "it''s \"a\" it\\'s \\\"a\\\"\\nsecond-line second-line {\"it's \\\"a\\\"\\nsecond-line\"}";
        let shown = masked(&hidden, all);
        assert!(!shown.contains("second-line") && !shown.contains("it's"), "{shown}");
    }

    #[test]
    fn characters_are_not_split() {
        assert_eq!(masked(&[("aaaaaaaa", "${T}")], "ééééééééé aaaaaaaaé"), "ééééééééé ${T}é");
    }
}
