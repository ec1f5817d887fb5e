//! Memory while a backlog is read that is larger than it: a filter that lets little through, and a sink
//! that is slower than the source.
//!
//! Separate because it looks at the process, and not at what it writes.

use super::broker;
use super::feed::Record;
use super::group::{Group, Plan, number};
use crate::harness::wait;
use std::time::Instant;

/// Size of the backlog in the short version, GB.
const BACKLOG: f64 = 0.1;

const PARTITIONS: u32 = 10;

/// Bytes of a value, about.
const SIZE: i64 = 20_000;

/// The limit that the pipeline states, and what may come on top.
const LIMIT: u64 = 512 << 20;
const MOST: u64 = LIMIT + LIMIT / 10;

const SOURCE: &str = "name: NAME
source: {topic: NAME-in, schema: {i: bigint, text: string}}
state: {memory_limit: 512MiB}
";

fn record(i: i64) -> Record {
    let (key, partition) = (format!("{i}"), i32::try_from(i % i64::from(PARTITIONS)).unwrap());
    let text = key.repeat(usize::try_from(SIZE).unwrap() / key.len());
    Record { partition, value: format!(r#"{{"i":{i},"text":"{text}"}}"#), key }
}

/// Resident memory of a process, bytes.
fn resident(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").trim().parse::<u64>().ok()).map_or(0, |kib| kib * 1_024)
}

/// Reads a backlog, so much of it, and tells the most memory.
fn peak(what: &str, steps: &str, with: &str, part: impl Fn(i64) -> i64) {
    let Some(cluster) = broker::shared() else { return };
    let gigabytes = number("FASTDATA_BACKLOG_GB", BACKLOG);
    // Cut to whole records.
    let records = (gigabytes * 1e9) as i64 / SIZE;
    let plan = Plan {
        stem: "memory",
        text: format!("{SOURCE}{steps}"),
        with: with.to_owned(),
        instances: 1,
        partitions: PARTITIONS,
        make: record,
        ahead: 0,
        env: Vec::new(),
    };
    let mut group = Group::new(cluster, plan);
    group.feed.allow(records);
    while group.feed.written() < records {
        let at = group.feed.written();
        wait::until("the backlog to be written", || (group.feed.written() > at).then_some(()));
    }
    let start = Instant::now();
    let instance = group.start("");
    let id = instance.process.id();
    group.instances.push(instance);
    let (end, mut peak) = (part(records), 0);
    while group.taken() < end {
        let at = group.taken();
        group.until("the backlog to be read", |g| {
            peak = peak.max(resident(id));
            let now = g.taken();
            assert!(peak <= MOST, "{what}: {peak} bytes resident after {now} records, {MOST} are allowed");
            (now > at).then_some(())
        });
    }
    println!(
        "{what}: {end} of {records} records, {gigabytes} GB in {:.1?}, {} MiB at most",
        start.elapsed(),
        peak >> 20
    );
    assert!(peak > 0, "the memory of the process is not known");
    group.leave(0);
}

#[test]
fn a_filter_reads_a_backlog_within_its_limit() {
    let steps = "steps:\n  - filter: i % 100 = 0\nsink: NAME-out\n";
    peak("a filter", steps, "", |records| records);
}

/// Each record is a request of its own, one after the other; a transaction has the time that it needs.
#[test]
fn a_slow_sink_holds_the_source_back() {
    let with = "--kafka batch.num.messages=1 --kafka max.in.flight=1 \
        --kafka transaction.timeout.ms=60000 --kafka message.timeout.ms=60000";
    peak("a slow sink", "sink: NAME-out\n", with, |records| (records / 5).max(500));
}
