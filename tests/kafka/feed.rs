//! Writes input while a group reads it: each record once, and no further than a limit that the test raises.
//!
//! It shares nothing with fastdata but the client library. A record follows from its number, so no test has to
//! keep what was written.

use crate::harness::wait;
use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, ProducerContext};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Most records that are sent between two polls of delivery reports.
const MAX_BURST_RECORDS: i64 = 500;

/// Longest wait for delivery reports.
const POLL_TIMEOUT: Duration = Duration::from_millis(5);

/// A record to be written.
pub struct Record {
    pub partition: i32,
    pub key: String,
    pub value: String,
    /// The name and value of a header, if it has one.
    pub header: Option<(&'static str, String)>,
}

/// Makes the record with this number.
pub type RecordFn = fn(i64) -> Record;

#[derive(Default)]
struct Shared {
    allowed: AtomicI64,
    acknowledged: AtomicI64,
    stopped: AtomicBool,
    error: Mutex<Option<String>>,
}

/// Counts the delivery reports.
struct DeliveryReports(Arc<Shared>);

impl ClientContext for DeliveryReports {}

impl ProducerContext for DeliveryReports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => drop(self.0.acknowledged.fetch_add(1, Ordering::Relaxed)),
            Err((e, _)) => *self.0.error.lock().unwrap() = Some(e.to_string()),
        }
    }
}

/// A thread that writes records.
pub struct Feed {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Feed {
    /// Starts the thread; it writes nothing before [`Self::allow_up_to`].
    pub fn start(brokers: &str, topic: String, make: RecordFn) -> Self {
        let mut config = ClientConfig::new();
        // With one request in flight a broker that was killed cannot write a batch twice. No record times out
        // while a broker is down.
        config.set("bootstrap.servers", brokers).set("acks", "all").set("enable.idempotence", "true");
        config.set("max.in.flight", "1").set("message.timeout.ms", "0").set("linger.ms", "5");
        config.set("batch.size", "1000000").set("queue.buffering.max.kbytes", "131072");
        config.set("reconnect.backoff.max.ms", "1000");
        let shared = Arc::new(Shared::default());
        let producer = config.create_with_context(DeliveryReports(shared.clone())).unwrap();
        let thread = std::thread::spawn({
            let shared = shared.clone();
            move || write(&producer, &shared, &topic, make)
        });
        Self { shared, thread: Some(thread) }
    }

    /// Raises the limit: the records before this number may be written.
    pub fn allow_up_to(&self, limit: i64) {
        self.shared.allowed.fetch_max(limit, Ordering::Relaxed);
    }

    /// Raises the limit, and waits until the records before this number are written.
    pub fn write_up_to(&self, limit: i64) {
        self.allow_up_to(limit);
        while self.written() < limit {
            let at = self.written();
            wait::until(&format!("record {at} of {limit} to be written"), || (self.written() > at).then_some(()));
        }
    }

    /// The number of acknowledged records; panics if one could not be written.
    pub fn written(&self) -> i64 {
        let error = self.shared.error.lock().unwrap().clone();
        assert!(error.is_none(), "a record could not be written: {error:?}");
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// The limit.
    pub fn allowed(&self) -> i64 {
        self.shared.allowed.load(Ordering::Relaxed)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // An error was reported by `written`, or the test has failed already.
            drop(thread.join());
        }
    }
}

fn write(producer: &BaseProducer<DeliveryReports>, shared: &Shared, topic: &str, make: RecordFn) {
    let mut next = 0;
    while !shared.stopped.load(Ordering::Relaxed) {
        let end = shared.allowed.load(Ordering::Relaxed).min(next + MAX_BURST_RECORDS);
        for i in next..end {
            let made = make(i);
            let mut record =
                BaseRecord::to(topic).partition(made.partition).key(made.key.as_bytes()).payload(made.value.as_bytes());
            if let Some((key, value)) = &made.header {
                record = record.headers(OwnedHeaders::new().insert(Header { key, value: Some(value) }));
            }
            loop {
                match producer.send(record) {
                    Ok(()) => break,
                    Err((KafkaError::MessageProduction(Code::QueueFull), rejected)) => {
                        record = rejected;
                        producer.poll(POLL_TIMEOUT);
                        if shared.stopped.load(Ordering::Relaxed) {
                            return;
                        }
                    }
                    Err((e, _)) => {
                        *shared.error.lock().unwrap() = Some(e.to_string());
                        return;
                    }
                }
            }
        }
        producer.poll(if next == end { POLL_TIMEOUT } else { Duration::ZERO });
        next = end.max(next);
    }
}
