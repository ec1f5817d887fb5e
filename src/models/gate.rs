//! From a descriptor to a model that may serve: content, digest, format, load, labels, golden rows.
//!
//! Publishing runs the same checks as the registry. They run off the hot path and swap nothing. Whether a
//! model fits a step is checked by the step.

use super::rows::{ScoredObjects, score_objects};
use super::served::ServedModel;
use super::{Content, ModelDescriptor, ModelError, ModelFormat, Scorer, Sniffed, UniformOutputs, load, sniff};
use crate::record::Offset;
use arrow_array::{ArrayRef, Int32Array, new_null_array};
use arrow_cast::cast;
use arrow_schema::DataType;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// Largest model that is read from a location outside its record.
const MAX_LOCATION_BYTES: u64 = 1 << 30;

/// The outputs of golden rows may differ by the greater of these tolerances.
const RELATIVE_TOLERANCE: f64 = 1e-4;
const ABSOLUTE_TOLERANCE: f64 = 1e-5;

/// Loads and checks the model of a record at `now` (milliseconds since the epoch).
///
/// # Errors
/// The error of the first check that fails.
pub fn prepare(version: Offset, descriptor: &ModelDescriptor, now: i64) -> Result<ServedModel, ModelError> {
    let bytes = content(descriptor)?;
    let sha256 = digest(descriptor, &bytes)?;
    let format = format(descriptor, &bytes)?;
    let scorer = load(format, &bytes)?;
    for (i, golden) in descriptor.golden.iter().enumerate() {
        check_golden(scorer.as_ref(), i + 1, &golden.input, &golden.output)?;
    }
    let warning = if descriptor.golden.is_empty() { warm_up(scorer.as_ref())? } else { None };
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
        warning,
    })
}

fn content(descriptor: &ModelDescriptor) -> Result<Cow<'_, [u8]>, ModelError> {
    match &descriptor.content {
        None => Err(ModelError::Descriptor { reason: "it contains neither a model nor the location of one".into() }),
        Some(Content::Data(bytes)) => Ok(Cow::Borrowed(bytes)),
        Some(Content::Location(location)) => {
            let refuse = |reason: String| ModelError::Location { location: location.clone(), reason };
            let path = file_path(location);
            if path.contains("://") {
                return Err(refuse("this version reads models from files only".into()));
            }
            let meta = std::fs::metadata(path).map_err(|e| refuse(e.to_string()))?;
            if !meta.is_file() || meta.len() > MAX_LOCATION_BYTES {
                return Err(refuse(format!("it is not a file of at most {} MiB", MAX_LOCATION_BYTES >> 20)));
            }
            std::fs::read(path).map(Cow::Owned).map_err(|e| refuse(e.to_string()))
        }
    }
}

/// The path of a `file:` URL, in each of its forms, or the location as it is.
fn file_path(location: &str) -> &str {
    let Some(path) = location.strip_prefix("file:") else { return location };
    let local = path.strip_prefix("//").map(|path| path.strip_prefix("localhost").unwrap_or(path));
    local.unwrap_or(path)
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

/// The declared format. Content that has another format is refused here with the names of both, because the
/// error of the wrong decoder would mislead.
fn format(descriptor: &ModelDescriptor, bytes: &[u8]) -> Result<ModelFormat, ModelError> {
    let declared = descriptor.format()?;
    match sniff(bytes) {
        Ok(Sniffed::Model(found)) if found != declared => Err(ModelError::WrongFormat { declared, found }),
        Ok(Sniffed::Descriptor(_)) => {
            Err(ModelError::Descriptor { reason: "its content is another descriptor instead of a model".into() })
        }
        _ => Ok(declared),
    }
}

/// Scores made-up records and returns a warning if the model fails on one; not an error, because a valid model need
/// not be defined for them. Golden rows replace this check.
fn warm_up(scorer: &dyn Scorer) -> Result<Option<String>, ModelError> {
    let inputs = &scorer.signature().inputs;
    for rows in [1, 3] {
        let columns: Vec<_> = (0..inputs.columns()).map(|i| ones(inputs.data_type(i), rows)).collect();
        if let Some(bad) = scorer.score(&columns)?.bad.first() {
            return Ok(Some(format!("its warm-up on invented records failed: {}", bad.error)));
        }
    }
    Ok(None)
}

/// A column of ones. Models are more often undefined for zero, by a division, than for one.
fn ones(data_type: &DataType, rows: usize) -> ArrayRef {
    cast(&Int32Array::from(vec![1; rows]), data_type).unwrap_or_else(|_| new_null_array(data_type, rows))
}

fn check_golden(scorer: &dyn Scorer, row: usize, input: &str, output: &str) -> Result<(), ModelError> {
    let object = |text: &str| {
        serde_json::from_str::<Map<String, Value>>(text)
            .map_err(|e| ModelError::Descriptor { reason: format!("golden row {row} is not a JSON object: {e}") })
    };
    let (input, expected) = (object(input)?, object(output)?);
    let ScoredObjects { mut objects, bad } = score_objects(scorer, std::slice::from_ref(&input), None)?;
    let got = objects.pop().unwrap_or_default();
    for (name, expected) in expected {
        let value = got.get(&name).unwrap_or(&Value::Null);
        if !is_close(value, &expected) {
            let why = bad.first().map_or_else(String::new, |b| format!(" ({})", b.error));
            let (got, expected) = (format!("{value}{why}"), expected.to_string());
            return Err(ModelError::Golden { row, output: name, got, expected });
        }
    }
    Ok(())
}

fn is_close(got: &Value, expected: &Value) -> bool {
    match (got, expected) {
        // Integers are labels and counts: one beside the right one is wrong.
        (Value::Number(g), Value::Number(e)) if !g.is_f64() && !e.is_f64() => g == e,
        (Value::Number(g), Value::Number(e)) => match (g.as_f64(), e.as_f64()) {
            (Some(g), Some(e)) => (g - e).abs() <= ABSOLUTE_TOLERANCE.max(RELATIVE_TOLERANCE * e.abs()),
            _ => g == e,
        },
        (Value::Array(g), Value::Array(e)) => g.len() == e.len() && g.iter().zip(e).all(|(g, e)| is_close(g, e)),
        _ => got == expected,
    }
}

#[cfg(test)]
mod tests {
    use super::is_close;
    use serde_json::json;

    #[test]
    fn only_fractions_may_differ_a_little() {
        assert!(is_close(&json!(0.123_456_7), &json!(0.123_457)));
        assert!(is_close(&json!(2.000_000_1), &json!(2)));
        assert!(is_close(&json!([1_000_000, 0.5]), &json!([1_000_000, 0.5])));
        assert!(!is_close(&json!(1_000_001), &json!(1_000_000)), "a label beside the right one");
        assert!(!is_close(&json!(0.123), &json!(0.124)));
    }
}
