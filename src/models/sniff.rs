//! Recognises a model by its content.
//!
//! Publishing accepts any file, and the format that a record declares is checked against its content. The
//! file name decides nothing. Frozen graphs, ONNX models, SavedModels and descriptors are all protobuf, and
//! each decoder accepts parts of the others. They differ in which field numbers hold messages:
//!
//! | | field 1 | other fields |
//! | --- | --- | --- |
//! | frozen graph | messages, each with a name (1) and an operator (2) | |
//! | ONNX | a number | field 7 is a message with nodes (1) |
//! | SavedModel | a number | field 2 is a message with a graph (2) |
//! | descriptor | a string | field 5 (content) or 6 (location) |

use super::wire::{WireField, WireValue, bytes_of, fields, is_name};
use super::{ModelDescriptor, ModelError, ModelFormat};
use std::path::Path;

/// The kind of content that was recognised.
#[derive(Clone, Debug, PartialEq)]
pub enum Sniffed {
    /// A model of this format.
    Model(ModelFormat),
    /// A model record that another program prepared.
    Descriptor(Box<ModelDescriptor>),
}

/// Recognises a model or a descriptor.
///
/// # Errors
/// [`ModelError::Unrecognised`] with a description of the content.
pub fn sniff(bytes: &[u8]) -> Result<Sniffed, ModelError> {
    if bytes.is_empty() {
        return Err(unrecognised("it is empty"));
    }
    if let Some(format) = archive(bytes) {
        return Ok(Sniffed::Model(format));
    }
    // First what is exact: the first bytes of a message can look like those of a text, but not the other way round.
    let message = fields(bytes);
    if let Some(found) = message.as_ref().and_then(|message| sniff_message(message)) {
        return match found {
            Some(format) => Ok(Sniffed::Model(format)),
            None => Ok(Sniffed::Descriptor(Box::new(ModelDescriptor::read(bytes)?))),
        };
    }
    match (text(bytes), message) {
        (Some(text), _) => sniff_text(text),
        (None, Some(_)) => Err(unrecognised("it is a protobuf message of another kind")),
        (None, None) => Err(unrecognised("it is neither text nor a whole protobuf message")),
    }
}

/// The format of a model in a protobuf message; `Some(None)` for a descriptor.
fn sniff_message(message: &[WireField<'_>]) -> Option<Option<ModelFormat>> {
    if is_graph_def(message) {
        Some(Some(ModelFormat::Tensorflow))
    } else if is_onnx(message) {
        Some(Some(ModelFormat::Onnx))
    } else if is_saved_model(message) {
        Some(Some(ModelFormat::TensorflowSaved))
    } else {
        is_descriptor(message).then_some(None)
    }
}

/// Reads and recognises a model file or a SavedModel folder.
///
/// # Errors
/// If it cannot be read or is not a model.
pub fn read_model(path: &Path) -> Result<(Sniffed, Vec<u8>), ModelError> {
    if path.is_dir() {
        if path.join("saved_model.pb").is_file() {
            return Ok((Sniffed::Model(ModelFormat::TensorflowSaved), Vec::new()));
        }
        return Err(unrecognised("it is a folder without a `saved_model.pb`"));
    }
    let bytes = std::fs::read(path)
        .map_err(|e| ModelError::Location { location: path.display().to_string(), reason: e.to_string() })?;
    Ok((sniff(&bytes)?, bytes))
}

fn unrecognised(reason: &str) -> ModelError {
    ModelError::Unrecognised { reason: reason.into() }
}

/// Recognises a SavedModel archive: any gzip, and a zip or tar that contains the name `saved_model.pb`.
fn archive(bytes: &[u8]) -> Option<ModelFormat> {
    const NAME: &[u8] = b"saved_model.pb";
    let tar = bytes.get(257..262) == Some(b"ustar");
    let names_it = || bytes.windows(NAME.len()).any(|w| w == NAME);
    let zip = bytes.starts_with(b"PK\x03\x04");
    ((zip || tar) && names_it() || bytes.starts_with(&[0x1f, 0x8b])).then_some(ModelFormat::TensorflowSaved)
}

/// The bytes as text if they start like XML or JSON.
fn text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim_start();
    text.starts_with(['<', '{', '[']).then_some(text)
}

fn sniff_text(text: &str) -> Result<Sniffed, ModelError> {
    if text.starts_with('<') {
        let root = root_element(text);
        return match root.rsplit(':').next() {
            Some("PMML") => Ok(Sniffed::Model(ModelFormat::Pmml)),
            _ => Err(ModelError::Unrecognised { reason: format!("it is XML with the root element `{root}`") }),
        };
    }
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(json) if ["input", "output", "action"].iter().all(|k| json.get(k).is_some()) => {
            Ok(Sniffed::Model(ModelFormat::Pfa))
        }
        Ok(_) => Err(unrecognised("it is JSON without the `input`, `output` and `action` of a PFA document")),
        Err(e) => Err(ModelError::Unrecognised { reason: format!("it starts like JSON but is not valid: {e}") }),
    }
}

/// Name of the root element of an XML text, after declaration, comments and doctype.
fn root_element(mut text: &str) -> &str {
    loop {
        let skip = |open: &str, close: &str| {
            text.starts_with(open).then(|| text.split_once(close).map_or("", |(_, rest)| rest.trim_start()))
        };
        match skip("<!--", "-->").or_else(|| skip("<?", "?>")).or_else(|| skip("<!", ">")) {
            Some(rest) => text = rest,
            None => break,
        }
    }
    let name = text.strip_prefix('<').unwrap_or_default();
    name.split(|c: char| c.is_whitespace() || matches!(c, '>' | '/')).next().unwrap_or_default()
}

fn message<'a>(fields_of: &[WireField<'a>], number: u64) -> Option<Vec<WireField<'a>>> {
    fields(bytes_of(fields_of, number)?)
}

fn has_name(fields: &[WireField<'_>], number: u64) -> bool {
    bytes_of(fields, number).is_some_and(|b| !b.is_empty() && is_name(b))
}

fn is_graph_def(message: &[WireField<'_>]) -> bool {
    let mut nodes = message.iter().filter(|f| f.number == 1).peekable();
    nodes.peek().is_some()
        && nodes.all(|f| match f.value {
            WireValue::Bytes(node) => fields(node).is_some_and(|n| has_name(&n, 1) && has_name(&n, 2)),
            _ => false,
        })
}

fn is_onnx(top: &[WireField<'_>]) -> bool {
    let ir_is_a_number = top.iter().filter(|f| f.number == 1).all(|f| matches!(f.value, WireValue::Varint(_)));
    ir_is_a_number && message(top, 7).is_some_and(|graph| message(&graph, 1).is_some() || message(&graph, 12).is_some())
}

fn is_saved_model(top: &[WireField<'_>]) -> bool {
    let version = top.iter().any(|f| f.number == 1 && matches!(f.value, WireValue::Varint(_)));
    version && message(top, 2).is_some_and(|meta| message(&meta, 2).is_some_and(|graph| is_graph_def(&graph)))
}

fn is_descriptor(top: &[WireField<'_>]) -> bool {
    let texts = top.iter().filter(|f| matches!(f.number, 1..=3 | 6));
    let content = bytes_of(top, 5).or_else(|| bytes_of(top, 6));
    content.is_some()
        && texts.clone().all(|f| matches!(f.value, WireValue::Bytes(b) if is_name(b)))
        && top.iter().filter(|f| f.number == 4).all(|f| matches!(f.value, WireValue::Varint(_)))
}
