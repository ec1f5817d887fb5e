//! A pipeline that this process runs, with what the command line needs to say how it goes on.

use crate::log::Log;
use crate::plan::{NodePlan, Op, Physical};
use crate::runtime::RunGauge;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

pub(super) struct WatchedRun {
    pub(super) plan: Arc<Physical>,
    pub(super) log: Arc<dyn Log>,
    /// Filled by the run.
    pub(super) work: RunGauge,
    /// The options with which other commands find the same log, each with a space before it.
    pub(super) log_options: String,
    started: Instant,
    took: Arc<OnceLock<Duration>>,
}

impl WatchedRun {
    /// A run that begins now.
    pub(super) fn new(plan: Arc<Physical>, log: Arc<dyn Log>, log_options: String) -> Self {
        let (work, took) = (RunGauge::default(), Arc::default());
        Self { plan, log, work, log_options, started: Instant::now(), took }
    }

    /// What the run calls when it has ended in good order.
    pub(super) fn end(&self) -> impl FnOnce() + use<> {
        let (took, started) = (self.took.clone(), self.started);
        move || {
            let _ = took.set(started.elapsed());
        }
    }

    /// How long it took, if it has ended in good order.
    pub(super) fn took(&self) -> Option<Duration> {
        self.took.get().copied()
    }

    /// The steps of its plan.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &NodePlan> {
        self.plan.subs.iter().flat_map(|sub| &sub.nodes)
    }

    /// The topics that its sinks write, each with the name of the sink.
    pub(super) fn sinks(&self) -> Vec<(&str, &str)> {
        let mut sinks: Vec<(&str, &str)> = Vec::new();
        for node in self.nodes() {
            if let Op::Sink(sink) = &node.op
                && !sinks.iter().any(|(name, _)| *name == node.name)
            {
                sinks.push((&node.name, &sink.topic));
            }
        }
        sinks
    }
}
