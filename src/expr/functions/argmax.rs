//! `argmax(list)`: the index, from 0, of the greatest number of a list.
//!
//! It turns a model's scores into its class. NaN and null never win; of equal numbers the first wins; a
//! list without numbers gives null.

use super::numbers;
use crate::expr::kernels::argmax;
use arrow_array::{Array, Int64Array};
use arrow_schema::DataType;
use datafusion_common::Result;
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use std::sync::Arc;

pub(super) fn udf() -> ScalarUDF {
    ScalarUDF::new_from_impl(ArgMax { signature: Signature::user_defined(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ArgMax {
    signature: Signature,
}

impl ScalarUDFImpl for ArgMax {
    fn name(&self) -> &str {
        "argmax"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        numbers::coerce(self.name(), args)
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let lists = numbers::lists(&args.args, args.number_rows)?;
        let values = lists.values();
        let indices: Int64Array = lists
            .rows()
            .map(|row| {
                let numbers = row?.enumerate().filter(|(_, i)| values.is_valid(*i));
                argmax(numbers.map(|(index, i)| (index, values.value(i)))).and_then(|index| i64::try_from(index).ok())
            })
            .collect();
        Ok(ColumnarValue::Array(Arc::new(indices)))
    }
}
