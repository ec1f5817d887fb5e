//! A source: its columns, its format, its event time.

use super::Resolver;
use crate::diagnostics::Diagnostic;
use crate::expr::{Expr, Scope};
use crate::plan::logical::LogicalOutput;
use crate::plan::op::SourcePlan;
use crate::record::type_name;
use crate::spec::{SourceSpec, Sql};
use arrow_schema::{DataType, SchemaRef};

pub(super) fn resolve(r: &mut Resolver, source: &SourceSpec) -> Option<(SourcePlan, LogicalOutput)> {
    let format = source.format.value.clone();
    let schema = match (&source.schema, format.default_schema()) {
        (Some(schema), _) => schema.columns.clone(),
        (None, Some(schema)) => schema,
        // Reading the file has reported this.
        (None, None) => return None,
    };
    if let Err(e) = format.decoder(&schema) {
        r.problem(Diagnostic::at(source.format.span, e.to_string()));
        return None;
    }
    // A wrong time or key does not make the columns unknown.
    let event_time = source.timestamp.as_ref().and_then(|sql| event_time(r, sql, &schema));
    let key = source.key.as_ref().and_then(|name| r.column(name, &schema));
    let key = key.map(|column| vec![schema.field(column).name().clone()]);
    let plan = SourcePlan {
        name: source.name.value.clone(),
        topic: source.topic.value.as_str().into(),
        format,
        schema: schema.clone(),
        event_time,
        watermark: source.watermark,
        tombstones: source.tombstones,
    };
    Some((plan, LogicalOutput { name: None, schema, key }))
}

fn event_time(r: &mut Resolver, sql: &Sql, schema: &SchemaRef) -> Option<Expr> {
    let expr = r.expr(sql, &Scope::new(schema.clone()))?;
    if matches!(expr.data_type(), DataType::Timestamp(..) | DataType::Int64) {
        return Some(expr);
    }
    let message = format!("event time must be a timestamp, but this is {}", type_name(expr.data_type()));
    let hint = "declare the column as `timestamp`, or give epoch milliseconds as `bigint`";
    r.problem(Diagnostic::at(sql.span, message).hint(hint));
    None
}
