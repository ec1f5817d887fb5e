//! Records of repartition topics are removed once they are processed, and no run waits for that for long.

use crate::harness::faulty_log::{FaultyLog, InjectedFault};
use crate::harness::run::run_to_end;
use crate::harness::scenario::plan;
use crate::harness::topics::{append, temp_log, topic_config, total_end};
use fastdata::log::Log as _;
use fastdata::record::RecordsBuilder;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const COUNTS: &str = "name: p
source: {topic: in, schema: {a: bigint}}
steps:
  - {name: counted, scan: {by: [a], init: {c: 0}, next: {c: c + 1}}}
sink: out
";

#[test]
fn a_run_ends_although_processed_records_are_not_removed() {
    let (log, dir) = temp_log();
    log.create_topic("in", &topic_config(1)).unwrap();
    let mut records = RecordsBuilder::default();
    (1..4).for_each(|a| records.push(None, Some(format!("{{\"a\": {a}}}").as_bytes()), a));
    append(&*log, "in", 0, records.finish());
    let faulty = Arc::new(FaultyLog::new(log.clone(), "", InjectedFault::RemovalsHang));
    run_to_end(plan(COUNTS, dir.path()), faulty.clone());
    assert!(faulty.calls.load(Ordering::Relaxed) > 0, "no record was to be removed");
    assert_eq!(total_end(&*log, "out"), Some(3));
}
