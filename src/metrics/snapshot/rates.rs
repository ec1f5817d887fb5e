//! Rates: the difference between two snapshots over the time between them.

use super::{Snapshot, SourceStats, StepStats};

impl Snapshot {
    /// Sets the rates since an earlier snapshot of the same pipeline. A rate stays unknown if a counter went
    /// back (the pipeline started over) or no time has passed.
    pub fn set_rates_since(&mut self, earlier: &Self) {
        let elapsed = Elapsed(self.at.saturating_sub(earlier.at));
        for source in &mut self.sources {
            let before = earlier.sources.iter().find(|s| s.name == source.name);
            source.rate = elapsed.rate(source.read, before.map_or(0, |b| b.read));
        }
        let read = |sources: &[SourceStats]| sources.iter().map(|s| s.read).sum();
        self.rate = elapsed.rate(read(&self.sources), read(&earlier.sources));
        for step in &mut self.steps {
            let before = earlier.steps.iter().find(|s| s.name == step.name);
            step.rate_in = elapsed.rate(step.counters.input, before.map_or(0, |b| b.counters.input));
            step.rate_out = elapsed.rate(step.out(), before.map_or(0, StepStats::out));
            for model in &mut step.models {
                let earlier = before.into_iter().flat_map(|b| &b.models);
                let same = earlier.filter(|m| (m.version, &m.data_type) == (model.version, &model.data_type));
                model.rate = elapsed.rate(model.usage, same.map(|m| m.usage).sum());
            }
        }
    }
}

/// Milliseconds between two snapshots.
struct Elapsed(i64);

impl Elapsed {
    #[allow(clippy::cast_precision_loss, reason = "a rate needs no more than 52 bits")]
    fn rate(&self, now: u64, before: u64) -> Option<f64> {
        let more = now.checked_sub(before).filter(|_| self.0 > 0)?;
        let rate = more as f64 * 1000.0 / self.0 as f64;
        // Two samples are not precise enough for more than one decimal.
        Some((rate * 10.0).round() / 10.0)
    }
}
