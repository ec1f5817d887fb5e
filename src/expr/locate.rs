//! Finds the part of an expression that a planner's error is about.
//!
//! DataFusion reports a wrong type without a location. So parts are planned one by one, innermost first;
//! the first part that fails with the same message is the one. This runs only after an error.

use super::walk::{Pass, walk};
use super::{ExprError, parse};
use datafusion_sql::sqlparser::ast;
use std::ops::Range;

/// The bytes of the smallest part for which `error_of` returns `message`.
pub(super) fn locate(
    tree: &ast::Expr,
    sql: &str,
    message: &str,
    error_of: &dyn Fn(&ast::Expr) -> Option<String>,
) -> Option<Range<usize>> {
    let mut search = ErrorSearch { sql, message, error_of };
    walk(&mut tree.clone(), &mut search).err().and_then(|found| found.at)
}

struct ErrorSearch<'a> {
    sql: &'a str,
    message: &'a str,
    error_of: &'a dyn Fn(&ast::Expr) -> Option<String>,
}

impl Pass for ErrorSearch<'_> {
    fn leave(&mut self, expr: &mut ast::Expr) -> Result<(), ExprError> {
        match (self.error_of)(expr).is_some_and(|m| m == self.message) {
            // Found. An error is how a walk ends early.
            true => Err(ExprError::new(self.message).at(parse::extent(self.sql, expr))),
            false => Ok(()),
        }
    }
}
