//! Makes a floating-point number without a value null.
//!
//! What `sqrt(-4)`, `ln(-4)` and `0.0 / 0.0` give is NaN to IEEE 754. As a value of a record it would be greater
//! than every number in a comparison and null in JSON, so it is null from the start.

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, PrimitiveArray, RecordBatch};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Schema};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// An expression of type float or double whose NaNs are null.
#[derive(Debug, Eq)]
pub(super) struct NanAsNull {
    arg: Arc<dyn PhysicalExpr>,
}

impl NanAsNull {
    pub(super) fn new(arg: Arc<dyn PhysicalExpr>) -> Self {
        Self { arg }
    }
}

impl PartialEq for NanAsNull {
    fn eq(&self, other: &Self) -> bool {
        self.arg.eq(&other.arg)
    }
}

impl Hash for NanAsNull {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.arg.hash(state);
    }
}

impl fmt::Display for NanAsNull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.arg.fmt(f)
    }
}

impl PhysicalExpr for NanAsNull {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.arg.data_type(schema)
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        Ok(match self.arg.evaluate(batch)? {
            ColumnarValue::Array(array) => ColumnarValue::Array(match array.data_type() {
                DataType::Float64 => without_nan::<Float64Type>(array, f64::is_nan),
                DataType::Float32 => without_nan::<Float32Type>(array, f32::is_nan),
                _ => array,
            }),
            ColumnarValue::Scalar(ScalarValue::Float64(v)) => {
                ColumnarValue::Scalar(ScalarValue::Float64(v.filter(|v| !v.is_nan())))
            }
            ColumnarValue::Scalar(ScalarValue::Float32(v)) => {
                ColumnarValue::Scalar(ScalarValue::Float32(v.filter(|v| !v.is_nan())))
            }
            scalar @ ColumnarValue::Scalar(_) => scalar,
        })
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.arg]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let Some(arg) = children.into_iter().next() else {
            return datafusion_common::internal_err!("an expression has lost its argument");
        };
        Ok(Arc::new(Self { arg }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.arg.fmt_sql(f)
    }
}

fn without_nan<T: ArrowPrimitiveType>(array: ArrayRef, is_nan: fn(T::Native) -> bool) -> ArrayRef {
    let numbers = array.as_primitive::<T>();
    // Nearly every batch ends here: one pass without a branch for each value.
    if !numbers.values().iter().fold(false, |any, v| any | is_nan(*v)) {
        return array;
    }
    let valid: NullBuffer = numbers.values().iter().map(|v| !is_nan(*v)).collect();
    let valid = NullBuffer::union(numbers.nulls(), Some(&valid));
    Arc::new(PrimitiveArray::<T>::new(numbers.values().clone(), valid))
}
