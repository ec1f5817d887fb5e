//! How to reach Kafka: brokers, security, properties, and what no property may change.
//!
//! Every client of this module is created from one [`Settings`], so that a rule holds for all of them or for none.
//! It never shows a secret and opens no connection.

use super::client_names;
use super::write_mode::WriteMode;
use crate::log::LogError;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// How long a transaction may stay open: a dead instance blocks readers for no longer.
const TRANSACTION_TIMEOUT_MS: &str = "10000";

/// Encryption of the connections. Paths are of PEM files.
#[derive(Clone, Default)]
pub struct TlsSettings {
    /// Certificates of the trusted authorities; default: the system's.
    pub ca: Option<PathBuf>,
    /// The client's certificate.
    pub certificate: Option<PathBuf>,
    /// The client's private key.
    pub key: Option<PathBuf>,
    /// The password of the key.
    pub key_password: Option<String>,
}

/// Login.
#[derive(Clone)]
pub struct SaslSettings {
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub mechanism: String,
    /// The user.
    pub username: String,
    /// The user's password.
    pub password: String,
}

/// Everything needed to reach a cluster.
#[derive(Clone, Default)]
pub struct Settings {
    /// Bootstrap servers, `host:port`, separated by commas.
    pub brokers: String,
    /// Encryption, if any.
    pub tls: Option<TlsSettings>,
    /// Login, if any.
    pub sasl: Option<SaslSettings>,
    /// Properties of librdkafka; a later one wins over an earlier one, and over the two above.
    pub properties: Vec<(String, String)>,
    /// Whether uncommitted records are read, which is wrong: a test asks for it.
    #[cfg(feature = "failpoints")]
    pub read_uncommitted: bool,
}

/// Settings that cannot be used.
#[derive(Clone, Debug, Error)]
#[error("{text}")]
pub struct SettingsError {
    /// The property that is refused, where one alone is.
    pub property: Option<String>,
    /// What is wrong, without a value that may be secret.
    pub text: String,
}

impl From<SettingsError> for LogError {
    fn from(error: SettingsError) -> Self {
        Self::Unusable(error.text)
    }
}

/// Shows the brokers and the names of the properties, never a value: any may be a secret.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.properties.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Settings")
            .field("brokers", &self.brokers)
            .field("tls", &self.tls.is_some())
            .field("sasl", &self.sasl.as_ref().map(|s| s.mechanism.as_str()))
            .field("properties", &names)
            .finish()
    }
}

/// Properties that exactly-once depends on, each with the reason why it cannot be set.
const FIXED_PROPERTIES: &[(&str, &str)] = &[
    ("acks", "a record counts as written only when all replicas have it"),
    ("allow.auto.create.topics", "a topic with a mistyped name would come into being"),
    ("auto.offset.reset", "an offset that does not exist is an error, never a silent jump"),
    ("bootstrap.servers", "set `--brokers` or `kafka: {brokers: …}`"),
    ("check.crcs", "damaged records would be taken for good ones"),
    ("enable.auto.commit", "offsets are committed in the same transaction as the results"),
    ("enable.auto.offset.store", "offsets are committed in the same transaction as the results"),
    ("enable.gapless.guarantee", "the transaction already decides what is written"),
    ("enable.idempotence", "without it a retried record is written twice"),
    ("enable.partition.eof", "the end of a partition is how a restart knows that its state is complete"),
    ("group.id", "the group is named after the pipeline: change its `name:`"),
    ("group.protocol", "the partitions of all inputs must be assigned together"),
    ("isolation.level", "results of aborted transactions would be read"),
    ("log.queue", "log lines are read by fastdata"),
    ("offset.store.method", "the brokers keep the offsets, in the transaction of the results"),
    ("partition.assignment.strategy", "partitions with the same number must meet in one instance"),
    ("transactional.id", "it is derived from the pipeline's name, so that a restart ends what was left open"),
];

/// Other names that librdkafka has for the same property: without this a later one would not win.
const ALIASES: &[(&str, &str)] = &[
    ("compression.codec", "compression.type"),
    ("delivery.timeout.ms", "message.timeout.ms"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("metadata.broker.list", "bootstrap.servers"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("request.required.acks", "acks"),
    ("retries", "message.send.max.retries"),
    ("sasl.mechanisms", "sasl.mechanism"),
];

/// Defaults of every client; properties override them.
const CLIENT_DEFAULTS: &[(&str, &str)] = &[
    ("allow.auto.create.topics", "false"),
    ("client.id", "fastdata"),
    // A broker that comes back is found within a second: a transaction does not live much longer.
    ("reconnect.backoff.max.ms", "1000"),
    ("socket.keepalive.enable", "true"),
    ("topic.metadata.refresh.interval.ms", "30000"),
];

const CONSUMER: &[(&str, &str)] = &[
    ("auto.offset.reset", "error"),
    ("check.crcs", "true"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("enable.partition.eof", "true"),
    ("isolation.level", "read_committed"),
    // A full queue is retried soon: the default of a second would starve a fast pipeline.
    ("fetch.queue.backoff.ms", "10"),
    ("queued.max.messages.kbytes", "16384"),
    ("queued.min.messages", "10000"),
];

/// The size of a batch unless the property `batch.size` sets another: librdkafka's default.
const DEFAULT_BATCH_BYTES: usize = 1_000_000;

/// A broker reports the end of a partition only after it has waited this long for more.
const READER: &[(&str, &str)] = &[("fetch.wait.max.ms", "50")];

const MEMBER: &[(&str, &str)] = &[
    ("group.protocol", "classic"),
    ("partition.assignment.strategy", "range"),
    ("session.timeout.ms", "10000"),
    ("heartbeat.interval.ms", "1000"),
];

const PRODUCER: &[(&str, &str)] =
    &[("acks", "all"), ("linger.ms", "1"), ("message.timeout.ms", "8000"), ("queue.buffering.max.kbytes", "65536")];

/// A retried record is written once; everything sent becomes visible together.
const TRANSACTIONS: &[(&str, &str)] = &[("enable.idempotence", "true"), (TRANSACTION_TIMEOUT, TRANSACTION_TIMEOUT_MS)];

/// The property that limits a transaction.
pub(super) const TRANSACTION_TIMEOUT: &str = "transaction.timeout.ms";

/// A retried record is written once, as far as the brokers remember the producer.
const AT_LEAST_ONCE: &[(&str, &str)] = &[("enable.idempotence", "true")];

/// No record is retried: it is not known whether the first attempt arrived.
const AT_MOST_ONCE: &[(&str, &str)] = &[("enable.idempotence", "false"), ("message.send.max.retries", "0")];

/// The property that lets a member keep its partitions over a restart.
const STATIC_MEMBER_ID: &str = "group.instance.id";

/// The property that names the rack of a client.
const RACK: &str = "client.rack";

/// Why a group that reads these topics together cannot have a rack.
#[must_use]
pub fn rack_refusal(group: &str, topics: &BTreeSet<&str>) -> String {
    let topics: Vec<String> = topics.iter().map(|t| format!("`{t}`")).collect();
    format!(
        "the Kafka property `{RACK}` cannot be set for pipeline `{group}`: it reads several topics ({}), and with racks the group can assign partitions with the same number to different instances",
        topics.join(", ")
    )
}

fn canonical_name(name: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, known)| known)
}

impl Settings {
    /// Settings without security.
    pub fn new(brokers: impl Into<String>) -> Self {
        Self { brokers: brokers.into(), ..Self::default() }
    }

    /// Whether the password of the login is sent in clear text.
    #[must_use]
    pub fn sends_clear_password(&self) -> bool {
        let config = self.base_config(&[]);
        let is = |name: &str, value: &str| config.get(name).is_some_and(|v| v.eq_ignore_ascii_case(value));
        is("security.protocol", "sasl_plaintext") && is("sasl.mechanism", "PLAIN")
    }

    /// Whether the clients know their rack, which range assignment takes into account.
    #[must_use]
    pub fn has_rack(&self) -> bool {
        self.base_config(&[]).get(RACK).is_some_and(|rack| !rack.is_empty())
    }

    /// Refuses what cannot work, before any connection is made.
    ///
    /// # Errors
    /// The first property that librdkafka or Kafka would refuse, or that would break a guarantee.
    pub fn check(&self) -> Result<(), SettingsError> {
        if self.brokers.split(',').all(|b| b.trim().is_empty()) {
            let text = "no broker is named: add `--brokers HOST:PORT`".into();
            return Err(SettingsError { property: Some("bootstrap.servers".into()), text });
        }
        for (name, value) in &self.properties {
            let known = canonical_name(name.trim());
            if let Some((_, why)) = FIXED_PROPERTIES.iter().find(|(fixed, _)| *fixed == known) {
                let text = format!("the Kafka property `{name}` cannot be set: {why}");
                return Err(SettingsError { property: Some(name.clone()), text });
            }
            if let Err(why) = client_names::check(known, value) {
                let text = format!("the Kafka property `{name}` cannot have this value: {why}");
                return Err(SettingsError { property: Some(name.clone()), text });
            }
        }
        self.base_config(&[]).create_native_config().map(drop).map_err(|e| self.refused_property(&e))
    }

    /// The error for a refused property, without the value of one that may be secret.
    pub(super) fn property_error(&self, error: &rdkafka::error::KafkaError) -> LogError {
        self.refused_property(error).into()
    }

    fn refused_property(&self, error: &rdkafka::error::KafkaError) -> SettingsError {
        use rdkafka::error::KafkaError as E;
        let property = if let E::ClientConfig(_, _, name, _) = error { Some(name.clone()) } else { None };
        let text = match error {
            E::ClientConfig(_, why, name, _) if is_secret(name) => {
                format!("the Kafka property `{name}` is refused: {}", why.replace(&self.value(name), "…"))
            }
            E::ClientConfig(_, why, name, value) => {
                format!("the Kafka property `{name}` cannot be `{value}`: {why}")
            }
            E::ClientCreation(why) => format!("the Kafka settings do not fit together: {why}"),
            other => format!("the Kafka settings are refused: {other}"),
        };
        SettingsError { property, text }
    }

    fn value(&self, name: &str) -> String {
        self.base_config(&[]).get(name).filter(|v| !v.is_empty()).unwrap_or("\u{0}").to_owned()
    }

    /// A client of any kind: defaults, then security, then properties, then what is fixed.
    fn base_config(&self, fixed: &[&[(&str, &str)]]) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (name, value) in CLIENT_DEFAULTS.iter().chain(fixed.iter().copied().flatten()) {
            config.set(*name, *value);
        }
        self.set_security(&mut config);
        for (name, value) in &self.properties {
            config.set(canonical_name(name.trim()), value);
        }
        for (name, value) in fixed.iter().copied().flatten() {
            if FIXED_PROPERTIES.iter().any(|(f, _)| f == name) {
                config.set(*name, *value);
            }
        }
        config.set("bootstrap.servers", &self.brokers);
        // Only a group member may have it.
        config.remove(STATIC_MEMBER_ID);
        // `context` reads the ids of topics from these log lines.
        let debug =
            config.get("debug").filter(|d| !d.is_empty()).map_or("metadata".into(), |d| format!("{d},metadata"));
        config.set("debug", debug);
        config.set_log_level(RDKafkaLogLevel::Debug);
        config
    }

    fn set_security(&self, config: &mut ClientConfig) {
        let protocol = match (&self.tls, &self.sasl) {
            (None, None) => return,
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        config.set("security.protocol", protocol);
        if let Some(tls) = &self.tls {
            let paths = [
                ("ssl.ca.location", &tls.ca),
                ("ssl.certificate.location", &tls.certificate),
                ("ssl.key.location", &tls.key),
            ];
            for (name, path) in paths {
                if let Some(path) = path {
                    config.set(name, path.to_string_lossy());
                }
            }
            if let Some(password) = &tls.key_password {
                config.set("ssl.key.password", password);
            }
        }
        if let Some(sasl) = &self.sasl {
            config.set("sasl.mechanism", &sasl.mechanism);
            config.set("sasl.username", &sasl.username);
            config.set("sasl.password", &sasl.password);
        }
    }

    /// A client that asks about topics and bounds. It reads uncommitted records: the end of a partition is its high
    /// watermark.
    pub(super) fn for_queries(&self) -> ClientConfig {
        let mut config = self.base_config(&[CONSUMER]);
        config.set("isolation.level", "read_uncommitted");
        config
    }

    /// A client that changes topics. Nobody reads its log lines, so it must not write any.
    pub(super) fn for_admin(&self) -> ClientConfig {
        let mut config = self.base_config(&[]);
        config.remove("debug");
        config.set_log_level(RDKafkaLogLevel::Emerg);
        config
    }

    /// A client that reads given partitions, or asks for the committed offsets of a group.
    pub(super) fn for_reader(&self, group: &str) -> ClientConfig {
        self.consumer_config(READER, group)
    }

    /// A client that is a member of a group. A static member keeps its partitions over a restart.
    pub(super) fn for_member(&self, group: &str) -> ClientConfig {
        let mut config = self.consumer_config(MEMBER, group);
        if let Some((_, id)) = self.properties.iter().rfind(|(name, _)| name.trim() == STATIC_MEMBER_ID) {
            config.set(STATIC_MEMBER_ID, id);
        }
        config
    }

    fn consumer_config(&self, role: &[(&str, &str)], group: &str) -> ClientConfig {
        let mut config = self.base_config(&[CONSUMER, role]);
        config.set("group.id", group);
        #[cfg(feature = "failpoints")]
        if self.read_uncommitted {
            config.set("isolation.level", "read_uncommitted");
        }
        config
    }

    /// Largest record that a producer accepts.
    pub(super) fn max_record_bytes(&self) -> usize {
        self.base_config(&[]).get("message.max.bytes").and_then(|v| v.parse().ok()).unwrap_or(1_000_000)
    }

    /// How long a transaction may take before the coordinator undoes it.
    pub(super) fn transaction_timeout(&self) -> Option<Duration> {
        let timeout = self.base_config(&[TRANSACTIONS]).get(TRANSACTION_TIMEOUT)?.parse().ok()?;
        Some(Duration::from_millis(timeout))
    }

    /// A client that writes, in batches of at most so many bytes.
    pub(super) fn for_producer(&self, mode: &WriteMode, max_batch_bytes: usize) -> ClientConfig {
        let mut config = self.producer_config(mode);
        let batch_size = config.get("batch.size").and_then(|v| v.parse().ok()).unwrap_or(DEFAULT_BATCH_BYTES);
        if max_batch_bytes < batch_size {
            config.set("batch.size", max_batch_bytes.max(1).to_string());
        }
        config
    }

    fn producer_config(&self, mode: &WriteMode) -> ClientConfig {
        match mode {
            WriteMode::Transactions(id) => {
                let mut config = self.base_config(&[PRODUCER, TRANSACTIONS]);
                config.set("transactional.id", id);
                config
            }
            WriteMode::AtLeastOnce => self.base_config(&[PRODUCER, AT_LEAST_ONCE]),
            WriteMode::AtMostOnce => {
                let mut config = self.base_config(&[PRODUCER, AT_MOST_ONCE]);
                // Whatever a property says.
                for (name, value) in AT_MOST_ONCE {
                    config.set(*name, *value);
                }
                config
            }
        }
    }
}

fn is_secret(name: &str) -> bool {
    ["password", "secret", ".pem", "jaas", "username", "oauthbearer"].iter().any(|word| name.contains(word))
}
