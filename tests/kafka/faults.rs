//! Brokers that are killed, and topics that change under a reader: no record is lost or duplicated, and every
//! fault is reported.
//!
//! Tests that kill brokers have a cluster of their own.

use super::broker;
use super::groups::{assigned, records, topics, values};
use crate::harness::topics::topic_config;
use crate::harness::wait;
use fastdata::log::{Append, FetchLimit, GroupEvent, Log, LogError, Recovery, Start, Transaction, topic};
use fastdata::record::{Fetched, Offset, TopicPartition};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

const POLL_TIMEOUT: Duration = Duration::from_millis(50);

/// Transactions that are committed while brokers are killed one after the other.
///
/// The cluster has three nodes. A single node breaks Kafka's promise when it is killed and restarted: its
/// partitions have no leader for a moment, its coordinator then takes an unwritten transaction marker for written,
/// and the next marker decides both transactions.
const COMMITS: i64 = 100;

#[test]
#[ignore = "takes minutes: cargo test -- --ignored kafka::faults"]
fn an_append_is_atomic_when_brokers_are_killed() {
    let Some(cluster) = broker::start(broker::THREE_NODES) else { return };
    let log = cluster.connect();
    log.create_topic("t", &topic_config(1)).unwrap();
    let at = TopicPartition::new("t", 0);
    let (done, count) = (AtomicBool::new(false), AtomicU32::new(0));
    let (acknowledged, rejected) = std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let mut appender = log.appender().unwrap();
            let (mut acknowledged, mut rejected) = (Vec::new(), Vec::new());
            while !done.load(Ordering::Relaxed) {
                let i = count.fetch_add(1, Ordering::Relaxed);
                let rows: Vec<String> = (0..20).map(|row| format!("{i}.{row}")).collect();
                match appender.append(&[Append { to: at.clone(), records: records(&rows) }]) {
                    Ok(_) => acknowledged.extend(rows),
                    Err(_) => rejected.extend(rows),
                }
            }
            (acknowledged, rejected)
        });
        for node in 0..3 {
            let before = count.load(Ordering::Relaxed);
            wait::until("some appends", || (count.load(Ordering::Relaxed) > before + 10).then_some(()));
            cluster.kill(node);
            cluster.restart(node);
        }
        let before = count.load(Ordering::Relaxed);
        wait::until("appends after the last restart", || (count.load(Ordering::Relaxed) > before + 10).then_some(()));
        done.store(true, Ordering::Relaxed);
        writing.join().unwrap()
    });
    let read = values(&log, &at);
    assert!(
        read == acknowledged,
        "{} records were acknowledged, {} were read, {} were rejected",
        acknowledged.len(),
        read.len(),
        rejected.len()
    );
}

#[test]
#[ignore = "takes minutes: cargo test -- --ignored kafka::faults"]
fn results_and_positions_are_committed_together_when_brokers_are_killed() {
    let Some(cluster) = broker::start(broker::THREE_NODES) else { return };
    let log = cluster.connect();
    let (input, output, spec) = topics(&cluster, &log, 1);
    let at = TopicPartition::new(input, 0);
    let mut member = log.join(&spec).unwrap();
    assigned(&mut *member);
    let mut committer = member.committer().unwrap();
    let mut next = 0;
    let (reached, finished) = (AtomicI64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for node in (0..3).cycle() {
                let before = reached.load(Ordering::Relaxed);
                wait::until("some commits", || {
                    (finished.load(Ordering::Relaxed) || reached.load(Ordering::Relaxed) > before + 30).then_some(())
                });
                if finished.load(Ordering::Relaxed) {
                    return;
                }
                cluster.kill(node);
                cluster.restart(node);
            }
        });
        while next < COMMITS {
            let append = Append { to: output.clone(), records: records(&[next.to_string()]) };
            let offsets = vec![(at.clone(), Offset(next + 1))];
            match committer.commit(&Transaction { results: vec![append], offsets, ..Transaction::default() }) {
                Ok(_) => next += 1,
                Err(e) => {
                    // As a run does: continue from the committed position, whatever became of the transaction.
                    assert!(e.recovery() != Recovery::Fatal, "{e}");
                    let committed = wait::until("the position", || {
                        drop(member.poll(FetchLimit::default(), POLL_TIMEOUT));
                        log.committed(&spec.group, std::slice::from_ref(&at)).ok()
                    });
                    next = committed[0].map_or(0, |o| o.0);
                }
            }
            reached.store(next, Ordering::Relaxed);
        }
        finished.store(true, Ordering::Relaxed);
    });
    let expected: Vec<String> = (0..COMMITS).map(|i| i.to_string()).collect();
    assert_eq!(values(&log, &output), expected);
}

#[test]
fn a_reader_never_continues_in_a_recreated_topic() {
    let Some(cluster) = broker::shared() else { return };
    let log = cluster.connect();
    let name = cluster.name("recreated");
    let config = topic_config(1);
    let at = TopicPartition::new(name.as_str(), 0);
    let fill = |values: &[&str]| {
        let values: Vec<String> = values.iter().map(|v| (*v).to_owned()).collect();
        log.appender().unwrap().append(&[Append { to: at.clone(), records: records(&values) }]).unwrap();
    };
    log.create_topic(&name, &config).unwrap();
    fill(&["old", "old"]);
    let old = topic(&log, &name).unwrap().id;
    let mut reader = log.reader(&[(at.clone(), Offset(0))]).unwrap();
    wait::until("the old records", || reader.poll(FetchLimit::default(), POLL_TIMEOUT).unwrap());
    // The new topic is longer than the old one was, so offsets alone do not show the difference.
    let other = cluster.connect();
    other.delete_topic(&name).unwrap();
    other.create_topic(&name, &config).unwrap();
    fill(&["new"; 50]);
    assert_ne!(topic(&log, &name).unwrap().id, old);
    let fault = wait::until("the reader to report it", || match reader.poll(FetchLimit::default(), POLL_TIMEOUT) {
        Ok(None) => None,
        Ok(Some(fetched)) => panic!("read {:?} of the new topic", fetched.offsets),
        Err(e) => Some(e),
    });
    assert!(matches!(fault, LogError::TopicReplaced { .. } | LogError::UnknownTopic { .. }), "{fault}");
}

/// The client itself skips a batch whose checksum is wrong and only logs it.
#[test]
fn corrupt_records_are_reported_and_never_skipped() {
    let Some(cluster) = broker::shared() else { return };
    let log = cluster.connect();
    let (input, _, spec) = topics(cluster, &log, 2);
    let at = TopicPartition::new(input.as_str(), 1);
    for value in ["sound", "corrupt", "after"] {
        log.appender().unwrap().append(&[Append { to: at.clone(), records: records(&[value.to_owned()]) }]).unwrap();
    }
    // Offset 0 is the first record, offset 1 the marker of its transaction.
    let (file, end) = cluster.locate_batch(&input, 1, 2);
    let last = std::fs::read(&file).unwrap()[end - 1];
    let mut open = std::fs::File::options().write(true).open(&file).unwrap();
    open.seek(SeekFrom::Start(end as u64 - 1)).unwrap();
    open.write_all(&[last ^ 0xff]).unwrap();
    let assert_reported = |fault: LogError, read: Vec<String>, place: &str| {
        let text = fault.to_string();
        assert!(matches!(fault, LogError::Corrupt(_)) && text.contains(&format!("`{place}`")), "{text}");
        assert!(text.contains("offset 2 ") && text.contains("CRC32C"), "{text}");
        assert_eq!(read, ["sound"]);
    };
    let text = |fetched: Fetched| String::from_utf8(fetched.records.values.value(0).to_vec()).unwrap();
    let other = TopicPartition::new(input.as_str(), 0);
    let mut reader = log.reader(&[(at.clone(), Offset(0))]).unwrap();
    let mut read = Vec::new();
    let fault = wait::until("the reader to report it", || match reader.poll(FetchLimit::default(), POLL_TIMEOUT) {
        Ok(fetched) => {
            read.extend(fetched.map(text));
            None
        }
        Err(e) => Some(e),
    });
    assert_reported(fault, read, &at.to_string());
    let mut member = log.join(&spec).unwrap();
    assigned(&mut *member);
    [&other, &at].iter().for_each(|at| member.seek(&[(TopicPartition::clone(at), Offset(0))]).unwrap());
    let mut read = Vec::new();
    let fault = wait::until("the member to report it", || match member.poll(FetchLimit::default(), POLL_TIMEOUT) {
        Ok(GroupEvent::Records(fetched)) => {
            read.push(text(fetched));
            None
        }
        Ok(_) => None,
        Err(e) => Some(e),
    });
    // For several partitions the client does not report which one.
    assert_reported(fault, read, &input);
}

#[test]
fn deleted_records_are_reported_as_out_of_range() {
    let Some(cluster) = broker::shared() else { return };
    let log = cluster.connect();
    let name = cluster.name("trim");
    log.create_topic(&name, &topic_config(2)).unwrap();
    let at = TopicPartition::new(name.as_str(), 1);
    let values_written: Vec<String> = (0..10).map(|i: i32| i.to_string()).collect();
    log.appender().unwrap().append(&[Append { to: at.clone(), records: records(&values_written) }]).unwrap();
    log.delete_records(&[(at.clone(), Offset(4))]).unwrap();
    assert_eq!(log.resolve(&at, Start::Earliest).unwrap(), Offset(4));
    assert_eq!(values(&log, &at), values_written[4..]);
    let reader = log.reader(&[(at.clone(), Offset(3))]).map(|_| ());
    assert!(matches!(reader, Err(LogError::OffsetOutOfRange { earliest: Offset(4), .. })), "{reader:?}");
    // Ten records and the marker of their transaction, which is written a moment after the commit.
    wait::until("the transaction marker", || (log.resolve(&at, Start::Latest).unwrap() == Offset(11)).then_some(()));
    log.delete_records(&[(at.clone(), Offset(100))]).unwrap();
    assert_eq!(log.resolve(&at, Start::Earliest).unwrap(), Offset(11));
    let unknown = log.delete_records(&[(TopicPartition::new(name.as_str(), 2), Offset(0))]);
    assert!(matches!(unknown, Err(LogError::UnknownPartition { count: 2, .. })), "{unknown:?}");
}
