//! The one walk over a syntax tree.
//!
//! Separate because each type that walks makes the compiler build the walk of sqlparser's whole grammar
//! anew, minutes in all. So there is one walker, and passes are a [`Pass`] behind a pointer.

use super::ExprError;
use datafusion_sql::sqlparser::ast::{self, VisitMut, VisitorMut};
use std::ops::ControlFlow;

/// What a pass does at each node; the first error ends the walk.
pub(super) trait Pass {
    /// Before the children.
    fn enter(&mut self, _: &mut ast::Expr) -> Result<(), ExprError> {
        Ok(())
    }

    /// After the children.
    fn leave(&mut self, _: &mut ast::Expr) -> Result<(), ExprError> {
        Ok(())
    }

    /// At a literal.
    fn value(&mut self, _: &mut ast::ValueWithSpan) {}
}

/// Walks a tree in the order of its text.
pub(super) fn walk(tree: &mut ast::Expr, pass: &mut dyn Pass) -> Result<(), ExprError> {
    match VisitMut::visit(tree, &mut Walker(pass)) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Walker<'a>(&'a mut dyn Pass);

impl VisitorMut for Walker<'_> {
    type Break = ExprError;

    fn pre_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<ExprError> {
        step(self.0.enter(expr))
    }

    fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<ExprError> {
        step(self.0.leave(expr))
    }

    fn pre_visit_value(&mut self, value: &mut ast::ValueWithSpan) -> ControlFlow<ExprError> {
        self.0.value(value);
        ControlFlow::Continue(())
    }
}

fn step(result: Result<(), ExprError>) -> ControlFlow<ExprError> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}
