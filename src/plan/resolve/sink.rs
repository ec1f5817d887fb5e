//! A sink: what is written, how, and under which key.
//!
//! Separate because here the types of a pipeline leave it.

use super::Resolver;
use super::source::format;
use crate::diagnostics::Diagnostic;
use crate::plan::logical::Output;
use crate::plan::op::{Op, SinkPlan};
use crate::spec::Sink;

pub(super) fn resolve(r: &mut Resolver, sink: &Sink, input: &Output) -> Option<Op> {
    let format = format(&sink.format);
    if let Err(e) = format.encoder(&input.schema) {
        r.fault(Diagnostic::at(sink.format.span, e.to_string()));
        return None;
    }
    let key = match &sink.key {
        None => None,
        Some(name) => Some(r.columns(std::slice::from_ref(name), &input.schema)?.remove(0)),
    };
    let topic = sink.topic.value.as_str().into();
    Some(Op::Sink(SinkPlan { topic, key, format, schema: input.schema.clone(), partitions: sink.partitions }))
}
