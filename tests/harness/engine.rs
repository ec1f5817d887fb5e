//! Runs a pipeline on the real runtime, over an embedded log in a folder of its own.
//!
//! Separate from the driver: threads, channels, transactions and storage are all in play here.

use super::drive::{Drive, NOW};
use super::record::{Topics, pack, unpack};
use fastdata::log::embedded::EmbeddedLog;
use fastdata::log::{Append, FetchLimit, Log, Start, TopicConfig, TopicInfo, partitions};
use fastdata::metrics::progress_topic;
use fastdata::plan::{InputPlan, Op};
use fastdata::record::{RecordsBuilder, TopicPartition};
use fastdata::runtime::{CancelReason, CancelToken, Engine, Fault, RunOptions, reports};
use fastdata::time::VirtualClock;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// The topic of models.
const MODELS: &str = "models";

/// Writes the sources and models of a run.
pub fn seed(drive: &Drive, log: &dyn Log) {
    for input in drive.plan.subs.iter().flat_map(|s| &s.inputs) {
        if let InputPlan::Source(s) = input {
            log.create_topic(&s.topic, &config(drive.partitions)).unwrap();
        }
    }
    let mut appender = log.appender().unwrap();
    for ((topic, partition), records) in &drive.input {
        let to = TopicPartition::new(topic.as_str(), *partition);
        appender.append(&[Append { to, records: pack(records) }]).unwrap();
    }
    if !drive.models.is_empty() {
        log.create_topic(MODELS, &config(1)).unwrap();
        let mut records = RecordsBuilder::default();
        drive.models.iter().for_each(|m| records.push(None, Some(m), NOW));
        appender.append(&[Append { to: TopicPartition::new(MODELS, 0), records: records.finish() }]).unwrap();
    }
}

fn config(partitions: u32) -> TopicConfig {
    TopicConfig { partitions, ..TopicConfig::default() }
}

/// Runs to the end of what is there and closes every window.
pub fn run(drive: &Drive, log: &Arc<EmbeddedLog>) {
    attempt(drive, log.clone()).expect("no fault");
}

/// The same, which may go wrong.
pub fn attempt(drive: &Drive, log: Arc<dyn Log>) -> Result<(), Fault> {
    let engine = Engine {
        plan: drive.plan.clone(),
        log,
        clock: Arc::new(VirtualClock::at(NOW)),
        samples: Arc::new(|_, _| {}),
        custom: BTreeMap::new(),
    };
    let options = RunOptions { until_end: true, drain: true, instance: "test".into(), ..RunOptions::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(engine.run(&options, &CancelToken::default()))
}

/// All records of a topic.
pub fn records(log: &dyn Log, topic: &TopicInfo) -> Topics {
    let mut found = Topics::new();
    for (at, info) in partitions(topic).into_iter().zip(&topic.partitions) {
        let mut reader = log.reader(&[(at.clone(), log.resolve(&at, Start::Earliest).unwrap())]).unwrap();
        while reader.positions()[0].1 < info.end {
            let Some(fetched) = reader.poll(FetchLimit::default(), Duration::from_secs(5)).unwrap() else { break };
            let of = found.entry((at.topic.to_string(), at.partition.0)).or_default();
            of.extend(unpack(&fetched.records));
        }
    }
    found
}

/// What the topics of a pipeline's sinks and its dead letters hold.
pub fn output(drive: &Drive, log: &dyn Log) -> Topics {
    let nodes = drive.plan.subs.iter().flat_map(|s| &s.nodes);
    let sinks = nodes.filter_map(|n| if let Op::Sink(s) = &n.op { Some(s.topic.to_string()) } else { None });
    let mut topics: Vec<String> = sinks.chain([drive.plan.dead_topic()]).collect();
    topics.sort();
    topics.dedup();
    let infos = topics.iter().flat_map(|t| log.topics(Some(t)).unwrap());
    infos.flat_map(|info| records(log, &info)).collect()
}

/// The ledger of the progress that was committed.
pub fn ledger(drive: &Drive, log: &dyn Log) -> BTreeMap<&'static str, u64> {
    let tasks = reports(log, &drive.plan.name, &AtomicBool::default()).unwrap().tasks;
    assert!(!tasks.is_empty(), "`{}` is empty", progress_topic(&drive.plan.name));
    let ledger = super::ledger::ledger(&drive.plan, tasks.values());
    ledger.came().into_iter().chain(ledger.went()).collect()
}

/// Seeds, runs and reads a pipeline in a folder.
pub fn whole(drive: &Drive, dir: &Path) -> Topics {
    let log = Arc::new(EmbeddedLog::open(dir).unwrap());
    seed(drive, &*log);
    run(drive, &log);
    let found = output(drive, &*log);
    ledger(drive, &*log);
    run(drive, &log);
    assert_eq!(output(drive, &*log), found, "a second run adds something");
    found
}
