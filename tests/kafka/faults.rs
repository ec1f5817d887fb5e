//! Brokers that die, and topics that change under a reader: nothing twice, nothing lost, nothing silent.
//!
//! Separate because these tests break what others share, so that most have a broker of their own.

use super::broker;
use super::groups::{assigned, records, topics, values};
use crate::harness::wait;
use fastdata::log::{Append, FetchLimit, GroupEvent, Log, LogError, Recovery, Start, TopicConfig, Transaction, topic};
use fastdata::record::{Fetched, Offset, TopicPartition};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

const BRIEF: Duration = Duration::from_millis(50);

/// A cluster that outlives one node. One that is a single node does not keep what it promises when it is
/// killed and comes back: for a moment its partitions have no leader, its coordinator then takes the end
/// of a transaction for written where it is not, and the next end decides for both.

/// Whether faults that take minutes are asked for, such as brokers that are killed.
pub fn asked() -> bool {
    let asked = std::env::var_os("FASTDATA_KAFKA_KILLS").is_some();
    if !asked {
        eprintln!("skipped: set FASTDATA_KAFKA_KILLS=1 for faults that take minutes");
    }
    asked
}

/// How many transactions are to be committed while the broker is killed again and again.
const COMMITS: i64 = 100;

#[test]
fn an_append_is_there_once_or_not_at_all_when_the_broker_is_killed() {
    let Some(cluster) = asked().then(|| broker::start(broker::THREE)).flatten() else { return };
    let log = cluster.connect();
    log.create_topic("t", &TopicConfig { partitions: 1, ..TopicConfig::default() }).unwrap();
    let at = TopicPartition::new("t", 0);
    let (done, count) = (AtomicBool::new(false), AtomicU32::new(0));
    let (kept, lost) = std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let mut appender = log.appender().unwrap();
            let (mut kept, mut lost) = (Vec::new(), Vec::new());
            while !done.load(Ordering::Relaxed) {
                let i = count.fetch_add(1, Ordering::Relaxed);
                let words: Vec<String> = (0..20).map(|row| format!("{i}.{row}")).collect();
                match appender.append(&[Append { to: at.clone(), records: records(&words) }]) {
                    Ok(_) => kept.extend(words),
                    Err(_) => lost.extend(words),
                }
            }
            (kept, lost)
        });
        for node in 0..3 {
            let begun = count.load(Ordering::Relaxed);
            wait::until("some appends", || (count.load(Ordering::Relaxed) > begun + 10).then_some(()));
            cluster.kill(node);
            cluster.restart(node);
        }
        let begun = count.load(Ordering::Relaxed);
        wait::until("appends after the last restart", || (count.load(Ordering::Relaxed) > begun + 10).then_some(()));
        done.store(true, Ordering::Relaxed);
        writing.join().unwrap()
    });
    let read = values(&log, &at);
    assert!(
        read == kept,
        "{} records were said to be written, {} are there, {} were refused",
        kept.len(),
        read.len(),
        lost.len()
    );
}

#[test]
fn results_and_positions_agree_when_the_broker_is_killed() {
    let Some(cluster) = asked().then(|| broker::start(broker::THREE)).flatten() else { return };
    let log = cluster.connect();
    let (input, output, spec) = topics(&cluster, &log, 1);
    let at = TopicPartition::new(input, 0);
    let mut member = log.join(&spec).unwrap();
    assigned(&mut *member);
    let mut committer = member.committer().unwrap();
    let mut next = 0;
    let (reached, over) = (AtomicI64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for node in (0..3).cycle() {
                let begun = reached.load(Ordering::Relaxed);
                wait::until("some commits", || {
                    (over.load(Ordering::Relaxed) || reached.load(Ordering::Relaxed) > begun + 30).then_some(())
                });
                if over.load(Ordering::Relaxed) {
                    return;
                }
                cluster.kill(node);
                cluster.restart(node);
            }
        });
        while next < COMMITS {
            let append = Append { to: output.clone(), records: records(&[next.to_string()]) };
            let offsets = vec![(at.clone(), Offset(next + 1))];
            match committer.commit(&Transaction { flush_points: Vec::new(), appends: vec![append], offsets }) {
                Ok(_) => next += 1,
                Err(e) => {
                    // What a run does: it goes on from what the group has, whatever became of the last one.
                    assert!(e.recovery() != Recovery::Fatal, "{e}");
                    let told = wait::until("the position", || {
                        drop(member.poll(FetchLimit::default(), BRIEF));
                        log.committed(&spec.group, std::slice::from_ref(&at)).ok()
                    });
                    next = told[0].map_or(0, |o| o.0);
                }
            }
            reached.store(next, Ordering::Relaxed);
        }
        over.store(true, Ordering::Relaxed);
    });
    let expected: Vec<String> = (0..COMMITS).map(|i| i.to_string()).collect();
    assert_eq!(values(&log, &output), expected);
}

#[test]
fn a_reader_never_goes_on_in_a_topic_that_was_made_anew() {
    let Some(cluster) = broker::shared() else { return };
    let log = cluster.connect();
    let name = cluster.name("anew");
    let config = TopicConfig { partitions: 1, ..TopicConfig::default() };
    let at = TopicPartition::new(name.as_str(), 0);
    let fill = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        log.appender().unwrap().append(&[Append { to: at.clone(), records: records(&words) }]).unwrap();
    };
    log.create_topic(&name, &config).unwrap();
    fill(&["old", "old"]);
    let old = topic(&log, &name).unwrap().id;
    let mut reader = log.reader(&[(at.clone(), Offset(0))]).unwrap();
    wait::until("the old records", || reader.poll(FetchLimit::default(), BRIEF).unwrap());
    // The new topic is longer than the old one was: its offsets alone would not give it away.
    let other = cluster.connect();
    other.delete_topic(&name).unwrap();
    other.create_topic(&name, &config).unwrap();
    fill(&["new"; 50]);
    assert_ne!(topic(&log, &name).unwrap().id, old);
    let fault = wait::until("the reader to notice", || match reader.poll(FetchLimit::default(), BRIEF) {
        Ok(None) => None,
        Ok(Some(fetched)) => panic!("read {:?} of the new topic", fetched.offsets),
        Err(e) => Some(e),
    });
    assert!(matches!(fault, LogError::TopicReplaced { .. } | LogError::UnknownTopic { .. }), "{fault}");
}

/// A batch that fits its checksum no longer is skipped by the client, which only says so.
#[test]
fn damaged_records_are_named_and_never_skipped() {
    let Some(cluster) = broker::shared() else { return };
    let log = cluster.connect();
    let (input, _, spec) = topics(cluster, &log, 2);
    let at = TopicPartition::new(input.as_str(), 1);
    for word in ["sound", "damaged", "after"] {
        log.appender().unwrap().append(&[Append { to: at.clone(), records: records(&[word.to_owned()]) }]).unwrap();
    }
    // Behind the first transaction of one record and its end.
    let (file, end) = cluster.batch(&input, 1, 2);
    let last = std::fs::read(&file).unwrap()[end - 1];
    let mut open = std::fs::File::options().write(true).open(&file).unwrap();
    open.seek(SeekFrom::Start(end as u64 - 1)).unwrap();
    open.write_all(&[last ^ 0xff]).unwrap();
    let named = |fault: LogError, words: Vec<String>, place: &str| {
        let text = fault.to_string();
        assert!(matches!(fault, LogError::Corrupt(_)) && text.contains(&format!("`{place}`")), "{text}");
        assert!(text.contains("offset 2 ") && text.contains("CRC32C"), "{text}");
        assert_eq!(words, ["sound"]);
    };
    let text = |fetched: Fetched| String::from_utf8(fetched.records.values.value(0).to_vec()).unwrap();
    let other = TopicPartition::new(input.as_str(), 0);
    let mut reader = log.reader(&[(at.clone(), Offset(0))]).unwrap();
    let mut words = Vec::new();
    let fault = wait::until("the reader to notice", || match reader.poll(FetchLimit::default(), BRIEF) {
        Ok(fetched) => {
            words.extend(fetched.map(text));
            None
        }
        Err(e) => Some(e),
    });
    named(fault, words, &at.to_string());
    let mut member = log.join(&spec).unwrap();
    assigned(&mut *member);
    [&other, &at].iter().for_each(|at| member.seek(at, Offset(0)).unwrap());
    let mut words = Vec::new();
    let fault = wait::until("the member to notice", || match member.poll(FetchLimit::default(), BRIEF) {
        Ok(GroupEvent::Records(fetched)) => {
            words.push(text(fetched));
            None
        }
        Ok(_) => None,
        Err(e) => Some(e),
    });
    // Of several partitions the client does not say which.
    named(fault, words, &input);
}

#[test]
fn old_records_can_be_removed_and_are_missed_by_name() {
    let Some(cluster) = broker::shared() else { return };
    let log = cluster.connect();
    let name = cluster.name("trim");
    log.create_topic(&name, &TopicConfig { partitions: 2, ..TopicConfig::default() }).unwrap();
    let at = TopicPartition::new(name.as_str(), 1);
    let words: Vec<String> = (0..10).map(|i: i32| i.to_string()).collect();
    log.appender().unwrap().append(&[Append { to: at.clone(), records: records(&words) }]).unwrap();
    log.delete_records(&[(at.clone(), Offset(4))]).unwrap();
    assert_eq!(log.resolve(&at, Start::Earliest).unwrap(), Offset(4));
    assert_eq!(values(&log, &at), words[4..]);
    let reader = log.reader(&[(at.clone(), Offset(3))]).map(|_| ());
    assert!(matches!(reader, Err(LogError::OffsetOutOfRange { earliest: Offset(4), .. })), "{reader:?}");
    // Ten records and the end of their transaction, which is written a moment after the commit.
    wait::until("the end of the transaction", || {
        (log.resolve(&at, Start::Latest).unwrap() == Offset(11)).then_some(())
    });
    log.delete_records(&[(at.clone(), Offset(100))]).unwrap();
    assert_eq!(log.resolve(&at, Start::Earliest).unwrap(), Offset(11));
    let missing = log.delete_records(&[(TopicPartition::new(name.as_str(), 2), Offset(0))]);
    assert!(matches!(missing, Err(LogError::UnknownPartition { count: 2, .. })), "{missing:?}");
}
