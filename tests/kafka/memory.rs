//! Memory of a process that reads a backlog: through a filter that passes little, and into a sink that is slower than
//! the source.
//!
//! The backlog is large enough that a process which keeps all of it exceeds the bound, also in the short form.

use super::broker;
use super::feed::Record;
use super::group::{Group, GroupPlan, number};
use std::time::Instant;

/// Size of the backlog in GB unless `FASTDATA_BACKLOG_GB` sets it.
const DEFAULT_BACKLOG_GB: f64 = 1.5;

const PARTITIONS: u32 = 10;

/// Approximate bytes of a value.
const VALUE_BYTES: i64 = 20_000;

/// `state.memory_limit` of the pipeline.
const MEMORY_LIMIT_BYTES: u64 = 512 << 20;

/// Most resident memory: the limit and a tenth for the program itself.
const MAX_RESIDENT_BYTES: u64 = MEMORY_LIMIT_BYTES + MEMORY_LIMIT_BYTES / 10;

const SOURCE: &str = "name: NAME
source: {topic: NAME-in, schema: {i: bigint, text: string}}
state: {memory_limit: 512MiB}
";

fn record(i: i64) -> Record {
    let (key, partition) = (format!("{i}"), i32::try_from(i % i64::from(PARTITIONS)).unwrap());
    let text = key.repeat(usize::try_from(VALUE_BYTES).unwrap() / key.len());
    Record { partition, value: format!(r#"{{"i":{i},"text":"{text}"}}"#), key, header: None }
}

/// Resident memory of a process, bytes.
fn resident_bytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").trim().parse::<u64>().ok()).map_or(0, |kib| kib * 1_024)
}

/// Reads the part of a backlog that `part` returns, and asserts the peak of resident memory.
fn assert_bounded(what: &str, steps: &str, args: &str, part: impl Fn(i64) -> i64) {
    let Some(cluster) = broker::shared() else { return };
    let gigabytes = number("FASTDATA_BACKLOG_GB", DEFAULT_BACKLOG_GB);
    let records = (gigabytes * 1e9) as i64 / VALUE_BYTES;
    let plan = GroupPlan {
        pipeline: format!("{SOURCE}{steps}"),
        args: args.to_owned(),
        instances: 1,
        partitions: PARTITIONS,
        record,
        ..GroupPlan::exact("memory", 0)
    };
    let mut group = Group::new(cluster, plan);
    group.feed.write_up_to(records);
    let start = Instant::now();
    let instance = group.spawn("");
    let process = instance.process.id();
    group.instances.push(instance);
    let (end, mut peak) = (part(records), 0);
    while group.consumed() < end {
        let at = group.consumed();
        group.wait_until("the backlog to be read", |g| {
            peak = peak.max(resident_bytes(process));
            let now = g.consumed();
            assert!(
                peak <= MAX_RESIDENT_BYTES,
                "{what}: {peak} bytes resident after {now} records; {MAX_RESIDENT_BYTES} are allowed"
            );
            (now > at).then_some(())
        });
    }
    println!(
        "{what}: {end} of {records} records, {gigabytes} GB in {:.1?}, {} MiB at most",
        start.elapsed(),
        peak >> 20
    );
    assert!(peak > 0, "the memory of the process is unknown");
    group.terminate(0);
}

#[test]
fn a_filter_reads_a_backlog_within_its_limit() {
    let steps = "steps:\n  - filter: i % 100 = 0\nsink: NAME-out\n";
    assert_bounded("a filter", steps, "", |records| records);
}

/// Each record is one request and requests are sequential. Time-outs are long enough for a transaction of them.
#[test]
fn a_slow_sink_holds_the_source_back() {
    let args = "--kafka batch.num.messages=1 --kafka max.in.flight=1 \
        --kafka transaction.timeout.ms=60000 --kafka message.timeout.ms=60000";
    assert_bounded("a slow sink", "sink: NAME-out\n", args, |records| (records / 5).max(500));
}
