//! Finds the part of an expression that a planner's error is about.
//!
//! Separate because DataFusion reports a wrong type without a place. Parts are planned one by one, innermost
//! first: the first that fails with the same words is the one. Only run on the way to an error.

use super::walk::{Pass, walk};
use super::{ExprError, parse};
use datafusion_sql::sqlparser::ast;
use std::ops::Range;

/// The bytes of the smallest part for which `attempt` fails with `message`.
pub(super) fn locate(
    tree: &ast::Expr,
    sql: &str,
    message: &str,
    attempt: &dyn Fn(&ast::Expr) -> Option<String>,
) -> Option<Range<usize>> {
    let mut search = Search { sql, message, attempt };
    walk(&mut tree.clone(), &mut search).err().and_then(|found| found.at)
}

struct Search<'a> {
    sql: &'a str,
    message: &'a str,
    attempt: &'a dyn Fn(&ast::Expr) -> Option<String>,
}

impl Pass for Search<'_> {
    fn leave(&mut self, expr: &mut ast::Expr) -> Result<(), ExprError> {
        match (self.attempt)(expr).is_some_and(|m| m == self.message) {
            // Found: an error is how a walk ends early.
            true => Err(ExprError::new(self.message).at(parse::extent(self.sql, expr))),
            false => Ok(()),
        }
    }
}
