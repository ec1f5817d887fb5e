//! The line of a run on a terminal: how much it has read and written, and how much is left.

use super::watched::WatchedRun;
use crate::cli::figures::{count, counted, rate};
use crate::cli::printer::Printer;
use crate::cli::status_line;
use crate::log::Log;
use crate::runtime::SourcePosition;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

/// Time between two drawings.
const DRAW_INTERVAL: Duration = Duration::from_millis(250);
/// The rate is that of the last few seconds.
const RATE_SAMPLES: usize = 12;
/// Time between two look-ups of the ends of the sources.
const LAG_INTERVAL: Duration = Duration::from_secs(1);

/// Shows the progress of all pipelines of the process.
pub(super) struct ProgressLine {
    enabled: bool,
    drawn_at: Option<Instant>,
    /// Records read, at the last drawings.
    samples: VecDeque<(Instant, u64)>,
    lag: LagLookUp,
}

/// What the line says.
#[derive(Clone, Copy, Debug, Default)]
struct RunFigures {
    read: u64,
    written: u64,
    dead: u64,
    lag: Option<u64>,
}

impl ProgressLine {
    pub(super) fn new(printer: &Printer) -> Self {
        Self { enabled: printer.shows_progress(), drawn_at: None, samples: VecDeque::new(), lag: LagLookUp::default() }
    }

    /// Draws the line where that is due. Called on the runtime of the run.
    pub(super) fn update(&mut self, runs: &[WatchedRun]) {
        if !self.enabled || self.drawn_at.is_some_and(|at| at.elapsed() < DRAW_INTERVAL) {
            return;
        }
        let now = Instant::now();
        self.drawn_at = Some(now);
        let mut figures = RunFigures { lag: self.lag.update(runs), ..RunFigures::default() };
        for run in runs {
            let work = run.work.work();
            let total = work.total();
            figures.read += work.records_read();
            figures.written += total.written;
            figures.dead += total.dead;
        }
        self.samples.push_back((now, figures.read));
        if self.samples.len() > RATE_SAMPLES {
            self.samples.pop_front();
        }
        let name = match runs {
            [run] => run.plan.name.clone(),
            all => counted(all.len() as u64, "pipeline"),
        };
        status_line::show(&line(&name, figures, self.rate()));
    }

    /// Removes the line while something else is drawn in its place.
    pub(super) fn make_way(&mut self) {
        if self.enabled && self.drawn_at.take().is_some() {
            status_line::clear();
        }
    }

    fn rate(&self) -> Option<f64> {
        let ((first_at, first), (last_at, last)) = (self.samples.front()?, self.samples.back()?);
        let seconds = last_at.duration_since(*first_at).as_secs_f64();
        #[allow(clippy::cast_precision_loss, reason = "it is shown with few digits")]
        let records = last.saturating_sub(*first) as f64;
        (seconds > 0.0).then(|| records / seconds)
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.make_way();
    }
}

fn line(name: &str, figures: RunFigures, read_rate: Option<f64>) -> String {
    let RunFigures { read, written, dead, lag } = figures;
    let (read, written, dead) = (count(read), count(written), count(dead));
    let read_rate = read_rate.map_or_else(String::new, |r| format!(", {}/s", rate(Some(r))));
    let lag = lag.map_or_else(|| "-".into(), count);
    format!("{name}: {read} read{read_rate}; {written} written, {dead} dead; lag {lag}")
}

/// The first and the last offset of each partition of the sources.
type SourceBounds = BTreeMap<(String, u32), (i64, i64)>;

/// Looks up the ends of the sources beside the run: the backplane may be slow or away.
#[derive(Default)]
struct LagLookUp {
    started_at: Option<Instant>,
    coming: Option<Receiver<SourceBounds>>,
    bounds: SourceBounds,
}

impl LagLookUp {
    /// Records that were not read when the ends were looked up last; `None` until they are known.
    fn update(&mut self, runs: &[WatchedRun]) -> Option<u64> {
        match self.coming.as_ref().map(Receiver::try_recv) {
            Some(Ok(bounds)) => (self.bounds, self.coming) = (bounds, None),
            Some(Err(TryRecvError::Disconnected)) => self.coming = None,
            Some(Err(TryRecvError::Empty)) | None => {}
        }
        let positions = runs.iter().map(|run| run.work.positions());
        let positions: Vec<Vec<SourcePosition>> = positions.collect();
        let are_known = positions.iter().any(|of| !of.is_empty());
        if self.coming.is_none() && are_known && self.started_at.is_none_or(|at| at.elapsed() >= LAG_INTERVAL) {
            self.started_at = Some(Instant::now());
            let topics = |of: &Vec<SourcePosition>| of.iter().map(|at| at.topic.clone()).collect();
            let sources = runs.iter().zip(&positions).map(|(run, of)| (run.log.clone(), topics(of))).collect();
            let (found, coming) = sync_channel(1);
            tokio::task::spawn_blocking(move || drop(found.send(look_up(sources))));
            self.coming = Some(coming);
        }
        let lag = |at: &SourcePosition| {
            let (earliest, end) = self.bounds.get(&(at.topic.clone(), at.partition))?;
            u64::try_from(end - at.next.max(*earliest)).ok().or(Some(0))
        };
        let lags: Vec<u64> = positions.iter().flatten().filter_map(lag).collect();
        (!lags.is_empty()).then(|| lags.iter().sum())
    }
}

fn look_up(sources: Vec<(Arc<dyn Log>, BTreeSet<String>)>) -> SourceBounds {
    let mut bounds = SourceBounds::new();
    for (log, topics) in sources {
        for topic in topics {
            // A lag that cannot be looked up is left out.
            let found = log.topics(Some(&topic)).unwrap_or_default().pop();
            for (partition, info) in (0..).zip(found.into_iter().flat_map(|info| info.partitions)) {
                bounds.insert((topic.clone(), partition), (info.earliest.0, info.end.0));
            }
        }
    }
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_what_is_unknown_by_a_dash() {
        let figures = RunFigures { read: 12_345, written: 9_000, dead: 20, lag: Some(1_234) };
        let shown = line("wine", figures, Some(8_333.3));
        assert_eq!(shown, "wine: 12,345 read, 8,333/s; 9,000 written, 20 dead; lag 1,234");
        let shown = line("2 pipelines", RunFigures::default(), None);
        assert_eq!(shown, "2 pipelines: 0 read; 0 written, 0 dead; lag -");
    }
}
