//! On a real Kafka: processor time compared with a bare copy of the topic, and latency from send to receipt.
//!
//! Only the processor time of the clients counts. Each client is a process of its own, and they run alternately.
//! Without Java or Maven this is skipped with a message.

pub(crate) mod copy;
pub(crate) mod latency;
pub(crate) mod pace;

use super::setup;
use crate::cluster::broker::{self, Cluster, Plan};
use crate::harness::wait;
use fastdata::log::kafka::KafkaLog;
use fastdata::log::{Append, FetchLimit, Log, TopicConfig};
use fastdata::record::{Offset, Records, RecordsBuilder, TopicPartition};
use std::fmt::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const RECORDS: usize = 2_000_000;
const ROUNDS: usize = 5;
const PARTITIONS: u32 = 4;

/// A client that reads one topic and writes another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Copy,
    AtLeastOnce,
    ExactlyOnce,
}

const CLIENTS: [Client; 3] = [Client::Copy, Client::AtLeastOnce, Client::ExactlyOnce];

/// A process that is killed if the measurement fails.
struct RunningProcess(Child);

impl Drop for RunningProcess {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Every other record passes, and four of fifteen fields with it.
fn pipeline(client: Client, from: &str, to: &str) -> String {
    let delivery = if client == Client::AtLeastOnce { "at_least_once" } else { "exactly_once" };
    let numbers: String = (0..11).fold(String::new(), |mut all, i| {
        write!(all, ", f{i}: double").expect("a string takes all writes");
        all
    });
    format!(
        "name: {to}
source:
  topic: {from}
  schema: {{sent: bigint, id: bigint{numbers}, kind: string}}
steps:
  - filter: id % 2 = 0
  - select: {{id: id, sent: sent, kind: kind, alcohol: f10}}
sink: {to}
delivery: {delivery}
commit_every: 100ms
"
    )
}

impl Client {
    fn name(self) -> &'static str {
        match self {
            Self::Copy => "bare copy",
            Self::AtLeastOnce => "at_least_once",
            Self::ExactlyOnce => "exactly_once",
        }
    }

    /// The number of records that are written for this many input records.
    fn passing(self, records: usize) -> usize {
        if self == Self::Copy { records } else { records / 2 }
    }

    /// Starts the process: it runs to the end of the input, or until it is killed.
    fn start(self, brokers: &str, from: &str, to: &str, until_end: bool) -> RunningProcess {
        let mut command = match self {
            Self::Copy => role("kafka-copy", [brokers, from, to, if until_end { "end" } else { "follow" }]),
            Self::AtLeastOnce | Self::ExactlyOnce => {
                let spec = format!("{}/{to}.yaml", env!("CARGO_TARGET_TMPDIR"));
                std::fs::write(&spec, pipeline(self, from, to)).expect("written");
                let mut command = Command::new(env!("CARGO_BIN_EXE_fastdata"));
                command.args(["run", &spec, "--quiet", "--brokers", brokers]);
                if until_end {
                    command.arg("--until-end");
                }
                command
            }
        };
        RunningProcess(command.stdin(Stdio::null()).spawn().expect("the process starts"))
    }
}

/// This program in another role.
fn role<'a>(name: &str, args: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program has a file"));
    command.arg(name).args(args);
    command
}

/// A record of 263 bytes with the time at which it was sent, in microseconds.
fn stamped(record: &[u8], sent: u64) -> Vec<u8> {
    [format!("{{\"sent\":{sent:016},\"cellar\":\"north 7 east 3 rack 2\",").as_bytes(), &record[1..]].concat()
}

/// The number after a name in a JSON object.
fn number(record: &[u8], name: &str) -> u64 {
    let text = std::str::from_utf8(record).expect("utf-8");
    let after = &text[text.find(name).expect("the field is there") + name.len()..];
    let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    after[..end].parse().expect("a number")
}

fn records(first: usize, rows: usize) -> Records {
    let bare = setup::records(first, rows, 0);
    let mut built = RecordsBuilder::default();
    for row in 0..rows {
        // A time with as many digits as one of the clock.
        built.push(None, Some(&stamped(bare.values.value(row), 1_767_225_600_000_000 + row as u64)), 0);
    }
    built.finish()
}

fn create(log: &KafkaLog, topic: &str) {
    log.create_topic(topic, &TopicConfig { partitions: PARTITIONS, ..TopicConfig::default() }).expect("a new topic");
}

/// Fills a topic; returns the mean size of a record.
fn fill(log: &KafkaLog, topic: &str) -> usize {
    let mut appender = log.appender().expect("an appender");
    let mut bytes = 0;
    for first in (0..RECORDS).step_by(setup::BATCH * PARTITIONS as usize) {
        let appends: Vec<Append> = (0..PARTITIONS)
            .map(|p| (p, first + p as usize * setup::BATCH))
            .filter(|(_, first)| *first < RECORDS)
            .map(|(p, first)| Append {
                to: TopicPartition::new(topic, p),
                records: records(first, setup::BATCH.min(RECORDS - first)),
            })
            .collect();
        bytes += appends.iter().map(|a| a.records.values.value_data().len()).sum::<usize>();
        // A broker without enough processor time may exceed a time-out; the transaction is then aborted.
        wait::until("the topic to be filled", || appender.append(&appends).ok());
    }
    bytes / RECORDS
}

/// The number of records of a topic.
fn count(log: &KafkaLog, topic: &str) -> usize {
    let info = log.topics(Some(topic)).expect("topics").remove(0);
    let at = |p: u32| (TopicPartition::new(topic, p), Offset(0));
    let mut reader = log.reader(&(0..PARTITIONS).map(at).collect::<Vec<_>>()).expect("a reader");
    let mut found = 0;
    while reader.positions().iter().any(|(at, next)| *next < info.partitions[at.partition.0 as usize].end) {
        if let Some(fetched) = reader.poll(FetchLimit::default(), Duration::from_millis(100)).expect("records") {
            found += fetched.records.len();
        }
    }
    found
}

/// Processor time of the children that have ended, in seconds. The system counts hundredths.
fn processor_time_of_children() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("a system with /proc");
    let fields: Vec<&str> = stat.rsplit(") ").next().expect("a name").split(' ').collect();
    let ticks = |i: usize| fields[i].parse::<f64>().expect("ticks");
    (ticks(13) + ticks(14)) / 100.
}

/// Processor seconds and wall-clock seconds of one run.
fn measure(cluster: &Cluster, log: &KafkaLog, client: Client, from: &str) -> (f64, f64) {
    let to = cluster.name("bench");
    create(log, &to);
    let (before, started) = (processor_time_of_children(), Instant::now());
    let mut child = client.start(&cluster.listener("PLAINTEXT"), from, &to, true);
    assert!(child.0.wait().expect("it ends").success(), "{} has failed", client.name());
    let took = (processor_time_of_children() - before, started.elapsed().as_secs_f64());
    assert_eq!(count(log, &to), client.passing(RECORDS), "{}: records lost or duplicated", client.name());
    log.delete_topic(&to).expect("deleted");
    took
}

pub(crate) fn run() {
    let Some(cluster) = broker::start(Plan { benchmark: true, ..broker::SINGLE_NODE }) else { return };
    let log = cluster.connect();
    let from = cluster.name("raw");
    create(&log, &from);
    let bytes = fill(&log, &from);
    let mut took = CLIENTS.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (client, took) in CLIENTS.iter().zip(&mut took) {
            let (cpu, wall) = measure(&cluster, &log, *client, &from);
            eprintln!("{}: {cpu:.2} processor seconds in {wall:.1} s", client.name());
            took.push((cpu, wall));
        }
    }
    println!("on Kafka, {RECORDS} records of {bytes} bytes, {PARTITIONS} partitions, {ROUNDS} alternating rounds");
    println!("  processor seconds of the client per million records read; half of them pass through fastdata");
    let per_million = |took: &[(f64, f64)]| {
        let mut cpu: Vec<f64> = took.iter().map(|(cpu, _)| cpu * 1e6 / RECORDS as f64).collect();
        cpu.sort_by(f64::total_cmp);
        (cpu[0], cpu[ROUNDS / 2])
    };
    let bare = per_million(&took[0]);
    for (client, took) in CLIENTS.iter().zip(&took) {
        let (minimum, median) = per_million(took);
        let fastest = took.iter().map(|(_, wall)| *wall).fold(f64::MAX, f64::min);
        println!(
            "  {:<14} minimum {minimum:.2}, median {median:.2}; {:.2} and {:.2} x the copy; {:>9.0} records/s",
            client.name(),
            minimum / bare.0,
            median / bare.1,
            RECORDS as f64 / fastest
        );
    }
}
