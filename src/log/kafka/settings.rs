//! How to reach Kafka: brokers, security, properties, and what no property may change.
//!
//! Every client of this module is created from one [`Settings`], so that a rule holds for all of them or for none.
//! It never shows a secret and opens no connection.

use super::client_names;
use super::defaults::{
    ALIASES, AT_LEAST_ONCE, AT_MOST_ONCE, CLIENT_DEFAULTS, CONSUMER, DEFAULT_BATCH_BYTES, FIXED_PROPERTIES, MEMBER,
    MESSAGE_TIMEOUT, PRODUCER, READER, TRANSACTION_TIMEOUT, TRANSACTIONS,
};
use super::write_mode::WriteMode;
use crate::log::{CommitTimeout, LogError};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// Properties that name a file; the first may be a folder too.
const FILE_PROPERTIES: [&str; 5] =
    ["ssl.ca.location", "ssl.certificate.location", "ssl.crl.location", "ssl.key.location", "ssl.keystore.location"];

/// Lets librdkafka look for the certificates of the system.
const PROBE: &str = "probe";

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
    /// Whether uncommitted records are read: a mistake that a test plants.
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
        Self::InvalidSettings(error.text)
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

/// The property that lets a member keep its partitions over a restart.
const STATIC_MEMBER_ID: &str = "group.instance.id";

/// The property that names the rack of a client.
const RACK: &str = "client.rack";

/// The message that a group that reads several topics cannot have a rack.
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
        self.check_files()?;
        self.base_config(&[]).create_native_config().map(drop).map_err(|e| self.refused_property(&e))?;
        self.check_order(MESSAGE_TIMEOUT, TRANSACTION_TIMEOUT)?;
        self.check_order("session.timeout.ms", "max.poll.interval.ms")
    }

    /// Refuses a property that names a file which cannot be read. The client would look only when it connects with TLS.
    fn check_files(&self) -> Result<(), SettingsError> {
        for (name, path) in &self.properties {
            let is_file = FILE_PROPERTIES.contains(&canonical_name(name.trim()));
            if !is_file || path.is_empty() || path == PROBE {
                continue;
            }
            if let Err(e) = std::fs::File::open(path) {
                let text = format!("the Kafka property `{name}` cannot be `{path}`: {e}");
                return Err(SettingsError { property: Some(name.clone()), text });
            }
        }
        Ok(())
    }

    /// Refuses a timeout that is longer than the one that must contain it: librdkafka would not create such a client.
    fn check_order(&self, inner: &str, outer: &str) -> Result<(), SettingsError> {
        let (inner_time, outer_time) = (self.milliseconds(inner), self.milliseconds(outer));
        // The default of `message.timeout.ms` is lowered to a shorter transaction timeout.
        if inner_time <= outer_time || (inner == MESSAGE_TIMEOUT && !self.sets(inner)) {
            return Ok(());
        }
        let text = format!(
            "the Kafka property `{inner}` ({inner_time:?}) must not be longer than `{outer}` ({outer_time:?}): change both"
        );
        let set = if self.sets(inner) { inner } else { outer };
        Err(SettingsError { property: Some(set.to_owned()), text })
    }

    fn sets(&self, property: &str) -> bool {
        self.properties.iter().any(|(name, _)| canonical_name(name.trim()) == property)
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

    /// A client of any kind: defaults, then security, then the user's properties, then fixed properties.
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

    /// A client that queries topics and bounds. It reads uncommitted records: the end of a partition is its high
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

    /// A client that reads given partitions, or queries the committed offsets of a group.
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

    /// How long a commit may take: the coordinator undoes a transaction that takes longer, and the client one whose
    /// records take longer to arrive.
    pub(super) fn commit_timeout(&self) -> CommitTimeout {
        let after = self.transaction_timeout().min(self.milliseconds(MESSAGE_TIMEOUT));
        CommitTimeout { after, setting: "`transaction.timeout.ms` and `message.timeout.ms`" }
    }

    /// After how long the coordinator undoes a transaction.
    pub(super) fn transaction_timeout(&self) -> Duration {
        self.milliseconds(TRANSACTION_TIMEOUT)
    }

    fn milliseconds(&self, name: &str) -> Duration {
        let config = self.base_config(&[MEMBER, PRODUCER, TRANSACTIONS]);
        Duration::from_millis(config.get(name).and_then(|v| v.parse().ok()).unwrap_or(u64::from(u32::MAX)))
    }

    /// A client that writes in batches of at most `max_batch_bytes`.
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
                if !self.sets(MESSAGE_TIMEOUT) {
                    config.set(MESSAGE_TIMEOUT, self.commit_timeout().after.as_millis().to_string());
                }
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
