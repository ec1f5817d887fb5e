//! `sqrt(x)`: the square root. Of a negative number it is null, as every number without a value.
//!
//! It replaces DataFusion's function, which fails there.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{ArrayRef, Float32Array, Float64Array};
use arrow_schema::DataType;
use datafusion_common::{Result, exec_err};
use datafusion_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use std::sync::Arc;

pub(super) fn udf() -> ScalarUDF {
    let types = [DataType::Float64, DataType::Float32].map(|t| TypeSignature::Exact(vec![t]));
    ScalarUDF::new_from_impl(Sqrt { signature: Signature::one_of(types.to_vec(), Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Sqrt {
    signature: Signature,
}

impl ScalarUDFImpl for Sqrt {
    fn name(&self) -> &str {
        "sqrt"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        Ok(if args == [DataType::Float32] { DataType::Float32 } else { DataType::Float64 })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(numbers) = args.args.first() else { return exec_err!("`sqrt` takes one number") };
        let numbers = numbers.to_array(args.number_rows)?;
        let roots: ArrayRef =
            match numbers.data_type() {
                DataType::Float32 => Arc::new(numbers.as_primitive::<Float32Type>().unary::<_, Float32Type>(f32::sqrt))
                    as Arc<Float32Array>,
                _ => Arc::new(numbers.as_primitive::<Float64Type>().unary::<_, Float64Type>(f64::sqrt))
                    as Arc<Float64Array>,
            };
        Ok(ColumnarValue::Array(roots))
    }
}
