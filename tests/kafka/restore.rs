//! State that is read back: all of it from its changelog, what came since from a file of the last run, and
//! nothing to speak of where a copy was kept up to date.
//!
//! Separate because it tells how long that takes. `FASTDATA_RESTORE_MB=1024` makes it that much state.

use super::broker::{self, Cluster};
use super::checker;
use super::exact;
use super::feed::Record;
use super::group::{Group, Plan, QUICK, number};
use std::time::{Duration, Instant};

/// Partitions of the input.
const PARTITIONS: u32 = 4;

/// Bytes of a record, about.
const SIZE: usize = 1_000;

/// Mebibytes of state of the short version.
const STATE: usize = 10;

/// A fold that keeps the last text of each of many keys, and hardly writes anything.
const KEEPS: &str = "name: NAME
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
    let text = format!("{i}-").repeat(SIZE / (i.to_string().len() + 1));
    Record { partition, value: format!(r#"{{"id":"{key}","i":{i},"text":"{text}"}}"#), key }
}

/// Bytes of keys and values that a plain reader finds, and how long it takes.
fn plain(cluster: &Cluster, topic: &str) -> (usize, Duration) {
    let (mut bytes, start) = (0, Instant::now());
    checker::each(cluster, topic, |key, value| bytes += key.len() + value.len());
    (bytes, start.elapsed())
}

fn whole(group: &mut Group<'_>, more: &str) -> (Duration, String) {
    let start = Instant::now();
    let mut run = group.start(&format!("--until-end -v {more}"));
    let status = run.process.wait();
    let took = start.elapsed();
    assert_eq!(status.code(), Some(0), "{}", group.said(&run.name));
    (took, group.said(&run.name))
}

/// The number before some words in what an instance said last.
fn told(said: &str, words: &str) -> u64 {
    let before = |line: &str| line.split_once(words)?.0.split([' ', ':']).next_back()?.replace(',', "").parse().ok();
    said.lines().rev().find_map(before).unwrap_or_else(|| panic!("no `{words}` in\n{said}"))
}

/// The time that reading state took, in what an instance said last.
fn reading(said: &str) -> Duration {
    let time = said.rsplit_once(" changes read in ").and_then(|(_, rest)| rest.split_once(',')).map_or("", |t| t.0);
    let number = |unit: &str| time.strip_suffix(unit).and_then(|n| n.parse::<f64>().ok());
    Duration::from_secs_f64(number("ms").map(|ms| ms / 1_000.0).or_else(|| number("s")).expect("a time"))
}

#[test]
fn state_is_read_back_whole_and_only_what_is_new_after_a_good_end() {
    let Some(cluster) = broker::shared() else { return };
    let megabytes = number("FASTDATA_RESTORE_MB", STATE);
    let records = i64::try_from((megabytes << 20) / SIZE).unwrap();
    let (with, make) = (QUICK.to_owned(), record as super::feed::Maker);
    let plan = Plan {
        stem: "restore",
        text: KEEPS.into(),
        with,
        instances: 1,
        partitions: PARTITIONS,
        make,
        ahead: 0,
        env: Vec::new(),
    };
    let mut group = Group::new(cluster, plan);
    group.feed.allow(records);
    let first = group.start("");
    group.instances.push(first);
    group.go_on(records);
    group.leave(0);
    let (bytes, plainly) = plain(cluster, &format!("{}.last.state", group.name));
    assert!(bytes > megabytes * 900_000, "{bytes} bytes of state");

    let (here, said) = whole(&mut group, "");
    let (changes, keys) = (told(&said, " changes read"), told(&said, " keys were here"));
    assert!(keys == records.unsigned_abs() && changes < 1_000, "after a good end: {said}");
    let (elsewhere, said) = whole(&mut group, "--data-dir elsewhere");
    let (changes, keys) = (told(&said, " changes read"), told(&said, " keys were here"));
    assert!(changes >= records.unsigned_abs() && keys == 0, "without a copy: {said}");

    let rate = |time: Duration| (bytes >> 20) as f64 / time.as_secs_f64();
    println!(
        "{} MiB of state in {records} keys: a run to the end takes {:.1?} from the changelog, {:.1?} from the file of the last run; read back at {:.0} MiB/s, by a plain reader at {:.0} MiB/s",
        bytes >> 20,
        elsewhere,
        here,
        rate(reading(&said)),
        rate(plainly)
    );
}

/// With a copy on the other instance, taking over reads little more than what was written since.
#[test]
fn an_instance_that_stands_by_takes_over_with_what_it_has() {
    let Some(cluster) = broker::shared() else { return };
    let text = format!("{}state: {{standby: 1}}\n{}", exact::SOURCE, exact::STEPS);
    let with = format!("{QUICK} -v");
    let mut group = Group::started(cluster, Plan { text, with, instances: 2, ..Plan::exact("standby", 4_000) });
    group.complete();
    group.go_on(20_000);
    let stays = group.instances[1].name.clone();
    group.instances[0].process.signal("KILL");
    group.instances[0].process.wait();
    group.instances.remove(0);
    let all = group.partitions();
    group.all_go_on(&all);
    let said = group.said(&stays);
    assert!(told(&said, " keys were here") >= 200, "all keys of the fold were here: {said}");
    let records = group.finish(0);
    println!("standby: {}", group.exact(records));
}
