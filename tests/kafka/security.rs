//! Encryption and login: what is right works, what is wrong is named, soon.
//!
//! Separate because it needs listeners and certificates that no other test has.

use super::broker::{self, Plan, USER};
use fastdata::log::kafka::{KafkaLog, Sasl, Settings, Tls};
use fastdata::log::{Log, LogError, TopicConfig};
use std::time::{Duration, Instant};

fn fault(settings: &Settings) -> String {
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
    let Some(cluster) = broker::start(Plan { secure: true, ..Plan::default() }) else { return };
    let tls = |ca: &str| Some(Tls { ca: Some(cluster.tls(ca)), ..Tls::default() });
    let sasl = |mechanism: &str, password: &str| {
        Some(Sasl { mechanism: mechanism.into(), username: USER.0.into(), password: password.into() })
    };
    let at = |listener: &str| Settings::new(cluster.listener(listener));
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let log = KafkaLog::connect(&Settings { tls: tls("ca.pem"), sasl: sasl(mechanism, USER.1), ..at("SASL_SSL") })
            .unwrap();
        log.create_topic(&cluster.name("secure"), &TopicConfig { partitions: 1, ..TopicConfig::default() }).unwrap();
        KafkaLog::connect(&Settings { sasl: sasl(mechanism, USER.1), ..at("SASL_PLAINTEXT") }).unwrap();
    }
    let client = Tls {
        certificate: Some(cluster.tls("client.crt")),
        key: Some(cluster.tls("client.key")),
        ..tls("ca.pem").unwrap()
    };
    KafkaLog::connect(&Settings { tls: Some(client), ..at("SSL") }).unwrap();

    for listener in ["SASL_SSL", "SASL_PLAINTEXT"] {
        let secure = if listener == "SASL_SSL" { tls("ca.pem") } else { None };
        let text = fault(&Settings { tls: secure, sasl: sasl("SCRAM-SHA-512", "hush"), ..at(listener) });
        assert!(text.contains("refuses the login") && text.contains("sasl") && !text.contains("hush"), "{text}");
    }
    let text = fault(&Settings { tls: tls("other.pem"), ..at("SSL") });
    assert!(text.contains("no encrypted connection") && text.contains("certificate"), "{text}");
    let text = fault(&Settings { tls: tls("ca.pem"), ..at("PLAINTEXT") });
    assert!(text.contains("no encrypted connection") || text.contains("hangs up"), "{text}");
    let text = fault(&at("SSL"));
    assert!(text.contains("hangs up") && text.contains("security:"), "{text}");
    let text = fault(&at("SASL_PLAINTEXT"));
    assert!(text.contains("security:"), "{text}");
    let text = fault(&Settings { sasl: sasl("PLAIN", USER.1), ..at("PLAINTEXT") });
    assert!(text.contains("security:"), "{text}");
}
