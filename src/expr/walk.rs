//! The one walk over a syntax tree.
//!
//! The compiler instantiates sqlparser's visitor of the whole grammar for each type that implements it,
//! which takes minutes in all. So there is one visitor, and a pass is a [`Pass`] trait object.

use super::ExprError;
use datafusion_sql::sqlparser::ast::{self, VisitMut, VisitorMut};
use std::ops::ControlFlow;

/// The actions of a pass at each node; the first error ends the walk.
pub(super) trait Pass {
    /// Called before the children.
    fn enter(&mut self, _: &mut ast::Expr) -> Result<(), ExprError> {
        Ok(())
    }

    /// Called after the children.
    fn leave(&mut self, _: &mut ast::Expr) -> Result<(), ExprError> {
        Ok(())
    }

    /// Called at a literal.
    fn value(&mut self, _: &mut ast::ValueWithSpan) {}
}

/// Walks a tree in text order.
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
        control_flow(self.0.enter(expr))
    }

    fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<ExprError> {
        control_flow(self.0.leave(expr))
    }

    fn pre_visit_value(&mut self, value: &mut ast::ValueWithSpan) -> ControlFlow<ExprError> {
        self.0.value(value);
        ControlFlow::Continue(())
    }
}

fn control_flow(result: Result<(), ExprError>) -> ControlFlow<ExprError> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}
