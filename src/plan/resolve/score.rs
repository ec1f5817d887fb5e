//! A score step: its model, its inputs, the columns that it adds.
//!
//! The model is not known yet. Outputs are SQL over the outputs that every model has, and over further ones
//! whose types follow from the SQL; each version of a model is checked for them before it serves.

use super::Resolver;
use super::project::overlay;
use crate::expr::{Expr, Scope};
use crate::models;
use crate::plan::logical::LogicalOutput;
use crate::plan::op::{Item, ModelChoice, ScorePlan};
use crate::spec::{ModelRef, ScoreSpec, Sql};
use arrow_schema::{DataType, Field, Schema};
use std::sync::Arc;

pub(super) fn resolve(
    r: &mut Resolver,
    score: &ScoreSpec,
    input: &LogicalOutput,
) -> Option<(ScorePlan, LogicalOutput)> {
    let scope = Scope::new(input.schema.clone());
    let model = match &score.model {
        ModelRef::Fixed(name) => ModelChoice::Fixed(name.value.clone()),
        ModelRef::By(name) => ModelChoice::By(r.columns(std::slice::from_ref(name), &input.schema)?.remove(0)),
    };
    let inputs: Vec<_> =
        score.inputs.iter().map(|(n, sql)| Some((n.as_ref().map(|n| n.value.clone()), r.expr(sql, &scope)?))).collect();
    let prediction = || {
        let sql = Sql {
            text: "prediction".into(),
            span: crate::diagnostics::Span::default(),
            exact: false,
            substitutions: Vec::new(),
        };
        vec![(crate::diagnostics::Spanned::new("prediction".to_owned(), sql.span), sql)]
    };
    let assignments = if score.outputs.is_empty() { prediction() } else { score.outputs.clone() };
    let mut own = Vec::new();
    let outputs: Vec<_> = assignments
        .iter()
        .map(|(name, sql)| {
            let expr = output(r, sql, &mut own)?;
            Some((Arc::new(Field::new(name.value.clone(), expr.data_type().clone(), true)), expr))
        })
        .collect();
    let inputs: Vec<_> = inputs.into_iter().collect::<Option<_>>()?;
    let outputs: Vec<_> = outputs.into_iter().collect::<Option<_>>()?;
    let added = outputs.iter().map(|(f, e)| (f.clone(), Item::Expr(e.clone()))).collect();
    let (projection, result) = overlay(input, added);
    let (when_missing, nulls_as_nan) = (score.when_missing, score.nulls_as_nan);
    Some((ScorePlan { model, inputs, outputs, own, when_missing, nulls_as_nan, projection }, result))
}

/// Compiles SQL over the outputs of a model. A name that is not among the outputs of every model is added to `own`: as
/// a list of numbers, as tensors are; as a number if the SQL does not accept a list; else as a text.
fn output(r: &mut Resolver, sql: &Sql, own: &mut Vec<Field>) -> Option<Expr> {
    let mut first_error = None;
    for data_type in [DataType::new_list(DataType::Float64, true), DataType::Float64, DataType::Utf8] {
        let mut fields = own.clone();
        loop {
            let offered = models::uniform_schema().fields().iter().map(|f| f.as_ref().clone()).collect::<Vec<_>>();
            let scope = Scope::without_meta(Arc::new(Schema::new([offered, fields.clone()].concat())));
            match Expr::compile(&sql.text, &scope, &r.functions) {
                Ok(expr) => {
                    *own = fields;
                    return Some(expr);
                }
                Err(e) => match e.unrelated_column().filter(|name| !fields.iter().any(|f| f.name() == name)) {
                    Some(name) => fields.push(Field::new(name, data_type.clone(), true)),
                    None => {
                        first_error = first_error.or(Some(e));
                        break;
                    }
                },
            }
        }
    }
    if let Some(e) = first_error {
        r.sql_problem(sql, e);
    }
    None
}
