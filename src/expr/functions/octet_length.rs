//! `octet_length(x)`: the number of bytes of a string or of bytes.
//!
//! It replaces DataFusion's function, which takes only strings.

use arrow_array::cast::AsArray;
use arrow_array::types::ByteArrayType;
use arrow_array::{Array, GenericByteArray, Int32Array};
use arrow_cast::cast;
use arrow_schema::DataType;
use datafusion_common::{Result, exec_err, plan_err};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use std::sync::Arc;

pub(super) fn udf() -> ScalarUDF {
    ScalarUDF::new_from_impl(OctetLength { signature: Signature::user_defined(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OctetLength {
    signature: Signature,
}

impl ScalarUDFImpl for OctetLength {
    fn name(&self) -> &str {
        "octet_length"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        use DataType as T;
        match args {
            [T::Utf8 | T::LargeUtf8 | T::Utf8View | T::Null] => Ok(vec![T::Utf8]),
            [T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_)] => Ok(vec![T::Binary]),
            [T::Dictionary(_, value)] => self.coerce_types(&[value.as_ref().clone()]),
            [other] => plan_err!("`octet_length` takes a string or bytes, not {other}"),
            _ => plan_err!("`octet_length` takes one argument, not {}", args.len()),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int32)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(values) = args.args.first() else { return exec_err!("`octet_length` takes one argument") };
        let values = values.to_array(args.number_rows)?;
        let lengths = match values.data_type() {
            DataType::Binary => lengths(values.as_binary::<i32>()),
            _ => lengths(cast(&values, &DataType::Utf8)?.as_string::<i32>()),
        };
        Ok(ColumnarValue::Array(Arc::new(lengths)))
    }
}

fn lengths<T: ByteArrayType<Offset = i32>>(values: &GenericByteArray<T>) -> Int32Array {
    Int32Array::new(
        values.offsets().lengths().map(|n| i32::try_from(n).unwrap_or(i32::MAX)).collect(),
        values.nulls().cloned(),
    )
}
