//! Evaluates the constant parts of an expression when it is compiled.
//!
//! DataFusion's simplifier lets constant arithmetic wrap, and leaves a constant that fails to fail again for
//! every record. Here `ts > 'yesterdy'` is an error of the file, not of each record. Volatile functions are
//! never folded.

use super::physical::physical;
use arrow_array::{ArrayRef, NullArray, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{DFSchemaRef, DataFusionError, Result, ScalarValue};
use datafusion_expr::{ColumnarValue, Expr, Volatility};
use std::sync::Arc;

/// Replaces constant parts by their values.
pub(super) fn fold(expr: Expr, schema: &DFSchemaRef) -> Result<Expr> {
    let folded = expr.transform_down(|part| {
        if matches!(part, Expr::Literal(..)) || !is_constant(&part)? {
            return Ok(Transformed::no(part));
        }
        match value(&part, schema) {
            Ok(value) => Ok(Transformed::new(Expr::Literal(value, None), true, TreeNodeRecursion::Jump)),
            Err(error) if is_user_error(&error) => Err(error),
            // Some functions run only after the simplifier has rewritten them.
            Err(_) => Ok(Transformed::no(part)),
        }
    })?;
    Ok(folded.data)
}

/// Whether the value of an expression is known before the first record.
pub(super) fn is_constant(expr: &Expr) -> Result<bool> {
    let varies = expr.exists(|part| {
        Ok(match part {
            Expr::ScalarFunction(f) => f.func.signature().volatility != Volatility::Immutable,
            Expr::Literal(..)
            | Expr::Alias(_)
            | Expr::BinaryExpr(_)
            | Expr::Like(_)
            | Expr::SimilarTo(_)
            | Expr::Not(_)
            | Expr::IsNotNull(_)
            | Expr::IsNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::IsNotUnknown(_)
            | Expr::Negative(_)
            | Expr::Between(_)
            | Expr::Case(_)
            | Expr::Cast(_)
            | Expr::TryCast(_)
            | Expr::InList(_) => false,
            _ => true,
        })
    })?;
    Ok(!varies)
}

fn value(expr: &Expr, schema: &DFSchemaRef) -> Result<ScalarValue> {
    match physical(expr, schema)?.evaluate(&one_row()?)? {
        ColumnarValue::Scalar(value) => Ok(value),
        ColumnarValue::Array(array) => ScalarValue::try_from_array(&array, 0),
    }
}

/// A batch to evaluate constants on: expressions take the number of rows from it.
fn one_row() -> Result<RecordBatch> {
    let schema = Schema::new(vec![Field::new("none", DataType::Null, true)]);
    let column: ArrayRef = Arc::new(NullArray::new(1));
    Ok(RecordBatch::try_new(Arc::new(schema), vec![column])?)
}

fn is_user_error(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::ArrowError(..) | DataFusionError::Execution(_))
}
