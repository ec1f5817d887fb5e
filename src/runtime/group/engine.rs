//! What a run needs from outside, how it is to run, and what an instance reports of itself.

use crate::log::Log;
use crate::metrics::{EdgeInfo, PipelineInfo, SourceInfo, StepInfo};
use crate::plan::{Feed, InputPlan, Physical, Port, SubTopology};
use crate::runtime::commit::commit_loop::resident;
use crate::runtime::commit::instance_record;
use crate::runtime::operators::Samples;
use crate::runtime::operators::build::Factory;
use crate::runtime::recovery::changelogs::RestoreGauge;
use crate::time::Clock;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long the last report of an instance may take.
const FINAL_REPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a run begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartFrom {
    /// Where the last run stopped; else at the oldest record.
    #[default]
    Committed,
    /// At the oldest record, with nothing remembered.
    Earliest,
    /// After the newest record, with nothing remembered.
    Latest,
}

/// How to run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Stop when all that was there at start is done and committed.
    pub until_end: bool,
    /// With `until_end`: close every window too.
    pub drain: bool,
    /// Where to begin.
    pub from: StartFrom,
    /// Who runs it, for other instances and for statistics: no two instances of a group may have the same.
    pub instance: String,
    /// Where the state is saved at the end of a run, so that the next one need not read all of it back from
    /// its changelogs. For backplanes that are far away.
    pub state_folder: Option<PathBuf>,
    /// Shows how far the reading of state has come.
    pub restoring: RestoreGauge,
}

/// Told to stop once, from any thread: what was read is done and committed, then the run ends.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks the run to end in good order.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(in crate::runtime) fn as_flag(&self) -> &AtomicBool {
        &self.0
    }

    pub(in crate::runtime) fn flag(&self) -> Arc<AtomicBool> {
        self.0.clone()
    }

    /// Whether it was asked.
    #[must_use]
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a run needs from outside.
#[derive(Clone)]
pub struct Engine {
    /// The pipeline.
    pub plan: Arc<Physical>,
    /// The backplane.
    pub log: Arc<dyn Log>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Where samples of `log` steps go.
    pub samples: Samples,
    /// Operators of the embedding program, by kind.
    pub custom: BTreeMap<&'static str, Factory>,
}

impl Engine {
    /// Says that this instance has ended where it has no partitions with whose records it could say so.
    pub(in crate::runtime) fn say_ended(&self, options: &RunOptions, since: i64) {
        let now = self.clock.now();
        let info = PipelineInfo { stopped_at: Some(now), ..self.info(options, since) };
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let log = self.log.clone();
        // Nobody waits long for a word that nothing depends on: the backplane may be away.
        let say = move || instance_record::aside(log.appender()?.as_mut(), &info, now, Vec::new());
        std::thread::spawn(move || drop(tell.send(say())));
        match told.recv_timeout(FINAL_REPORT_TIMEOUT) {
            Ok(Ok(())) => {}
            Ok(Err(e)) => tracing::warn!("the end of the run could not be recorded: {e}"),
            Err(_) => tracing::warn!("the end of the run could not be recorded in {FINAL_REPORT_TIMEOUT:?}"),
        }
    }

    /// What the pipeline says of itself.
    pub(in crate::runtime) fn info(&self, options: &RunOptions, since: i64) -> PipelineInfo {
        let mut info = PipelineInfo {
            name: self.plan.name.clone(),
            instance: options.instance.clone(),
            started_at: since,
            memory: resident(),
            ..PipelineInfo::default()
        };
        for sub in &self.plan.subs {
            for input in &sub.inputs {
                if let InputPlan::Source(s) = input {
                    info.sources.push(SourceInfo { name: s.name.clone(), topic: s.topic.to_string() });
                }
            }
            let edge = |f: &Feed| edge(sub, *f);
            info.steps.extend(sub.nodes.iter().map(|n| StepInfo {
                name: n.name.clone(),
                kind: n.op.kind().into(),
                from: n.from.iter().map(edge).collect(),
            }));
        }
        info
    }
}

fn edge(sub: &SubTopology, feed: Feed) -> EdgeInfo {
    match feed {
        Feed::Input(i) => EdgeInfo { step: sub.inputs[i].name().to_owned(), output: None },
        Feed::Node(n, Port(p)) => {
            EdgeInfo { step: sub.nodes[n].name.clone(), output: sub.nodes[n].outputs[p].name.clone() }
        }
    }
}
