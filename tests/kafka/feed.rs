//! Records written while a group reads them: quickly, once each, and no further ahead than is allowed.
//!
//! Separate because it shares nothing with fastdata but the client library, and because everything about a
//! record follows from its number: no test has to keep what it wrote.

use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, ProducerContext};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Records between two looks at what has arrived.
const BURST: i64 = 500;

const BRIEF: Duration = Duration::from_millis(5);

/// A record to be written.
pub struct Record {
    pub partition: i32,
    pub key: String,
    pub value: String,
}

/// Makes a record of its number.
pub type Maker = fn(i64) -> Record;

#[derive(Default)]
struct Shared {
    allowed: AtomicI64,
    arrived: AtomicI64,
    over: AtomicBool,
    fault: Mutex<Option<String>>,
}

/// Hears what became of each record.
struct Hears(Arc<Shared>);

impl ClientContext for Hears {}

impl ProducerContext for Hears {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => drop(self.0.arrived.fetch_add(1, Ordering::Relaxed)),
            Err((e, _)) => *self.0.fault.lock().unwrap() = Some(e.to_string()),
        }
    }
}

/// A thread that writes.
pub struct Feed {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Feed {
    /// Writes nothing before it is allowed to.
    pub fn start(brokers: &str, topic: String, make: Maker) -> Self {
        let mut config = ClientConfig::new();
        // With one request at a time a broker that was killed cannot take a batch twice; and no broker is
        // away for so long that a record is given up.
        config.set("bootstrap.servers", brokers).set("acks", "all").set("enable.idempotence", "true");
        config.set("max.in.flight", "1").set("message.timeout.ms", "0").set("linger.ms", "5");
        config.set("batch.size", "1000000").set("queue.buffering.max.kbytes", "131072");
        config.set("reconnect.backoff.max.ms", "1000");
        let shared = Arc::new(Shared::default());
        let producer = config.create_with_context(Hears(shared.clone())).unwrap();
        let thread = std::thread::spawn({
            let shared = shared.clone();
            move || write(&producer, &shared, &topic, make)
        });
        Self { shared, thread: Some(thread) }
    }

    /// The records before this number may be written.
    pub fn allow(&self, until: i64) {
        self.shared.allowed.fetch_max(until, Ordering::Relaxed);
    }

    /// How many are written for good; panics where one could not be.
    pub fn written(&self) -> i64 {
        let fault = self.shared.fault.lock().unwrap().clone();
        assert!(fault.is_none(), "a record could not be written: {fault:?}");
        self.shared.arrived.load(Ordering::Relaxed)
    }

    /// How many it was allowed to write.
    pub fn allowed(&self) -> i64 {
        self.shared.allowed.load(Ordering::Relaxed)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its fault was told by `written`, or the test has failed already.
            drop(thread.join());
        }
    }
}

fn write(producer: &BaseProducer<Hears>, shared: &Shared, topic: &str, make: Maker) {
    let mut next = 0;
    while !shared.over.load(Ordering::Relaxed) {
        let until = shared.allowed.load(Ordering::Relaxed).min(next + BURST);
        for i in next..until {
            let made = make(i);
            let mut record =
                BaseRecord::to(topic).partition(made.partition).key(made.key.as_bytes()).payload(made.value.as_bytes());
            loop {
                match producer.send(record) {
                    Ok(()) => break,
                    Err((KafkaError::MessageProduction(Code::QueueFull), back)) => {
                        record = back;
                        producer.poll(BRIEF);
                        if shared.over.load(Ordering::Relaxed) {
                            return;
                        }
                    }
                    Err((e, _)) => {
                        *shared.fault.lock().unwrap() = Some(e.to_string());
                        return;
                    }
                }
            }
        }
        producer.poll(if next == until { BRIEF } else { Duration::ZERO });
        next = until.max(next);
    }
}
