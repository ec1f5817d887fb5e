//! Brings a step's columns into the order and types that a model takes.
//!
//! Separate because it is decided once for each model version, when the version is tried out, and then
//! applied to every batch. It never guesses: a column that would have to be parsed is refused.

use super::{Inputs, ModelError, Signature};
use crate::diagnostics::nearest;
use crate::record::type_name;
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, PrimitiveArray};
use arrow_cast::{can_cast_types, cast};
use arrow_schema::DataType;
use std::sync::Arc;
use thiserror::Error;

/// Why a step's inputs cannot feed a model.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BindError {
    /// An input of the model that the step does not give.
    #[error("the model needs an input `{input}`, which the step does not give{}", near(nearest, given))]
    Missing {
        /// The model's input.
        input: String,
        /// The step's input that is named most like it.
        nearest: Option<String>,
        /// All inputs of the step that have a name.
        given: Vec<String>,
    },
    /// A tensor of another width.
    #[error("the model takes {takes} features ({inputs}), the step gives {given}")]
    Count {
        /// How many the model takes.
        takes: usize,
        /// How many the step gives.
        given: usize,
        /// The model's inputs, for a person.
        inputs: String,
    },
    /// An output that the step uses and the model does not have.
    #[error("the step uses an output `{output}`, which the model does not give; it gives `{}`", given.join("`, `"))]
    NoOutput {
        /// What the step uses.
        output: String,
        /// What there is.
        given: Vec<String>,
    },
    /// An output of a type that does not turn into what the step's SQL takes.
    #[error("output `{output}` of the model is {gives}, the SQL of the step takes {takes}")]
    Output {
        /// The output.
        output: String,
        /// Its type.
        gives: String,
        /// What the step's SQL was compiled for.
        takes: String,
    },
    /// A column of a type that does not turn into the model's by itself.
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

fn near(nearest: &Option<String>, given: &[String]) -> String {
    match nearest {
        Some(name) => format!("; did you mean it by `{name}`?"),
        None if given.is_empty() => "; name the inputs, as in `inputs: {name: column}`".into(),
        None => format!("; it gives `{}`", given.join("`, `")),
    }
}

/// How a step's inputs become a model's.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    columns: Vec<Bound>,
    nulls_as_nan: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Bound {
    from: usize,
    data_type: DataType,
}

impl Binding {
    /// Binds a step's inputs, each with its name (the key of a map, or the column of a list where it is a
    /// plain column) and type. A single tensor takes them in order, several tensors and fields by name;
    /// inputs that such a model does not know are left out.
    ///
    /// # Errors
    /// What is missing, or of another number or type.
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
            if given == data_type || converts(given, data_type) {
                return Ok(Bound { from, data_type: data_type.clone() });
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

    /// The model's columns for a batch of the step's.
    ///
    /// # Errors
    /// Where a column is not of the type that was bound.
    pub fn apply(&self, inputs: &[ArrayRef]) -> Result<Vec<ArrayRef>, ModelError> {
        let column = |b: &Bound| {
            let given = &inputs[b.from];
            let column = if *given.data_type() == b.data_type {
                given.clone()
            } else {
                cast(given, &b.data_type).map_err(|e| ModelError::Columns { reason: e.to_string() })?
            };
            Ok(if self.nulls_as_nan { nan_for_null(column) } else { column })
        };
        self.columns.iter().map(column).collect()
    }
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
    let plain_field = plain(field);
    let like = || inputs.iter().position(|(name, _)| name.is_some_and(|n| plain(n) == plain_field));
    exact.or_else(like).ok_or_else(|| BindError::Missing {
        input: field.to_owned(),
        nearest: nearest(field, names()).map(str::to_owned),
        given: names().map(str::to_owned).collect(),
    })
}

/// A name without what does not matter: case, space and underscore.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace() && *c != '_').flat_map(char::to_lowercase).collect()
}

/// Numbers and booleans become numbers, anything plain becomes text; text is never parsed.
fn converts(from: &DataType, to: &DataType) -> bool {
    let number = |t: &DataType| t.is_numeric() || *t == DataType::Boolean;
    match to {
        DataType::Utf8 => !from.is_nested() && can_cast_types(from, to),
        _ => number(from) && number(to) && can_cast_types(from, to),
    }
}

fn nan_for_null(column: ArrayRef) -> ArrayRef {
    match column.data_type() {
        _ if column.null_count() == 0 => column,
        DataType::Float32 => fill(column.as_primitive::<Float32Type>(), f32::NAN),
        DataType::Float64 => fill(column.as_primitive::<Float64Type>(), f64::NAN),
        _ => column,
    }
}

fn fill<T: ArrowPrimitiveType>(column: &PrimitiveArray<T>, value: T::Native) -> ArrayRef {
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
        let bound = binding.apply(&columns).unwrap();
        assert_eq!(bound[0].as_primitive::<Float32Type>(), &Float32Array::from(vec![1.5]));
        assert_eq!(bound[1].as_primitive::<Float32Type>(), &Float32Array::from(vec![2.0]));
    }

    #[test]
    fn another_number_of_columns_says_both() {
        let error = Binding::new(&tensor(3), &[(None, DataType::Float64)], false).unwrap_err();
        assert_eq!(error.to_string(), "the model takes 3 features (x: float [n, 3]), the step gives 1");
    }

    #[test]
    fn fields_bind_by_name_whatever_case_space_and_underscore() {
        let given = [(Some("ph"), DataType::Float64), (Some("Fixed_Acidity"), DataType::Float64)];
        let binding = Binding::new(&fields(&["fixed acidity", "pH"]), &given, false).unwrap();
        assert_eq!(binding.columns.iter().map(|c| c.from).collect::<Vec<_>>(), [1, 0]);
    }

    #[test]
    fn a_missing_field_names_the_nearest() {
        let error = Binding::new(&fields(&["alcohol"]), &[(Some("alcool"), DataType::Float64)], false).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the model needs an input `alcohol`, which the step does not give; did you mean it by `alcool`?"
        );
    }

    #[test]
    fn text_is_not_parsed_into_numbers() {
        let error = Binding::new(&tensor(1), &[(Some("ph"), DataType::Utf8)], false).unwrap_err();
        assert_eq!(
            error.to_string(),
            "input `ph` of the model takes float, the step gives string; write `CAST(… AS float)`"
        );
        let text: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
        assert!(!converts(text.data_type(), &DataType::Float64));
    }

    #[test]
    fn nulls_become_nan_only_where_the_step_says_so() {
        let column: [ArrayRef; 1] = [Arc::new(Float64Array::from(vec![Some(1.0), None]))];
        let given = [(None, DataType::Float64)];
        let bound = |nan| Binding::new(&tensor(1), &given, nan).unwrap().apply(&column).unwrap();
        assert_eq!(bound(false)[0].null_count(), 1);
        let with_nan = bound(true);
        assert_eq!(with_nan[0].null_count(), 0);
        assert!(with_nan[0].as_primitive::<Float32Type>().value(1).is_nan());
    }
}
