//! Snapshots of hand-written reports.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::metrics::{
    InputProgress, InstanceInfo, Latency, ModelUse, PipelineInfo, SourceInfo, StepInfo, StepProgress, TaskProgress,
};
use crate::time::{PartitionWatermark, TaskWatermark};
use std::collections::BTreeMap;

const NOW: i64 = 1_700_000_000_000;

fn step(name: &str, kind: &str) -> StepInfo {
    StepInfo { name: name.into(), kind: kind.into(), from: Vec::new() }
}

fn counted(name: &str, counters: Counters) -> StepProgress {
    StepProgress { name: name.into(), counters, repartition: name.ends_with(".by"), ..StepProgress::default() }
}

fn input(name: &str, topic: &str, next: i64, read: u64) -> InputProgress {
    let repartition = name.ends_with(".by");
    InputProgress { name: name.into(), topic: topic.into(), next, read, repartition, ..InputProgress::default() }
}

fn clock(at: i64, idle: bool) -> TaskWatermark {
    let mut clock = TaskWatermark::new(1);
    (clock.at, clock.inputs[0]) = (Some(at), PartitionWatermark { at, newest: Some(at + 5), idle });
    clock
}

/// Two tasks read a partition each, filter, and send rows by key; a third task counts per window.
fn reports() -> Reports {
    let info = PipelineInfo {
        name: "p".into(),
        started_at: NOW - 60_000,
        sources: vec![SourceInfo { name: "in".into(), topic: "raw".into() }],
        steps: vec![step("good", "filter"), step("w.by", "repartition"), step("w", "window"), step("out", "sink")],
        memory: 1024,
        ..PipelineInfo::default()
    };
    let reader = |partition, next, at, idle| {
        let read = u64::try_from(next).unwrap();
        let filtered = read / 2;
        let good = Counters { input: read, output: read - filtered, filtered, ..Counters::default() };
        let by = Counters { input: read - filtered, written: read - filtered, ..Counters::default() };
        let mut latency = Latency::default();
        latency.record(100, read);
        TaskProgress {
            partition,
            committed_at: NOW - 50,
            inputs: vec![input("in", "raw", next, read)],
            watermark: clock(at, idle),
            steps: vec![counted("good", good), counted("w.by", by)],
            latency,
            ..TaskProgress::default()
        }
    };
    let w = Counters { input: 40, absorbed: 38, late: 2, created: 3, output: 3, ..Counters::default() };
    let out = Counters { input: 3, written: 3, ..Counters::default() };
    let counting = TaskProgress {
        sub: 1,
        committed_at: NOW - 50,
        inputs: vec![input("w.by", "p.w.by", 45, 40)],
        watermark: clock(900, false),
        steps: vec![counted("w", w), counted("out", out)],
        ..TaskProgress::default()
    };
    let tasks = [("0/0", reader(0, 60, 1_000, false)), ("0/1", reader(1, 30, 800, true)), ("1/0", counting)];
    let tasks = tasks.into_iter().map(|(k, t)| (k.to_owned(), t)).collect();
    Reports { info: Some((info, NOW - 40)), tasks, ..Reports::default() }
}

fn bounds(raw: [i64; 2], by: i64) -> BTreeMap<String, Vec<OffsetBounds>> {
    let of = |ends: &[i64]| ends.iter().map(|end| OffsetBounds { earliest: 0, end: *end }).collect();
    [("raw".to_owned(), of(&raw)), ("p.w.by".to_owned(), of(&[by]))].into()
}

#[test]
fn every_row_is_accounted_for_including_rows_in_transit() {
    let s = Snapshot::of("p", &reports(), &bounds([60, 35], 50), NOW);
    assert_eq!(s.ledger.inflows(), [("read", 90), ("created", 3), ("copied", 0)]);
    let outflows = [("written", 3), ("filtered", 45), ("late", 2), ("dead", 0), ("into state", 38), ("in transit", 5)];
    assert_eq!(s.ledger.outflows(), outflows);
    assert_eq!(s.ledger.remainder, 0);
    let by = &s.repartitions[0];
    assert_eq!((&*by.topic, by.sent, by.received, by.in_transit, by.lost), ("p.w.by", 45, 40, 5, 0));
}

#[test]
fn a_lost_row_is_a_remainder() {
    let s = Snapshot::of("p", &reports(), &bounds([60, 35], 45), NOW);
    assert_eq!((s.repartitions[0].in_transit, s.repartitions[0].lost, s.ledger.remainder), (0, 5, 5));
}

#[test]
fn a_row_that_was_never_sent_is_a_remainder() {
    let mut reports = reports();
    let counting = reports.tasks.get_mut("1/0").unwrap();
    counting.inputs[0].read = 50;
    counting.steps[0].counters.input = 50;
    counting.steps[0].counters.absorbed = 48;
    let s = Snapshot::of("p", &reports, &bounds([60, 35], 50), NOW);
    assert_eq!((s.repartitions[0].lost, s.ledger.remainder), (-5, -5));
}

#[test]
fn faults_that_cancel_out_are_a_remainder() {
    let mut reports = reports();
    reports.tasks.get_mut("0/0").unwrap().steps[0].counters.filtered += 1;
    reports.tasks.get_mut("1/0").unwrap().steps[1].counters.written -= 1;
    assert_eq!(Snapshot::of("p", &reports, &bounds([60, 35], 50), NOW).ledger.remainder, 2);
}

#[test]
fn idle_partitions_do_not_hold_back_the_watermark() {
    let s = Snapshot::of("p", &reports(), &bounds([70, 35], 50), NOW);
    let raw = &s.sources[0];
    assert_eq!((raw.read, raw.lag), (90, Some(15)));
    assert_eq!(raw.watermark, Some(1_000), "an idle partition does not hold the watermark back");
    assert_eq!(s.watermark, Some(900));
    assert_eq!(s.watermark_behind_ms, Some(NOW - 900));
    let lags: Vec<_> = raw.partitions.iter().map(|p| (p.partition, p.next, p.lag, p.idle)).collect();
    assert_eq!(lags, [(0, Some(60), Some(10), false), (1, Some(30), Some(5), true)]);
}

#[test]
fn lag_of_an_unread_partition_and_of_a_deleted_topic() {
    let mut more = bounds([60, 30], 50);
    more.get_mut("raw").unwrap().push(OffsetBounds { earliest: 3, end: 10 });
    let s = Snapshot::of("p", &reports(), &more, NOW);
    assert_eq!((s.sources[0].lag, s.sources[0].partitions[2].next), (Some(7), None));
    let s = Snapshot::of("p", &reports(), &BTreeMap::new(), NOW);
    assert_eq!((s.sources[0].lag, s.sources[0].read), (None, 90));
}

#[test]
fn a_pipeline_is_starting_running_quiet_or_stopped() {
    let state = |reports: &Reports, now| Snapshot::of("p", reports, &BTreeMap::new(), now).state;
    let mut reports = reports();
    assert_eq!(state(&Reports::default(), NOW), PipelineState::Starting);
    assert_eq!(state(&reports, NOW), PipelineState::Running);
    assert_eq!(state(&reports, NOW + 20_000), PipelineState::Quiet);
    reports.info.as_mut().unwrap().0.stopped_at = Some(NOW);
    assert_eq!(state(&reports, NOW + 20_000), PipelineState::Stopped);
}

fn instance(reports: &mut Reports, name: &str, at: i64, stopped_at: Option<i64>) {
    let info = InstanceInfo {
        name: name.into(),
        started_at: NOW - 5_000_000,
        stopped_at,
        reported_at: at,
        tasks: vec!["0/1".into()],
        restoring: vec![RestoreProgress { step: "w".into(), partition: 2, done: 9, total: 20 }],
        ..InstanceInfo::default()
    };
    reports.instances.insert(name.into(), info);
}

#[test]
fn killed_instances_are_silent_and_hidden_after_an_hour() {
    let mut reports = reports();
    instance(&mut reports, "a", NOW, None);
    instance(&mut reports, "b", NOW - 10_001, None);
    instance(&mut reports, "c", NOW - 3_600_001, None);
    instance(&mut reports, "d", NOW - 3_600_001, Some(NOW - 3_600_001));
    let s = Snapshot::of("p", &reports, &BTreeMap::new(), NOW);
    let states: Vec<_> = s.instances.iter().map(|i| (&*i.name, i.state)).collect();
    assert_eq!(states, [("a", InstanceState::Running), ("b", InstanceState::Silent), ("d", InstanceState::Stopped)]);
    let json = serde_json::to_value(&s).unwrap();
    let expected = serde_json::json!({
        "name": "b",
        "state": "silent",
        "started_at": "2023-11-14T20:50:00.000Z",
        "stopped_at": null,
        "ended": null,
        "reported_at": "2023-11-14T22:13:09.999Z",
        "memory_bytes": null,
        "tasks": ["0/1"],
        "restoring": [{"step": "w", "partition": 2, "done": 9, "total": 20}],
    });
    assert_eq!(json["instances"][1], expected);
}

#[test]
fn the_latency_of_a_last_commit_counts() {
    let mut reports = reports();
    instance(&mut reports, "earlier", NOW - 90_000, Some(NOW - 90_000));
    instance(&mut reports, "a", NOW, Some(NOW));
    let mut latency = Latency::default();
    latency.record(100, 95);
    for i in reports.instances.values_mut() {
        i.latency = latency.clone();
    }
    reports.instances.get_mut("a").unwrap().started_at = NOW - 60_000;
    assert_eq!(Snapshot::of("p", &reports, &BTreeMap::new(), NOW).latency.count, 95);
    // An instance of an earlier version reports none.
    reports.instances.get_mut("a").unwrap().latency = Latency::default();
    assert_eq!(Snapshot::of("p", &reports, &BTreeMap::new(), NOW).latency.count, 90);
}

#[test]
fn a_pipeline_has_stopped_only_when_all_its_instances_have() {
    let mut reports = reports();
    reports.info.as_mut().unwrap().0.stopped_at = Some(NOW);
    instance(&mut reports, "a", NOW, Some(NOW));
    instance(&mut reports, "b", NOW - 1_000, None);
    let s = Snapshot::of("p", &reports, &BTreeMap::new(), NOW);
    assert_eq!((s.state, s.stopped_at), (PipelineState::Running, None));
    instance(&mut reports, "b", NOW, Some(NOW));
    let s = Snapshot::of("p", &reports, &BTreeMap::new(), NOW);
    assert_eq!((s.state, s.stopped_at), (PipelineState::Stopped, Some(NOW)));
}

#[test]
fn a_version_that_several_tasks_use_is_listed_once() {
    let mut reports = reports();
    let mut duration = Latency::default();
    duration.record(50, 4);
    let used = |version, usage, active| ModelUse {
        name: "wine".into(),
        version,
        usage,
        active,
        since: NOW - version,
        duration: duration.clone(),
        ..ModelUse::default()
    };
    reports.tasks.get_mut("0/0").unwrap().steps[0].models = vec![used(3, 10, false), used(7, 5, true)];
    reports.tasks.get_mut("0/1").unwrap().steps[0].models = vec![used(3, 20, true)];
    let s = Snapshot::of("p", &reports, &BTreeMap::new(), NOW);
    let models: Vec<_> = s.steps[0].models.iter().map(|m| (m.label(), m.usage, m.active, m.duration.count)).collect();
    assert_eq!(models, [("wine@3".to_owned(), 30, true, 8), ("wine@7".to_owned(), 5, true, 4)]);
}

#[test]
fn rates_are_unknown_after_a_counter_went_back() {
    let before = Snapshot::of("p", &reports(), &BTreeMap::new(), NOW);
    let mut later = reports();
    later.tasks.get_mut("0/0").unwrap().inputs[0].read += 100;
    later.tasks.get_mut("1/0").unwrap().steps[1].counters.written += 5;
    let mut after = Snapshot::of("p", &later, &BTreeMap::new(), NOW + 2_000);
    after.set_rates_since(&before);
    assert_eq!((after.rate, after.sources[0].rate, after.steps[3].rate_out), (Some(50.0), Some(50.0), Some(2.5)));
    let mut back = before.clone();
    back.at = NOW + 4_000;
    back.set_rates_since(&after);
    assert_eq!((back.rate, back.steps[0].rate_in), (None, Some(0.0)));
}

#[test]
fn the_json_has_the_documented_names() {
    let s = Snapshot::of("p", &reports(), &bounds([60, 35], 50), NOW);
    let json = serde_json::to_value(&s).unwrap();
    let names: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "pipeline",
            "at",
            "state",
            "instance",
            "started_at",
            "stopped_at",
            "ended",
            "reported_at",
            "memory_bytes",
            "instances",
            "watermark",
            "watermark_behind_ms",
            "rate",
            "latency",
            "sources",
            "steps",
            "repartitions",
            "ledger"
        ]
    );
    assert_eq!(json["state"], "running");
    assert_eq!(json["at"], "2023-11-14T22:13:20.000Z");
    assert_eq!(json["steps"][2]["absorbed"], 38);
    assert_eq!(json["latency"]["p99_us"], 100);
    assert_eq!(json["ledger"]["remainder"], 0);
}
