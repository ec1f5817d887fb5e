//! Throughput over the embedded log, from read to committed, compared with the in-memory figure of the same run.

use super::setup;
use fastdata::log::embedded::EmbeddedLog;
use fastdata::log::{Append, Log, TopicConfig};
use fastdata::record::TopicPartition;
use fastdata::runtime::{CancelToken, Engine, Fault, RunOptions};
use fastdata::time::SystemClock;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const RECORDS: usize = 2_000_000;

/// An engine for the bench's pipeline on a log in this folder, with the model published.
pub(crate) fn engine(dir: &Path) -> Engine {
    let log = EmbeddedLog::open(dir).expect("a log in a temporary folder");
    for topic in ["raw", "models"] {
        log.create_topic(topic, &TopicConfig { partitions: 1, ..TopicConfig::default() }).expect("a new topic");
    }
    publish(&log, "wine");
    let samples = Arc::new(|_: &str, _: &str| ());
    Engine {
        plan: setup::pipeline(),
        log: Arc::new(log),
        clock: Arc::new(SystemClock),
        samples,
        custom: BTreeMap::new(),
    }
}

pub(crate) fn publish(log: &dyn Log, name: &str) {
    let mut record = fastdata::record::RecordsBuilder::default();
    record.push(None, Some(&setup::model(name)), 0);
    append(log, "models", record.finish());
}

pub(crate) fn append(log: &dyn Log, topic: &str, records: fastdata::record::Records) {
    let to = TopicPartition::new(topic, 0);
    log.appender().and_then(|mut a| a.append(&[Append { to, records }])).expect("appended");
}

pub(crate) fn fill(log: &dyn Log, records: usize) {
    let mut appender = log.appender().expect("an appender");
    for first in (0..records).step_by(setup::BATCH * 16) {
        let rows = |i: usize| setup::BATCH.min(records.saturating_sub(first + i * setup::BATCH));
        let batches = (0..16).filter(|i| rows(*i) > 0).map(|i| Append {
            to: TopicPartition::new("raw", 0),
            records: setup::records(first + i * setup::BATCH, rows(i), 0),
        });
        appender.append(&batches.collect::<Vec<_>>()).expect("appended");
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime")
}

/// Starts a run to the end of the input.
pub(crate) fn spawn_bounded_run(
    runtime: &tokio::runtime::Runtime,
    engine: &Engine,
) -> tokio::task::JoinHandle<Result<(), Fault>> {
    let engine = engine.clone();
    runtime.spawn(async move {
        let options = RunOptions { until_end: true, instance: "bench".into(), ..RunOptions::default() };
        engine.run(&options, &CancelToken::default()).await
    })
}

pub(crate) fn run() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let engine = engine(dir.path());
    fill(engine.log.as_ref(), RECORDS);
    let before = super::in_memory::records_per_second();
    let runtime = runtime();
    let started = Instant::now();
    runtime.block_on(spawn_bounded_run(&runtime, &engine)).expect("joined").expect("no fault");
    let took = started.elapsed();
    let memory = (before + super::in_memory::records_per_second()) / 2.;
    let log = setup::per_second(RECORDS, took);
    println!("through the embedded log, read to committed, {RECORDS} records");
    println!("  {log:>10.0} records/s, {:.0} % of {memory:.0} in memory", 100. * log / memory);
}
