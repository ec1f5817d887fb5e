//! Encryption, login and rights: valid settings work, and each mistake is reported by name within a bounded time.

use super::broker::{self, Cluster, Plan, USER};
use super::wire::{ALL, CREATE, DESCRIBE, GROUP, LITERAL, READ, TOPIC, TRANSACTIONAL_ID, WRITE, rule};
use crate::harness::program::Fastdata;
use crate::harness::topics::topic_config;
use fastdata::log::kafka::{KafkaLog, SaslSettings, Settings, TlsSettings};
use fastdata::log::{Log, LogError};
use std::time::{Duration, Instant};

/// The message of a connection that must fail.
fn connection_error(settings: &Settings) -> String {
    let start = Instant::now();
    let outcome = KafkaLog::connect(settings);
    assert!(start.elapsed() < Duration::from_secs(30), "it took {:?}", start.elapsed());
    match outcome {
        Err(LogError::Unusable(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_secure_cluster_is_reached_and_each_mistake_is_named() {
    let Some(cluster) = broker::start(Plan { secure: true, ..broker::SINGLE_NODE }) else { return };
    let tls = |ca: &str| Some(TlsSettings { ca: Some(cluster.tls(ca)), ..TlsSettings::default() });
    let sasl = |mechanism: &str, password: &str| {
        Some(SaslSettings { mechanism: mechanism.into(), username: USER.0.into(), password: password.into() })
    };
    let at = |listener: &str| Settings::new(cluster.listener(listener));
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let log = KafkaLog::connect(&Settings { tls: tls("ca.pem"), sasl: sasl(mechanism, USER.1), ..at("SASL_SSL") })
            .unwrap();
        log.create_topic(&cluster.name("secure"), &topic_config(1)).unwrap();
        KafkaLog::connect(&Settings { sasl: sasl(mechanism, USER.1), ..at("SASL_PLAINTEXT") }).unwrap();
    }
    let client = TlsSettings {
        certificate: Some(cluster.tls("client.crt")),
        key: Some(cluster.tls("client.key")),
        ..tls("ca.pem").unwrap()
    };
    KafkaLog::connect(&Settings { tls: Some(client), ..at("SSL") }).unwrap();

    for listener in ["SASL_SSL", "SASL_PLAINTEXT"] {
        let secure = if listener == "SASL_SSL" { tls("ca.pem") } else { None };
        let text =
            connection_error(&Settings { tls: secure, sasl: sasl("SCRAM-SHA-512", "wrong-password"), ..at(listener) });
        assert!(
            text.contains("refuses the login") && text.contains("sasl") && !text.contains("wrong-password"),
            "{text}"
        );
    }
    let text = connection_error(&Settings { tls: tls("other.pem"), ..at("SSL") });
    assert!(text.contains("no encrypted connection") && text.contains("certificate"), "{text}");
    let text = connection_error(&Settings { tls: tls("ca.pem"), ..at("PLAINTEXT") });
    assert!(text.contains("no encrypted connection") || text.contains("hangs up"), "{text}");
    let text = connection_error(&at("SSL"));
    assert!(text.contains("hangs up") && text.contains("security:"), "{text}");
    let text = connection_error(&at("SASL_PLAINTEXT"));
    assert!(text.contains("security:"), "{text}");
    let text = connection_error(&Settings { sasl: sasl("PLAIN", USER.1), ..at("PLAINTEXT") });
    assert!(text.contains("security:"), "{text}");
}

/// A cluster with access rules. A user without a name may change them.
pub const GUARDED: Plan = Plan {
    secure: true,
    properties: &[
        ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
        ("super.users", "User:ANONYMOUS"),
    ],
    ..broker::SINGLE_NODE
};

/// Runs a pipeline whose user lacks one right; returns the pipeline's name and stderr.
fn run_without_right(cluster: &Cluster, kind: u8, of: &str, operation: u8, sink: bool) -> (String, String) {
    let (name, log, f) = (cluster.name("guarded"), cluster.connect(), Fastdata::in_temp());
    let config = topic_config(1);
    log.create_topic(&format!("{name}-in"), &config).unwrap();
    if sink {
        log.create_topic(&format!("{name}-out"), &config).unwrap();
    }
    f.file("p.yaml", &format!("name: {name}\nsource: {{topic: {name}-in, schema: {{n: bigint}}}}\nsteps: [{{filter: n > 0}}]\nsink: {{topic: {name}-out}}\n"));
    f.file("records.jsonl", "{\"n\": 1}\n{\"n\": 2}\n");
    f.file(
        "login",
        &format!(
            "security.protocol=sasl_plaintext\nsasl.mechanism=PLAIN\nsasl.username={}\nsasl.password={}\n",
            USER.0, USER.1
        ),
    );
    let at = format!("--kafka-config login --brokers {}", cluster.listener("SASL_PLAINTEXT"));
    f.args(&format!("seed --topic {name}-in --from records.jsonl {at}")).succeeds();
    rule(cluster, kind, LITERAL, &format!("{name}{of}"), operation, false);
    let start = Instant::now();
    let ended = f.args(&format!("run p.yaml --quiet {at}")).fails_with(1);
    assert!(start.elapsed() < Duration::from_secs(30), "it took {:?}: {}", start.elapsed(), ended.stderr_text());
    (name, ended.stderr_text().to_owned())
}

#[test]
fn a_missing_right_is_named() {
    let Some(cluster) = broker::start(GUARDED) else { return };
    for kind in [TOPIC, GROUP, TRANSACTIONAL_ID] {
        rule(&cluster, kind, LITERAL, "*", ALL, true);
    }
    let cases: [(u8, &str, u8, bool, &str, &str); 6] = [
        (TOPIC, "-in", READ, true, "reading `NAME-in`", "`Read` on the topic"),
        (TOPIC, "-in", DESCRIBE, true, "looking up topic `NAME-in`", "`Describe` on the topic"),
        (TOPIC, "-out", WRITE, true, "writing to `NAME-out`", "`Write` on the topic"),
        (TOPIC, "-out", CREATE, false, "creating topic `NAME-out`", "`Create` on the topic"),
        (GROUP, "", READ, true, "group `NAME`", "`Read` on the consumer group"),
        (TRANSACTIONAL_ID, "-0", WRITE, true, "(transactional id `NAME-0`)", "`Write` on the transactional id"),
    ];
    std::thread::scope(|scope| {
        for (kind, of, operation, sink, doing, right) in cases {
            let cluster = &cluster;
            scope.spawn(move || {
                let (name, stderr) = run_without_right(cluster, kind, of, operation, sink);
                let doing = doing.replace("NAME", &name);
                let named = stderr.contains("Kafka does not allow it") && stderr.contains(&doing);
                assert!(named && stderr.contains(&format!("give this user the right {right}")), "{right}: {stderr}");
            });
        }
    });
}
