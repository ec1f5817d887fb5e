//! Watermarks: of each input partition, and of a task as the minimum over its inputs.
//!
//! A watermark is data: it commits with the state, and a replay computes the same one. It advances record
//! by record in log order, so that lateness does not depend on batch boundaries. Invariant: a watermark
//! never goes back.

use serde::{Deserialize, Serialize};

/// The watermark before the first record: nothing is late.
pub const NO_WATERMARK: i64 = i64::MIN;

/// The watermark of one input partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PartitionWatermark {
    /// Greatest event time read − delay, or the watermark received from upstream.
    pub at: i64,
    /// Greatest event time read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<i64>,
    /// An idle input does not hold the task's watermark back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub idle: bool,
}

impl Default for PartitionWatermark {
    fn default() -> Self {
        Self { at: NO_WATERMARK, newest: None, idle: false }
    }
}

impl PartitionWatermark {
    /// Advances by the event time of one record.
    pub fn observe(&mut self, event_time: i64, delay: i64) {
        self.newest = Some(self.newest.map_or(event_time, |n| n.max(event_time)));
        self.raise(event_time.saturating_sub(delay));
    }

    /// Advances to a watermark from upstream.
    pub fn raise(&mut self, to: i64) {
        self.at = self.at.max(to);
        self.idle = false;
    }
}

/// The watermark of a task over all its input partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskWatermark {
    /// The watermark; `None` before the first record.
    pub at: Option<i64>,
    /// Each input partition, in the order of the plan.
    pub inputs: Vec<PartitionWatermark>,
    #[serde(skip)]
    holder: Holder,
}

/// The input that held the watermark back at the last search. While it still does, the others need no check. It is
/// only a cache: watermarks that differ in it are equal.
#[derive(Clone, Copy, Debug, Default)]
struct Holder(usize);

impl PartialEq for Holder {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Holder {}

impl TaskWatermark {
    /// The watermark of a task with this many input partitions, before the first record.
    #[must_use]
    pub fn new(inputs: usize) -> Self {
        Self { inputs: vec![PartitionWatermark::default(); inputs], ..Self::default() }
    }

    /// The current watermark.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.at.unwrap_or(NO_WATERMARK)
    }

    /// Advances by records of one input, in their order. Appends the watermark after each record.
    pub fn observe_into(&mut self, input: usize, event_times: &[i64], delay: i64, watermarks: &mut Vec<i64>) {
        self.advance(input, event_times, watermarks, |own, t| own.observe(t, delay));
    }

    /// Advances by records of one input that carry their watermark from upstream.
    pub fn raise_into(&mut self, input: usize, upstream: &[i64], watermarks: &mut Vec<i64>) {
        self.advance(input, upstream, watermarks, PartitionWatermark::raise);
    }

    fn advance(
        &mut self,
        input: usize,
        times: &[i64],
        watermarks: &mut Vec<i64>,
        mut advance_input: impl FnMut(&mut PartitionWatermark, i64),
    ) {
        let mut now = self.now();
        let mut own = self.inputs[input];
        let holds = |of: usize| of != input && self.inputs.get(of).is_some_and(|w| !w.idle && w.at <= now);
        let others = match holds(self.holder.0) {
            true => Some(now),
            false => {
                let others = self.min_active(Some(input));
                self.holder = Holder(others.map_or(0, |(holder, _)| holder));
                others.map(|(_, at)| at)
            }
        };
        watermarks.extend(times.iter().map(|t| {
            advance_input(&mut own, *t);
            now = now.max(others.map_or(own.at, |o| o.min(own.at)));
            now
        }));
        self.inputs[input] = own;
        if !times.is_empty() {
            self.at = Some(now).filter(|n| *n != NO_WATERMARK);
        }
    }

    /// Recomputes the watermark after an input was raised or became idle; returns it.
    pub fn resolve(&mut self) -> i64 {
        let now = self.now().max(self.min_active(None).map_or(NO_WATERMARK, |(_, at)| at));
        self.at = Some(now).filter(|n| *n != NO_WATERMARK);
        now
    }

    /// Whether every input is idle, so that the task does not hold downstream tasks back either.
    #[must_use]
    pub fn idle(&self) -> bool {
        self.inputs.iter().all(|i| i.idle)
    }

    /// The minimum over the inputs that are not idle, leaving one out, and the input that has it.
    fn min_active(&self, except: Option<usize>) -> Option<(usize, i64)> {
        let active = self.inputs.iter().enumerate().filter(|(i, w)| Some(*i) != except && !w.idle);
        active.map(|(i, w)| (i, w.at)).min_by_key(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The watermark after each record.
    fn observe(w: &mut TaskWatermark, input: usize, event_times: &[i64], delay: i64) -> Vec<i64> {
        let mut watermarks = Vec::new();
        w.observe_into(input, event_times, delay, &mut watermarks);
        watermarks
    }

    #[test]
    fn the_watermark_is_the_minimum_over_active_inputs() {
        let mut w = TaskWatermark::new(2);
        assert_eq!(observe(&mut w, 0, &[100, 90, 120], 10), [NO_WATERMARK; 3]);
        assert_eq!(observe(&mut w, 1, &[50], 10), [40]);
        w.inputs[1].idle = true;
        assert_eq!(w.resolve(), 110);
        assert_eq!(observe(&mut w, 1, &[60], 10), [110], "an idle input that resumes does not move it back");
    }

    proptest! {
        /// Batch boundaries change no watermark.
        #[test]
        fn batch_boundaries_do_not_matter(runs in prop::collection::vec((0usize..3, prop::collection::vec(-500i64..500, 0..12)), 0..12), delay in 0i64..50) {
            let (mut whole, mut single) = (TaskWatermark::new(3), TaskWatermark::new(3));
            for (input, times) in &runs {
                let at_once = observe(&mut whole, *input, times, delay);
                let one_by_one: Vec<i64> = times.iter().flat_map(|t| observe(&mut single, *input, &[*t], delay)).collect();
                prop_assert_eq!(at_once, one_by_one);
                prop_assert_eq!(&whole, &single);
            }
        }
    }
}
