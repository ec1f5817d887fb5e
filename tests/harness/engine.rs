//! Runs a pipeline on the real runtime, over an embedded log in a folder of its own.
//!
//! Unlike the driver this uses threads, channels, transactions and storage.

use super::record::{Topics, pack};
use super::scenario::{FIXED_NOW_MS, Scenario};
use super::topics::{read_partition, topic_config};
use fastdata::log::embedded::EmbeddedLog;
use fastdata::log::{Append, Log, TopicInfo, partitions};
use fastdata::metrics::progress_topic;
use fastdata::plan::{InputPlan, Op};
use fastdata::record::{RecordsBuilder, TopicPartition};
use fastdata::runtime::{CancelToken, Engine, Fault, RunOptions, reports};
use fastdata::time::VirtualClock;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const MODELS_TOPIC: &str = "models";

/// Creates the topics of the sources and models, and writes their records.
pub fn seed(scenario: &Scenario, log: &dyn Log) {
    for input in scenario.plan.subs.iter().flat_map(|s| &s.inputs) {
        if let InputPlan::Source(s) = input {
            log.create_topic(&s.topic, &topic_config(scenario.partitions)).unwrap();
        }
    }
    let mut appender = log.appender().unwrap();
    for ((topic, partition), records) in &scenario.input {
        let to = TopicPartition::new(topic.as_str(), *partition);
        appender.append(&[Append { to, records: pack(records) }]).unwrap();
    }
    if !scenario.models.is_empty() {
        log.create_topic(MODELS_TOPIC, &topic_config(1)).unwrap();
        let mut records = RecordsBuilder::default();
        scenario.models.iter().for_each(|m| records.push(None, Some(m), FIXED_NOW_MS));
        appender.append(&[Append { to: TopicPartition::new(MODELS_TOPIC, 0), records: records.finish() }]).unwrap();
    }
}

/// Runs to the end of the input and closes every window.
pub fn run(scenario: &Scenario, log: &Arc<EmbeddedLog>) {
    try_run(scenario, log.clone()).expect("no fault");
}

/// The same for a run that may fail.
pub fn try_run(scenario: &Scenario, log: Arc<dyn Log>) -> Result<(), Fault> {
    let engine = Engine {
        plan: scenario.plan.clone(),
        log,
        clock: Arc::new(VirtualClock::at(FIXED_NOW_MS)),
        samples: Arc::new(|_, _| {}),
        custom: BTreeMap::new(),
    };
    let options = RunOptions { until_end: true, drain: true, instance: "test".into(), ..RunOptions::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(engine.run(&options, &CancelToken::default()))
}

/// All records of a topic.
pub fn read_topic(log: &dyn Log, topic: &TopicInfo) -> Topics {
    let records = partitions(topic).into_iter().map(|at| {
        let records = read_partition(log, &at);
        ((at.topic.to_string(), at.partition.0), records)
    });
    records.filter(|(_, records)| !records.is_empty()).collect()
}

/// The records of a pipeline's sinks and of its dead letters.
pub fn read_outputs(scenario: &Scenario, log: &dyn Log) -> Topics {
    let nodes = scenario.plan.subs.iter().flat_map(|s| &s.nodes);
    let sinks = nodes.filter_map(|n| if let Op::Sink(s) = &n.op { Some(s.topic.to_string()) } else { None });
    let mut topics: Vec<String> = sinks.chain([scenario.plan.dead_topic()]).collect();
    topics.sort();
    topics.dedup();
    let infos = topics.iter().flat_map(|t| log.topics(Some(t)).unwrap());
    infos.flat_map(|info| read_topic(log, &info)).collect()
}

/// The ledger of the committed progress.
pub fn committed_ledger(scenario: &Scenario, log: &dyn Log) -> BTreeMap<&'static str, u64> {
    let tasks = reports(log, &scenario.plan.name, &CancelToken::default()).unwrap().tasks;
    assert!(!tasks.is_empty(), "`{}` is empty", progress_topic(&scenario.plan.name));
    let ledger = super::ledger::ledger(&scenario.plan, tasks.values());
    ledger.inflows().into_iter().chain(ledger.outflows()).collect()
}

/// Writes the input, runs to the end and reads the outputs, in a folder. A second run must add nothing.
pub fn run_on_embedded_log(scenario: &Scenario, dir: &Path) -> Topics {
    let log = Arc::new(EmbeddedLog::open(dir).unwrap());
    seed(scenario, &*log);
    run(scenario, &log);
    let found = read_outputs(scenario, &*log);
    committed_ledger(scenario, &*log);
    run(scenario, &log);
    assert_eq!(read_outputs(scenario, &*log), found, "a second run adds something");
    found
}
