//! How far event time has come: per partition, and per task as the least of its partitions.
//!
//! Separate because the watermark is data: it commits with the state and a replay gives the same one. It
//! moves record by record in log order, so that lateness never depends on where batches are cut.
//! Invariant: a watermark never goes back.

use serde::{Deserialize, Serialize};

/// Before the first record: nothing is late.
pub const NO_WATERMARK: i64 = i64::MIN;

/// The watermark of one input partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionWatermark {
    /// Greatest event time read − delay, or what upstream said.
    pub at: i64,
    /// Greatest event time read.
    pub newest: Option<i64>,
    /// Holds nothing back while true.
    pub idle: bool,
}

impl Default for PartitionWatermark {
    fn default() -> Self {
        Self { at: NO_WATERMARK, newest: None, idle: false }
    }
}

impl PartitionWatermark {
    /// Takes in one event time.
    pub fn observe(&mut self, event_time: i64, delay: i64) {
        self.newest = Some(self.newest.map_or(event_time, |n| n.max(event_time)));
        self.raise(event_time.saturating_sub(delay));
    }

    /// Moves up to a watermark that was made elsewhere.
    pub fn raise(&mut self, to: i64) {
        self.at = self.at.max(to);
        self.idle = false;
    }
}

/// The watermark of a task over all its input partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskWatermark {
    /// What the task's clock shows.
    pub at: Option<i64>,
    /// Each input partition, in the order of the plan.
    pub inputs: Vec<PartitionWatermark>,
}

impl TaskWatermark {
    /// Of a task with so many input partitions, before the first record.
    #[must_use]
    pub fn new(inputs: usize) -> Self {
        Self { at: None, inputs: vec![PartitionWatermark::default(); inputs] }
    }

    /// The watermark now.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.at.unwrap_or(NO_WATERMARK)
    }

    /// Takes in records of one input in their order; returns the watermark in force at each.
    pub fn observe(&mut self, input: usize, event_times: &[i64], delay: i64) -> Vec<i64> {
        let mut in_force = Vec::with_capacity(event_times.len());
        self.observe_into(input, event_times, delay, &mut in_force);
        in_force
    }

    /// As [`Self::observe`]; the watermarks are added to those of the records before.
    pub fn observe_into(&mut self, input: usize, event_times: &[i64], delay: i64, in_force: &mut Vec<i64>) {
        self.each(input, event_times, in_force, |own, t| own.observe(t, delay));
    }

    /// Takes in records of one input that carry the watermark they had upstream.
    pub fn raise_into(&mut self, input: usize, watermarks: &[i64], in_force: &mut Vec<i64>) {
        self.each(input, watermarks, in_force, PartitionWatermark::raise);
    }

    fn each(
        &mut self,
        input: usize,
        times: &[i64],
        in_force: &mut Vec<i64>,
        mut take_in: impl FnMut(&mut PartitionWatermark, i64),
    ) {
        let others = self.least(Some(input));
        let mut own = self.inputs[input];
        let mut now = self.now();
        in_force.extend(times.iter().map(|t| {
            take_in(&mut own, *t);
            now = now.max(others.map_or(own.at, |o| o.min(own.at)));
            now
        }));
        self.inputs[input] = own;
        if !times.is_empty() {
            self.at = Some(now).filter(|n| *n != NO_WATERMARK);
        }
    }

    /// Looks again at all inputs, after one was raised or fell idle; returns the watermark.
    pub fn settle(&mut self) -> i64 {
        let now = self.now().max(self.least(None).unwrap_or(NO_WATERMARK));
        self.at = Some(now).filter(|n| *n != NO_WATERMARK);
        now
    }

    /// Whether every input is idle, so that the task holds nothing back downstream either.
    #[must_use]
    pub fn idle(&self) -> bool {
        self.inputs.iter().all(|i| i.idle)
    }

    fn least(&self, but: Option<usize>) -> Option<i64> {
        let active = self.inputs.iter().enumerate().filter(|(i, w)| Some(*i) != but && !w.idle);
        active.map(|(_, w)| w.at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_slowest_input_that_is_not_idle_decides() {
        let mut w = TaskWatermark::new(2);
        assert_eq!(w.observe(0, &[100, 90, 120], 10), [NO_WATERMARK; 3]);
        assert_eq!(w.observe(1, &[50], 10), [40]);
        w.inputs[1].idle = true;
        assert_eq!(w.settle(), 110);
        assert_eq!(w.observe(1, &[60], 10), [110], "an input that wakes up late does not pull it back");
    }

    proptest! {
        /// Cutting the records of a run into batches anywhere changes no watermark.
        #[test]
        fn cuts_do_not_matter(runs in prop::collection::vec((0usize..3, prop::collection::vec(-500i64..500, 0..12)), 0..12), delay in 0i64..50) {
            let (mut whole, mut single) = (TaskWatermark::new(3), TaskWatermark::new(3));
            for (input, times) in &runs {
                let at_once = whole.observe(*input, times, delay);
                let one_by_one: Vec<i64> = times.iter().flat_map(|t| single.observe(*input, &[*t], delay)).collect();
                prop_assert_eq!(at_once, one_by_one);
                prop_assert_eq!(&whole, &single);
            }
        }
    }
}
