//! A score step: whose model, what it reads, which columns it adds.
//!
//! Separate because the model is not known yet: outputs are SQL over what every model offers.

use super::Resolver;
use super::project::overlay;
use crate::expr::Scope;
use crate::models;
use crate::plan::logical::Output;
use crate::plan::op::{Item, ModelChoice, ScorePlan};
use crate::spec::{ModelRef, Score, Sql};
use arrow_schema::Field;
use std::sync::Arc;

pub(super) fn resolve(r: &mut Resolver, score: &Score, input: &Output) -> Option<(ScorePlan, Output)> {
    let scope = Scope::new(input.schema.clone());
    let model = match &score.model {
        ModelRef::Fixed(name) => ModelChoice::Fixed(name.value.clone()),
        ModelRef::By(name) => ModelChoice::By(r.columns(std::slice::from_ref(name), &input.schema)?.remove(0)),
    };
    let inputs: Vec<_> =
        score.inputs.iter().map(|(n, sql)| Some((n.as_ref().map(|n| n.value.clone()), r.expr(sql, &scope)?))).collect();
    let offered = Scope::without_meta(models::uniform_schema());
    let prediction = || {
        let sql = Sql { text: "prediction".into(), span: crate::diagnostics::Span::default(), exact: false };
        vec![(crate::diagnostics::Spanned::new("prediction".to_owned(), sql.span), sql)]
    };
    let wanted = if score.outputs.is_empty() { prediction() } else { score.outputs.clone() };
    let outputs: Vec<_> = wanted
        .iter()
        .map(|(name, sql)| {
            let expr = r.expr(sql, &offered)?;
            Some((Arc::new(Field::new(name.value.clone(), expr.data_type().clone(), true)), expr))
        })
        .collect();
    let inputs: Vec<_> = inputs.into_iter().collect::<Option<_>>()?;
    let outputs: Vec<_> = outputs.into_iter().collect::<Option<_>>()?;
    let added = outputs.iter().map(|(f, e)| (f.clone(), Item::Expr(e.clone()))).collect();
    let (projection, output) = overlay(input, added);
    let (when_missing, nulls_as_nan) = (score.when_missing, score.nulls_as_nan);
    Some((ScorePlan { model, inputs, outputs, when_missing, nulls_as_nan, projection }, output))
}
