//! Maps the columns of a step to the inputs of a model: order and types.
//!
//! A binding is made once per model version, in the gate, and applied to every batch. It never parses: a text
//! column for a numeric input is refused.

use super::{Inputs, ModelError, Signature};
use crate::diagnostics::nearest;
use crate::record::{BadRow, type_name};
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, PrimitiveArray};
use arrow_cast::display::array_value_to_string;
use arrow_cast::{can_cast_types, cast};
use arrow_schema::DataType;
use std::sync::Arc;
use thiserror::Error;

/// Why the inputs of a step do not fit a model.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BindError {
    /// The step has no input for an input of the model.
    #[error("the model needs an input `{input}`, which the step does not give{}", suggestion(nearest, given))]
    Missing {
        /// The model's input.
        input: String,
        /// The input of the step with the most similar name.
        nearest: Option<String>,
        /// The named inputs of the step.
        given: Vec<String>,
    },
    /// The numbers of features differ.
    #[error("the model takes {takes} features ({inputs}), the step gives {given}")]
    Count {
        /// The number that the model takes.
        takes: usize,
        /// The number that the step gives.
        given: usize,
        /// The inputs of the model, for the message.
        inputs: String,
    },
    /// The step uses an output that the model does not have.
    #[error("the step uses an output `{output}`, which the model does not give; it gives `{}`", given.join("`, `"))]
    NoOutput {
        /// The output that the step uses.
        output: String,
        /// The outputs of the model.
        given: Vec<String>,
    },
    /// The type of an output does not convert to the one that the step's SQL takes.
    #[error("output `{output}` of the model is {gives}, the SQL of the step takes {takes}")]
    Output {
        /// The output.
        output: String,
        /// Its type.
        gives: String,
        /// The type that the step's SQL takes.
        takes: String,
    },
    /// The type of a column does not convert implicitly to that of the model's input.
    #[error("input `{input}` of the model takes {takes}, the step gives {given}; write `CAST(… AS {takes})`")]
    Type {
        /// The model's input.
        input: String,
        /// The type it takes.
        takes: String,
        /// The type of the column.
        given: String,
    },
}

fn suggestion(nearest: &Option<String>, given: &[String]) -> String {
    match nearest {
        Some(name) => format!("; did you mean that by `{name}`?"),
        None if given.is_empty() => "; name the inputs, as in `inputs: {name: column}`".into(),
        None => format!("; it gives `{}`", given.join("`, `")),
    }
}

/// The mapping from the inputs of a step to those of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    columns: Vec<Bound>,
    nulls_as_nan: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Bound {
    /// The index among the inputs of the step.
    input: usize,
    data_type: DataType,
    /// What the model calls it.
    label: String,
}

impl Binding {
    /// Binds the inputs of a step, each with its type and, if it has one, its name: the key in a map of inputs, or
    /// the column in a list. A single tensor takes them in order. Several tensors, or fields, take them by name;
    /// inputs with other names are ignored.
    ///
    /// # Errors
    /// If an input is missing, or their number or types differ.
    pub fn new(
        signature: &Signature,
        inputs: &[(Option<&str>, DataType)],
        nulls_as_nan: bool,
    ) -> Result<Self, BindError> {
        let takes = &signature.inputs;
        let order = match takes {
            Inputs::Tensor { .. } => by_order(takes, inputs.len())?,
            Inputs::Tensors(_) if inputs.iter().all(|(name, _)| name.is_none()) => by_order(takes, inputs.len())?,
            Inputs::Tensors(fields) | Inputs::Fields(fields) => {
                fields.iter().map(|f| by_name(f.name(), inputs)).collect::<Result<_, _>>()?
            }
        };
        let bind = |(i, from): (usize, usize)| {
            let (given, data_type) = (&inputs[from].1, takes.data_type(i));
            if given == data_type || is_convertible(given, data_type) {
                return Ok(Bound { input: from, data_type: data_type.clone(), label: takes.label(i) });
            }
            Err(BindError::Type {
                input: inputs[from].0.map_or_else(|| takes.label(i), str::to_owned),
                takes: type_name(data_type),
                given: type_name(given),
            })
        };
        let columns = order.into_iter().enumerate().map(bind).collect::<Result<_, _>>()?;
        Ok(Self { columns, nulls_as_nan })
    }

    /// Converts a batch of the step's inputs to the model's columns. Rows with a number that a column cannot hold are
    /// bad, and null in that column.
    ///
    /// # Errors
    /// If a column does not have the bound type.
    pub fn apply(&self, inputs: &[ArrayRef]) -> Result<(Vec<ArrayRef>, Vec<BadRow>), ModelError> {
        let mut bad = Vec::new();
        let mut columns = Vec::with_capacity(self.columns.len());
        for bound in &self.columns {
            let given = &inputs[bound.input];
            let mut column = given.clone();
            if *given.data_type() != bound.data_type {
                column = cast(given, &bound.data_type).map_err(|e| ModelError::Columns { reason: e.to_string() })?;
                if column.null_count() > given.null_count() {
                    bad.extend(out_of_range(given, &column, &bound.label));
                }
            }
            columns.push(if self.nulls_as_nan { nulls_to_nan(column) } else { column });
        }
        Ok((columns, bad))
    }
}

/// The rows in which a conversion has made a null of a value.
fn out_of_range<'a>(given: &'a ArrayRef, converted: &'a ArrayRef, input: &'a str) -> impl Iterator<Item = BadRow> + 'a {
    let lost = (0..given.len()).filter(|row| converted.is_null(*row) && given.is_valid(*row));
    lost.map(move |row| {
        let value = array_value_to_string(given, row).unwrap_or_default();
        let takes = type_name(converted.data_type());
        BadRow { row, error: format!("model input `{input}` takes {takes}, {value} is out of range") }
    })
}

fn by_order(takes: &Inputs, given: usize) -> Result<Vec<usize>, BindError> {
    if takes.columns() == given {
        return Ok((0..given).collect());
    }
    Err(BindError::Count { takes: takes.columns(), given, inputs: takes.to_string() })
}

fn by_name(field: &str, inputs: &[(Option<&str>, DataType)]) -> Result<usize, BindError> {
    let names = || inputs.iter().filter_map(|(name, _)| *name);
    let exact = inputs.iter().position(|(name, _)| *name == Some(field));
    let wanted = normalized(field);
    let like = || inputs.iter().position(|(name, _)| name.is_some_and(|n| normalized(n) == wanted));
    exact.or_else(like).ok_or_else(|| BindError::Missing {
        input: field.to_owned(),
        nearest: nearest(field, names()).map(str::to_owned),
        given: names().map(str::to_owned).collect(),
    })
}

/// A name in lower case without spaces and underscores, for comparison.
pub(super) fn normalized(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace() && *c != '_').flat_map(char::to_lowercase).collect()
}

/// Numbers and booleans convert to numbers. Fractions are never truncated: fractional types convert only to fractional
/// types. All types that are not nested convert to text. Text is never parsed.
fn is_convertible(from: &DataType, to: &DataType) -> bool {
    let number = |t: &DataType| t.is_numeric() || *t == DataType::Boolean;
    let whole = |t: &DataType| t.is_integer() || *t == DataType::Boolean;
    match to {
        DataType::Utf8 => !from.is_nested() && can_cast_types(from, to),
        _ if whole(to) => whole(from) && can_cast_types(from, to),
        _ => number(from) && number(to) && can_cast_types(from, to),
    }
}

fn nulls_to_nan(column: ArrayRef) -> ArrayRef {
    match column.data_type() {
        _ if column.null_count() == 0 => column,
        DataType::Float32 => fill_nulls(column.as_primitive::<Float32Type>(), f32::NAN),
        DataType::Float64 => fill_nulls(column.as_primitive::<Float64Type>(), f64::NAN),
        _ => column,
    }
}

fn fill_nulls<T: ArrowPrimitiveType>(column: &PrimitiveArray<T>, value: T::Native) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::from_iter_values(column.iter().map(|v| v.unwrap_or(value))))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow_array::{Float32Array, Float64Array, Int64Array, StringArray};
    use arrow_schema::Field;

    fn tensor(features: usize) -> Signature {
        let inputs = Inputs::Tensor { name: "x".into(), features, data_type: DataType::Float32 };
        Signature { inputs, outputs: vec![] }
    }

    fn fields(names: &[&str]) -> Signature {
        let fields = names.iter().map(|n| Field::new(*n, DataType::Float64, true)).collect();
        Signature { inputs: Inputs::Fields(fields), outputs: vec![] }
    }

    #[test]
    fn a_tensor_takes_columns_in_order_and_casts_them() {
        let given = [(Some("b"), DataType::Float64), (Some("a"), DataType::Int64)];
        let binding = Binding::new(&tensor(2), &given, false).unwrap();
        let columns: [ArrayRef; 2] = [Arc::new(Float64Array::from(vec![1.5])), Arc::new(Int64Array::from(vec![2]))];
        let (bound, bad) = binding.apply(&columns).unwrap();
        assert!(bad.is_empty());
        assert_eq!(bound[0].as_primitive::<Float32Type>(), &Float32Array::from(vec![1.5]));
        assert_eq!(bound[1].as_primitive::<Float32Type>(), &Float32Array::from(vec![2.0]));
    }

    #[test]
    fn a_wrong_number_of_columns_names_both_numbers() {
        let error = Binding::new(&tensor(3), &[(None, DataType::Float64)], false).unwrap_err();
        assert_eq!(error.to_string(), "the model takes 3 features (x: float [n, 3]), the step gives 1");
    }

    #[test]
    fn field_names_ignore_case_spaces_and_underscores() {
        let given = [(Some("ph"), DataType::Float64), (Some("Fixed_Acidity"), DataType::Float64)];
        let binding = Binding::new(&fields(&["fixed acidity", "pH"]), &given, false).unwrap();
        assert_eq!(binding.columns.iter().map(|c| c.input).collect::<Vec<_>>(), [1, 0]);
    }

    #[test]
    fn a_missing_field_suggests_the_most_similar_name() {
        let error = Binding::new(&fields(&["alcohol"]), &[(Some("alcool"), DataType::Float64)], false).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the model needs an input `alcohol`, which the step does not give; did you mean that by `alcool`?"
        );
    }

    #[test]
    fn text_is_not_parsed_as_numbers() {
        let error = Binding::new(&tensor(1), &[(Some("ph"), DataType::Utf8)], false).unwrap_err();
        assert_eq!(
            error.to_string(),
            "input `ph` of the model takes float, the step gives string; write `CAST(… AS float)`"
        );
        let text: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
        assert!(!is_convertible(text.data_type(), &DataType::Float64));
    }

    #[test]
    fn fractions_are_not_cut() {
        let tensor = |data_type| Signature {
            inputs: Inputs::Tensor { name: "x".into(), features: 1, data_type },
            outputs: vec![],
        };
        let decimal = DataType::Decimal128(10, 2);
        for (takes, given) in [
            (DataType::Int64, DataType::Float64),
            (DataType::Int32, DataType::Float32),
            (DataType::Int64, decimal.clone()),
            (DataType::Boolean, DataType::Float64),
        ] {
            let error = Binding::new(&tensor(takes.clone()), &[(Some("n"), given.clone())], false).unwrap_err();
            let (takes, given) = (type_name(&takes), type_name(&given));
            assert_eq!(
                error.to_string(),
                format!("input `n` of the model takes {takes}, the step gives {given}; write `CAST(… AS {takes})`")
            );
        }
        for given in [DataType::Int32, DataType::Int64, DataType::Boolean] {
            assert!(Binding::new(&tensor(DataType::Int64), &[(None, given)], false).is_ok());
        }
        assert!(Binding::new(&tensor(DataType::Float32), &[(None, decimal)], false).is_ok());
    }

    #[test]
    fn a_number_out_of_range_is_a_bad_row_and_no_null() {
        let takes = Signature {
            inputs: Inputs::Tensor { name: "x".into(), features: 1, data_type: DataType::Int32 },
            outputs: vec![],
        };
        let binding = Binding::new(&takes, &[(Some("n"), DataType::Int64)], false).unwrap();
        let column: [ArrayRef; 1] = [Arc::new(Int64Array::from(vec![Some(7), None, Some(3_000_000_000)]))];
        let (bound, bad) = binding.apply(&column).unwrap();
        assert_eq!(bound[0].null_count(), 2);
        let error = "model input `x` takes int, 3000000000 is out of range";
        assert_eq!(bad, [BadRow { row: 2, error: error.into() }]);
    }

    #[test]
    fn nulls_become_nan_only_if_the_step_asks_for_it() {
        let column: [ArrayRef; 1] = [Arc::new(Float64Array::from(vec![Some(1.0), None]))];
        let given = [(None, DataType::Float64)];
        let bound = |nan| Binding::new(&tensor(1), &given, nan).unwrap().apply(&column).unwrap().0;
        assert_eq!(bound(false)[0].null_count(), 1);
        let with_nan = bound(true);
        assert_eq!(with_nan[0].null_count(), 0);
        assert!(with_nan[0].as_primitive::<Float32Type>().value(1).is_nan());
    }
}
