//! A producer at a steady pace, whose records know when they were sent.
//!
//! A process of its own: what it is late by counts as latency, so nothing may stand in its way.

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
    let [brokers, topic, records, per_second] = args else { panic!("four words, not {args:?}") };
    let [records, per_second] = [records, per_second].map(|n| n.parse::<u64>().expect("a number"));
    let producer = copy::producer(brokers);
    let made = setup::records(0, usize::try_from(records).expect("not that many"), 0);
    let start = Instant::now();
    for i in 0..records {
        let due = start + Duration::from_micros(i * 1_000_000 / per_second);
        let wait = due.saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            producer.poll(Duration::ZERO);
            std::thread::sleep(wait);
        }
        let row = usize::try_from(i).expect("not that many");
        let value = stamped(made.values.value(row), now());
        // Pairs, so that each partition has records that pass and records that do not.
        let partition = i32::try_from(i / 2 % 4).expect("one of four");
        copy::send(&producer, BaseRecord::to(topic).partition(partition).payload(&value));
    }
    producer.flush(Duration::from_secs(60)).expect("all is delivered");
}
