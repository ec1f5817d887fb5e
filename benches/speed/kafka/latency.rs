//! From send to receipt at 10,000 records a second: producer, what stands between, and this reader of
//! committed records are three processes.

use super::{Side, copy, create, number, pace, role};
use crate::cluster::broker::{self, Cluster, Plan};
use crate::speed::setup::quantile;
use fastdata::log::kafka::KafkaLog;
use fastdata::log::{Log as _, LogError};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use std::process::Stdio;
use std::time::{Duration, Instant};

const PER_SECOND: usize = 10_000;
const SECONDS: usize = 30;

/// Rounds that count.
const ROUNDS: usize = 3;

/// Records of the first seconds are not counted: processes start and join.
const WARM: usize = 15;

/// Longest wait for a record.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn run() {
    let Some(cluster) = broker::start(Plan { measured: true, ..broker::ONE }) else { return };
    let log = cluster.connect();
    // Nor those of the first round: it takes as long until the broker has compiled its code.
    once(&cluster, &log, Side::AtLeastOnce);
    let mut rounds = super::SIDES.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (side, rounds) in super::SIDES.iter().zip(&mut rounds) {
            let took = once(&cluster, &log, *side);
            let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|q| quantile(&took, q));
            eprintln!("{}: p50 {p50:.1?}, p90 {p90:.1?}, p99 {p99:.1?}", side.name());
            rounds.push([p50, p90, p99]);
        }
    }
    println!("on Kafka, latency from send to receipt at {PER_SECOND} records/s, {ROUNDS} rounds in turns");
    for (side, rounds) in super::SIDES.iter().zip(&rounds) {
        let of = |i: usize| {
            let mut all: Vec<Duration> = rounds.iter().map(|r| r[i]).collect();
            all.sort_unstable();
            (all[ROUNDS / 2], all[0])
        };
        let [(p50, _), (p90, _), (p99, least)] = [0, 1, 2].map(of);
        println!("  {:<14} p50 {p50:.1?}, p90 {p90:.1?}, p99 {p99:.1?}, least {least:.1?}", side.name());
    }
}

fn once(cluster: &Cluster, log: &KafkaLog, side: Side) -> Vec<Duration> {
    let (brokers, from, to) = (cluster.listener("PLAINTEXT"), cluster.name("paced"), cluster.name("bench"));
    create(log, &from);
    create(log, &to);
    let between = side.start(&brokers, &from, &to, false);
    let all = PER_SECOND * SECONDS;
    let mut producer = role("kafka-pace", [brokers.as_str(), &from, &all.to_string(), &PER_SECOND.to_string()]);
    let mut producer = super::Started(producer.stdin(Stdio::null()).spawn().expect("the producer starts"));
    let consumer = copy::consumer(&brokers, &to);
    let (mut seen, mut took, mut heard) = (0, Vec::new(), Instant::now());
    while seen < side.passing(all) {
        assert!(heard.elapsed() < LIMIT, "{}: {seen} records, then none", side.name());
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                let now = pace::now();
                heard = Instant::now();
                seen += 1;
                let value = message.payload().expect("a value");
                if number(value, "\"id\":") >= (PER_SECOND * WARM) as u64 {
                    took.push(Duration::from_micros(now.saturating_sub(number(value, "\"sent\":"))));
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) | None => {}
            Some(Err(e)) => panic!("reading: {e}"),
        }
    }
    assert!(producer.0.wait().expect("it ends").success(), "the producer has failed");
    drop(between);
    // What is left of this round, its broker need not look after in the next.
    for topic in [from.clone(), to.clone(), format!("{to}.progress"), format!("{to}.dead")] {
        match log.delete_topic(&topic) {
            Ok(()) | Err(LogError::UnknownTopic { .. }) => {}
            Err(e) => panic!("{e}"),
        }
    }
    took.sort_unstable();
    took
}
