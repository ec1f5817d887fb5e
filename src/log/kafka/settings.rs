//! How to reach Kafka: brokers, security, properties, and what no property may change.
//!
//! Separate because every client of this module is made from one [`Settings`], so that a rule holds for all
//! of them or for none. It never shows a secret, and it opens no connection.

use super::producer::Mode;
use crate::faults::{self, Mistake};
use crate::log::{LogError, LogResult};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use std::fmt;
use std::path::PathBuf;

/// Longest life of an open transaction: what a dead instance has begun holds readers back for no longer.
const TRANSACTION_TIMEOUT_MS: &str = "10000";

/// Encryption of the connections. Paths are of PEM files.
#[derive(Clone, Default)]
pub struct Tls {
    /// Certificates of the authorities to trust; default the system's.
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
pub struct Sasl {
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub mechanism: String,
    /// Who logs in.
    pub username: String,
    /// With which password.
    pub password: String,
}

/// All that is needed to reach a cluster.
#[derive(Clone, Default)]
pub struct Settings {
    /// Bootstrap servers, `host:port`, separated by commas.
    pub brokers: String,
    /// Encryption, where it is asked for.
    pub tls: Option<Tls>,
    /// Login, where it is asked for.
    pub sasl: Option<Sasl>,
    /// Properties of librdkafka; a later one wins over an earlier one, and over the two above.
    pub properties: Vec<(String, String)>,
}

/// What is shown is the brokers and the names of the properties, never a value: any may be a secret.
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

/// Properties that decide whether every record counts exactly once, with what they would break.
const FIXED: &[(&str, &str)] = &[
    ("acks", "a record counts as written only when all replicas have it"),
    ("allow.auto.create.topics", "a topic with a mistyped name would come into being"),
    ("auto.offset.reset", "a position that is gone is an error, never a silent jump"),
    ("bootstrap.servers", "say `--brokers` or `kafka: {brokers: …}`"),
    ("check.crcs", "damaged records would be taken for good ones"),
    ("enable.auto.commit", "positions move in the same transaction as the results, never on their own"),
    ("enable.auto.offset.store", "positions move in the same transaction as the results, never on their own"),
    ("enable.gapless.guarantee", "the transaction already decides what is written"),
    ("enable.idempotence", "without it a record that is sent again is there twice"),
    ("enable.partition.eof", "the end of a partition is how a restart knows that its state is complete"),
    ("group.id", "the group is named after the pipeline: change its `name:`"),
    ("group.protocol", "the partitions of all inputs must be handed over together"),
    ("isolation.level", "results of transactions that were undone would be read"),
    ("log.queue", "log lines are read by fastdata"),
    ("offset.store.method", "positions are kept by the brokers, in the transaction of the results"),
    ("partition.assignment.strategy", "partitions with the same number must meet in one instance"),
    ("transactional.id", "it is made of the pipeline's name, so that a restart ends what was left open"),
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

/// What each client has unless a property says otherwise; group, transaction and reading come on top.
const DEFAULTS: &[(&str, &str)] = &[
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
    // A full queue is looked at again soon: the default of a second would starve a fast pipeline.
    ("fetch.queue.backoff.ms", "10"),
    ("queued.max.messages.kbytes", "16384"),
    ("queued.min.messages", "10000"),
];

/// Who reads to an end hears that it is reached only when a broker has waited in vain for more.
const READER: &[(&str, &str)] = &[("fetch.wait.max.ms", "50")];

const MEMBER: &[(&str, &str)] = &[
    ("group.protocol", "classic"),
    ("partition.assignment.strategy", "range"),
    ("session.timeout.ms", "10000"),
    ("heartbeat.interval.ms", "1000"),
];

const PRODUCER: &[(&str, &str)] =
    &[("acks", "all"), ("linger.ms", "1"), ("message.timeout.ms", "8000"), ("queue.buffering.max.kbytes", "65536")];

/// A record that is sent again is there once; all that a producer has sent becomes visible together.
const TRANSACTIONS: &[(&str, &str)] =
    &[("enable.idempotence", "true"), ("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS)];

/// A record that is sent again is there once, as far as the brokers remember the producer.
const AT_LEAST_ONCE: &[(&str, &str)] = &[("enable.idempotence", "true")];

/// No record is sent again: it is not known whether the first one has arrived.
const AT_MOST_ONCE: &[(&str, &str)] = &[("enable.idempotence", "false"), ("message.send.max.retries", "0")];

/// The id under which a member is known again after a restart.
const STATIC: &str = "group.instance.id";

fn known_name(name: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, known)| known)
}

impl Settings {
    /// Settings without security.
    pub fn new(brokers: impl Into<String>) -> Self {
        Self { brokers: brokers.into(), ..Self::default() }
    }

    /// Refuses what cannot work, before any connection is tried.
    pub(super) fn check(&self) -> LogResult<()> {
        if self.brokers.split(',').all(|b| b.trim().is_empty()) {
            return Err(LogError::Unusable("no broker is named: say `--brokers HOST:PORT`".into()));
        }
        for (name, _) in &self.properties {
            let known = known_name(name.trim());
            if let Some((_, why)) = FIXED.iter().find(|(fixed, _)| *fixed == known) {
                return Err(LogError::Unusable(format!("the Kafka property `{name}` cannot be set: {why}")));
            }
        }
        self.client(&[]).create_native_config().map(drop).map_err(|e| self.refused(&e))
    }

    /// What is wrong with a property, without the value of one that may be secret.
    pub(super) fn refused(&self, error: &rdkafka::error::KafkaError) -> LogError {
        use rdkafka::error::KafkaError as E;
        LogError::Unusable(match error {
            E::ClientConfig(_, why, name, _) if is_secret(name) => {
                format!("the Kafka property `{name}` is refused: {}", why.replace(&self.value(name), "…"))
            }
            E::ClientConfig(_, why, name, value) => {
                format!("the Kafka property `{name}` cannot be `{value}`: {why}")
            }
            E::ClientCreation(why) => format!("the settings of Kafka do not fit together: {why}"),
            other => format!("the settings of Kafka are refused: {other}"),
        })
    }

    fn value(&self, name: &str) -> String {
        self.client(&[]).get(name).filter(|v| !v.is_empty()).unwrap_or("\u{0}").to_owned()
    }

    /// A client of any kind: defaults, then security, then properties, then what is fixed.
    fn client(&self, fixed: &[&[(&str, &str)]]) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (name, value) in DEFAULTS.iter().chain(fixed.iter().copied().flatten()) {
            config.set(*name, *value);
        }
        self.secure(&mut config);
        for (name, value) in &self.properties {
            config.set(known_name(name.trim()), value);
        }
        for (name, value) in fixed.iter().copied().flatten() {
            if FIXED.iter().any(|(f, _)| f == name) {
                config.set(*name, *value);
            }
        }
        config.set("bootstrap.servers", &self.brokers);
        // Only a member of a group can have it.
        config.remove(STATIC);
        // What the identity of a topic is known by: see `context`.
        let debug =
            config.get("debug").filter(|d| !d.is_empty()).map_or("metadata".into(), |d| format!("{d},metadata"));
        config.set("debug", debug);
        config.set_log_level(RDKafkaLogLevel::Debug);
        config
    }

    fn secure(&self, config: &mut ClientConfig) {
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

    /// A client that asks about topics and bounds. It sees what is not committed yet: the end of a
    /// partition is its high watermark.
    pub(super) fn control(&self) -> ClientConfig {
        let mut config = self.client(&[CONSUMER]);
        config.set("isolation.level", "read_uncommitted");
        config
    }

    /// A client that changes topics. Nobody reads its log lines, so it must not make any.
    pub(super) fn admin(&self) -> ClientConfig {
        let mut config = self.client(&[]);
        config.remove("debug");
        config.set_log_level(RDKafkaLogLevel::Emerg);
        config
    }

    /// A client that reads given partitions, or asks for the positions of a group.
    pub(super) fn reader(&self, group: &str) -> ClientConfig {
        let mut config = self.client(&[CONSUMER, READER]);
        config.set("group.id", group);
        see_all(&mut config);
        config
    }

    /// A client that is a member of a group. One with an id of its own keeps its partitions over a restart.
    pub(super) fn member(&self, group: &str) -> ClientConfig {
        let mut config = self.client(&[CONSUMER, MEMBER]);
        config.set("group.id", group);
        if let Some((_, id)) = self.properties.iter().rfind(|(name, _)| name.trim() == STATIC) {
            config.set(STATIC, id);
        }
        see_all(&mut config);
        config
    }

    /// Largest record that a producer takes.
    pub(super) fn largest(&self) -> usize {
        self.client(&[]).get("message.max.bytes").and_then(|v| v.parse().ok()).unwrap_or(1_000_000)
    }

    /// A client that writes.
    pub(super) fn producer(&self, mode: &Mode) -> ClientConfig {
        match mode {
            Mode::Transactions(id) => {
                let mut config = self.client(&[PRODUCER, TRANSACTIONS]);
                config.set("transactional.id", id);
                config
            }
            Mode::AtLeastOnce => self.client(&[PRODUCER, AT_LEAST_ONCE]),
            Mode::AtMostOnce => {
                let mut config = self.client(&[PRODUCER, AT_MOST_ONCE]);
                // Whatever a property says.
                for (name, value) in AT_MOST_ONCE {
                    config.set(*name, *value);
                }
                config
            }
        }
    }
}

/// What a test may want wrong.
fn see_all(config: &mut ClientConfig) {
    if faults::planted(Mistake::ReadUncommitted) {
        config.set("isolation.level", "read_uncommitted");
    }
}

fn is_secret(name: &str) -> bool {
    ["password", "secret", ".pem", "jaas", "username", "oauthbearer"].iter().any(|word| name.contains(word))
}
