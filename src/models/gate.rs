//! From a descriptor to a model that may serve: content, digest, format, load, labels, golden rows.
//!
//! Separate from the registry so that publishing runs the very same checks before it appends. It runs off
//! the hot path and swaps nothing. What a step asks of a model is the step's to check.

use super::{
    Content, ModelDescriptor, ModelError, ModelFormat, Scorer, ServedModel, Sniffed, UniformOutputs, load, score_rows,
    sniff,
};
use crate::record::Offset;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// Largest model that is read from a place outside its record.
const LARGEST: u64 = 1 << 30;

/// Golden rows agree when numbers differ by no more than this share, or this much.
const RELATIVE: f64 = 1e-4;
const ABSOLUTE: f64 = 1e-5;

/// Makes the model of a record ready to serve as of `now` (milliseconds since the epoch).
///
/// # Errors
/// The first check that fails.
pub fn prepare(version: Offset, descriptor: &ModelDescriptor, now: i64) -> Result<ServedModel, ModelError> {
    let bytes = content(descriptor)?;
    let sha256 = digest(descriptor, &bytes)?;
    let format = format(descriptor, &bytes)?;
    let scorer = load(format, &bytes)?;
    for (i, golden) in descriptor.golden.iter().enumerate() {
        check_golden(scorer.as_ref(), i + 1, &golden.input, &golden.output)?;
    }
    Ok(ServedModel {
        name: descriptor.name.clone(),
        description: descriptor.description.clone(),
        data_type: descriptor.served_as().to_owned(),
        version,
        format,
        sha256,
        since: now,
        outputs: UniformOutputs::new(scorer.signature(), &descriptor.labels),
        scorer,
        stats: Default::default(),
    })
}

fn content(descriptor: &ModelDescriptor) -> Result<Cow<'_, [u8]>, ModelError> {
    match &descriptor.content {
        None => Err(ModelError::Descriptor { reason: "it holds neither a model nor the place of one".into() }),
        Some(Content::Data(bytes)) => Ok(Cow::Borrowed(bytes)),
        Some(Content::Location(location)) => {
            let refuse = |reason: String| ModelError::Location { location: location.clone(), reason };
            let path = location.strip_prefix("file://").unwrap_or(location);
            if path.contains("://") {
                return Err(refuse("this version reads models from files only".into()));
            }
            let meta = std::fs::metadata(path).map_err(|e| refuse(e.to_string()))?;
            if !meta.is_file() || meta.len() > LARGEST {
                return Err(refuse(format!("it is no file of at most {} MiB", LARGEST >> 20)));
            }
            std::fs::read(path).map(Cow::Owned).map_err(|e| refuse(e.to_string()))
        }
    }
}

fn digest(descriptor: &ModelDescriptor, bytes: &[u8]) -> Result<String, ModelError> {
    let actual = Sha256::digest(bytes);
    if !descriptor.sha256.is_empty() && descriptor.sha256[..] != actual[..] {
        return Err(ModelError::Digest { expected: hex(&descriptor.sha256), actual: hex(&actual) });
    }
    Ok(hex(&actual))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The format that the record names; content that is plainly another is refused by name, rather than
/// with what its decoder makes of it.
fn format(descriptor: &ModelDescriptor, bytes: &[u8]) -> Result<ModelFormat, ModelError> {
    let declared = descriptor.format()?;
    match sniff(bytes) {
        Ok(Sniffed::Model(found)) if found != declared => Err(ModelError::WrongFormat { declared, found }),
        Ok(Sniffed::Descriptor(_)) => {
            Err(ModelError::Descriptor { reason: "its content is another descriptor, not a model".into() })
        }
        _ => Ok(declared),
    }
}

fn check_golden(scorer: &dyn Scorer, row: usize, input: &str, output: &str) -> Result<(), ModelError> {
    let object = |text: &str| {
        serde_json::from_str::<Map<String, Value>>(text)
            .map_err(|e| ModelError::Descriptor { reason: format!("golden row {row} is no JSON object: {e}") })
    };
    let (input, expected) = (object(input)?, object(output)?);
    let got = score_rows(scorer, std::slice::from_ref(&input), None)?.pop().unwrap_or_default();
    for (name, expected) in expected {
        let got = got.get(&name).unwrap_or(&Value::Null);
        if !agree(got, &expected) {
            return Err(ModelError::Golden { row, output: name, got: got.to_string(), expected: expected.to_string() });
        }
    }
    Ok(())
}

fn agree(got: &Value, expected: &Value) -> bool {
    match (got, expected) {
        (Value::Number(g), Value::Number(e)) => match (g.as_f64(), e.as_f64()) {
            (Some(g), Some(e)) => (g - e).abs() <= ABSOLUTE.max(RELATIVE * e.abs()),
            _ => g == e,
        },
        (Value::Array(g), Value::Array(e)) => g.len() == e.len() && g.iter().zip(e).all(|(g, e)| agree(g, e)),
        _ => got == expected,
    }
}
