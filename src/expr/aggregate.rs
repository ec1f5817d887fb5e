//! The `select` of a window or an aggregate: SQL over aggregate calls and group columns.
//!
//! Separate from [`super::Expr`] because its values come in two steps: the calls run while records arrive,
//! the select runs when results leave. Equal calls in several columns are one call. It never keeps state.

use super::call::AggregateCall;
use super::compile::{Expr, Source};
use super::evaluate::{Evaluated, Input};
use super::functions::Functions;
use super::resolve::{Groups, group_name, resolve};
use super::scope::plan_schema;
use super::stack::roomy;
use super::{ExprError, Scope, expand, parse, types};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{Field, FieldRef};
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_common::{Column, DFSchemaRef};
use datafusion_expr::Expr as Logical;
use datafusion_expr::expr::AggregateFunction;
use datafusion_sql::sqlparser::ast;
use std::sync::Arc;

/// A compiled `select` with its aggregate calls.
#[derive(Clone, Debug)]
pub struct Aggregates {
    calls: Vec<AggregateCall>,
    columns: Vec<(String, Expr)>,
}

/// What all items of one select are planned against.
struct Planner<'a> {
    scope: &'a Scope,
    functions: &'a Functions,
    groups: Groups<'a>,
    schema: DFSchemaRef,
    calls: Vec<(AggregateFunction, AggregateCall)>,
}

impl Aggregates {
    /// Compiles a select: outside aggregates its items may name `by` and `extra` columns, inside them all in
    /// scope.
    ///
    /// # Errors
    /// The place in `select` of the first item that is wrong, and what is wrong with it.
    pub fn compile(
        select: &[(&str, &str)],
        by: &[FieldRef],
        scope: &Scope,
        functions: &Functions,
        extra: &[FieldRef],
    ) -> Result<Self, (usize, ExprError)> {
        let longest = select.iter().map(|(_, sql)| functions.room(sql)).max().unwrap_or(0);
        let compiled = roomy(longest, || Ok::<_, ExprError>(Self::compile_here(select, by, scope, functions, extra)));
        compiled.unwrap_or_else(|e| Err((0, e)))
    }

    fn compile_here(
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
        let groups = Groups { fields: groups };
        let mut planner = Planner { scope, functions, groups, schema: plan_schema(all), calls: Vec::new() };
        let mut planned = Vec::new();
        for (i, (_, sql)) in select.iter().enumerate() {
            planned.push(planner.item(sql).map_err(|e| (i, e))?);
        }
        let calls: Vec<AggregateCall> = planner.calls.into_iter().map(|(_, call)| call).collect();
        let results = calls.iter().enumerate().map(|(i, c)| types::field(&call_name(i), &c.data_type(), c.nullable()));
        let fields: Vec<FieldRef> = group_fields.into_iter().chain(results).collect();
        let inputs: Vec<Input> = (0..fields.len()).map(Input::Column).collect();
        let schema = plan_schema(fields);
        let mut columns = Vec::new();
        for (i, ((name, sql), (tree, logical))) in select.iter().zip(planned).enumerate() {
            let source = Source { sql, tree: &tree, schema: &schema, functions };
            let expr = source.lower(logical, &inputs, true).map_err(|e| (i, e))?;
            columns.push(((*name).to_owned(), expr));
        }
        Ok(Self { calls, columns })
    }

    /// The distinct calls of all items, in the order of their first use.
    #[must_use]
    pub fn calls(&self) -> &[AggregateCall] {
        &self.calls
    }

    /// The columns of the select.
    #[must_use]
    pub fn output_fields(&self) -> Vec<FieldRef> {
        let field = |(name, expr): &(String, Expr)| Arc::new(Field::new(name, expr.data_type().clone(), true));
        self.columns.iter().map(field).collect()
    }

    /// The columns of the select for some groups, from their `by` and `extra` columns and the values of
    /// [`Aggregates::calls`], one row a group.
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

impl Planner<'_> {
    /// The tree and the plan of one item, its calls replaced by columns.
    fn item(&mut self, sql: &str) -> Result<(ast::Expr, Logical), ExprError> {
        let mut tree = parse::parse(sql)?;
        expand::expand(&mut tree, sql, self.functions)?;
        resolve(&mut tree, sql, self.scope, self.functions, Some(&self.groups))?;
        let schema = self.schema.clone();
        let source = Source { sql, tree: &tree, schema: &schema, functions: self.functions };
        let logical = source.plan()?;
        let mut failed = None;
        let replaced = logical.transform_down(|part| {
            let Logical::AggregateFunction(call) = part else { return Ok(Transformed::no(part)) };
            match self.call(call, &source) {
                Ok(i) => Ok(Transformed::yes(Logical::Column(Column::new_unqualified(call_name(i))))),
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

    fn call(&mut self, call: AggregateFunction, source: &Source<'_>) -> Result<usize, ExprError> {
        if let Some(i) = self.calls.iter().position(|(known, _)| *known == call) {
            return Ok(i);
        }
        let compiled = AggregateCall::compile(call.clone(), source, self.scope.inputs())?;
        self.calls.push((call, compiled));
        Ok(self.calls.len() - 1)
    }
}
