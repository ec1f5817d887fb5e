//! What is said about records without a key.

use super::super::exit::UserError;
use super::super::figures::counted;
use crate::diagnostics::one_of;

/// The error for a key column that no record has.
pub(super) fn unknown_column<'a>(name: &str, columns: impl Iterator<Item = &'a str> + Clone) -> UserError {
    UserError::new(format!("there is no column `{name}` to take the key from")).maybe_hint(one_of(name, columns))
}

/// The warning about records without a key.
pub(super) fn without_key_warning(count: u64, name: &str) -> String {
    format!("{} without `{name}` written without a key", counted(count, "record"))
}
