//! What lowering makes of a file and validation checks: the syntax tree with references still unresolved.

use super::ast::{Delivery, ErrorPolicy, FunctionSpec, Name, OperatorSpec, SinkSpec, SourceSpec, StateOptions};
use super::kafka::Kafka;
use super::operators::Descriptor;
use crate::diagnostics::Span;
use std::time::Duration;

/// What could be read of a file, its references not resolved yet.
pub(super) struct Draft {
    pub(super) name: Option<Name>,
    pub(super) sources: Vec<SourceSpec>,
    pub(super) steps: Vec<DraftStep>,
    pub(super) sinks: Vec<DraftSink>,
    /// Whether the file has sinks, even ones that could not be read.
    pub(super) has_sinks: bool,
    pub(super) delivery: Delivery,
    pub(super) commit_every: Duration,
    pub(super) errors: ErrorPolicy,
    pub(super) state: StateOptions,
    pub(super) functions: Vec<FunctionSpec>,
    pub(super) kafka: Option<Kafka>,
}

pub(super) struct DraftStep {
    pub(super) name: Name,
    /// As written; empty for the default.
    pub(super) from: Vec<Name>,
    /// The name under which its state is kept, where that is another.
    pub(super) was: Option<Name>,
    /// `None` if it could not be read.
    pub(super) operator: Option<OperatorSpec>,
    /// `None` if the step has no known operator.
    pub(super) descriptor: Option<&'static Descriptor>,
    /// Whether it has an operator that this version does not support.
    pub(super) unsupported: bool,
    pub(super) span: Span,
}

impl DraftStep {
    /// The name under which its state is kept.
    pub(super) fn state_name(&self) -> &Name {
        self.was.as_ref().unwrap_or(&self.name)
    }

    /// The keyword of the operator, for messages.
    pub(super) fn keyword(&self) -> &'static str {
        self.descriptor.map_or("step", Descriptor::keyword)
    }
}

pub(super) struct DraftSink {
    pub(super) from: Option<Name>,
    pub(super) sink: SinkSpec,
}
