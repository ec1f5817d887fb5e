//! Watches from outside how a group gets on: the positions that it commits, how long none moves, and who
//! its members are.
//!
//! Separate because it shares nothing with fastdata but the client library. It reads no record.

use rdkafka::TopicPartitionList;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest wait for one answer.
const ASK: Duration = Duration::from_secs(1);

/// Between two looks.
const EVERY: Duration = Duration::from_millis(10);

struct Seen {
    positions: Vec<i64>,
    moved_at: Instant,
    worst: Duration,
}

/// A thread that looks again and again.
pub struct Watch {
    group: String,
    asks: BaseConsumer,
    seen: Arc<Mutex<Seen>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

fn client(brokers: &str, group: &str) -> BaseConsumer {
    let mut config = ClientConfig::new();
    // What is committed, without waiting for transactions that are still open.
    config.set("bootstrap.servers", brokers).set("group.id", group).set("isolation.level", "read_uncommitted");
    config.set("enable.auto.commit", "false").set("reconnect.backoff.max.ms", "500");
    config.create().unwrap()
}

impl Watch {
    /// Watches the positions of one topic.
    pub fn start(brokers: &str, group: &str, topic: &str, partitions: u32) -> Self {
        let seen = Seen { positions: vec![0; partitions as usize], moved_at: Instant::now(), worst: Duration::ZERO };
        let (seen, over) = (Arc::new(Mutex::new(seen)), Arc::new(AtomicBool::new(false)));
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, i32::try_from(partitions).unwrap() - 1);
        let thread = std::thread::spawn({
            let (client, seen, over) = (client(brokers, group), seen.clone(), over.clone());
            move || {
                while !over.load(Ordering::Relaxed) {
                    // Between two assignments, and while a broker is away, there may be no answer.
                    if let Ok(committed) = client.committed_offsets(list.clone(), ASK) {
                        let at = committed.elements().iter().map(|e| e.offset().to_raw().unwrap_or(0).max(0)).collect();
                        see(&seen, at);
                    }
                    std::thread::park_timeout(EVERY);
                }
            }
        });
        Self { group: group.to_owned(), asks: client(brokers, group), seen, over, thread: Some(thread) }
    }

    /// The position of each partition as committed last.
    pub fn positions(&self) -> Vec<i64> {
        self.seen.lock().unwrap().positions.clone()
    }

    /// Begins to measure anew.
    pub fn measure(&self) {
        let mut seen = self.seen.lock().unwrap();
        (seen.moved_at, seen.worst) = (Instant::now(), Duration::ZERO);
    }

    /// The longest time in which no position has moved since [`Self::measure`].
    pub fn pause(&self) -> Duration {
        let seen = self.seen.lock().unwrap();
        seen.worst.max(seen.moved_at.elapsed())
    }

    /// The members by the name of their client, each with its partitions of a topic; `None` while the group
    /// decides.
    pub fn members(&self, topic: &str) -> Option<BTreeMap<String, Vec<i32>>> {
        let list = self.asks.fetch_group_list(Some(&self.group), ASK).ok()?;
        let group = list.groups().iter().find(|g| g.name() == self.group && g.state() == "Stable")?;
        let of = |bytes: Option<&[u8]>| assigned(bytes.unwrap_or_default(), topic).unwrap_or_default();
        Some(group.members().iter().map(|m| (m.client_id().to_owned(), of(m.assignment()))).collect())
    }
}

fn see(seen: &Mutex<Seen>, positions: Vec<i64>) {
    let mut seen = seen.lock().unwrap();
    if positions != seen.positions {
        seen.worst = seen.worst.max(seen.moved_at.elapsed());
        (seen.positions, seen.moved_at) = (positions, Instant::now());
    }
}

/// The partitions of one topic in the assignment of a member, as the protocol of consumers writes it.
fn assigned(bytes: &[u8], topic: &str) -> Option<Vec<i32>> {
    let mut rest = bytes.get(2..)?;
    let mut take = |n: usize| {
        let (head, tail) = rest.split_at_checked(n)?;
        rest = tail;
        Some(head)
    };
    let int = |b: &[u8]| Some(i32::from_be_bytes(b.try_into().ok()?));
    let topics = int(take(4)?)?;
    for _ in 0..topics {
        let length = u16::from_be_bytes(take(2)?.try_into().ok()?);
        let name = take(length.into())?.to_vec();
        let count = int(take(4)?)?;
        let partitions: Option<Vec<i32>> = (0..count).map(|_| int(take(4)?)).collect();
        if name == topic.as_bytes() {
            return partitions;
        }
    }
    None
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
