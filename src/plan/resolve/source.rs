//! A source: its columns, its format, its event time.
//!
//! Separate because a source is where types enter a pipeline.

use super::Resolver;
use crate::diagnostics::Diagnostic;
use crate::expr::Scope;
use crate::formats::Format;
use crate::plan::logical::Output;
use crate::plan::op::SourcePlan;
use crate::record::type_name;
use crate::spec::{FormatOptions, Source};
use arrow_schema::DataType;

/// The codec that a file asks for.
pub(super) fn format(options: &FormatOptions) -> Format {
    match options {
        FormatOptions::Json { strict } => Format::Json { strict: *strict },
        FormatOptions::Csv { delimiter } => Format::Csv { delimiter: *delimiter },
        FormatOptions::Text => Format::Text,
        FormatOptions::Bytes => Format::Bytes,
    }
}

pub(super) fn resolve(r: &mut Resolver, source: &Source) -> Option<(SourcePlan, Output)> {
    let format = format(&source.format);
    let schema = match (&source.schema, format.default_schema()) {
        (Some(schema), _) => schema.columns.clone(),
        (None, Some(schema)) => schema,
        (None, None) => {
            let message = format!("source `{}` has no schema", source.name.value);
            let hint = "write `schema: {column: type, …}`; `fastdata infer FILE` makes one from samples";
            r.fault(Diagnostic::at(source.span, message).hint(hint));
            return None;
        }
    };
    if let Err(e) = format.decoder(&schema) {
        r.fault(Diagnostic::at(source.format.span, e.to_string()));
        return None;
    }
    let event_time = match &source.timestamp {
        None => None,
        Some(sql) => {
            let expr = r.expr(sql, &Scope::new(schema.clone()))?;
            if !matches!(expr.data_type(), DataType::Timestamp(..) | DataType::Int64) {
                let message = format!("event time must be a timestamp, but this is {}", type_name(expr.data_type()));
                let hint = "declare the column as `timestamp`, or give epoch milliseconds as `bigint`";
                r.fault(Diagnostic::at(sql.span, message).hint(hint));
                return None;
            }
            Some(expr)
        }
    };
    let key = match &source.key {
        None => None,
        Some(name) => Some(vec![schema.field(r.column(name, &schema)?).name().clone()]),
    };
    let plan = SourcePlan {
        name: source.name.value.clone(),
        topic: source.topic.value.as_str().into(),
        format,
        schema: schema.clone(),
        event_time,
        watermark: source.watermark,
    };
    Some((plan, Output { name: None, schema, key }))
}
