//! A producer at a constant rate. Each record contains the time at which it was sent.
//!
//! It runs as a process of its own: any delay of the producer would count as latency.

use super::super::setup;
use super::{copy, stamped};
use rdkafka::producer::{BaseRecord, Producer};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Microseconds since the Unix epoch.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    u64::try_from(since.as_micros()).expect("a time within the next half million years")
}

/// `BROKERS TOPIC RECORDS PER_SECOND`
pub(crate) fn run(args: &[String]) {
    let [brokers, topic, records, per_second] = args else { panic!("expected four arguments, found {args:?}") };
    let [records, per_second] = [records, per_second].map(|n| n.parse::<u64>().expect("a number"));
    let producer = copy::producer(brokers);
    let templates = setup::records(0, usize::try_from(records).expect("not that many"), 0);
    let start = Instant::now();
    for i in 0..records {
        let due = start + Duration::from_micros(i * 1_000_000 / per_second);
        let wait = due.saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            producer.poll(Duration::ZERO);
            std::thread::sleep(wait);
        }
        let row = usize::try_from(i).expect("not that many");
        let value = stamped(templates.values.value(row), now());
        // Pairs of records, so that in each partition half of them pass the filter.
        let partition = i32::try_from(i / 2 % 4).expect("one of four");
        copy::send(&producer, BaseRecord::to(topic).partition(partition).payload(&value));
    }
    producer.flush(Duration::from_secs(60)).expect("all is delivered");
}
