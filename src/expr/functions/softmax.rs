//! `softmax(list)`: scores as probabilities that sum to 1.
//!
//! It makes a model's raw outputs comparable. Large scores do not overflow. A null or NaN among the scores
//! makes the whole list null, because then no probability is known.

use super::numbers;
use crate::expr::kernels;
use arrow_array::{Array, Float64Array, GenericListArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field};
use datafusion_common::Result;
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use std::sync::Arc;

pub(super) fn udf() -> ScalarUDF {
    ScalarUDF::new_from_impl(Softmax { signature: Signature::user_defined(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Softmax {
    signature: Signature,
}

impl ScalarUDFImpl for Softmax {
    fn name(&self) -> &str {
        "softmax"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        numbers::coerce(self.name(), args)
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(numbers::list_of_doubles())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let lists = numbers::lists(&args.args, args.number_rows)?;
        let values = lists.values();
        let mut out = values.values().to_vec();
        let valid: NullBuffer = lists
            .rows()
            .map(|row| match row {
                Some(row) if values.slice(row.start, row.len()).null_count() == 0 => to_probabilities(&mut out[row]),
                _ => false,
            })
            .collect();
        let item = Arc::new(Field::new("item", DataType::Float64, true));
        let offsets = lists.list().offsets().clone();
        let list = GenericListArray::<i32>::try_new(item, offsets, Arc::new(Float64Array::from(out)), Some(valid))?;
        Ok(ColumnarValue::Array(Arc::new(list)))
    }
}

/// Works in place and returns whether the scores have probabilities.
fn to_probabilities(scores: &mut [f64]) -> bool {
    if scores.iter().any(|s| s.is_nan()) {
        return false;
    }
    let greatest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if greatest.is_infinite() {
        // Equal infinities share the probability: their difference would be NaN.
        scores.iter_mut().for_each(|s| *s = if *s == greatest { 0.0 } else { f64::NEG_INFINITY });
    }
    kernels::softmax(scores, f64::exp);
    true
}
