//! JSON: one object per record, decoded into columns and encoded from them.
//!
//! `serde_json` would build a tree of each record. Here the schema directs the parser, so that a value goes
//! from its text straight into its column, and unknown fields are skipped. The grammar is that of RFC 8259,
//! without extensions.

mod cursor;
mod fast_path;
mod field;
mod read;
mod write;

pub use field::{JsonField, json_field_text, json_fields};

pub(super) use cursor::JsonCursor;
pub(super) use read::{BASE64, JsonDecoder, TIMESTAMP, check_utf8, number_error, read_document};
pub(super) use write::JsonEncoder;
