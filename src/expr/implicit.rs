//! Refuses what DataFusion would do by itself: make numbers, times or truth values of strings.
//!
//! It compares a string column with a number by casting each string, and a string that is no number is then an
//! error of its record. Here that is an error of the file, and the user says how a string is read. Constants are
//! cast as ever: they are checked when the file is compiled.

use super::ExprError;
use super::error::plain;
use super::fold::is_constant;
use super::types::pipeline_type;
use crate::record::type_name;
use arrow_schema::DataType;
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_common::{DFSchemaRef, DataFusionError, Result};
use datafusion_expr::expr::Alias;
use datafusion_expr::{Expr, ExprSchemable as _};

/// The alias of a cast that the user wrote; SQL text does not contain it.
const WRITTEN: &str = "\u{1}written";

/// Marks the casts that are there, so that those which coercion adds can be told from them.
pub(super) fn mark_written(expr: Expr) -> Result<Expr> {
    let marked = expr.transform_up(|part| {
        Ok(match part {
            Expr::Cast(_) | Expr::TryCast(_) => Transformed::yes(part.alias(WRITTEN)),
            _ => Transformed::no(part),
        })
    })?;
    Ok(marked.data)
}

/// Removes the marks again, and refuses a cast of a string that has none.
pub(super) fn check(expr: Expr, schema: &DFSchemaRef) -> std::result::Result<Expr, ExprError> {
    let mut refused = None;
    let checked = expr.transform_down(|part| {
        let part = match part {
            // The walk goes on below the cast.
            Expr::Alias(Alias { expr, name, .. }) if name == WRITTEN => return Ok(Transformed::yes(*expr)),
            part => part,
        };
        if let Expr::Cast(cast) = &part {
            let (from, to) = (cast.expr.get_type(schema)?, cast.field.data_type());
            if reads_strings(&from, to) && !is_constant(&cast.expr)? {
                refused = Some(refusal(&cast.expr, to));
                return Err(DataFusionError::Plan(String::new()));
            }
        }
        Ok(Transformed::no(part))
    });
    match (checked, refused) {
        (_, Some(refused)) => Err(refused),
        (Err(error), None) => Err(ExprError::new(plain(&error))),
        (Ok(checked), None) => Ok(checked.data),
    }
}

/// DataFusion's own error of arithmetic with strings, with a hint.
pub(super) fn hinted(error: ExprError) -> ExprError {
    let is_of_strings = error.message.starts_with("Cannot coerce arithmetic") && error.message.contains("string");
    if is_of_strings { error.hint("a string is no number: read it as one, as in `CAST(… AS double)`") } else { error }
}

/// Whether a cast makes other values of strings.
fn reads_strings(from: &DataType, to: &DataType) -> bool {
    use DataType as T;
    match (from, to) {
        (T::List(from) | T::LargeList(from), T::List(to) | T::LargeList(to)) => {
            reads_strings(from.data_type(), to.data_type())
        }
        (T::Utf8 | T::LargeUtf8 | T::Utf8View, to) => to.is_numeric() || to.is_temporal() || *to == T::Boolean,
        _ => false,
    }
}

fn refusal(text: &Expr, to: &DataType) -> ExprError {
    let name = match unaliased(text) {
        // Names of group columns are made up.
        Expr::Column(column) if !column.name.starts_with('\u{1}') => Some(column.name.as_str()),
        _ => None,
    };
    let wanted = match to {
        // A number that is no integer could not be read as one.
        to if to.is_integer() => "double".to_owned(),
        to => pipeline_type(to).map_or_else(|| to.to_string(), |t| type_name(&t)),
    };
    let what = if to.is_numeric() { "number" } else { wanted.as_str() };
    let what = if to.is_temporal() && matches!(to, DataType::Time32(_) | DataType::Time64(_)) { "time" } else { what };
    let subject = name.map_or_else(|| "a string".to_owned(), |name| format!("the string `{name}`"));
    let arg = name.unwrap_or("…");
    ExprError::new(format!("{subject} stands where a {what} is needed")).hint(format!(
        "say how it is read: `CAST({arg} AS {wanted})`, or `TRY_CAST`, which gives null where it is none"
    ))
}

fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}
