//! Monitors a consumer group from outside: its committed positions, how long each of them does not advance, and its
//! members.
//!
//! It shares nothing with fastdata but the client library, and reads no records.

use rdkafka::TopicPartitionList;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest wait for one answer of a broker.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);

/// Time between two requests for the committed positions.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The committed position of a partition.
#[derive(Clone)]
struct Progress {
    position: i64,
    advanced_at: Instant,
    longest_pause: Duration,
    /// The position before and after it moved back for the first time.
    moved_back: Option<[i64; 2]>,
}

impl Progress {
    fn starting_at(position: i64) -> Self {
        Self { position, advanced_at: Instant::now(), longest_pause: Duration::ZERO, moved_back: None }
    }
}

/// A thread that polls the committed positions.
pub struct GroupMonitor {
    group: String,
    client: BaseConsumer,
    progress: Arc<Mutex<Vec<Progress>>>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

fn client(brokers: &str, group: &str) -> BaseConsumer {
    let mut config = ClientConfig::new();
    // Committed offsets, without waiting for open transactions.
    config.set("bootstrap.servers", brokers).set("group.id", group).set("isolation.level", "read_uncommitted");
    config.set("enable.auto.commit", "false").set("reconnect.backoff.max.ms", "500");
    config.create().unwrap()
}

impl GroupMonitor {
    /// Monitors the positions of one topic.
    pub fn start(brokers: &str, group: &str, topic: &str, partitions: u32) -> Self {
        let progress = vec![Progress::starting_at(0); partitions as usize];
        let (progress, stopped) = (Arc::new(Mutex::new(progress)), Arc::new(AtomicBool::new(false)));
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, i32::try_from(partitions).unwrap() - 1);
        let thread = std::thread::spawn({
            let (client, progress, stopped) = (client(brokers, group), progress.clone(), stopped.clone());
            move || {
                while !stopped.load(Ordering::Relaxed) {
                    // During a rebalance, and while a broker is down, there may be no answer.
                    if let Ok(committed) = client.committed_offsets(list.clone(), REQUEST_TIMEOUT) {
                        let positions =
                            committed.elements().into_iter().map(|e| e.offset().to_raw().unwrap_or(0).max(0));
                        record(&mut progress.lock().unwrap(), positions);
                    }
                    std::thread::park_timeout(POLL_INTERVAL);
                }
            }
        });
        Self { group: group.to_owned(), client: client(brokers, group), progress, stopped, thread: Some(thread) }
    }

    /// The last committed position of each partition.
    pub fn positions(&self) -> Vec<i64> {
        self.progress.lock().unwrap().iter().map(|p| p.position).collect()
    }

    /// The position of a partition that has moved back, with the one before, if that ever happened.
    pub fn moved_back(&self) -> Option<[i64; 2]> {
        self.progress.lock().unwrap().iter().find_map(|p| p.moved_back)
    }

    /// Starts a new measurement of the longest pauses.
    pub fn start_measuring(&self) {
        self.progress
            .lock()
            .unwrap()
            .iter_mut()
            .for_each(|p| *p = Progress { moved_back: p.moved_back, ..Progress::starting_at(p.position) });
    }

    /// The longest time in which the position of each partition did not advance since [`Self::start_measuring`].
    pub fn longest_pauses(&self) -> Vec<Duration> {
        let progress = self.progress.lock().unwrap();
        progress.iter().map(|p| p.longest_pause.max(p.advanced_at.elapsed())).collect()
    }

    /// The members by their client id, each with its partitions of a topic; `None` during a rebalance.
    pub fn members(&self, topic: &str) -> Option<BTreeMap<String, Vec<i32>>> {
        let list = self.client.fetch_group_list(Some(&self.group), REQUEST_TIMEOUT).ok()?;
        let group = list.groups().iter().find(|g| g.name() == self.group && g.state() == "Stable")?;
        let partitions = |bytes: Option<&[u8]>| assigned(bytes.unwrap_or_default(), topic).unwrap_or_default();
        Some(group.members().iter().map(|m| (m.client_id().to_owned(), partitions(m.assignment()))).collect())
    }
}

fn record(progress: &mut [Progress], positions: impl Iterator<Item = i64>) {
    for (partition, position) in progress.iter_mut().zip(positions) {
        let before = partition.position;
        if position != before {
            let longest_pause = partition.longest_pause.max(partition.advanced_at.elapsed());
            let moved_back = partition.moved_back.or((position < before).then_some([before, position]));
            *partition = Progress { longest_pause, moved_back, ..Progress::starting_at(position) };
        }
    }
}

/// The partitions of one topic in a member's assignment, decoded from the consumer protocol.
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

impl Drop for GroupMonitor {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
