//! Runs one round of a task through all its operators, and writes the dead letters of the round.
//!
//! A round comes from records in order of arrival, from merged inputs, or from time alone.

use super::Task;
use crate::metrics::Counters;
use crate::plan::{NodeInput, NodePlan, Op};
use crate::record::{Batch, Fetched};
use crate::runtime::fault::Fault;
use crate::runtime::task::collector::{Collector, DeadRow, Release};
use crate::runtime::task::dead_letters::{Undecoded, position_text};
use crate::runtime::task::round::{Round, RoundClock};
use crate::spec::ErrorPolicy;
use std::borrow::Cow;

impl Task {
    pub(super) fn clock(&self, before: i64, after: i64, now: i64, drain: bool) -> RoundClock {
        let (origin, none) = (self.origin.clone(), || vec![].into());
        RoundClock { origin, order: none(), offsets: none(), watermarks: none(), before, after, now, drain }
    }

    pub(super) fn pass_time(&mut self, before: i64, after: i64, now: i64, drain: bool) -> Result<(), Fault> {
        let clock = self.clock(before, after, now, drain);
        self.round(Vec::new(), &clock, &[], &[])
    }

    /// Runs one round: `read` holds the rows by input, `fetched` the records they were read from, and `undecoded` the
    /// records that could not be decoded. If more rows are due than one round may release, it stays unfinished.
    pub(super) fn round(
        &mut self,
        read: Vec<(usize, Batch)>,
        clock: &RoundClock,
        fetched: &[&Fetched],
        undecoded: &[Undecoded<'_>],
    ) -> Result<(), Fault> {
        let plan = self.plan.clone();
        let mut outputs_of: Vec<Vec<Vec<Batch>>> = Vec::with_capacity(plan.nodes.len());
        let mut dead: Vec<DeadRow> = Vec::new();
        let mut unfinished = None;
        let mut clock_of_step = Cow::Borrowed(clock);
        for (input, batch) in &read {
            let readers = plan.nodes.iter().flat_map(|n| &n.from).filter(|f| **f == NodeInput::Input(*input)).count();
            self.progress.inputs[*input].copied += (batch.len() * readers.saturating_sub(1)) as u64;
        }
        for (step, node) in plan.nodes.iter().enumerate() {
            let feed = |f: &NodeInput| match f {
                NodeInput::Input(i) => read.iter().filter(|(input, _)| input == i).map(|(_, b)| b.clone()).collect(),
                NodeInput::Node(n, port) => outputs_of[*n][port.0].clone(),
            };
            let inputs: Vec<Vec<Batch>> = node.from.iter().map(feed).collect();
            let counters = &mut self.progress.steps[step].counters;
            counters.input += inputs.iter().flatten().map(|b| b.len() as u64).sum::<u64>();
            let outputs = vec![Vec::new(); node.outputs.len()];
            let release = Release { max_rows: self.max_released_rows, more_due: false };
            let mut out = Collector { outputs, counters, dead: &mut dead, outbox: &mut self.outbox, step, release };
            self.operators[step].process(Round { inputs, clock: &clock_of_step }, &mut out)?;
            let (outputs, more_due) = (out.outputs, out.release.more_due);
            if more_due && unfinished.is_none() {
                unfinished = Some(clock.clone());
                clock_of_step = Cow::Owned(clock.held_back());
            }
            count_outputs(node, &outputs, counters);
            outputs_of.push(outputs);
        }
        self.unfinished = unfinished;
        self.write_dead_letters(dead, fetched, undecoded)
    }

    /// Handles bad records in the order of the round, so that the result does not depend on where batches were cut.
    fn write_dead_letters(
        &mut self,
        mut dead: Vec<DeadRow>,
        fetched: &[&Fetched],
        undecoded: &[Undecoded<'_>],
    ) -> Result<(), Fault> {
        dead.sort_by_key(|d| d.row.meta.order[0]);
        let name = |step: usize| self.plan.nodes[step].name.clone();
        match self.errors {
            ErrorPolicy::Stop => {
                let undecoded = undecoded.iter().find_map(|u| {
                    let at = position_text(&u.fetched.origin, u.fetched.offsets[u.bad.row]);
                    u.bad.error.as_ref().map(|error| (u.order, at, u.source.to_owned(), error))
                });
                let row = dead.first().map(|d| {
                    let meta = &d.row.meta;
                    (meta.order[0], position_text(meta.origins.row(0), meta.offsets[0]), name(d.step), &d.error)
                });
                let first = undecoded.into_iter().chain(row).min_by_key(|(order, ..)| *order);
                first.map_or(Ok(()), |(_, at, step, error)| Err(stop(&at, &step, error)))
            }
            ErrorPolicy::Drop => Ok(()),
            ErrorPolicy::DeadLetter => {
                self.dead_letters.write(&dead, name, fetched, undecoded, &mut self.outbox);
                Ok(())
            }
        }
    }
}

/// Counts the rows that an operator emitted. Those of an output that no step reads count as filtered or late.
fn count_outputs(node: &NodePlan, outputs: &[Vec<Batch>], counters: &mut Counters) {
    for (output, batches) in node.outputs.iter().zip(outputs) {
        let rows = batches.iter().map(|b| b.len() as u64).sum::<u64>();
        match (output.readers as u64, &node.op) {
            (0, Op::Window(_)) if output.name.is_some() => counters.late += rows,
            (0, _) => counters.filtered += rows,
            (readers, _) => {
                counters.output += rows * readers;
                counters.copied += rows * (readers - 1);
            }
        }
    }
}

fn stop(at: &str, step: &str, error: &str) -> Fault {
    Fault::Fatal(format!(
        "record {at} could not be handled by `{step}`: {error}\nhint: `errors: dead_letter` sets such records aside and goes on"
    ))
}
