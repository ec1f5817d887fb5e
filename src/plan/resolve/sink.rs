//! A sink: its columns, its format, its record key.

use super::Resolver;
use crate::diagnostics::Diagnostic;
use crate::plan::logical::LogicalOutput;
use crate::plan::op::{Op, SinkPlan};
use crate::spec::SinkSpec;

pub(super) fn resolve(r: &mut Resolver, sink: &SinkSpec, input: &LogicalOutput) -> Option<Op> {
    let format = sink.format.value.clone();
    if let Err(e) = format.encoder(&input.schema) {
        r.problem(Diagnostic::at(sink.format.span, e.to_string()));
        return None;
    }
    let key = match &sink.key {
        None => None,
        Some(name) => Some(r.columns(std::slice::from_ref(name), &input.schema)?.remove(0)),
    };
    let topic = sink.topic.value.as_str().into();
    Some(Op::Sink(SinkPlan { topic, key, format, schema: input.schema.clone(), partitions: sink.partitions }))
}
