//! Latency from send to receipt at 10,000 records per second. The producer, the client under test and this reader of
//! committed records are three processes.

use super::{Client, copy, create, number, pace, role};
use crate::cluster::broker::{self, Cluster, Plan};
use crate::speed::setup::quantile;
use fastdata::log::kafka::KafkaLog;
use fastdata::log::{Log as _, LogError};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use std::process::Stdio;
use std::time::{Duration, Instant};

const RECORDS_PER_SECOND: usize = 10_000;
const SECONDS: usize = 30;

/// Measured rounds.
const ROUNDS: usize = 3;

/// Seconds at the start of a round that are not measured: processes start and join the group.
const WARM_UP_SECONDS: usize = 15;

/// Longest wait for a record.
const RECORD_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) fn run() {
    let Some(cluster) = broker::start(Plan { benchmark: true, ..broker::SINGLE_NODE }) else { return };
    let log = cluster.connect();
    // An unmeasured round, after which the JVM of the broker has compiled its code.
    measure(&cluster, &log, Client::AtLeastOnce);
    let mut rounds = super::CLIENTS.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (client, rounds) in super::CLIENTS.iter().zip(&mut rounds) {
            let took = measure(&cluster, &log, *client);
            let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|q| quantile(&took, q));
            eprintln!("{}: p50 {p50:.1?}, p90 {p90:.1?}, p99 {p99:.1?}", client.name());
            rounds.push([p50, p90, p99]);
        }
    }
    println!("on Kafka, latency from send to receipt at {RECORDS_PER_SECOND} records/s, {ROUNDS} alternating rounds");
    for (client, rounds) in super::CLIENTS.iter().zip(&rounds) {
        let median_and_least = |i: usize| {
            let mut all: Vec<Duration> = rounds.iter().map(|r| r[i]).collect();
            all.sort_unstable();
            (all[ROUNDS / 2], all[0])
        };
        let [(p50, _), (p90, _), (p99, lowest_p99)] = [0, 1, 2].map(median_and_least);
        println!("  {:<14} p50 {p50:.1?}, p90 {p90:.1?}, p99 {p99:.1?}, least {lowest_p99:.1?}", client.name());
    }
}

fn measure(cluster: &Cluster, log: &KafkaLog, client: Client) -> Vec<Duration> {
    let (brokers, from, to) = (cluster.listener("PLAINTEXT"), cluster.name("paced"), cluster.name("bench"));
    create(log, &from);
    create(log, &to);
    let between = client.start(&brokers, &from, &to, false);
    let all = RECORDS_PER_SECOND * SECONDS;
    let mut producer = role("kafka-pace", [brokers.as_str(), &from, &all.to_string(), &RECORDS_PER_SECOND.to_string()]);
    let mut producer = super::RunningProcess(producer.stdin(Stdio::null()).spawn().expect("the producer starts"));
    let consumer = copy::consumer(&brokers, &to);
    let (mut seen, mut took, mut received_at) = (0, Vec::new(), Instant::now());
    while seen < client.passing(all) {
        assert!(received_at.elapsed() < RECORD_TIMEOUT, "{}: only {seen} records arrived", client.name());
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                let now = pace::now();
                received_at = Instant::now();
                seen += 1;
                let value = message.payload().expect("a value");
                if number(value, "\"id\":") >= (RECORDS_PER_SECOND * WARM_UP_SECONDS) as u64 {
                    took.push(Duration::from_micros(now.saturating_sub(number(value, "\"sent\":"))));
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) | None => {}
            Some(Err(e)) => panic!("reading: {e}"),
        }
    }
    assert!(producer.0.wait().expect("it ends").success(), "the producer has failed");
    drop(between);
    // The broker does not have to maintain these topics in the next round.
    for topic in [from.clone(), to.clone(), format!("{to}.progress"), format!("{to}.dead")] {
        match log.delete_topic(&topic) {
            Ok(()) | Err(LogError::UnknownTopic { .. }) => {}
            Err(e) => panic!("{e}"),
        }
    }
    took.sort_unstable();
    took
}
