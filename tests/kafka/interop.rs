//! Other programs on the same topics: fastdata reads what they write, and they read what fastdata writes like any
//! other topic.
//!
//! These clients share nothing with fastdata but the client library, and use its default settings where they can.

use super::broker::{self, Cluster};
use crate::harness::program::Fastdata;
use crate::harness::topics::topic_config;
use crate::harness::wait;
use fastdata::log::{Log as _, LogError};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest wait for one answer of a broker.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// A record as a plain consumer sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Plain {
    partition: i32,
    key: Option<String>,
    value: Option<String>,
    time: Option<i64>,
    headers: Vec<(String, Option<String>)>,
}

pub fn producer(cluster: &Cluster, more: &[(&str, &str)]) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.listener("PLAINTEXT")).set("enable.idempotence", "true");
    for (key, value) in more {
        config.set(*key, *value);
    }
    config.create().unwrap()
}

/// Writes a record. Without a partition the client chooses one.
fn write(producer: &BaseProducer, topic: &str, partition: Option<i32>, record: &Plain) {
    let headers = record
        .headers
        .iter()
        .fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: value.as_ref() }));
    let mut sent: BaseRecord<'_, str, str> = BaseRecord::to(topic).headers(headers);
    sent.partition = partition;
    sent.key = record.key.as_deref();
    sent.payload = record.value.as_deref();
    sent.timestamp = record.time;
    producer.send(sent).map_err(|(e, _)| e).unwrap();
    producer.poll(Duration::ZERO);
}

/// Reads all committed records of a topic that no longer grows.
fn read(cluster: &Cluster, topic: &str) -> Vec<Plain> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.listener("PLAINTEXT")).set("group.id", "plain");
    config.set("isolation.level", "read_committed").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create().unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), REQUEST_TIMEOUT).unwrap();
    let mut found = Vec::new();
    for partition in metadata.topics()[0].partitions().iter().map(|p| p.id()) {
        let (low, high) = consumer.fetch_watermarks(topic, partition, REQUEST_TIMEOUT).unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(low)).unwrap();
        consumer.assign(&list).unwrap();
        wait::until(&format!("offset {high} of {topic}/{partition}"), || {
            if let Some(message) = consumer.poll(Duration::from_millis(50)) {
                let m = message.unwrap();
                let text = |bytes: Option<&[u8]>| bytes.map(|b| String::from_utf8(b.to_vec()).unwrap());
                let headers = m.headers().map(|h| h.iter().map(|h| (h.key.to_owned(), text(h.value))).collect());
                found.push(Plain {
                    partition,
                    key: text(m.key()),
                    value: text(m.payload()),
                    time: m.timestamp().to_millis(),
                    headers: headers.unwrap_or_default(),
                });
            }
            let position = consumer.position().unwrap();
            let at = position.find_partition(topic, partition).map(|e| e.offset());
            (low == high || matches!(at, Some(Offset::Offset(at)) if at >= high)).then_some(())
        });
    }
    found
}

/// A pipeline over lines of text, with a source topic of `partitions` partitions.
fn pipeline(cluster: &Cluster, partitions: u32, rest: &str) -> (Fastdata, String) {
    let (name, f) = (cluster.name("plain"), Fastdata::in_temp());
    let config = topic_config(partitions);
    cluster.connect().create_topic(&format!("{name}-in"), &config).unwrap();
    f.file(
        "p.yaml",
        &format!(
            "name: {name}\nsource: {{topic: {name}-in, format: text, tombstones: dead_letter}}\n{}",
            rest.replace("NAME", &name)
        ),
    );
    (f, name)
}

fn run(f: &Fastdata, cluster: &Cluster) {
    f.args(&format!("run p.yaml --until-end --quiet --brokers {}", cluster.listener("PLAINTEXT"))).succeeds();
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn records_of_a_plain_producer_are_read_and_results_are_plain_records() {
    let Some(cluster) = broker::shared() else { return };
    let steps = "steps:
  - select:
      value: value
      key: CAST(_key AS string)
      trace: CAST(_headers['trace'] AS string)
      headers: cardinality(_headers)
sink: {topic: NAME-out}
";
    let (f, name) = pipeline(cluster, 1, steps);
    let record = |key: Option<&str>, value: Option<&str>, time, headers: &[(&str, Option<&str>)]| Plain {
        partition: 0,
        key: key.map(str::to_owned),
        value: value.map(str::to_owned),
        time: Some(time),
        headers: headers.iter().map(|(k, v)| ((*k).to_owned(), v.map(str::to_owned))).collect(),
    };
    let written = [
        record(
            Some("a"),
            Some("one"),
            1_700_000_000_123,
            &[("trace", Some("t1")), ("empty", Some("")), ("none", None)],
        ),
        record(None, Some("two"), 1_700_000_000_000, &[]),
        record(Some(""), Some(""), 1, &[("trace", None)]),
        record(Some("b"), None, 1_700_000_000_456, &[]),
    ];
    let producer = producer(cluster, &[]);
    written.iter().for_each(|r| write(&producer, &format!("{name}-in"), Some(0), r));
    producer.flush(REQUEST_TIMEOUT).unwrap();
    run(&f, cluster);
    let values = [
        r#"{"value":"one","key":"a","trace":"t1","headers":3}"#,
        r#"{"value":"two","key":null,"trace":null,"headers":0}"#,
        r#"{"value":"","key":"","trace":null,"headers":1}"#,
    ];
    let expected: Vec<Plain> =
        written.iter().zip(values).map(|(w, value)| Plain { value: some(value), ..w.clone() }).collect();
    assert_eq!(read(cluster, &format!("{name}-out")), expected);
    // A record without a value becomes a dead letter, unchanged, with the reason, where the source says so.
    let dead = read(cluster, &format!("{name}.dead"));
    assert_eq!(dead.len(), 1, "{dead:?}");
    // Its time on Kafka is when it was written; that of the record is a header.
    assert!(dead[0].time > written[3].time, "{dead:?}");
    assert_eq!(Plain { headers: Vec::new(), time: written[3].time, ..dead[0].clone() }, written[3]);
    let time = ("fastdata-timestamp".to_owned(), written[3].time.map(|t| t.to_string()));
    assert!(dead[0].headers.contains(&time), "{dead:?}");
    assert_eq!(dead[0].headers[0].0, "fastdata-error", "{dead:?}");
}

#[test]
fn aborted_transactions_of_another_program_are_not_read() {
    let Some(cluster) = broker::shared() else { return };
    let (f, name) =
        pipeline(cluster, 1, "steps: [{filter: value IS NOT NULL}]\nsink: {topic: NAME-out, format: text}\n");
    let topic = format!("{name}-in");
    let producer = producer(cluster, &[("transactional.id", &name)]);
    producer.init_transactions(REQUEST_TIMEOUT).unwrap();
    for (prefix, commit) in [("a", true), ("b", false), ("c", true), ("d", false)] {
        producer.begin_transaction().unwrap();
        for i in 0..3 {
            let record = Plain { value: Some(format!("{prefix}{i}")), ..Plain::default() };
            write(&producer, &topic, Some(0), &record);
        }
        producer.flush(REQUEST_TIMEOUT).unwrap();
        if commit {
            producer.commit_transaction(REQUEST_TIMEOUT).unwrap()
        } else {
            producer.abort_transaction(REQUEST_TIMEOUT).unwrap()
        }
    }
    run(&f, cluster);
    let found: Vec<String> = read(cluster, &format!("{name}-out")).into_iter().filter_map(|r| r.value).collect();
    assert_eq!(found, ["a0", "a1", "a2", "c0", "c1", "c2"]);
}

#[test]
fn a_key_goes_to_the_same_partition_as_with_other_clients() {
    let Some(cluster) = broker::shared() else { return };
    let (f, name) = pipeline(
        cluster,
        3,
        "steps: [{filter: value IS NOT NULL}]\nsink: {topic: NAME-out, format: text, partitions: 7}\n",
    );
    let (topic, log) = (cluster.name("chosen"), cluster.connect());
    log.create_topic(&topic, &topic_config(7)).unwrap();
    // This is the partitioner of the Java client; the default of librdkafka hashes in another way.
    let producer = producer(cluster, &[("partitioner", "murmur2_random")]);
    for i in 0..60 {
        let record = Plain { key: Some(format!("key-{}", i * i)), value: Some(i.to_string()), ..Plain::default() };
        write(&producer, &topic, None, &record);
        write(&producer, &format!("{name}-in"), None, &record);
    }
    producer.flush(REQUEST_TIMEOUT).unwrap();
    run(&f, cluster);
    let by_key = |topic: &str| -> BTreeMap<Option<String>, i32> {
        read(cluster, topic).into_iter().map(|r| (r.key, r.partition)).collect()
    };
    let (theirs, ours) = (by_key(&topic), by_key(&format!("{name}-out")));
    assert_eq!(theirs.len(), 60);
    assert_eq!(ours, theirs);
}

/// A field of type bytes in a protobuf message.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut len = bytes.len();
    while len >= 0x80 {
        field.push(u8::try_from(len & 0x7f).unwrap() | 0x80);
        len >>= 7;
    }
    field.push(u8::try_from(len).unwrap());
    field.extend(bytes);
    field
}

#[test]
fn a_model_published_by_another_program_is_served() {
    let Some(cluster) = broker::shared() else { return };
    let columns: Vec<String> = (0..11).map(|i| format!("x{i}")).collect();
    let schema: Vec<String> = columns.iter().map(|c| format!("{c}: double")).collect();
    let (name, f) = (cluster.name("served"), Fastdata::in_temp());
    f.file(
        "p.yaml",
        &format!(
            "name: {name}\nsource: {{topic: {name}-in, schema: {{{}}}}}\nsteps:\n  - score: {{model: {name}, inputs: [{}], outputs: {{grade: prediction}}}}\n  - select: {{grade: grade}}\nsink: {{topic: {name}-out}}\n",
            schema.join(", "),
            columns.join(", ")
        ),
    );
    let log = cluster.connect();
    let one = topic_config(1);
    log.create_topic(&format!("{name}-in"), &one).unwrap();
    match log.create_topic("models", &one) {
        Ok(()) | Err(LogError::TopicExists(_)) => {}
        Err(e) => panic!("{e}"),
    }
    let producer = producer(cluster, &[]);
    let wine = [7.4, 0.7, 0.0, 1.9, 0.076, 11.0, 34.0, 0.9978, 3.51, 0.56, 9.4];
    let fields: Vec<String> = columns.iter().zip(wine).map(|(c, x)| format!("\"{c}\": {x}")).collect();
    let record = Plain { value: Some(format!("{{{}}}", fields.join(", "))), ..Plain::default() };
    write(&producer, &format!("{name}-in"), Some(0), &record);
    producer.flush(REQUEST_TIMEOUT).unwrap();
    let mut run = f.start(&format!("run p.yaml --brokers {}", cluster.listener("PLAINTEXT")));
    let waiting = wait::until("the run to wait for a model", || {
        Some(run.next_stderr_line()).filter(|l| l.contains("waiting for"))
    });
    assert!(waiting.contains(&name), "{waiting}");

    // Name, description, data type and model. The type 0, a TensorFlow graph, is the default and not encoded.
    let graph = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/wine/wine.pb")).unwrap();
    let model =
        [field(1, b"winequality"), field(2, b"by a plain program"), field(3, name.as_bytes()), field(5, &graph)];
    let model = model.concat();
    let sent: BaseRecord<'_, [u8], [u8]> = BaseRecord::to("models").partition(0).payload(&model);
    producer.send(sent).map_err(|(e, _)| e).unwrap();
    producer.flush(REQUEST_TIMEOUT).unwrap();
    let scored = wait::until("the scored record", || {
        let exists = !log.topics(Some(&format!("{name}-out"))).unwrap().is_empty();
        if exists { read(cluster, &format!("{name}-out")).pop() } else { None }
    });
    assert!([0, 1, 2].map(|g| format!("{{\"grade\":{g}.0}}")).contains(&scored.value.clone().unwrap()), "{scored:?}");
    let (header, version) = &scored.headers[0];
    assert_eq!(header, "fastdata-model");
    assert!(version.as_ref().unwrap().starts_with("winequality@"), "{version:?}");
    run.signal("TERM");
    assert_eq!(run.wait().code(), Some(0), "{}", run.stderr_text());
}
