//! RestoreProgress state: from the changelog; from the files of the last run and the changes since; and from a standby copy.
//!
//! The times are printed. `FASTDATA_RESTORE_MB=1024` sets the size of the state.

use super::broker::{self, Cluster};
use super::checker;
use super::exact;
use super::feed::Record;
use super::group::{FAST_FAILOVER, Group, GroupPlan, number};
use std::time::{Duration, Instant};

/// Partitions of the input.
const PARTITIONS: u32 = 4;

/// Approximate bytes of a record.
const RECORD_BYTES: usize = 1_000;

/// Mebibytes of state unless `FASTDATA_RESTORE_MB` sets them.
const DEFAULT_STATE_MIB: usize = 10;

/// A fold that keeps the last text of each of many keys; few results pass the filter.
const PIPELINE: &str = "name: NAME
source: {topic: NAME-in, key: id, schema: {id: string, i: bigint, text: string}}
steps:
  - name: last
    scan: {by: [id], init: {kept: \"''\"}, next: {kept: text}}
  - filter: i % 10000 = 0
  - select: [id, i]
sink: NAME-out
";

fn record(i: i64) -> Record {
    let (key, partition) = (format!("k{i}"), i32::try_from(i % i64::from(PARTITIONS)).unwrap());
    let text = format!("{i}-").repeat(RECORD_BYTES / (i.to_string().len() + 1));
    Record { partition, value: format!(r#"{{"id":"{key}","i":{i},"text":"{text}"}}"#), key, header: None }
}

/// The bytes of keys and values in a topic, and the time in which a plain consumer reads them.
fn read_plainly(cluster: &Cluster, topic: &str) -> (usize, Duration) {
    let (mut bytes, start) = (0, Instant::now());
    checker::for_each_committed(cluster, topic, |key, value| bytes += key.len() + value.len());
    (bytes, start.elapsed())
}

/// Runs to the end of the input; returns the time and the log.
fn run_to_end(group: &mut Group<'_>, args: &str) -> (Duration, String) {
    let start = Instant::now();
    let mut run = group.spawn(&format!("--until-end -v {args}"));
    let status = run.process.wait();
    let took = start.elapsed();
    assert_eq!(status.code(), Some(0), "{}", group.log_of(&run.name));
    (took, group.log_of(&run.name))
}

/// The number before these words in the last line of a log that has them.
fn logged_number(log: &str, words: &str) -> u64 {
    let before = |line: &str| line.split_once(words)?.0.split([' ', ':']).next_back()?.replace(',', "").parse().ok();
    log.lines().rev().find_map(before).unwrap_or_else(|| panic!("no `{words}` in\n{log}"))
}

/// The time of the last restore in a log.
fn restore_time(log: &str) -> Duration {
    let time = log.rsplit_once(" tasks in ").and_then(|(_, rest)| rest.split_once(':')).map_or("", |t| t.0);
    let number = |unit: &str| time.strip_suffix(unit).and_then(|n| n.parse::<f64>().ok());
    Duration::from_secs_f64(number("ms").map(|ms| ms / 1_000.0).or_else(|| number("s")).expect("a time"))
}

#[test]
fn state_is_restored_from_local_files_or_from_the_whole_changelog() {
    let Some(cluster) = broker::shared() else { return };
    let megabytes = number("FASTDATA_RESTORE_MB", DEFAULT_STATE_MIB);
    let records = i64::try_from((megabytes << 20) / RECORD_BYTES).unwrap();
    let plan = GroupPlan {
        stem: "restore",
        pipeline: PIPELINE.into(),
        args: FAST_FAILOVER.to_owned(),
        instances: 1,
        partitions: PARTITIONS,
        record,
        max_lag: 0,
        env: Vec::new(),
    };
    let mut group = Group::new(cluster, plan);
    group.feed.allow_up_to(records);
    let first = group.spawn("");
    group.instances.push(first);
    group.await_records(records);
    group.terminate(0);
    let (bytes, read_time) = read_plainly(cluster, &format!("{}.last.state", group.name));
    assert!(bytes > megabytes * 900_000, "{bytes} bytes of state");

    let (local, log) = run_to_end(&mut group, "");
    let (changes, keys) = (logged_number(&log, " changes read"), logged_number(&log, " keys from local copies"));
    assert!(keys == records.unsigned_abs() && changes < 1_000, "with the files of the last run: {log}");
    let (remote, log) = run_to_end(&mut group, "--data-dir other");
    let (changes, keys) = (logged_number(&log, " changes read"), logged_number(&log, " keys from local copies"));
    assert!(changes >= records.unsigned_abs() && keys == 0, "without local files: {log}");

    let rate = |time: Duration| (bytes >> 20) as f64 / time.as_secs_f64();
    println!(
        "{} MiB of state in {records} keys: a run to the end takes {:.1?} from the changelog, {:.1?} from the file of the last run; read back at {:.0} MiB/s, by a plain reader at {:.0} MiB/s",
        bytes >> 20,
        remote,
        local,
        rate(restore_time(&log)),
        rate(read_time)
    );
}

/// An instance with a standby copy takes over with it, and reads only the changes since.
#[test]
fn a_standby_takes_over_with_its_copy() {
    let Some(cluster) = broker::shared() else { return };
    let pipeline = format!("{}state: {{standby: 1}}\n{}", exact::SOURCE, exact::STEPS);
    let args = format!("{FAST_FAILOVER} -v");
    let mut group =
        Group::running(cluster, GroupPlan { pipeline, args, instances: 2, ..GroupPlan::exact("standby", 4_000) });
    group.await_assignment();
    group.await_records(20_000);
    let remaining = group.instances[1].name.clone();
    group.instances[0].process.signal("KILL");
    group.instances[0].process.wait();
    group.instances.remove(0);
    let all = group.partitions();
    group.await_progress_in(&all);
    let log = group.log_of(&remaining);
    assert!(
        logged_number(&log, " keys from local copies") >= exact::SENSORS.unsigned_abs(),
        "all keys of the fold are in the copy: {log}"
    );
    let records = group.finish(0);
    println!("standby: {}", group.assert_exactly_once(records));
}
