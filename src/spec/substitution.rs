//! What `${…}` brought into a text, and messages about such a text.
//!
//! A message shows what the file says. The process's [`Secrets`] recognise a value as a whole; a message about SQL can
//! repeat a part of one, which only the text itself tells.

use crate::diagnostics::Secrets;
use std::borrow::Cow;
use std::ops::Range;

/// A value that was brought in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Substitution {
    /// Its bytes in the text.
    pub range: Range<usize>,
    /// What the file says instead, such as `${TOKEN}`.
    pub shown: String,
}

/// What a message quotes with.
const QUOTES: [char; 3] = ['`', '\'', '"'];

/// Makes the values in a text known to the process, but for those that are words of the language. `unexpanded` is the
/// text before the substitution.
pub(super) fn register(text: &str, substitutions: &[Substitution], unexpanded: &str, is_language: fn(&str) -> bool) {
    if substitutions.is_empty() {
        return;
    }
    let values = substitutions.iter().map(|s| (&text[s.range.clone()], s.shown.as_str()));
    let all: Vec<_> = values.chain([(text, unexpanded)]).filter(|(value, _)| !is_language(value)).collect();
    Secrets::register(all);
}

/// Whether a part of the text came from a value.
pub(super) fn touches(substitutions: &[Substitution], part: &Range<usize>) -> bool {
    substitutions.iter().any(|s| s.range.start < part.end && part.start < s.range.end)
}

/// A message about a text, in which no quoted part shows a piece of a value.
pub(super) fn hide(message: &str, text: &str, substitutions: &[Substitution]) -> String {
    if substitutions.is_empty() {
        return message.to_owned();
    }
    let own = own_parts(text, substitutions);
    let mut out = String::new();
    let mut at = 0;
    while let Some(open) = message[at..].find(QUOTES).map(|i| at + i) {
        out.push_str(&message[at..=open]);
        at = open + 1;
        // An apostrophe opens nothing.
        let opens = !message[..open].ends_with(char::is_alphanumeric);
        if let Some(length) = message[at..].find(&message[open..at]).filter(|_| opens) {
            out.push_str(&shown(&message[at..at + length], text, substitutions, &own));
            out.push_str(&message[open..at]);
            at += length + 1;
        }
    }
    out.push_str(&message[at..]);
    out
}

/// The parts of a text that the file itself has.
fn own_parts<'t>(text: &'t str, substitutions: &[Substitution]) -> Vec<&'t str> {
    let starts = [0].into_iter().chain(substitutions.iter().map(|s| s.range.end));
    let ends = substitutions.iter().map(|s| s.range.start).chain([text.len()]);
    starts.zip(ends).filter_map(|(start, end)| text.get(start..end)).collect()
}

/// A quoted part of a message without pieces of values.
fn shown<'m>(quoted: &'m str, text: &str, substitutions: &[Substitution], own: &[&str]) -> Cow<'m, str> {
    if quoted.trim().is_empty() || own.iter().any(|part| part.contains(quoted)) {
        return Cow::Borrowed(quoted);
    }
    if let Some(at) = text.find(quoted) {
        return Cow::Owned(unexpand(text, at..at + quoted.len(), substitutions));
    }
    // Parsers and planners change the case of names.
    let lower = quoted.to_lowercase();
    let holds = |s: &&Substitution| text[s.range.clone()].to_lowercase().contains(&lower);
    match substitutions.iter().find(holds) {
        Some(s) => Cow::Owned(s.shown.clone()),
        None => Cow::Borrowed(quoted),
    }
}

/// A part of the text with what the file says in the place of each value that it touches.
fn unexpand(text: &str, part: Range<usize>, substitutions: &[Substitution]) -> String {
    let (mut out, mut at) = (String::new(), part.start);
    for s in substitutions.iter().filter(|s| touches(std::slice::from_ref(s), &part)) {
        out.push_str(text.get(at..s.range.start).unwrap_or_default());
        out.push_str(&s.shown);
        at = s.range.end;
    }
    out + text.get(at..part.end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "kind = hunter2 or x";

    fn hidden(message: &str) -> String {
        hide(message, TEXT, &[Substitution { range: 7..17, shown: "${T}".into() }])
    }

    #[test]
    fn pieces_of_values_are_hidden_and_words_of_the_file_are_not() {
        assert_eq!(&TEXT[7..17], "hunter2 or");
        assert_eq!(hidden("unknown column `hunter2`"), "unknown column `${T}`");
        assert_eq!(hidden("unknown column `HUNTER2`"), "unknown column `${T}`");
        assert_eq!(hidden("`kind = hunter2` is not `boolean`"), "`kind = ${T}` is not `boolean`");
        assert_eq!(hidden("it doesn't know `hunter2`"), "it doesn't know `${T}`");
        assert_eq!(hidden("unexpected `or` after 'kind' and `x`"), "unexpected `${T}` after 'kind' and `x`");
    }
}
