//! Resolves every name of a syntax tree to a column or a function, and refuses syntax that an expression
//! cannot contain.
//!
//! DataFusion's planner folds identifiers to lower case and reports no locations. After this pass each
//! identifier is the exact name of a field of the planning schema.

use super::functions::Functions;
use super::names::{NameMatch, ambiguous, find, unknown};
use super::walk::{Pass, walk};
use super::{ExprError, Scope, expand, parse};
use arrow_schema::{DataType, FieldRef};
use datafusion_sql::sqlparser::ast::{self, Ident, Spanned, Value};
use datafusion_sql::sqlparser::tokenizer::Span;

/// The first character of names that are already those of the planning schema; SQL text does not contain it.
const RESOLVED: char = '\u{1}';

/// The columns that a `select` may name outside aggregates: the `by` columns and the bounds of a window.
pub(super) struct GroupColumns<'a> {
    pub(super) fields: Vec<&'a FieldRef>,
}

/// The name of a group column in the planning schema.
pub(super) fn group_name(i: usize) -> String {
    format!("{RESOLVED}group{i}")
}

/// Resolves a tree in place. It may contain aggregates if `groups` is given.
pub(super) fn resolve(
    tree: &mut ast::Expr,
    sql: &str,
    scope: &Scope,
    functions: &Functions,
    groups: Option<&GroupColumns<'_>>,
) -> Result<(), ExprError> {
    walk(tree, &mut NameResolver { sql, scope, functions, groups, open_aggregates: Vec::new() })
}

struct NameResolver<'a> {
    sql: &'a str,
    scope: &'a Scope,
    functions: &'a Functions,
    groups: Option<&'a GroupColumns<'a>>,
    /// The aggregates that enclose the visited node.
    open_aggregates: Vec<String>,
}

/// Aggregates whose result depends on the order of rows, or that exist only in a query.
const UNSUPPORTED_AGGREGATES: [&str; 7] =
    ["any_value", "array_agg", "first_value", "grouping", "last_value", "nth_value", "string_agg"];

impl Pass for NameResolver<'_> {
    fn enter(&mut self, expr: &mut ast::Expr) -> Result<(), ExprError> {
        use ast::Expr as E;
        match expr {
            E::Identifier(id) => {
                let id = std::mem::replace(id, Ident::new(""));
                *expr = self.column(id, false)?.0;
            }
            E::CompoundIdentifier(ids) => {
                let ids = std::mem::take(ids);
                *expr = self.path(ids)?;
            }
            E::Function(call) if matches!(call.args, ast::FunctionArguments::None) => {
                // `current_date` and the like need no parentheses; a column of the same name wins.
                let id = match call.name.0.as_slice() {
                    [ast::ObjectNamePart::Identifier(id)] => id.clone(),
                    _ => return Err(self.unknown_function(call)),
                };
                if matches!(self.scope.find(&id.value, false), NameMatch::One(_)) {
                    *expr = self.column(id, false)?.0;
                } else {
                    self.call(call)?;
                }
            }
            E::Function(call) => self.call(call)?,
            other => self.check_supported(other)?,
        }
        Ok(())
    }

    fn leave(&mut self, expr: &mut ast::Expr) -> Result<(), ExprError> {
        if let ast::Expr::Function(call) = expr
            && self.functions.is_aggregate(&expand::call_name(call))
        {
            self.open_aggregates.pop();
        }
        Ok(())
    }
}

/// Adds to the error of an unknown name in double quotes that it may be meant as a string.
fn with_single_quotes(error: ExprError, name: &str) -> ExprError {
    let string = format!("'{}'", name.replace('\'', "''"));
    let hint = match &error.hint {
        // A column that differs in case only is what is meant.
        Some(hint) if hint.to_lowercase().contains(&name.to_lowercase()) => return error,
        Some(hint) if error.suggests() => format!("{hint} Strings take single quotes: {string}"),
        _ if error.unknown_column.is_some() => format!("strings take single quotes: {string}"),
        _ => return error,
    };
    error.hint(hint)
}

const JOIN_HINT: &str = "use a `join` step to bring in other data";

impl NameResolver<'_> {
    fn check_supported(&self, expr: &ast::Expr) -> Result<(), ExprError> {
        use ast::Expr as E;
        let (message, hint) = match expr {
            E::Subquery(_) | E::Exists { .. } | E::InSubquery { .. } => {
                ("a subquery is not allowed in an expression".to_owned(), JOIN_HINT)
            }
            E::Value(v) if matches!(v.value, Value::Placeholder(_)) => (
                format!("the placeholder `{}` has no value here", v.value),
                "write the value itself; `${NAME}` takes one from the environment",
            ),
            E::Wildcard(_) | E::QualifiedWildcard(..) => {
                ("`*` is allowed only in `count(*)`".to_owned(), "name the columns one by one")
            }
            E::JsonAccess { .. } => ("`:` is not an operator here".to_owned(), "write `json_get(text, 'a.b')`"),
            E::Rollup(_) | E::Cube(_) | E::GroupingSets(_) => {
                ("grouping sets are not allowed in an expression".to_owned(), "group with `by:`")
            }
            _ => return Ok(()),
        };
        Err(self.refuse(&message, expr.span(), hint))
    }

    fn refuse(&self, message: &str, span: Span, hint: &str) -> ExprError {
        ExprError::new(message).at(parse::range(self.sql, span)).hint(hint)
    }

    /// The identifier with its exact name, and its field unless it is resolved already. `is_path` tells
    /// whether fields follow.
    fn column(&self, id: Ident, is_path: bool) -> Result<(ast::Expr, Option<FieldRef>), ExprError> {
        if id.value.starts_with(RESOLVED) {
            return Ok((ast::Expr::Identifier(id), None));
        }
        let at = parse::range(self.sql, id.span);
        let quoted = id.quote_style.is_some();
        let (name, field) = match self.groups {
            Some(groups) if self.open_aggregates.is_empty() => self.group(groups, &id.value, quoted, is_path),
            _ => self.scope.lookup(&id.value, quoted).map(|f| (f.name().clone(), f.clone())),
        }
        .map_err(|e| if quoted { with_single_quotes(e, &id.value) } else { e })
        .map_err(|e| e.at(at))?;
        // Quoted, so that a second visit resolves to the same column.
        let id = Ident { value: name, quote_style: Some('"'), span: id.span };
        Ok((ast::Expr::Identifier(id), Some(field)))
    }

    fn group(
        &self,
        groups: &GroupColumns<'_>,
        name: &str,
        quoted: bool,
        is_path: bool,
    ) -> Result<(String, FieldRef), ExprError> {
        let names: Vec<&str> = groups.fields.iter().map(|f| f.name().as_str()).collect();
        match find(name, quoted, &names) {
            NameMatch::One(i) => return Ok((group_name(i), groups.fields[i].clone())),
            NameMatch::Many(fits) => return Err(ambiguous(name, &fits)),
            NameMatch::None => {}
        }
        if let Ok(field) = self.scope.lookup(name, quoted) {
            let field = field.name();
            let shown = if is_path { format!("{field}.…") } else { field.clone() };
            return Err(ExprError::new(format!("column `{field}` is outside an aggregate and is not in `by`"))
                .hint(format!("use an aggregate such as `max({shown})`, or add `{field}` to `by`")));
        }
        let all: Vec<&str> = names.into_iter().chain(self.scope.names()).collect();
        Err(unknown(name, &all))
    }

    /// `a.b.c`: the column `a`, then fields of structs, which are resolved by the same rule as columns.
    fn path(&self, ids: Vec<Ident>) -> Result<ast::Expr, ExprError> {
        let mut ids = ids.into_iter();
        let Some(first) = ids.next() else { return Err(ExprError::new("a name is missing")) };
        let table = first.value.clone();
        let span = first.span;
        let (root, field) = self.column(first, true)?;
        let mut data_type = field.map(|f| f.data_type().clone());
        let mut access_chain = Vec::new();
        for id in ids {
            let name = match &data_type {
                Some(DataType::Struct(fields)) => {
                    let names: Vec<&str> = fields.iter().map(|f| f.name().as_str()).collect();
                    match find(&id.value, id.quote_style.is_some(), &names) {
                        NameMatch::One(i) => {
                            let field = fields[i].clone();
                            data_type = Some(field.data_type().clone());
                            field.name().clone()
                        }
                        NameMatch::Many(fits) => {
                            return Err(ambiguous(&id.value, &fits).at(parse::range(self.sql, id.span)));
                        }
                        NameMatch::None => {
                            let mut error = unknown(&id.value, &names);
                            error.message = format!("`{table}` has no field `{}`", id.value);
                            error.hint = error.hint.map(|h| h.replace("columns in scope", "fields"));
                            return Err(error.at(parse::range(self.sql, id.span)));
                        }
                    }
                }
                Some(DataType::Map(..)) | None => {
                    data_type = None;
                    id.value.clone()
                }
                Some(other) => {
                    let message = format!("`{table}` has no fields: it is a {}", crate::record::type_name(other));
                    return Err(self.refuse(&message, span.union(&id.span), "only structs and maps have fields"));
                }
            };
            access_chain.push(parse::field_access(name, id.span));
        }
        Ok(ast::Expr::CompoundFieldAccess { root: Box::new(root), access_chain })
    }

    fn call(&mut self, call: &ast::Function) -> Result<(), ExprError> {
        let name = expand::call_name(call);
        let span = call.name.span();
        if call.over.is_some() {
            let hint = "use a `window` step, or `scan` for running values";
            return Err(self.refuse(&format!("`{name}` with OVER: window functions are not allowed here"), span, hint));
        }
        if matches!(call.args, ast::FunctionArguments::Subquery(_)) {
            return Err(self.refuse("a subquery is not allowed in an expression", span, JOIN_HINT));
        }
        if name.eq_ignore_ascii_case("unnest") || name.eq_ignore_ascii_case("unnest_outer") {
            let hint = "use a `flatten` step to make rows of a list";
            return Err(self.refuse(&format!("`{name}` is not allowed in an expression"), span, hint));
        }
        if call.name.0.len() != 1 || !self.functions.exists(&name) {
            return Err(self.unknown_function(call));
        }
        self.check_wildcards(call, &name)?;
        if self.functions.is_aggregate(&name) {
            self.enter_aggregate(call, &name)?;
        } else if call.filter.is_some() {
            return Err(self.refuse(
                &format!("`{name}` is not an aggregate and takes no FILTER"),
                span,
                "use CASE WHEN",
            ));
        }
        Ok(())
    }

    fn unknown_function(&self, call: &ast::Function) -> ExprError {
        self.functions.unknown(&expand::call_name(call)).at(parse::range(self.sql, call.name.span()))
    }

    fn enter_aggregate(&mut self, call: &ast::Function, name: &str) -> Result<(), ExprError> {
        let span = call.name.span();
        if self.groups.is_none() {
            let hint = "aggregates are allowed in the `select` of a `window` or `aggregate` step";
            return Err(self.refuse(&format!("the aggregate `{name}` is not allowed here"), span, hint));
        }
        if let Some(outer) = self.open_aggregates.last() {
            let message = format!("the aggregate `{name}` is not allowed inside the aggregate `{outer}`");
            return Err(self.refuse(&message, span, "aggregate in one step and aggregate its results in the next"));
        }
        let canonical = self.functions.aggregate(name).map(|f| f.name().to_owned()).unwrap_or_default();
        if UNSUPPORTED_AGGREGATES.contains(&canonical.as_str()) {
            let message =
                format!("the aggregate `{name}` depends on the order of records and cannot be kept as a state");
            return Err(self.refuse(&message, span, "use `min` or `max`, or a `scan` step for what depends on order"));
        }
        let ordered = match &call.args {
            ast::FunctionArguments::List(list) => {
                list.clauses.iter().any(|c| matches!(c, ast::FunctionArgumentClause::OrderBy(_)))
            }
            _ => false,
        };
        if ordered || !call.within_group.is_empty() {
            let message = format!("the aggregate `{name}` cannot be given an order");
            return Err(self.refuse(
                &message,
                span,
                "leave ORDER BY out; a percentile is `approx_percentile_cont(x, 0.9)`",
            ));
        }
        self.open_aggregates.push(name.to_owned());
        Ok(())
    }

    fn check_wildcards(&self, call: &ast::Function, name: &str) -> Result<(), ExprError> {
        let ast::FunctionArguments::List(list) = &call.args else { return Ok(()) };
        for arg in &list.args {
            let (ast::FunctionArg::Unnamed(value)
            | ast::FunctionArg::Named { arg: value, .. }
            | ast::FunctionArg::ExprNamed { arg: value, .. }) = arg;
            let is_wildcard = !matches!(value, ast::FunctionArgExpr::Expr(_));
            let is_count = name.eq_ignore_ascii_case("count") && matches!(value, ast::FunctionArgExpr::Wildcard);
            if is_wildcard && !is_count {
                let message = format!("`*` cannot be an argument of `{name}`");
                return Err(self.refuse(&message, call.name.span(), "`*` is allowed only in `count(*)`"));
            }
        }
        Ok(())
    }
}
