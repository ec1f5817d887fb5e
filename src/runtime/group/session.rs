//! What stays the same over all assignments of a run: how it runs, when it started, and where its sources ended then.

use super::engine::{Engine, RunOptions};
use super::others::OtherInstances;
use crate::diagnostics::mask;
use crate::log::{LogError, partitions, topic};
use crate::metrics::{EdgeInfo, PipelineInfo, SourceInfo, StepInfo};
use crate::plan::{InputPlan, NodeInput, Port, SubTopology};
use crate::record::{Offset, TopicPartition};
use crate::runtime::cancel::CancelToken;
use crate::runtime::commit::instance_record::{resident_bytes, write_instance_record};
use crate::runtime::fault::{Fault, catch_panic};
use crate::runtime::task::commit_limit::CommitLimit;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// How long the last record of an instance may take.
const FINAL_RECORD_TIMEOUT: Duration = Duration::from_secs(5);

/// A run, from start to end.
pub(in crate::runtime) struct Session {
    pub(in crate::runtime) engine: Engine,
    pub(in crate::runtime) options: RunOptions,
    /// Epoch milliseconds.
    pub(in crate::runtime) started_at: i64,
    /// Runs the tasks.
    pub(in crate::runtime) handle: tokio::runtime::Handle,
    pub(in crate::runtime) cancel: CancelToken,
    pub(in crate::runtime) commit_limit: Arc<CommitLimit>,
    /// Data types for which steps were waiting for a model when the last membership ended.
    awaited: Mutex<Vec<String>>,
    pub(in crate::runtime) others: Arc<Mutex<OtherInstances>>,
    /// A commit has failed, and none has worked since.
    pub(in crate::runtime) commit_failed: Arc<AtomicBool>,
    source_ends: OnceLock<BTreeMap<TopicPartition, Offset>>,
}

impl Session {
    pub(in crate::runtime) fn new(
        engine: Engine,
        options: RunOptions,
        handle: tokio::runtime::Handle,
        cancel: CancelToken,
    ) -> Self {
        let started_at = engine.clock.now();
        let (commit_limit, others, commit_failed) = (Arc::default(), Arc::default(), Arc::default());
        let (awaited, source_ends) = (Mutex::default(), OnceLock::new());
        Self { engine, options, started_at, handle, cancel, commit_limit, awaited, others, commit_failed, source_ends }
    }

    /// The end of each partition of the sources at the first call, which is at the start of the run. A bounded run and
    /// a start at the latest record use these ends after every fault and every new assignment.
    pub(in crate::runtime) fn source_ends(&self) -> Result<&BTreeMap<TopicPartition, Offset>, Fault> {
        if let Some(ends) = self.source_ends.get() {
            return Ok(ends);
        }
        let (plan, log) = (&self.engine.plan, self.engine.log.as_ref());
        let inputs = plan.subs.iter().flat_map(|s| &s.inputs).map(InputPlan::topic);
        let mut ends = BTreeMap::new();
        for name in inputs.filter(|name| !plan.is_repartition(name)) {
            let info = topic(log, name)?;
            ends.extend(partitions(&info).into_iter().zip(info.partitions.iter().map(|p| p.end)));
        }
        Ok(self.source_ends.get_or_init(|| ends))
    }

    /// Keeps the data types for which steps wait for a model.
    pub(in crate::runtime) fn set_awaited(&self, data_types: Vec<String>) {
        *self.awaited.lock().unwrap_or_else(PoisonError::into_inner) = data_types;
    }

    /// Why a run has ended whose tasks had to stop at once, in the words of `stats`.
    pub(in crate::runtime) fn why_stopped(&self) -> String {
        let why = self.cancel.why_ended();
        match &self.awaited.lock().unwrap_or_else(PoisonError::into_inner)[..] {
            [] => why.to_owned(),
            awaited => format!("{why} while it waited for a model that serves `{}`", awaited.join("`, `")),
        }
    }

    /// Records that this instance has ended and why, where no commit of its tasks could record it. That this fails is
    /// a warning, never a fault.
    ///
    /// # Errors
    /// A fault of the program.
    pub(in crate::runtime) fn record_end(&self, why: &str) -> Result<(), Fault> {
        let now = self.engine.clock.now();
        let info = PipelineInfo { stopped_at: Some(now), ended: Some(mask(why)), ..self.info() };
        let (done, written) = sync_channel(1);
        let log = self.engine.log.clone();
        // On a separate thread: the backplane may be away, and nothing depends on this record.
        let write = move || write_instance_record(log.appender()?.as_mut(), &info, now, Vec::new());
        std::thread::spawn(move || drop(done.send(catch_panic("the recording of the end", write))));
        match written.recv_timeout(FINAL_RECORD_TIMEOUT) {
            Ok(Ok(())) => {}
            Ok(Err(fault @ (Fault::Fatal(_) | Fault::Panic(_)))) => return Err(fault),
            // Refused before its first start, which makes the topic.
            Ok(Err(Fault::Backplane(LogError::UnknownTopic { .. }))) => {}
            Ok(Err(e)) => tracing::warn!("the end of the run could not be recorded: {e}"),
            Err(_) => tracing::warn!("the end of the run could not be recorded in {FINAL_RECORD_TIMEOUT:?}"),
        }
        Ok(())
    }

    /// What the run reports of the pipeline.
    pub(in crate::runtime) fn info(&self) -> PipelineInfo {
        let mut info = PipelineInfo {
            name: self.engine.plan.name.clone(),
            instance: self.options.instance.clone(),
            started_at: self.started_at,
            memory: resident_bytes(),
            ..PipelineInfo::default()
        };
        for sub in &self.engine.plan.subs {
            for input in &sub.inputs {
                if let InputPlan::Source(s) = input {
                    info.sources.push(SourceInfo { name: s.name.clone(), topic: s.topic.to_string() });
                }
            }
            let edge = |f: &NodeInput| edge(sub, *f);
            info.steps.extend(sub.nodes.iter().map(|n| StepInfo {
                name: n.name.clone(),
                kind: n.op.kind().into(),
                from: n.from.iter().map(edge).collect(),
            }));
        }
        info
    }
}

fn edge(sub: &SubTopology, feed: NodeInput) -> EdgeInfo {
    match feed {
        NodeInput::Input(i) => EdgeInfo { step: sub.inputs[i].name().to_owned(), output: None },
        NodeInput::Node(n, Port(p)) => {
            EdgeInfo { step: sub.nodes[n].name.clone(), output: sub.nodes[n].outputs[p].name.clone() }
        }
    }
}
