//! The value of `score`.

use super::super::ast::{ModelRef, Name, OperatorSpec, ScoreSpec, Sql, WhenMissing};
use super::super::field_type::{ASSIGNMENTS, EnumValue, FieldType, ObjectType, field, value};
use super::super::lower::{Lowering, is_word};
use super::super::node::{Node, NodeValue};
use crate::diagnostics::Diagnostic;

pub(super) static FIELDS: ObjectType = ObjectType {
    name: "`score`",
    required: &["model", "inputs"],
    fields: &[
        field(
            "model",
            FieldType::AnyOf(&[FieldType::Text, FieldType::Object(&MODEL)]),
            "the data type served, or `{by: COLUMN}` to route on a column",
        ),
        field(
            "inputs",
            FieldType::AnyOf(&[FieldType::List(&FieldType::Sql), ASSIGNMENTS]),
            "what the model reads: columns or SQL in order, or `MODEL FIELD: SQL`",
        ),
        field("outputs", ASSIGNMENTS, "columns to add: SQL over the model's outputs; default `prediction`"),
        field("when_missing", FieldType::Choice(WHEN_MISSING), "what happens to records while there is no model"),
        field("nulls", FieldType::Choice(NULLS), "what a null feature of a tensor model becomes; default a bad record"),
    ],
};

static MODEL: ObjectType = ObjectType {
    name: "`model`",
    required: &["by"],
    fields: &[field("by", FieldType::Text, "the column that names the data type")],
};

static WHEN_MISSING: &[EnumValue] = &[
    value("wait", "holds the input and says so (default)"),
    value("drop", "drops the record"),
    value("dead_letter", "makes it a dead letter"),
    value("null", "output columns are null"),
];

static NULLS: &[EnumValue] = &[value("nan", "not a number")];

pub(super) fn lower(l: &mut Lowering<'_>, node: &Node) -> Option<ScoreSpec> {
    let f = l.open_object(node, &FIELDS)?;
    let model = f.get("model").and_then(|n| model(l, n));
    let inputs = f.get("inputs").and_then(|n| model_inputs(l, n));
    let outputs = f.get("outputs").map(|n| l.assignments(n, "a map of `COLUMN: SQL`"));
    let when_missing = match f.get("when_missing").and_then(|n| l.choice(n, WHEN_MISSING)) {
        Some("drop") => WhenMissing::Drop,
        Some("dead_letter") => WhenMissing::DeadLetter,
        Some("null") => WhenMissing::Null,
        _ => WhenMissing::Wait,
    };
    let nulls_as_nan = f.get("nulls").and_then(|n| l.choice(n, NULLS)).is_some();
    let outputs = outputs.unwrap_or(Some(Vec::new()));
    Some(ScoreSpec { model: model?, inputs: inputs?, outputs: outputs?, when_missing, nulls_as_nan })
}

/// The columns that a score step adds.
pub(super) fn columns(operator: &OperatorSpec) -> Vec<&str> {
    let OperatorSpec::Score(score) = operator else { return Vec::new() };
    match score.outputs.as_slice() {
        [] => vec!["prediction"],
        outputs => outputs.iter().map(|(name, _)| name.as_str()).collect(),
    }
}

fn model(l: &mut Lowering<'_>, node: &Node) -> Option<ModelRef> {
    if node.scalar().is_some() {
        let scalar = l.text(node, "the name of a model, or a map with `by`")?;
        return Some(ModelRef::Fixed(l.add_name(scalar)));
    }
    let f = l.open_object(node, &MODEL)?;
    f.get("by").and_then(|n| l.column(n)).map(ModelRef::By)
}

fn model_inputs(l: &mut Lowering<'_>, node: &Node) -> Option<Vec<(Option<Name>, Sql)>> {
    let expected = "a list of columns or SQL, or a map of `MODEL FIELD: SQL`";
    if let NodeValue::Map(_) = node.value {
        let all = l.assignments(node, expected)?;
        return Some(all.into_iter().map(|(name, sql)| (Some(name), sql)).collect());
    }
    let items = l.items(node, expected)?;
    if matches!(&node.value, NodeValue::List(written) if written.is_empty()) {
        l.problems.push(Diagnostic::at(node.key_span, format!("expected {expected}, found an empty list")));
    }
    let mut all = Vec::new();
    for item in items {
        let Some(sql) = l.sql(item) else { continue };
        let column = item.scalar().filter(|s| is_word(&s.text) && !s.is_null());
        all.push((None, column.map_or(sql, |s| l.column_sql(s))));
    }
    Some(all)
}
