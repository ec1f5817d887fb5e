//! What can be tested without a broker: settings, secrets, unreachable brokers, and a mock cluster.
//!
//! Tests against real brokers are in `tests/kafka`, which needs Java.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use super::cluster::create_client;
use super::context::Rebalance;
use super::generation::LiveGeneration;
use super::producer::KafkaWriter;
use super::sending::WriteError;
use super::write_mode::WriteMode;
use super::{KafkaLog, SaslSettings, Settings, TlsSettings};
use crate::log::{Append, Delivery, FetchLimit, GroupEvent, GroupSpec, Log, LogError, Member, Transaction};
use crate::record::{Offset, RecordsBuilder, TopicPartition};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer as _;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use std::net::TcpListener;
use std::time::{Duration, Instant};

fn with(properties: &[(&str, &str)]) -> Settings {
    let properties = properties.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Settings { properties, ..Settings::new("127.0.0.1:9") }
}

fn refused(settings: &Settings) -> String {
    match KafkaLog::connect(settings) {
        Err(LogError::InvalidSettings(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn properties_that_exactly_once_depends_on_are_refused_with_the_reason() {
    for name in [
        "enable.auto.commit",
        "enable.auto.offset.store",
        "isolation.level",
        "transactional.id",
        "group.id",
        "enable.idempotence",
        "acks",
        "request.required.acks",
        "auto.offset.reset",
        "partition.assignment.strategy",
    ] {
        let text = refused(&with(&[(name, "x")]));
        assert!(text.starts_with(&format!("the Kafka property `{name}` cannot be set: ")), "{text}");
    }
    let text = refused(&with(&[("bootstrap.servers", "x"), ("client.id", "y")]));
    assert!(text.contains("--brokers"), "{text}");
}

#[test]
fn times_that_do_not_fit_into_one_another_are_refused() {
    let message = |ms| with(&[("message.timeout.ms", ms)]);
    assert!(message("10000").check().is_ok());
    assert_eq!(
        refused(&message("30000")),
        "the Kafka property `message.timeout.ms` (30s) must not be longer than `transaction.timeout.ms` (10s): change both"
    );
    assert!(with(&[("message.timeout.ms", "30000"), ("transaction.timeout.ms", "30000")]).check().is_ok());
    // The default of `message.timeout.ms` is longer, and gives way.
    assert!(with(&[("transaction.timeout.ms", "5000")]).check().is_ok());
    assert_eq!(
        refused(&with(&[("max.poll.interval.ms", "5000")])),
        "the Kafka property `session.timeout.ms` (10s) must not be longer than `max.poll.interval.ms` (5s): change both"
    );
}

#[test]
fn a_wrong_property_is_named_with_its_value() {
    let text = refused(&with(&[("fetch.min.byte", "1")]));
    assert!(text.contains("fetch.min.byte") && text.contains("No such configuration property"), "{text}");
    let text = refused(&with(&[("session.timeout.ms", "soon")]));
    assert!(text.contains("`session.timeout.ms` cannot be `soon`"), "{text}");
    assert!(refused(&Settings::new(" , ")).contains("--brokers"));
}

#[test]
fn a_later_property_wins_under_any_of_its_names() {
    let settings = with(&[("message.timeout.ms", "1"), ("delivery.timeout.ms", "7000"), ("linger.ms", "3")]);
    let producer = settings.for_producer(&WriteMode::Transactions("p".into()), usize::MAX);
    assert_eq!(producer.get("message.timeout.ms"), Some("7000"));
    assert_eq!(producer.get("delivery.timeout.ms"), None);
    assert_eq!(producer.get("linger.ms"), Some("3"));
    assert_eq!(producer.get("transactional.id"), Some("p"));
    assert_eq!(producer.get("enable.idempotence"), Some("true"));
    let member = with(&[("session.timeout.ms", "9000")]).for_member("g");
    assert_eq!(member.get("session.timeout.ms"), Some("9000"));
    assert_eq!(member.get("isolation.level"), Some("read_committed"));
    assert_eq!(member.get("partition.assignment.strategy"), Some("range"));
    assert_eq!(settings.for_queries().get("isolation.level"), Some("read_uncommitted"));
}

#[test]
fn security_becomes_properties_and_no_secret_is_shown() {
    let settings = Settings {
        tls: Some(TlsSettings {
            ca: Some("ca.pem".into()),
            key_password: Some("hush-1".into()),
            ..TlsSettings::default()
        }),
        sasl: Some(SaslSettings { mechanism: "SCRAM-SHA-512".into(), username: "u".into(), password: "hush-2".into() }),
        ..with(&[("ssl.keystore.password", "hush-3"), ("sasl.mechanisms", "PLAIN")])
    };
    let config = settings.for_queries();
    assert_eq!(config.get("security.protocol"), Some("sasl_ssl"));
    assert_eq!(config.get("ssl.ca.location"), Some("ca.pem"));
    assert_eq!(config.get("sasl.password"), Some("hush-2"));
    assert_eq!(config.get("sasl.mechanism"), Some("PLAIN"), "properties win over `security:`");
    let shown = format!("{settings:?}");
    assert!(shown.contains("ssl.keystore.password") && !shown.contains("hush"), "{shown}");
    // A value that librdkafka refuses, in a property that holds a secret.
    let tls = Some(TlsSettings::default());
    let bad = Settings { tls, sasl: settings.sasl.clone(), ..with(&[("ssl.key.pem", "hush-4")]) };
    let text = refused(&bad);
    assert!(!text.contains("hush"), "{text}");
}

#[test]
fn a_password_in_clear_text_is_recognised_however_it_is_configured() {
    let sasl = |mechanism: &str| {
        Some(SaslSettings { mechanism: mechanism.into(), username: "u".into(), password: "hush".into() })
    };
    let clear = |settings: Settings| settings.sends_clear_password();
    assert!(clear(Settings { sasl: sasl("PLAIN"), ..with(&[]) }));
    assert!(clear(Settings { sasl: sasl("SCRAM-SHA-256"), ..with(&[("sasl.mechanisms", "plain")]) }));
    assert!(clear(with(&[("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanism", "PLAIN")])));
    assert!(!clear(Settings { sasl: sasl("SCRAM-SHA-256"), ..with(&[]) }));
    assert!(!clear(Settings { sasl: sasl("PLAIN"), tls: Some(TlsSettings::default()), ..with(&[]) }));
    assert!(!clear(with(&[("sasl.mechanism", "PLAIN")])), "no login at all");
}

#[test]
fn an_unreachable_broker_is_reported_with_its_address() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let start = Instant::now();
    let text = match KafkaLog::connect(&Settings::new(free.to_string())) {
        Err(LogError::Unusable(text)) => text,
        other => panic!("{other:?}"),
    };
    assert!(start.elapsed() < Duration::from_secs(30), "it took {:?}", start.elapsed());
    assert!(text.contains(&free.to_string()) && text.contains("refused") && text.contains("--brokers"), "{text}");
}

/// A mock cluster with one topic, and a connection to it.
fn mock() -> (MockCluster<'static, DefaultProducerContext>, KafkaLog) {
    mock_with(&[])
}

fn mock_with(properties: &[(&str, &str)]) -> (MockCluster<'static, DefaultProducerContext>, KafkaLog) {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 1, 1).unwrap();
    let log = KafkaLog::connect(&Settings { brokers: cluster.bootstrap_servers(), ..with(properties) }).unwrap();
    (cluster, log)
}

/// A member that owns the partition.
fn member(log: &KafkaLog, spec: &GroupSpec) -> Box<dyn Member> {
    let mut member = log.join(spec).unwrap();
    let start = Instant::now();
    loop {
        match member.poll(FetchLimit::default(), TEST_TIMEOUT).unwrap() {
            GroupEvent::Assigned(given) if !given.is_empty() => return member,
            event => assert!(start.elapsed() < TEST_TIMEOUT, "{event:?}"),
        }
    }
}

/// Refuses the next fetches as a broker does whose log was truncated and has grown again since.
fn refuse(cluster: &MockCluster<'static, DefaultProducerContext>) {
    cluster.request_errors(RDKafkaApiKey::Fetch, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE; 3]);
}

/// Longest wait for an expected event.
const TEST_TIMEOUT: Duration = Duration::from_secs(20);

#[test]
fn a_reader_reports_a_refused_position() {
    let (cluster, log) = mock();
    let at = TopicPartition::new("t", 0);
    let mut reader = log.reader(&[(at, Offset(0))]).unwrap();
    refuse(&cluster);
    // librdkafka does not fetch the partition again by itself.
    let fault = reader.poll(FetchLimit::default(), TEST_TIMEOUT).unwrap_err();
    assert!(matches!(&fault, LogError::Busy(text) if text.contains("`t`")), "{fault}");
}

#[test]
fn a_member_with_a_refused_position_returns_to_the_committed_offset() {
    let (cluster, log) = mock();
    let spec = GroupSpec { group: "g".into(), topics: vec!["t".into()], ..GroupSpec::default() };
    let mut member = member(&log, &spec);
    member.seek(&[(TopicPartition::new("t", 0), Offset(0))]).unwrap();
    refuse(&cluster);
    let fault = member.poll(FetchLimit::default(), TEST_TIMEOUT).unwrap_err();
    assert!(matches!(&fault, LogError::Undone { why, .. } if why.contains("`t`")), "{fault}");
}

#[test]
fn a_producer_that_is_fenced_while_sending_reports_it() {
    let (cluster, log) = mock();
    let mut writer = KafkaWriter::new(&log.cluster, WriteMode::Transactions("w".into()));
    // Too many to be queued before the first of them is refused.
    let mut records = RecordsBuilder::default();
    (0..100_000).for_each(|n| records.push(None, Some(b"record"), n));
    let append = Append { to: TopicPartition::new("t", 0), records: records.finish() };
    cluster.request_errors(RDKafkaApiKey::AddPartitionsToTxn, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_PRODUCER_FENCED]);
    match writer.write(&[&append], None) {
        Err(WriteError::Fenced(_)) => {}
        Err(WriteError::Failed(e) | WriteError::Indeterminate { error: e, .. }) => panic!("{e}"),
        Ok(_) => panic!("it has written everything"),
    }
}

#[test]
fn a_commit_is_not_retried_where_early_output_is_lost() {
    // librdkafka retries the refused request until the record's time is over.
    let (cluster, log) = mock_with(&[("message.timeout.ms", "300")]);
    let spec = GroupSpec {
        group: "g".into(),
        topics: vec!["t".into()],
        delivery: Delivery::AtLeastOnce,
        ..GroupSpec::default()
    };
    let mut member = member(&log, &spec);
    let mut committer = member.committer().unwrap();
    let at = TopicPartition::new("t", 0);
    let record = |text: &[u8]| {
        let mut records = RecordsBuilder::default();
        records.push(None, Some(text), 1);
        Append { to: at.clone(), records: records.finish() }
    };
    cluster.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS; 100]);
    committer.early_output().unwrap().send(&[record(b"early")]).unwrap();
    let commit = Transaction {
        results: vec![record(b"then")],
        offsets: vec![(at.clone(), Offset(1))],
        ..Transaction::default()
    };
    let fault = committer.commit(&commit).unwrap_err();
    assert!(matches!(&fault, LogError::Undone { .. }), "a retry would lack the lost records: {fault:?}");
    // With nothing sent early the commit can be retried as it is.
    cluster.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS; 100]);
    let fault = committer.commit(&commit).unwrap_err();
    assert!(matches!(&fault, LogError::Busy(_)), "{fault:?}");
}

#[test]
fn a_client_has_a_live_generation_only_while_it_is_a_member() {
    let (_cluster, log) = mock();
    let client = create_client(&log.cluster.settings, &log.cluster.settings.for_member("g")).unwrap();
    // The client has metadata all the same, and a broker would accept it.
    assert!(client.group_metadata().is_some() && LiveGeneration::of(&client).is_none(), "it has not joined");
    client.subscribe(&["t"]).unwrap();
    let start = Instant::now();
    let poll_until = |live: bool| {
        while LiveGeneration::of(&client).is_some() != live {
            assert!(start.elapsed() < TEST_TIMEOUT, "live: {live}");
            drop(client.poll(Duration::from_millis(10)));
            let rebalance = client.context().events().rebalances.pop_front();
            match rebalance {
                Some(Rebalance::Assigned(_)) => client.assign(&TopicPartitionList::new()).unwrap(),
                Some(Rebalance::Revoked) => client.unassign().unwrap(),
                None => {}
            }
        }
    };
    poll_until(true);
    client.unsubscribe();
    poll_until(false);
}

/// How long no broker knows a topic: long enough to query each many times.
const UNKNOWN_FOR: Duration = Duration::from_millis(500);

#[test]
fn a_known_topic_does_not_count_as_deleted_while_a_broker_lags() {
    let cluster = MockCluster::new(3).unwrap();
    cluster.create_topic("t", 1, 1).unwrap();
    let log = KafkaLog::connect(&Settings::new(cluster.bootstrap_servers())).unwrap();
    let hide = || cluster.topic_error("t", RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).unwrap();
    let show = || cluster.topic_error("t", RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();
    hide();
    assert_eq!(log.cluster.partition_count("t").unwrap(), None, "no broker knows it yet");
    show();
    assert_eq!(log.cluster.partition_count("t").unwrap(), Some(1));
    hide();
    std::thread::scope(|threads| {
        let asking = threads.spawn(|| log.cluster.partition_count("t").unwrap());
        std::thread::park_timeout(UNKNOWN_FOR);
        show();
        assert_eq!(asking.join().unwrap(), Some(1), "it existed");
    });
    hide();
    log.cluster.note_deleted("t");
    assert_eq!(log.cluster.partition_count("t").unwrap(), None, "it was deleted here");
}
