//! The connection to Kafka as a pipeline file writes it.
//!
//! Separate from the rest of the tree because it holds secrets: [`Secret`] shows itself in no message.

use super::Name;
use std::fmt;
use std::path::PathBuf;

/// `kafka: {brokers: …, security: …}`.
#[derive(Clone, Debug)]
pub struct Kafka {
    /// Bootstrap servers, separated by commas.
    pub brokers: Name,
    /// How to connect; `None`: without encryption or login.
    pub security: Option<Security>,
}

/// `security: {tls: …, sasl: …}`.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// Encryption, where it is asked for.
    pub tls: Option<Tls>,
    /// Login, where it is asked for.
    pub sasl: Option<Sasl>,
}

/// `tls: {ca: …, certificate: …, key: …, key_password: …}`, or `tls: true`. Paths are as written.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Certificates of the authorities to trust; default the system's.
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
    /// How to log in, by Kafka's name.
    pub mechanism: String,
    /// Who logs in.
    pub username: Secret,
    /// With which password.
    pub password: Secret,
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the one who must send it.
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
