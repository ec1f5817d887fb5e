//! Scores JSON objects with a model's own input fields and gives objects with its own output fields.
//!
//! It serves `fastdata score` and golden rows, not the hot path. A value of the wrong type counts as missing; a
//! record that cannot be scored has every output null.

use super::binding::normalized;
use super::{Inputs, ModelError, Scorer, Signature};
use crate::record::BadRow;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, StringArray};
use arrow_schema::DataType;
use serde_json::{Map, Number, Value};
use std::sync::Arc;

/// Scores records. `inputs` names the columns in the model's order. Without it, columns are bound by the names
/// of the model's inputs; those of a single tensor are then taken in the order of the first record.
///
/// # Errors
/// If the columns do not fit the model, or the model fails on the whole batch.
pub fn score_rows(
    scorer: &dyn Scorer,
    rows: &[Map<String, Value>],
    inputs: Option<&[String]>,
) -> Result<Vec<Map<String, Value>>, ModelError> {
    Ok(score_objects(scorer, rows, inputs)?.objects)
}

/// The outputs of some records, and the records that could not be scored.
#[derive(Default)]
pub(super) struct ScoredObjects {
    pub(super) objects: Vec<Map<String, Value>>,
    pub(super) bad: Vec<BadRow>,
}

/// Like [`score_rows`], and says which records could not be scored.
pub(super) fn score_objects(
    scorer: &dyn Scorer,
    rows: &[Map<String, Value>],
    inputs: Option<&[String]>,
) -> Result<ScoredObjects, ModelError> {
    let Some(first) = rows.first() else { return Ok(ScoredObjects::default()) };
    let signature = scorer.signature();
    let column_sources = column_sources(signature, first, inputs)?;
    let columns: Vec<ArrayRef> = column_sources
        .iter()
        .enumerate()
        .map(|(i, source)| column(signature.inputs.data_type(i), rows.iter().map(|row| source.of(row))))
        .collect();
    let scored = scorer.score(&columns)?;
    let mut objects = vec![Map::with_capacity(signature.outputs.len()); rows.len()];
    for (field, output) in signature.outputs.iter().zip(&scored.outputs) {
        for (row, result) in objects.iter_mut().enumerate() {
            result.insert(field.name().clone(), value(output, row));
        }
    }
    Ok(ScoredObjects { objects, bad: scored.bad })
}

/// The part of a record that becomes one column of the model.
#[derive(Debug, PartialEq)]
enum ColumnSource {
    Field(String),
    Element(String, usize),
}

impl ColumnSource {
    fn of<'a>(&self, row: &'a Map<String, Value>) -> Option<&'a Value> {
        match self {
            Self::Field(name) => row.get(name),
            Self::Element(name, i) => row.get(name)?.get(i),
        }
    }
}

fn column_sources(
    signature: &Signature,
    first: &Map<String, Value>,
    inputs: Option<&[String]>,
) -> Result<Vec<ColumnSource>, ModelError> {
    let takes = &signature.inputs;
    let fields = |names: &mut dyn Iterator<Item = String>| names.map(ColumnSource::Field).collect::<Vec<_>>();
    let found = match (takes, inputs) {
        (Inputs::Tensor { features, .. }, Some([name]))
            if *features > 1 && first.get(name).is_some_and(Value::is_array) =>
        {
            (0..*features).map(|i| ColumnSource::Element(name.clone(), i)).collect()
        }
        (_, Some(names)) => fields(&mut names.iter().cloned()),
        (Inputs::Tensor { name, features, .. }, None) => match first.get(name) {
            Some(Value::Array(_)) => (0..*features).map(|i| ColumnSource::Element(name.clone(), i)).collect(),
            Some(_) if *features == 1 => vec![ColumnSource::Field(name.clone())],
            _ => fields(&mut first.keys().cloned()),
        },
        (Inputs::Tensors(tensors) | Inputs::Fields(tensors), None) => {
            let column = |wanted: &str| {
                let like = || first.keys().find(|k| normalized(k) == normalized(wanted)).cloned();
                first.get_key_value(wanted).map(|(k, _)| k.clone()).or_else(like)
            };
            let bound: Vec<_> = tensors.iter().map(|t| (t.name(), column(t.name()))).collect();
            if bound.iter().all(|(_, c)| c.is_none()) {
                let reason =
                    format!("the records have none of the model's inputs ({takes}); name the columns with `--inputs`");
                return Err(ModelError::Columns { reason });
            }
            bound.into_iter().map(|(name, c)| ColumnSource::Field(c.unwrap_or_else(|| name.clone()))).collect()
        }
    };
    if found.len() == takes.columns() {
        return Ok(found);
    }
    let given = if inputs.is_some() { "`--inputs` names" } else { "the first record has" };
    let reason = format!(
        "the model takes {} columns ({takes}), {given} {}; name the columns in the model's order with `--inputs a,b,c`",
        takes.columns(),
        found.len()
    );
    Err(ModelError::Columns { reason })
}

fn column<'a>(data_type: &DataType, values: impl Iterator<Item = Option<&'a Value>>) -> ArrayRef {
    match data_type {
        DataType::Float32 => Arc::new(values.map(|v| to_f64(v).map(|d| d as f32)).collect::<Float32Array>()),
        DataType::Int32 => {
            Arc::new(values.map(|v| to_i64(v).and_then(|i| i32::try_from(i).ok())).collect::<Int32Array>())
        }
        DataType::Int64 => Arc::new(values.map(to_i64).collect::<Int64Array>()),
        DataType::Boolean => Arc::new(values.map(|v| v.and_then(Value::as_bool)).collect::<BooleanArray>()),
        DataType::Utf8 => Arc::new(values.map(to_text).collect::<StringArray>()),
        _ => Arc::new(values.map(to_f64).collect::<Float64Array>()),
    }
}

/// A number, which may be written as text, as in CSV files.
fn to_f64(value: Option<&Value>) -> Option<f64> {
    match value? {
        Value::Number(n) => n.as_f64(),
        Value::String(s) => s.trim().parse().ok(),
        Value::Bool(b) => Some(f64::from(u8::from(*b))),
        _ => None,
    }
}

fn to_i64(value: Option<&Value>) -> Option<i64> {
    let exact = |d: f64| (d.fract() == 0.0 && d.abs() < 9e15).then_some(d as i64);
    match value? {
        Value::Number(n) => n.as_i64().or_else(|| n.as_f64().and_then(exact)),
        Value::String(s) => s.trim().parse().ok().or_else(|| s.trim().parse().ok().and_then(exact)),
        Value::Bool(b) => Some(i64::from(*b)),
        _ => None,
    }
}

fn to_text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(s) => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        Value::Bool(b) => Some(b.to_string()),
        _ => None,
    }
}

/// One value of an output column. Single precision numbers are widened exactly; NaN and infinities are null.
fn value(column: &dyn Array, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    let number = |d: f64| Number::from_f64(d).map_or(Value::Null, Value::Number);
    match column.data_type() {
        DataType::Float32 => number(f64::from(column.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => number(column.as_primitive::<Float64Type>().value(row)),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).into(),
        DataType::Boolean => column.as_boolean().value(row).into(),
        DataType::Utf8 => column.as_string::<i32>().value(row).into(),
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(row);
            (0..items.len()).map(|i| value(&items, i)).collect()
        }
        _ => Value::Null,
    }
}
