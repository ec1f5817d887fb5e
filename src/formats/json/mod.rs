//! JSON: one object a record, read into columns and written from them.
//!
//! Separate from `serde_json`, which would build a tree of each record: here the schema directs the
//! reading, so that a value goes from its text into its column and an unknown field is only stepped over.
//! The grammar is that of RFC 8259, without any extension.

mod ahead;
mod cursor;
mod read;
mod write;

use cursor::Cursor;
pub(super) use read::{BASE64, JsonDecoder, TIMESTAMP, document, millis, misfit, utf8};
pub(super) use write::JsonEncoder;

/// Deepest nesting of a record; deeper ones are bad rows.
const DEPTH: usize = 128;
