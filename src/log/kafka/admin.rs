//! Changes to topics: making, removing, cutting; and how they are kept.
//!
//! Separate because these requests go to the controller and their answers come before the brokers know:
//! each waits until what was asked for can be seen.

use super::context::Context;
use super::control::{AGAIN, Control, PATIENCE, list, raw};
use super::errors::{self, words};
use crate::log::naming;
use crate::log::{LogError, LogResult, TopicConfig};
use crate::record::{Offset, TopicPartition};
use rdkafka::Offset as Raw;
use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// How long the controller may take for one request.
const REQUEST: Duration = Duration::from_secs(15);

/// How a compacted topic that fastdata makes is kept. Kafka compacts only what is no longer written to: with
/// segments of its own sizes, a gigabyte or a week, a restart would read that much of what has long been
/// replaced. Deletions are there for a day whatever a cluster's default is: copies of state are used for half
/// as long, and must hear of them.
const COMPACTED: [(&str, &str); 3] =
    [("segment.bytes", "52428800"), ("segment.ms", "3600000"), ("delete.retention.ms", "86400000")];

/// How many topics one question about settings names.
const BATCH: usize = 200;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for an answer on this thread: calls of a backplane block, and may not need a runtime to do so.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// The connection for changes; made when the first is asked for.
#[derive(Default)]
pub(super) struct Admin {
    client: Mutex<Option<AdminClient<Context>>>,
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(REQUEST)).operation_timeout(Some(REQUEST))
}

impl Admin {
    fn with<T, F>(&self, control: &Control, doing: &str, call: impl FnOnce(&AdminClient<Context>) -> F) -> LogResult<T>
    where
        F: Future<Output = KafkaResult<T>>,
    {
        let mut slot = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let client = match &mut *slot {
            Some(client) => client,
            none => {
                let config = control.settings.admin();
                let made = config.create_with_context(Context::default());
                none.insert(made.map_err(|e: KafkaError| control.settings.refused(&e))?)
            }
        };
        wait(call(client)).map_err(|e| errors::fault(control.brokers(), doing, errors::code(&e)))
    }

    /// Makes a topic, and waits until each of its partitions can be used.
    pub(super) fn create(&self, control: &Control, topic: &str, config: &TopicConfig) -> LogResult<()> {
        self.request(control, topic, config, &options())?;
        let doing = format!("making topic `{topic}`");
        let start = Instant::now();
        while control.partitions(topic)? != Some(config.partitions) {
            seen_in_time(control, &doing, start)?;
        }
        let all: Vec<_> = (0..config.partitions).map(|p| TopicPartition::new(topic, p)).collect();
        control.bounds(&all).map(drop)
    }

    /// Whether a topic could be made; nothing is made.
    pub(super) fn could_create(&self, control: &Control, topic: &str, config: &TopicConfig) -> LogResult<()> {
        self.request(control, topic, config, &options().validate_only(true))
    }

    fn request(&self, control: &Control, topic: &str, config: &TopicConfig, options: &AdminOptions) -> LogResult<()> {
        naming::check(topic, config)?;
        let doing = format!("making topic `{topic}`");
        // Said always, as the default of a cluster would remove what nobody has asked to be removed: records
        // with old times as soon as they are written, models after a week. -1 is for ever.
        let retention = config.retention.and_then(|d| i64::try_from(d.as_millis()).ok()).unwrap_or(-1).to_string();
        let bytes = config.retention_bytes.and_then(|b| i64::try_from(b).ok()).unwrap_or(-1).to_string();
        let partitions = i32::try_from(config.partitions).unwrap_or(i32::MAX);
        // -1: as many replicas as the cluster gives by default.
        let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(-1));
        new = match config.compacted {
            true => {
                COMPACTED.iter().fold(new.set("cleanup.policy", "compact"), |new, (key, value)| new.set(key, value))
            }
            false => new.set("cleanup.policy", "delete").set("retention.ms", &retention).set("retention.bytes", &bytes),
        };
        let results = self.with(control, &doing, |client| client.create_topics([&new], options))?;
        if let Some(Err((_, code))) = results.into_iter().next() {
            return Err(match code {
                Code::TopicAlreadyExists => LogError::TopicExists(topic.to_owned()),
                Code::InvalidTopic
                | Code::InvalidConfig
                | Code::InvalidPartitions
                | Code::InvalidReplicationFactor
                | Code::PolicyViolation => {
                    LogError::InvalidTopic(format!("Kafka does not take topic `{topic}`: {}", words(code)))
                }
                code => errors::fault_with(control.brokers(), &doing, code, "Create"),
            });
        }
        Ok(())
    }

    /// Removes a topic, and waits until it is gone.
    pub(super) fn delete(&self, control: &Control, topic: &str) -> LogResult<()> {
        let doing = format!("removing topic `{topic}`");
        if control.partitions(topic)?.is_none() {
            return Err(control.unknown(topic));
        }
        let results = self.with(control, &doing, |client| client.delete_topics(&[topic], &options()))?;
        if let Some(Err((_, code))) = results.into_iter().next() {
            return Err(match code {
                code if errors::missing(code) => control.unknown(topic),
                code => errors::fault_with(control.brokers(), &doing, code, "Delete"),
            });
        }
        control.removed(topic);
        let start = Instant::now();
        while control.partitions(topic)?.is_some() {
            seen_in_time(control, &doing, start)?;
        }
        Ok(())
    }

    /// Removes a group with its positions.
    pub(super) fn forget(&self, control: &Control, group: &str) -> LogResult<()> {
        let doing = format!("removing the positions of group `{group}`");
        let results = self.with(control, &doing, |client| client.delete_groups(&[group], &options()))?;
        match results.into_iter().next() {
            None | Some(Ok(_) | Err((_, Code::GroupIdNotFound))) => Ok(()),
            Some(Err((_, Code::NonEmptyGroup))) => {
                Err(LogError::GroupTaken { group: group.to_owned(), holder: "an instance that has just joined".into() })
            }
            Some(Err((_, code))) => Err(errors::fault_with(control.brokers(), &doing, code, "Delete")),
        }
    }

    /// Removes the records before some offsets.
    pub(super) fn trim(&self, control: &Control, before: &[(TopicPartition, Offset)]) -> LogResult<()> {
        if before.is_empty() {
            return Ok(());
        }
        control.require(before.iter().map(|(at, _)| at))?;
        let doing = format!("removing old records of `{}`", before[0].0);
        let mut offsets = list([]);
        for (at, offset) in before {
            let added = offsets.add_partition_offset(&at.topic, raw(at.partition), Raw::Offset(offset.0));
            added.map_err(|e| errors::fault(control.brokers(), &doing, errors::code(&e)))?;
        }
        let done = self.with(control, &doing, |client| client.delete_records(&offsets, &options()))?;
        for element in done.elements() {
            let Err(e) = element.error() else { continue };
            let asked =
                before.iter().find(|(at, _)| *at.topic == *element.topic() && raw(at.partition) == element.partition());
            if let (Code::OffsetOutOfRange, Some((at, asked))) = (errors::code(&e), asked) {
                let (earliest, end) = control.bounds(std::slice::from_ref(at))?[0];
                let (at, asked) = (at.clone(), *asked);
                return Err(LogError::OffsetOutOfRange { at, asked, earliest: Offset(earliest), end: Offset(end) });
            }
            return Err(errors::fault_with(control.brokers(), &doing, errors::code(&e), "Delete"));
        }
        Ok(())
    }

    /// How topics are kept; what was removed meanwhile is left out. The numbers of partitions are not in it.
    pub(super) fn configs(&self, control: &Control, names: &[String]) -> LogResult<BTreeMap<String, TopicConfig>> {
        let mut found = BTreeMap::new();
        for names in names.chunks(BATCH) {
            let mut left: Vec<&String> = names.iter().collect();
            let start = Instant::now();
            while !left.is_empty() {
                let of: Vec<_> = left.iter().map(|n| ResourceSpecifier::Topic(n)).collect();
                let ask = |client: &AdminClient<Context>| client.describe_configs(&of, &options());
                let answers = self.with(control, "asking how topics are kept", ask)?;
                let mut unknown = Vec::new();
                for (name, answer) in left.into_iter().zip(answers) {
                    let doing = || format!("asking how topic `{name}` is kept");
                    match answer {
                        Ok(resource) => drop(found.insert(name.clone(), config(&resource))),
                        // The broker that was asked may not know yet what another has made.
                        Err(code) if errors::missing(code) || errors::passes(code) => {
                            if control.partitions(name)?.is_some() {
                                seen_in_time(control, &doing(), start)?;
                                unknown.push(name);
                            }
                        }
                        Err(code) => {
                            return Err(errors::fault_with(control.brokers(), &doing(), code, "DescribeConfigs"));
                        }
                    }
                }
                left = unknown;
            }
        }
        Ok(found)
    }
}

fn seen_in_time(control: &Control, doing: &str, since: Instant) -> LogResult<()> {
    if since.elapsed() > PATIENCE {
        let brokers = control.brokers();
        return Err(LogError::Busy(format!(
            "{doing} was accepted by Kafka at {brokers}, but it is not to be seen yet"
        )));
    }
    std::thread::park_timeout(AGAIN);
    Ok(())
}

fn config(resource: &ConfigResource) -> TopicConfig {
    let value = |name: &str| resource.get(name).and_then(|e| e.value.as_deref());
    let positive = |name: &str| value(name).and_then(|v| v.parse::<u64>().ok());
    let compacted = value("cleanup.policy").is_some_and(|p| p.split(',').any(|p| p.trim() == "compact"));
    TopicConfig {
        partitions: 0,
        compacted,
        retention: positive("retention.ms").filter(|_| !compacted).map(Duration::from_millis),
        retention_bytes: positive("retention.bytes").filter(|_| !compacted),
    }
}
