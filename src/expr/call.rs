//! One aggregate call of a `select`, such as `avg(alcohol) FILTER (WHERE ph < 4)`.
//!
//! The runtime keeps the states of calls: it evaluates the arguments, feeds an accumulator and stores the
//! accumulator's state as bytes. A call is compiled only if its accumulator can be created. It never holds
//! state itself.

use super::ExprError;
use super::compile::{Expr, Predicate, ResolvedSql};
use super::error::plain;
use super::inputs::InputColumn;
use super::own::OwnAggregate;
use arrow_schema::{DataType, Field, FieldRef, Schema};
use datafusion_common::Result;
use datafusion_expr::expr::{AggregateFunction, NullTreatment};
use datafusion_expr::{Expr as LogicalExpr, GroupsAccumulator};
use datafusion_physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion_physical_expr::expressions::{Column, Literal};
use datafusion_physical_expr::{GroupsAccumulatorAdapter, PhysicalExpr};
use std::sync::Arc;

/// An aggregate function with its arguments and its filter; cheap to clone.
#[derive(Clone, Debug)]
pub struct AggregateCall {
    args: Vec<Expr>,
    filter: Option<Predicate>,
    expr: Arc<AggregateFunctionExpr>,
    /// What computes it in the place of `expr`.
    own: Option<OwnAggregate>,
    state: Vec<FieldRef>,
    definition: String,
}

impl AggregateCall {
    pub(super) fn compile(
        call: AggregateFunction,
        source: &ResolvedSql<'_>,
        inputs: &[InputColumn],
    ) -> Result<Self, ExprError> {
        let lower = |expr| source.lower(expr, inputs, false);
        // `count(*)` is planned as the count of a constant.
        let definition = datafusion_expr::Expr::AggregateFunction(call.clone()).to_string();
        let definition = source.shown(definition.replace("count(Int64(1))", "count(*)"));
        let params = call.params;
        let args = params.args.into_iter().map(lower).collect::<Result<Vec<_>, _>>()?;
        let filter = params.filter.map(|f| lower(*f)).transpose()?.map(Predicate::new);
        let (mut fields, mut physical) = (Vec::new(), Vec::new());
        for (i, arg) in args.iter().enumerate() {
            let name = format!("arg{i}");
            // Some functions read a constant argument, such as a percentile, when the accumulator is created.
            let constant = arg.program().expr().downcast_ref::<Literal>().is_some();
            let column: Arc<dyn PhysicalExpr> =
                if constant { arg.program().expr().clone() } else { Arc::new(Column::new(&name, i)) };
            fields.push(Field::new(name, arg.data_type().clone(), arg.nullable()));
            physical.push(column);
        }
        let ignore_nulls = params.null_treatment == Some(NullTreatment::IgnoreNulls);
        let built = AggregateExprBuilder::new(call.func, physical)
            .schema(Arc::new(Schema::new(fields)))
            .alias("value")
            .with_distinct(params.distinct)
            .with_ignore_nulls(ignore_nulls)
            .build()
            .and_then(|expr| {
                let expr = Arc::new(expr);
                create_accumulator(&expr)?;
                let types: Vec<&DataType> = args.iter().map(Expr::data_type).collect();
                let own =
                    OwnAggregate::replacing(expr.fun().name(), params.distinct, &types, expr.field().data_type())?;
                let state = own.as_ref().map_or_else(|| expr.state_fields(), |own| Ok(own.state_fields()))?;
                Ok((expr, own, state))
            });
        let (expr, own, state) = built.map_err(|e| source.located(ExprError::new(plain(&e))))?;
        Ok(Self { args, filter, expr, own, state, definition })
    }

    /// The canonical name of the function: `avg` for `mean` too.
    #[must_use]
    pub fn function(&self) -> &str {
        self.expr.fun().name()
    }

    /// What the call means: its function, arguments and clauses, with macros expanded.
    #[must_use]
    pub fn definition(&self) -> &str {
        &self.definition
    }

    /// The expressions to evaluate on a batch and pass to the accumulator, in this order.
    #[must_use]
    pub fn args(&self) -> &[Expr] {
        &self.args
    }

    /// Selects the rows to pass to the accumulator; `None` for all.
    #[must_use]
    pub fn filter(&self) -> Option<&Predicate> {
        self.filter.as_ref()
    }

    /// The columns of the accumulator's state.
    #[must_use]
    pub fn state_fields(&self) -> &[FieldRef] {
        &self.state
    }

    /// The type of the accumulator's results, which [`super::Aggregates::finish`] takes.
    #[must_use]
    pub fn data_type(&self) -> DataType {
        self.own.as_ref().map_or_else(|| self.expr.field().data_type().clone(), OwnAggregate::data_type)
    }

    /// The values of the call, of the accumulator's results.
    pub(super) fn finish(&self, results: LogicalExpr) -> LogicalExpr {
        match &self.own {
            Some(own) => own.finish(results),
            None => results,
        }
    }

    pub(super) fn nullable(&self) -> bool {
        self.expr.is_nullable()
    }

    /// Whether states may be merged in any grouping without changing the result. Counts, extremes, sketches
    /// and sums of integers and decimals may; sums of floats depend on their order.
    #[must_use]
    pub fn is_associative(&self) -> bool {
        match self.function() {
            "count" | "min" | "max" | "bool_and" | "bool_or" | "bit_and" | "bit_or" | "bit_xor" | "approx_distinct" => {
                true
            }
            "sum" => !self.data_type().is_floating(),
            _ => false,
        }
    }

    /// A fresh accumulator without groups.
    #[must_use]
    pub fn accumulator(&self) -> Box<dyn GroupsAccumulator> {
        match &self.own {
            Some(own) => own.accumulator(),
            None => create_accumulator(&self.expr).expect("one was created when the call was compiled"),
        }
    }
}

fn create_accumulator(expr: &Arc<AggregateFunctionExpr>) -> Result<Box<dyn GroupsAccumulator>> {
    if expr.groups_accumulator_supported() {
        return expr.create_groups_accumulator();
    }
    // The adapter calls its factory for each new group; this reports an error of the factory at once.
    expr.create_accumulator()?;
    let expr = expr.clone();
    Ok(Box::new(GroupsAccumulatorAdapter::new(move || expr.create_accumulator())))
}
