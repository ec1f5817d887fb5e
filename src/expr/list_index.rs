//! Refuses the index 0 of a list: SQL counts from 1, and what is not there is null, so the mistake would go unseen.

use super::ExprError;
use datafusion_common::ScalarValue;
use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_expr::Expr;

/// The function that `list[index]` calls.
const LIST_ITEM: &str = "array_element";

/// Fails where an item 0 is taken.
pub(super) fn check(expr: &Expr) -> Result<(), ExprError> {
    let mut refused = None;
    let visited = expr.apply(|part| {
        if let Expr::ScalarFunction(call) = part
            && call.name() == LIST_ITEM
            && let [list, Expr::Literal(index, _)] = call.args.as_slice()
            && matches!(index, ScalarValue::Int64(Some(0)) | ScalarValue::UInt64(Some(0)) | ScalarValue::Int32(Some(0)))
        {
            refused = Some(refusal(list));
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    match (refused, visited) {
        (Some(refused), _) => Err(refused),
        (None, visited) => visited.map(drop).map_err(|e| ExprError::new(super::error::plain(&e))),
    }
}

fn refusal(list: &Expr) -> ExprError {
    let name = match list {
        // Names of group columns are made up.
        Expr::Column(column) if !column.name.starts_with('\u{1}') => column.name.as_str(),
        _ => "…",
    };
    ExprError::new("a list has no item 0: SQL counts from 1")
        .hint(format!("the first item is `{name}[1]`, the last one `{name}[-1]`"))
}
