//! The connection to Kafka as it is written in a pipeline file.
//!
//! Secrets are kept as [`Secret`], which no message shows.

use super::Name;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// `kafka: {brokers: …, security: …, topics: …}`.
#[derive(Clone, Debug)]
pub struct Kafka {
    /// Bootstrap servers, separated by commas.
    pub brokers: Name,
    /// Encryption and login; `None`: neither.
    pub security: Option<Security>,
    /// How topics are made.
    pub topics: TopicCreation,
}

/// `topics: {replication: …, retention: …, config: …, create: …}`: how the topics of a pipeline are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicCreation {
    /// How many brokers keep each partition; `None`: as many as the cluster's default says.
    pub replication: Option<u32>,
    /// How long outputs and dead letters are kept.
    pub kept: KeptFor,
    /// Further settings by the names that Kafka gives them.
    pub config: BTreeMap<String, String>,
    /// Whether missing topics are made; otherwise each is an error.
    pub create: bool,
}

impl Default for TopicCreation {
    fn default() -> Self {
        Self { replication: None, kept: KeptFor::default(), config: BTreeMap::new(), create: true }
    }
}

/// How long the records of a topic are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeptFor {
    /// As its kind needs.
    #[default]
    Unsaid,
    /// For ever.
    Ever,
    /// At least this long.
    Time(Duration),
}

/// `security: {tls: …, sasl: …}`.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// Encryption, if any.
    pub tls: Option<Tls>,
    /// Login, if any.
    pub sasl: Option<Sasl>,
}

/// `tls: {ca: …, certificate: …, key: …, key_password: …}`, or `tls: true`. Paths are as written.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Certificates of the trusted authorities; default: the system's.
    pub ca: Option<PathBuf>,
    /// The client's certificate.
    pub certificate: Option<PathBuf>,
    /// The client's private key.
    pub key: Option<PathBuf>,
    /// The password of the key.
    pub key_password: Option<Secret>,
}

/// `sasl: {mechanism: …, username: …, password: …}`.
#[derive(Clone, Debug)]
pub struct Sasl {
    /// The mechanism, by Kafka's name.
    pub mechanism: String,
    /// The user.
    pub username: Secret,
    /// The user's password.
    pub password: Secret,
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, to be sent to a broker.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
