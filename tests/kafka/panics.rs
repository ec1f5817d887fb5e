//! A panic ends a run on Kafka in time, also where parts of it wait for brokers that are away.

use super::broker;
use crate::harness::panicking_log::{PanicIn, PanickingLog};
use crate::harness::run::Setup;
use crate::harness::scenario::{FIXED_NOW_MS, plan};
use crate::harness::topics::{append, topic_config};
use crate::harness::wait;
use crate::panics::{COUNTS, assert_panicked};
use fastdata::log::{Log as _, topic};
use fastdata::record::RecordsBuilder;
use std::path::Path;
use std::sync::Arc;

#[test]
fn a_panic_ends_a_run_in_time_although_no_broker_answers() {
    let Some(cluster) = broker::start(broker::SINGLE_NODE) else { return };
    let kafka = Arc::new(cluster.connect());
    kafka.create_topic("in", &topic_config(2)).unwrap();
    for partition in 0..2 {
        let mut records = RecordsBuilder::default();
        records.push(Some(b"x"), Some(br#"{"a": "x", "b": "y"}"#), FIXED_NOW_MS);
        append(&*kafka, "in", partition, records.finish());
    }
    let log = Arc::new(PanickingLog::new(kafka.clone(), PanicIn::ArmedPoll));
    let run = Setup::new(plan(COUNTS, Path::new(".")), log.clone()).start();
    // With results the run is a member of the group and has a producer.
    wait::until("the results", || {
        let out = topic(&*kafka, "out").ok()?;
        (out.partitions.iter().map(|p| p.end.0).sum::<i64>() >= 2).then_some(())
    });
    cluster.kill(0);
    log.arm();
    assert_panicked(run, "the intake");
}

/// Through the binary, which must be built with the feature `failpoints`.
#[cfg(feature = "failpoints")]
#[test]
fn a_panic_at_a_fail_point_ends_an_instance_with_exit_code_1() {
    use super::exact;
    use super::group::{Group, GroupPlan};
    use crate::panics::END_TIMEOUT;
    use std::time::Instant;

    let Some(cluster) = broker::shared() else { return };
    for (point, part) in [("AfterPoll", "the intake"), ("MidWindow", "task "), ("BeforeCommit", "the commit loop")] {
        let mut group = Group::new(cluster, GroupPlan::exact("panics", 0));
        group.feed.allow_up_to(exact::RECORDS_PER_WINDOW);
        let mut instance = group.spawn_with_env("", &[("FASTDATA_PANIC", format!("{point}:2"))]);
        let asked = format!("a test asks for a panic at {point}");
        group.wait_until("the panic", |g| g.log_of(&instance.name).contains(&asked).then_some(()));
        let start = Instant::now();
        let status = instance.process.wait();
        let log = group.log_of(&instance.name);
        assert!(start.elapsed() < END_TIMEOUT, "{point}: the process has run for {:?}\n{log}", start.elapsed());
        assert_eq!(status.code(), Some(1), "{point}: {log}");
        assert!(log.contains(&format!("error: internal error: {part}")), "{point}: {log}");
    }
}
