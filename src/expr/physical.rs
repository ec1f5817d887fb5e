//! Logical expressions to executable ones.
//!
//! Compilation and constant folding share it, so that a constant is computed exactly as a record's value.

use super::nan::NanAsNull;
use arrow_schema::DataType;
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_common::{DFSchemaRef, Result, ScalarValue};
use datafusion_expr::execution_props::ExecutionProps;
use datafusion_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion_expr::{Expr, Operator};
use datafusion_physical_expr::expressions::{BinaryExpr, Literal, NegativeExpr};
use datafusion_physical_expr::{PhysicalExpr, ScalarFunctionExpr, create_physical_expr};
use std::sync::Arc;

/// The executable form. Integer arithmetic that overflows is an error, it never wraps; a floating-point number
/// without a value is null.
pub(super) fn physical(expr: &Expr, schema: &DFSchemaRef) -> Result<Arc<dyn PhysicalExpr>> {
    let planned = create_physical_expr(expr, schema, &ExecutionProps::new(), &PhysicalPlanningContext::default())?;
    let checked = planned.transform_up(|part| {
        let computes = part.downcast_ref::<ScalarFunctionExpr>().is_some()
            || part.downcast_ref::<BinaryExpr>().is_some_and(|b| is_arithmetic(*b.op()));
        if computes && part.data_type(schema.as_arrow())?.is_floating() {
            return Ok(Transformed::yes(Arc::new(NanAsNull::new(part)) as Arc<dyn PhysicalExpr>));
        }
        Ok(match checked(&part, schema)? {
            Some(checked) => Transformed::yes(checked),
            None => Transformed::no(part),
        })
    })?;
    Ok(checked.data)
}

fn is_arithmetic(op: Operator) -> bool {
    use Operator as O;
    matches!(op, O::Plus | O::Minus | O::Multiply | O::Divide | O::Modulo)
}

/// A part that could wrap, as one that is an error where it would.
fn checked(part: &Arc<dyn PhysicalExpr>, schema: &DFSchemaRef) -> Result<Option<Arc<dyn PhysicalExpr>>> {
    if let Some(negative) = part.downcast_ref::<NegativeExpr>() {
        let zero = match negative.arg().data_type(schema.as_arrow())? {
            DataType::Int32 => ScalarValue::Int32(Some(0)),
            DataType::Int64 => ScalarValue::Int64(Some(0)),
            _ => return Ok(None),
        };
        let zero = Arc::new(Literal::new(zero));
        let difference = BinaryExpr::new(zero, Operator::Minus, negative.arg().clone());
        return Ok(Some(Arc::new(difference.with_fail_on_overflow(true))));
    }
    let Some(binary) = part.downcast_ref::<BinaryExpr>() else { return Ok(None) };
    if !matches!(binary.op(), Operator::Plus | Operator::Minus | Operator::Multiply) {
        return Ok(None);
    }
    Ok(Some(Arc::new(binary.clone().with_fail_on_overflow(true))))
}
