//! Restores state: from the changelog; from the files of the last run and the changes since; and from a standby copy.
//! The next record of each key shows the value that was restored.
//!
//! The times are printed. `FASTDATA_RESTORE_MB=1024` sets the size of the state.

use super::broker::{self, Cluster};
use super::checker::{self, Results};
use super::exact::{self, Tally};
use super::feed::Record;
use super::group::{FAST_FAILOVER, Group, GroupPlan, number};
use serde::Deserialize;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Approximate bytes of a record.
const RECORD_BYTES: usize = 1_000;

/// Mebibytes of state unless `FASTDATA_RESTORE_MB` sets them.
const DEFAULT_STATE_MIB: usize = 10;

/// A fold that keeps the last two texts of each of many keys. `KEYS` stands for their number: the first record of each
/// key gives no result.
const PIPELINE: &str = "name: NAME
source: {topic: NAME-in, key: id, schema: {id: string, i: bigint, text: string}}
steps:
  - name: last
    scan: {by: [id], init: {previous: \"''\", latest: \"''\"}, next: {previous: latest, latest: text}}
  - filter: i >= KEYS
  - select: [i, previous]
sink: NAME-out
";

fn mebibytes() -> usize {
    number("FASTDATA_RESTORE_MB", DEFAULT_STATE_MIB)
}

/// Keys of the fold. Of this many consecutive records each key has one.
fn keys() -> i64 {
    static KEYS: OnceLock<i64> = OnceLock::new();
    *KEYS.get_or_init(|| i64::try_from((mebibytes() << 20) / RECORD_BYTES).unwrap())
}

/// The text of the record with this number, which no other record has.
fn text(i: i64) -> String {
    format!("{i}-").repeat(RECORD_BYTES / (i.to_string().len() + 1))
}

fn record(i: i64) -> Record {
    let (number, text) = (i % keys(), text(i));
    let (key, partition) = (format!("k{number}"), i32::try_from(number % i64::from(exact::PARTITIONS)).unwrap());
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

/// Where a restore has found the state.
pub struct Restored {
    /// Records of changelogs.
    pub changes: u64,
    /// Keys in copies of this instance: in memory or in files.
    pub copied_keys: u64,
}

/// What the last restore in the log of an instance has read. The instance needs `-v`.
pub fn restored(log: &str) -> Restored {
    Restored {
        changes: logged_number(log, " changes read"),
        copied_keys: logged_number(log, " keys from local copies"),
    }
}

/// Writes this many more records and runs to their end, after a restore; returns what the restore has read.
fn read_more(group: &mut Group<'_>, records: i64, args: &str) -> Restored {
    group.feed.write_up_to(group.feed.allowed() + records);
    restored(&run_to_end(group, args).1)
}

/// Asserts that each record after the first of its key was folded with the text of the record before it.
fn assert_values(group: &Group<'_>) {
    #[derive(Deserialize)]
    struct Folded<'a> {
        i: i64,
        previous: &'a str,
    }
    let mut tally = Tally::new(Results::Folds, group.feed.written() - keys());
    checker::for_each_committed(group.cluster, &group.topic("out"), |_, value| {
        let Ok(read) = serde_json::from_slice::<Folded<'_>>(value) else { return tally.count_wrong(value) };
        if tally.count(read.i - keys(), value) && read.previous != text(read.i - keys()) {
            tally.count_wrong(value);
        }
    });
    assert!(tally.exact(), "{}", tally.evidence());
    println!("values of restored state: {tally}");
}

#[test]
fn each_value_is_restored_from_local_files_and_from_the_changelog() {
    let Some(cluster) = broker::shared() else { return };
    let (keys, all) = (keys(), keys().unsigned_abs());
    let pipeline = PIPELINE.replace("KEYS", &keys.to_string());
    let plan = GroupPlan { pipeline, instances: 1, record, ..GroupPlan::exact("restore", 0) };
    let mut group = Group::new(cluster, plan);
    group.feed.allow_up_to(keys);
    let first = group.spawn("");
    group.instances.push(first);
    group.await_records(keys);
    group.terminate(0);
    let (bytes, read_time) = read_plainly(cluster, &format!("{}.last.state", group.name));
    assert!(bytes > mebibytes() * 900_000, "{bytes} bytes of state");

    let (local, log) = run_to_end(&mut group, "");
    let read = restored(&log);
    assert!(read.copied_keys == all && read.changes < 1_000, "with the files of the last run: {log}");
    let (remote, log) = run_to_end(&mut group, "--data-dir other");
    let read = restored(&log);
    assert!(read.changes >= all && read.copied_keys == 0, "without local files: {log}");
    let rate = |time: Duration| (bytes >> 20) as f64 / time.as_secs_f64();
    println!(
        "{} MiB of state in {keys} keys: a run to the end takes {remote:.1?} from the changelog, {local:.1?} from the file of the last run; read back at {:.0} MiB/s, by a plain reader at {:.0} MiB/s",
        bytes >> 20,
        rate(restore_time(&log)),
        rate(read_time)
    );

    // All values from the files; all from the changelog; then from the files and the changes since: half of the keys
    // have changed.
    let read = read_more(&mut group, keys, "");
    assert_eq!(read.copied_keys, all);
    let read = read_more(&mut group, keys, "--data-dir third");
    assert!(read.changes >= all && read.copied_keys == 0, "{} changes read", read.changes);
    read_more(&mut group, keys / 2, "--data-dir fourth");
    let read = read_more(&mut group, keys, "--data-dir third");
    assert!(read.changes >= all / 2 && read.copied_keys == all, "{} changes read", read.changes);
    assert_values(&group);
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
