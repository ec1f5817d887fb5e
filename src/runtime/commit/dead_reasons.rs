//! Why records became dead letters: how often each kind of error occurs, in bounded memory.
//!
//! Errors of one kind differ only in what they quote and in numbers. It costs nothing where no record fails.

use crate::log::Append;
use crate::record::Records;
use std::collections::BTreeMap;

/// Kinds of errors that are counted. A further one takes the place of the rarest.
const MAX_KINDS: usize = 64;

/// The part of an error text that tells its kind.
const MAX_KIND_BYTES: usize = 200;

/// The header of a dead letter that has the error.
const ERROR_HEADER: &[u8] = b"fastdata-error";

/// The commonest error of dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadReason {
    /// The text of one of them.
    pub error: String,
    /// How many have an error of its kind; `None` where more kinds occurred than are counted.
    pub letters: Option<u64>,
}

/// Counts kinds of errors.
#[derive(Clone, Debug, Default)]
pub(super) struct DeadReasons {
    /// For each kind one error and their number.
    kinds: BTreeMap<String, (String, u64)>,
    /// A kind has taken the place of another, so that numbers may be too high.
    replaced: bool,
}

impl DeadReasons {
    /// Counts the dead letters among what was committed.
    pub(super) fn count(&mut self, dead_topic: &str, committed: &[Append]) {
        for append in committed.iter().filter(|append| *append.to.topic == *dead_topic) {
            (0..append.records.len()).for_each(|row| self.count_letter(&append.records, row));
        }
    }

    fn count_letter(&mut self, letters: &Records, row: usize) {
        let mut headers = letters.headers.iter().flat_map(|h| h.row(row));
        let Some(error) = headers.find(|(name, _)| *name == ERROR_HEADER).and_then(|(_, value)| value) else { return };
        let error = String::from_utf8_lossy(error);
        let kind = kind_of(&error);
        if let Some((_, letters)) = self.kinds.get_mut(&kind) {
            *letters += 1;
            return;
        }
        let mut letters = 0;
        if self.kinds.len() == MAX_KINDS {
            let rarest = self.kinds.iter().min_by_key(|(_, (_, letters))| *letters).map(|(kind, _)| kind.clone());
            letters = rarest.and_then(|kind| self.kinds.remove(&kind)).map_or(0, |(_, letters)| letters);
            self.replaced = true;
        }
        self.kinds.insert(kind, (error.into_owned(), letters + 1));
    }

    /// The commonest error; `None` without a dead letter.
    pub(super) fn commonest(&self) -> Option<DeadReason> {
        let (error, letters) = self.kinds.values().max_by_key(|(_, letters)| *letters)?;
        Some(DeadReason { error: error.clone(), letters: (!self.replaced).then_some(*letters) })
    }
}

/// An error text without what it quotes and without its numbers.
fn kind_of(error: &str) -> String {
    let mut kind = String::new();
    let mut rest = error[..error.floor_char_boundary(MAX_KIND_BYTES)].chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' | '\'' => {
                let escaped = |before: char, c: char| before == '\\' && c != '\\';
                let mut before = c;
                for inner in rest.by_ref() {
                    if inner == c && !escaped(before, inner) {
                        break;
                    }
                    before = inner;
                }
                kind.push('"');
            }
            '0'..='9' => {
                while rest.next_if(|c| c.is_ascii_digit() || matches!(c, '.' | ',')).is_some() {}
                kind.push('0');
            }
            c => kind.push(c),
        }
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{RecordsBuilder, TopicPartition};

    fn counted(errors: impl IntoIterator<Item = String>) -> DeadReasons {
        let mut letters = RecordsBuilder::default();
        for error in errors {
            let header = (ERROR_HEADER, Some(error.as_bytes()));
            letters.push_with(None, Some(b"x"), 0, &[(b"own".as_slice(), None), header]);
        }
        let letters = Append { to: TopicPartition::new("p.dead", 0), records: letters.finish() };
        let other = Append { to: TopicPartition::new("out", 0), ..letters.clone() };
        let mut reasons = DeadReasons::default();
        reasons.count("p.dead", &[letters, other]);
        reasons
    }

    #[test]
    fn errors_that_differ_in_values_only_are_of_one_kind() {
        let casts = (0..30).map(|i| format!("field `fare`: \"{i}.5\\\" x\" is no number (byte {i})"));
        let others = (0..20).map(|_| "field `id` is missing".to_owned());
        let commonest = counted(others.chain(casts)).commonest();
        let error = "field `fare`: \"0.5\\\" x\" is no number (byte 0)".to_owned();
        assert_eq!(commonest, Some(DeadReason { error, letters: Some(30) }));
        assert_eq!(counted([]).commonest(), None);
    }

    #[test]
    fn a_common_error_is_found_among_any_number_of_kinds() {
        let word = |i: usize| (0..5).map(|d| char::from(b'a' + u8::try_from(i >> (3 * d) & 7).unwrap_or(0))).collect();
        let errors = (0..4_000).flat_map(|i| [word(i), "the same".to_owned()]);
        let reasons = counted(errors);
        assert_eq!(reasons.kinds.len(), MAX_KINDS);
        let commonest = DeadReason { error: "the same".into(), letters: None };
        assert_eq!(reasons.commonest(), Some(commonest));
    }
}
