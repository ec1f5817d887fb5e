//! Finds the passwords that stand in a file, also where their field is misspelt or in the wrong place, and keeps them out
//! of excerpts and messages.
//!
//! It runs before the grammar is known to hold, so it goes by the look of the keys.

use super::credential_keys::{SECTIONS, is_secret};
use super::node::{Entry, Node, NodeValue, Scalar};
use super::problems::Problems;
use crate::diagnostics::{Secrets, nearest};

/// What messages show for a password.
const HIDDEN: &str = "***";
/// Fields of these maps that give nothing away.
const HARMLESS_KEYS: [&str; 6] = ["mechanism", "ca", "certificate", "key", "tls", "true"];

/// What the keys above a value say about it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A key of the file itself or of a map about Kafka: its look decides.
    Connection,
    /// A part of the file that is about data, whose names are free.
    Data,
    /// All values are credentials, but for the harmless ones.
    Section,
    Credential,
}

/// Redacts what looks like a credential in a whole file.
pub(super) fn redact(root: &Node, problems: &mut Problems) {
    walk(root, Place::Connection, problems);
}

/// Redacts an entry that is not part of the tree, such as a second one of the same name.
pub(super) fn redact_entry(entry: &Entry, problems: &mut Problems) {
    walk(&entry.value, below(&entry.key, &entry.value, Place::Connection), problems);
}

fn walk(node: &Node, place: Place, problems: &mut Problems) {
    match &node.value {
        NodeValue::Scalar(scalar) if matches!(place, Place::Credential | Place::Section) => hide(scalar, problems),
        NodeValue::Scalar(_) => {}
        NodeValue::List(items) => items.iter().for_each(|item| walk(item, place, problems)),
        NodeValue::Map(entries) => {
            for entry in entries {
                walk(&entry.value, below(&entry.key, &entry.value, place), problems);
            }
        }
    }
}

/// The place of the value of a key.
fn below(key: &Scalar, value: &Node, place: Place) -> Place {
    let word = key.text.as_str();
    let is_scalar = value.scalar().is_some();
    match place {
        Place::Credential => place,
        Place::Section if is_scalar && HARMLESS_KEYS.contains(&word) => Place::Data,
        Place::Section if is_scalar => Place::Credential,
        Place::Section => place,
        Place::Connection if is_secret(word) => Place::Credential,
        Place::Connection if nearest(word, SECTIONS).is_some() => Place::Section,
        Place::Connection if nearest(word, ["kafka"]).is_some() => place,
        Place::Connection | Place::Data if SECTIONS.contains(&word) && !is_scalar => Place::Section,
        Place::Connection | Place::Data => Place::Data,
    }
}

fn hide(scalar: &Scalar, problems: &mut Problems) {
    problems.redact(scalar.span);
    if scalar.unexpanded.is_none() && !scalar.is_null() {
        Secrets::register([(scalar.text.as_str(), HIDDEN)]);
    }
}
