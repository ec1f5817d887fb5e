//! The outputs that every scorer offers, whatever its format: `prediction`, `label`, `probabilities`,
//! `model_name`, `model_version`, in addition to the model's own.
//!
//! The SQL of a step's `outputs` is compiled against [`uniform_schema`] before any model exists, and checked
//! against [`output_schema`] of each version in the gate. An output of the model with a uniform name is hidden
//! by the uniform output, which is derived from it. All others keep their names, so `dense_2/Softmax` needs
//! quotes in SQL.
//!
//! | outputs of the model | prediction | label | probabilities |
//! | --- | --- | --- | --- |
//! | one number per row | the number | null | null |
//! | a class (integer, text, boolean), with or without a list | the class; for text that is not a number, the index of the largest element | the class as text | the list |
//! | a list of numbers | the label of the largest element if that is a number, else its index | the label, else the index as text | the list |
//!
//! Labels are those of the descriptor. Of equal elements the first wins; NaN is never the largest; if all are
//! NaN, or one is null, there is no prediction. The list is passed through: scores are not turned into probabilities.

use super::{ModelError, Scored, Signature};
use crate::expr::kernels::argmax;
use crate::record::Offset;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, ListArray, RecordBatch, StringArray, new_null_array};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

/// Names of the outputs that every scorer offers.
pub const UNIFORM: [&str; 5] = ["prediction", "label", "probabilities", "model_name", "model_version"];

/// The outputs that every scorer offers, with their types. A step is planned on these without a model.
#[must_use]
pub fn uniform_schema() -> SchemaRef {
    Arc::new(Schema::new(uniform_fields()))
}

/// All outputs of a model: its own, then the uniform ones.
#[must_use]
pub fn output_schema(signature: &Signature) -> SchemaRef {
    let own = own_outputs(signature).map(|i| signature.outputs[i].clone());
    Arc::new(Schema::new(own.chain(uniform_fields()).collect::<Vec<_>>()))
}

fn uniform_fields() -> Vec<Field> {
    let types = [DataType::Float64, DataType::Utf8, probabilities_type(), DataType::Utf8, DataType::Int64];
    UNIFORM.into_iter().zip(types).map(|(name, t)| Field::new(name, t, true)).collect()
}

fn probabilities_type() -> DataType {
    DataType::List(Arc::new(Field::new("item", DataType::Float64, true)))
}

fn own_outputs(signature: &Signature) -> impl Iterator<Item = usize> {
    let hidden = |f: &Field| UNIFORM.contains(&f.name().as_str());
    (0..signature.outputs.len()).filter(move |i| !hidden(&signature.outputs[*i]))
}

/// Derives the uniform outputs of one model; resolved once per version.
#[derive(Clone, Debug)]
pub struct UniformOutputs {
    schema: SchemaRef,
    own: Vec<usize>,
    prediction_source: PredictionSource,
    labels: Vec<ClassLabel>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PredictionSource {
    /// A number.
    Number(usize),
    /// A class, and the list of probabilities if there is one.
    Class(usize, Option<usize>),
    /// The largest element of a list.
    Largest(usize),
    /// No output that a prediction can be derived from.
    Nothing,
}

#[derive(Clone, Debug)]
struct ClassLabel {
    text: String,
    number: f64,
}

impl UniformOutputs {
    /// Resolves them for a model whose classes have these labels; without labels, their index.
    #[must_use]
    pub fn new(signature: &Signature, labels: &[String]) -> Self {
        let label = |(i, text): (u32, &String)| ClassLabel {
            text: text.clone(),
            number: text.trim().parse().unwrap_or_else(|_| f64::from(i)),
        };
        Self {
            schema: output_schema(signature),
            own: own_outputs(signature).collect(),
            prediction_source: prediction_source(&signature.outputs),
            labels: (0..).zip(labels).map(label).collect(),
        }
    }

    /// The columns of [`UniformOutputs::batch`].
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// All outputs of a scored batch, as columns that SQL can be evaluated on.
    ///
    /// # Errors
    /// If the scored columns are not those of the signature.
    pub fn batch(&self, scored: &Scored, rows: usize, name: &str, version: Offset) -> Result<RecordBatch, ModelError> {
        let outputs = &scored.outputs;
        let (prediction, label, probabilities) = match self.prediction_source {
            PredictionSource::Number(i) => (to_double(&outputs[i])?, text_nulls(rows), list_nulls(rows)),
            PredictionSource::Class(i, list) => {
                let list = list.map(|l| to_list(&outputs[l])).transpose()?;
                let number = self.class_number(&outputs[i], list.as_ref())?;
                let text = cast(&outputs[i], &DataType::Utf8).map_err(|e| failed(rows, &e))?;
                (number, text, list.map_or_else(|| list_nulls(rows), |l| Arc::new(l) as ArrayRef))
            }
            PredictionSource::Largest(i) => {
                let list = to_list(&outputs[i])?;
                let (prediction, label) = self.largest_labels(&list);
                (prediction, label, Arc::new(list) as ArrayRef)
            }
            PredictionSource::Nothing => (new_null_array(&DataType::Float64, rows), text_nulls(rows), list_nulls(rows)),
        };
        let own = self.own.iter().map(|i| outputs[*i].clone());
        let name: ArrayRef = Arc::new(StringArray::from_iter_values(std::iter::repeat_n(name, rows)));
        let version: ArrayRef = Arc::new(Int64Array::from_value(version.0, rows));
        let columns = own.chain([prediction, label, probabilities, name, version]).collect();
        RecordBatch::try_new(self.schema.clone(), columns).map_err(|e| failed(rows, &e))
    }

    fn class_number(&self, class: &ArrayRef, list: Option<&ListArray>) -> Result<ArrayRef, ModelError> {
        let number = to_double(class)?;
        let Some(list) = list.filter(|_| number.null_count() > class.null_count()) else { return Ok(number) };
        let number = number.as_primitive::<Float64Type>();
        let either = (0..number.len()).map(|row| {
            let index = || class.is_valid(row).then(|| largest(list, row)).flatten().map(|i| i as f64);
            number.is_valid(row).then(|| number.value(row)).or_else(index)
        });
        Ok(Arc::new(either.collect::<Float64Array>()))
    }

    fn largest_labels(&self, list: &ListArray) -> (ArrayRef, ArrayRef) {
        let found: Vec<Option<usize>> = (0..list.len()).map(|row| largest(list, row)).collect();
        let number = |i: usize| self.labels.get(i).map_or(i as f64, |l| l.number);
        let prediction: Float64Array = found.iter().map(|i| i.map(number)).collect();
        let width = found.iter().flatten().max().map_or(0, |i| i + 1);
        let indices: Vec<String> = (0..width).map(|i| i.to_string()).collect();
        let text = |i: usize| self.labels.get(i).map_or(indices[i].as_str(), |l| l.text.as_str());
        let label: StringArray = found.iter().map(|i| i.map(text)).collect();
        (Arc::new(prediction), Arc::new(label))
    }
}

fn prediction_source(outputs: &[Field]) -> PredictionSource {
    let list = |f: &Field| matches!(f.data_type(), DataType::List(item) if item.data_type().is_numeric());
    let class = |f: &Field| f.data_type().is_integer() || matches!(f.data_type(), DataType::Utf8 | DataType::Boolean);
    let named = |name: &'static str, fits: fn(&Field) -> bool| {
        outputs.iter().position(move |f| fits(f) && f.name().to_lowercase().contains(name))
    };
    let first = |fits: &dyn Fn(&Field) -> bool| outputs.iter().position(fits);
    let probabilities = named("prob", |f| matches!(f.data_type(), DataType::List(i) if i.data_type().is_numeric()))
        .or_else(|| first(&list));
    let plain = |f: &Field| f.data_type().is_numeric() || class(f);
    let prediction = outputs.iter().position(|f| f.name() == "prediction" && plain(f));
    let class = prediction.filter(|i| class(&outputs[*i])).or_else(|| {
        named("label", |f| !f.data_type().is_nested() && !f.data_type().is_floating()).or_else(|| first(&class))
    });
    let number = prediction.or_else(|| first(&plain));
    match (class, number, probabilities) {
        (Some(c), _, list) if prediction.is_none_or(|p| p == c) => PredictionSource::Class(c, list),
        (_, Some(n), Some(l)) if prediction.is_none() && l < n => PredictionSource::Largest(l),
        (_, Some(n), _) => PredictionSource::Number(n),
        (_, None, Some(l)) => PredictionSource::Largest(l),
        (_, None, None) => PredictionSource::Nothing,
    }
}

/// Index of the largest element of a row; none if any element is null, because that one might be the largest.
fn largest(list: &ListArray, row: usize) -> Option<usize> {
    if list.is_null(row) {
        return None;
    }
    let offsets = list.value_offsets();
    let range = usize::try_from(offsets[row]).ok()?..usize::try_from(offsets[row + 1]).ok()?;
    let elements = list.values().as_primitive::<Float64Type>();
    if elements.null_count() > 0 && range.clone().any(|i| elements.is_null(i)) {
        return None;
    }
    argmax(elements.values()[range].iter().copied().enumerate())
}

fn to_double(column: &ArrayRef) -> Result<ArrayRef, ModelError> {
    cast(column, &DataType::Float64).map_err(|e| failed(column.len(), &e))
}

fn to_list(column: &ArrayRef) -> Result<ListArray, ModelError> {
    let list = cast(column, &probabilities_type()).map_err(|e| failed(column.len(), &e))?;
    Ok(list.as_list::<i32>().clone())
}

fn text_nulls(rows: usize) -> ArrayRef {
    new_null_array(&DataType::Utf8, rows)
}

fn list_nulls(rows: usize) -> ArrayRef {
    new_null_array(&probabilities_type(), rows)
}

fn failed(rows: usize, error: &impl ToString) -> ModelError {
    ModelError::Evaluation { rows, reason: error.to_string() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::Inputs;
    use super::*;
    use arrow_array::Float32Array;
    use arrow_array::types::Float32Type;
    use arrow_buffer::OffsetBuffer;

    fn signature(outputs: Vec<Field>) -> Signature {
        Signature { inputs: Inputs::Fields(vec![]), outputs }
    }

    fn list(name: &str) -> Field {
        Field::new(name, DataType::List(Arc::new(Field::new("item", DataType::Float32, true))), true)
    }

    fn floats(rows: Vec<Option<Vec<f32>>>) -> ArrayRef {
        let rows = rows.into_iter().map(|r| r.map(|r| r.into_iter().map(Some).collect::<Vec<_>>()));
        Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows))
    }

    fn batch(fields: Vec<Field>, labels: &[&str], outputs: Vec<ArrayRef>) -> RecordBatch {
        let labels: Vec<_> = labels.iter().map(ToString::to_string).collect();
        let uniform = UniformOutputs::new(&signature(fields), &labels);
        let rows = outputs[0].len();
        uniform.batch(&Scored { outputs, bad: vec![] }, rows, "wine", Offset(7)).unwrap()
    }

    fn numbers(batch: &RecordBatch) -> Vec<Option<f64>> {
        batch.column_by_name("prediction").unwrap().as_primitive::<Float64Type>().iter().collect()
    }

    fn labels(batch: &RecordBatch) -> Vec<Option<&str>> {
        batch.column_by_name("label").unwrap().as_string::<i32>().iter().collect()
    }

    #[test]
    fn of_a_list_the_first_largest_element_is_the_prediction() {
        let rows = vec![Some(vec![0.1, 0.7, 0.7]), None, Some(vec![f32::NAN, f32::NAN, 0.0]), Some(vec![f32::NAN; 3])];
        let b = batch(vec![list("dense/Softmax")], &[], vec![floats(rows)]);
        assert_eq!(numbers(&b), [Some(1.0), None, Some(2.0), None]);
        assert_eq!(labels(&b), [Some("1"), None, Some("2"), None]);
        assert_eq!(b.schema().field(0).name(), "dense/Softmax");
        assert_eq!(
            b.column_by_name("model_version").unwrap().as_primitive::<arrow_array::types::Int64Type>().value(0),
            7
        );
    }

    #[test]
    fn a_list_with_a_null_element_has_no_prediction() {
        // The slot below the null contains the largest number.
        let values = Float32Array::new(
            vec![0.1, 9.0, 0.2, 0.3, 0.1, 0.6].into(),
            Some(vec![true, false, true, true, true, true].into()),
        );
        let item = Arc::new(Field::new("item", DataType::Float32, true));
        let scores: ArrayRef =
            Arc::new(ListArray::new(item, OffsetBuffer::from_repeated_length(3, 2), Arc::new(values), None));
        let b = batch(vec![list("y")], &[], vec![scores.clone()]);
        assert_eq!((numbers(&b), labels(&b)), (vec![None, Some(2.0)], vec![None, Some("2")]));
        let fields = vec![Field::new("label", DataType::Utf8, true), list("probability")];
        let b = batch(fields, &[], vec![Arc::new(StringArray::from(vec!["low", "high"])), scores]);
        assert_eq!((numbers(&b), labels(&b)), (vec![None, Some(2.0)], vec![Some("low"), Some("high")]));
    }

    #[test]
    fn labels_that_are_numbers_are_the_prediction() {
        let rows = || vec![floats(vec![Some(vec![0.1, 0.9])])];
        let b = batch(vec![list("y")], &["3", "8"], rows());
        assert_eq!((numbers(&b), labels(&b)), (vec![Some(8.0)], vec![Some("8")]));
        let b = batch(vec![list("y")], &["low", "high"], rows());
        assert_eq!((numbers(&b), labels(&b)), (vec![Some(1.0)], vec![Some("high")]));
    }

    #[test]
    fn a_class_with_probabilities_is_the_prediction() {
        let fields = vec![Field::new("label", DataType::Int64, true), list("probabilities")];
        let outputs: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![5])), floats(vec![Some(vec![0.2, 0.8])])];
        let b = batch(fields, &[], outputs);
        assert_eq!((numbers(&b), labels(&b)), (vec![Some(5.0)], vec![Some("5")]));
        assert_eq!(b.schema(), uniform_schema());
    }

    #[test]
    fn a_text_class_is_the_label_and_its_index_the_prediction() {
        let fields = vec![Field::new("out", DataType::Utf8, true), list("probability")];
        let outputs: Vec<ArrayRef> =
            vec![Arc::new(StringArray::from(vec!["high"])), floats(vec![Some(vec![0.2, 0.8])])];
        let b = batch(fields, &[], outputs);
        assert_eq!((numbers(&b), labels(&b)), (vec![Some(1.0)], vec![Some("high")]));
    }

    #[test]
    fn a_number_is_a_regression() {
        let b = batch(
            vec![Field::new("variable", DataType::Float32, true)],
            &[],
            vec![Arc::new(Float32Array::from(vec![Some(5.5), None]))],
        );
        assert_eq!((numbers(&b), labels(&b)), (vec![Some(5.5), None], vec![None, None]));
        assert!(b.column_by_name("probabilities").unwrap().is_null(0));
    }
}
