//! The `select` of a window or an aggregate: SQL over aggregate calls and group columns.
//!
//! Its values come in two steps, unlike those of [`super::Expr`]: the calls run while records arrive, the
//! select runs when results are emitted. Equal calls in several columns are one call. It never keeps state.

use super::call::AggregateCall;
use super::compile::{Expr, ResolvedSql};
use super::evaluate::Evaluated;
use super::functions::Functions;
use super::inputs::InputColumn;
use super::resolve::{GroupColumns, group_name, resolve};
use super::scope::plan_schema;
use super::stack::with_large_stack;
use super::{ExprError, Scope, expand, parse, types};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{Field, FieldRef};
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{Column, DFSchemaRef};
use datafusion_expr::Expr as LogicalExpr;
use datafusion_expr::expr::AggregateFunction;
use datafusion_sql::sqlparser::ast;
use std::sync::Arc;

/// A compiled `select` with its aggregate calls.
#[derive(Clone, Debug)]
pub struct Aggregates {
    calls: Vec<AggregateCall>,
    columns: Vec<(String, Expr)>,
}

/// Plans the items of one select and collects their calls.
struct SelectPlanner<'a> {
    scope: &'a Scope,
    functions: &'a Functions,
    groups: GroupColumns<'a>,
    schema: DFSchemaRef,
    calls: Vec<(AggregateFunction, AggregateCall)>,
}

impl Aggregates {
    /// Compiles a select. Outside aggregates its items may name `by` and `extra` columns, inside aggregates
    /// all columns in scope.
    ///
    /// # Errors
    /// The index in `select` of the first item that is wrong, and what is wrong with it.
    pub fn compile(
        select: &[(&str, &str)],
        by: &[FieldRef],
        scope: &Scope,
        functions: &Functions,
        extra: &[FieldRef],
    ) -> Result<Self, (usize, ExprError)> {
        let max_len = select.iter().map(|(_, sql)| functions.expanded_len(sql)).max().unwrap_or(0);
        let compiled = with_large_stack(max_len, || {
            Ok::<_, ExprError>(Self::compile_recursively(select, by, scope, functions, extra))
        });
        compiled.unwrap_or_else(|e| Err((0, e)))
    }

    fn compile_recursively(
        select: &[(&str, &str)],
        by: &[FieldRef],
        scope: &Scope,
        functions: &Functions,
        extra: &[FieldRef],
    ) -> Result<Self, (usize, ExprError)> {
        let groups: Vec<&FieldRef> = by.iter().chain(extra).collect();
        let mut group_fields: Vec<FieldRef> = Vec::new();
        for (i, field) in groups.iter().enumerate() {
            group_fields.push(types::field(&group_name(i), field.data_type(), field.is_nullable()));
        }
        let all = scope.all().fields().iter().cloned().chain(group_fields.iter().cloned()).collect();
        let groups = GroupColumns { fields: groups };
        let mut planner = SelectPlanner { scope, functions, groups, schema: plan_schema(all), calls: Vec::new() };
        let mut planned = Vec::new();
        for (i, (_, sql)) in select.iter().enumerate() {
            planned.push(planner.plan(sql).map_err(|e| (i, e))?);
        }
        let calls: Vec<AggregateCall> = planner.calls.into_iter().map(|(_, call)| call).collect();
        let results = calls.iter().enumerate().map(|(i, c)| types::field(&call_name(i), &c.data_type(), c.nullable()));
        let fields: Vec<FieldRef> = group_fields.into_iter().chain(results).collect();
        let inputs: Vec<InputColumn> = (0..fields.len()).map(InputColumn::Column).collect();
        let schema = plan_schema(fields);
        let mut columns = Vec::new();
        for (i, ((name, sql), (tree, logical))) in select.iter().zip(planned).enumerate() {
            let source = ResolvedSql { sql, tree: &tree, schema: &schema, functions };
            let expr = source.lower(logical, &inputs, true).map_err(|e| (i, e))?;
            columns.push(((*name).to_owned(), expr));
        }
        Ok(Self { calls, columns })
    }

    /// The distinct calls of all items, ordered by first use.
    #[must_use]
    pub fn calls(&self) -> &[AggregateCall] {
        &self.calls
    }

    /// What the columns of the select mean, beside [`Self::calls`].
    #[must_use]
    pub fn definitions(&self) -> Vec<String> {
        self.columns.iter().map(|(name, expr)| format!("{name} = {}", expr.definition())).collect()
    }

    /// The columns of the select.
    #[must_use]
    pub fn output_fields(&self) -> Vec<FieldRef> {
        let field = |(name, expr): &(String, Expr)| Arc::new(Field::new(name, expr.data_type().clone(), true));
        self.columns.iter().map(field).collect()
    }

    /// The columns of the select, one row per group, from the groups' `by` and `extra` columns and the values
    /// of [`Aggregates::calls`].
    #[must_use]
    pub fn finish(&self, by: &[ArrayRef], extra: &[ArrayRef], values: &[ArrayRef]) -> Vec<Evaluated> {
        let columns: Vec<ArrayRef> = by.iter().chain(extra).chain(values).cloned().collect();
        let rows = columns.first().map_or(0, |c| c.len());
        self.columns.iter().map(|(_, expr)| expr.program().evaluate(&columns, None, rows)).collect()
    }
}

fn call_name(i: usize) -> String {
    format!("\u{1}call{i}")
}

impl SelectPlanner<'_> {
    /// The tree and the plan of one item, with its calls replaced by columns.
    fn plan(&mut self, sql: &str) -> Result<(ast::Expr, LogicalExpr), ExprError> {
        let mut tree = parse::parse(sql)?;
        expand::expand(&mut tree, sql, self.functions)?;
        resolve(&mut tree, sql, self.scope, self.functions, Some(&self.groups))?;
        let schema = self.schema.clone();
        let source = ResolvedSql { sql, tree: &tree, schema: &schema, functions: self.functions };
        let logical = source.plan()?;
        let mut failed = None;
        let replaced = logical.transform_down(|part| {
            let LogicalExpr::AggregateFunction(call) = part else { return Ok(Transformed::no(part)) };
            match self.call_index(call, &source) {
                Ok(i) => {
                    let results = LogicalExpr::Column(Column::new_unqualified(call_name(i)));
                    // Not searched further: it holds no calls.
                    Ok(Transformed::new(self.calls[i].1.finish(results), true, TreeNodeRecursion::Jump))
                }
                Err(error) => {
                    failed = Some(error);
                    datafusion_common::exec_err!("a call could not be compiled")
                }
            }
        });
        match (replaced, failed) {
            (_, Some(error)) => Err(error),
            (Err(error), None) => Err(ExprError::new(super::error::plain(&error)).at(Some(0..sql.len()))),
            (Ok(replaced), None) => Ok((tree, replaced.data)),
        }
    }

    fn call_index(&mut self, call: AggregateFunction, source: &ResolvedSql<'_>) -> Result<usize, ExprError> {
        if let Some(i) = self.calls.iter().position(|(other, _)| *other == call) {
            return Ok(i);
        }
        let compiled = AggregateCall::compile(call.clone(), source, self.scope.inputs())?;
        self.calls.push((call, compiled));
        Ok(self.calls.len() - 1)
    }
}
