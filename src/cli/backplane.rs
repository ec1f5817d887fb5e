//! Opens the log that a command works on: the embedded log or Kafka.
//!
//! No other file of the command line knows which of the two it is. A flag beats the environment, which beats
//! the pipeline file. Where Kafka is asked for by name, a missing address is an error and never another backplane.

use super::exit::UserError;
use super::global::{Backplane, DEFAULT_DATA_DIR, Global};
use crate::log::Log;
use crate::log::embedded::EmbeddedLog;
use crate::log::kafka::{self, KafkaLog, SaslSettings, Settings, TlsSettings};
#[cfg(feature = "failpoints")]
use crate::log::mistaken;
use crate::plan::Physical;
use crate::spec::{Spec, TopicCreation};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Once};

/// Opens the log that the options, the environment or the pipeline file select.
pub(super) fn open(global: &Global, spec: Option<&Spec>) -> anyhow::Result<Arc<dyn Log>> {
    open_with(global, settings(global, spec)?.as_ref())
}

/// Opens Kafka with `kafka`, or else the embedded log.
pub(super) fn open_with(global: &Global, kafka: Option<&Settings>) -> anyhow::Result<Arc<dyn Log>> {
    match kafka {
        Some(settings) => connect(settings),
        None => {
            check_folder(global)?;
            opened(EmbeddedLog::open(&global.data_dir)?)
        }
    }
}

/// Refuses a file where the folder of the embedded log should be.
pub(super) fn check_folder(global: &Global) -> Result<(), UserError> {
    match global.data_dir.ancestors().find(|path| path.is_file()) {
        Some(file) => Err(UserError::new(format!("`{}` is a file, not a folder", file.display()))
            .hint("name a folder for the embedded log with `--data-dir`")),
        None => Ok(()),
    }
}

/// Makes an open log shareable. With the feature `failpoints`, tests can plant mistakes in it.
fn opened(log: impl Log + 'static) -> anyhow::Result<Arc<dyn Log>> {
    let log: Arc<dyn Log> = Arc::new(log);
    #[cfg(feature = "failpoints")]
    let log = mistaken::wrap(log)?;
    Ok(log)
}

/// Connects to Kafka. It warns about a clear-text password once per process, however many pipelines that runs.
fn connect(settings: &Settings) -> anyhow::Result<Arc<dyn Log>> {
    static WARNED: Once = Once::new();
    if settings.sends_clear_password() {
        WARNED.call_once(|| tracing::warn!("{}", clear_password(settings)));
    }
    #[cfg(feature = "failpoints")]
    let settings = &mistaken::kafka_settings(settings);
    opened(KafkaLog::connect(settings)?)
}

/// The warning about a password that is sent in clear text.
pub(super) fn clear_password(settings: &Settings) -> String {
    format!(
        "the password for Kafka at {} is sent in clear text, because `sasl.mechanism` is PLAIN without TLS; use TLS or SCRAM-SHA-512",
        settings.brokers
    )
}

/// Refuses a rack where the pipeline reads several topics together.
pub(super) fn check_rack(global: &Global, spec: &Spec, plan: &Physical) -> anyhow::Result<()> {
    let topics: BTreeSet<&str> = plan.subs.iter().flat_map(|s| &s.inputs).map(|i| &**i.topic()).collect();
    match settings(global, Some(spec))? {
        Some(settings) if topics.len() > 1 && settings.has_rack() => {
            Err(UserError::new(kafka::rack_refusal(&plan.name, &topics))
                .hint("remove `client.rack`; only a pipeline that reads a single topic can use it")
                .into())
        }
        _ => Ok(()),
    }
}

/// Leaves out what the file says about topics of Kafka where the pipeline does not run on Kafka.
pub(super) fn fit_topics(plan: &mut Physical, kafka: Option<&Settings>) {
    if kafka.is_none() {
        plan.topics = TopicCreation::default();
    }
}

/// Like [`open`], but fails instead of creating an embedded log.
pub(super) fn open_existing(global: &Global, spec: Option<&Spec>) -> anyhow::Result<Arc<dyn Log>> {
    match settings(global, spec)? {
        Some(settings) => connect(&settings),
        None => {
            check_folder(global)?;
            opened(EmbeddedLog::open_existing(&global.data_dir)?)
        }
    }
}

/// The options with which another command finds the same log, each with a space before it.
pub(super) fn options(global: &Global, kafka: Option<&Settings>) -> String {
    match kafka {
        Some(settings) => format!(" --brokers {}", settings.brokers),
        None if global.data_dir.as_os_str() == DEFAULT_DATA_DIR => String::new(),
        None => format!(" --data-dir {}", global.data_dir.display()),
    }
}

/// How to reach Kafka; `None` selects the embedded log. What Kafka or its client would refuse is an error.
pub(super) fn settings(global: &Global, spec: Option<&Spec>) -> anyhow::Result<Option<Settings>> {
    let file = spec.and_then(|s| Some((s, s.kafka.as_ref()?)));
    let brokers = global.brokers.clone().or_else(|| file.map(|(_, k)| k.brokers.value.clone()));
    let chosen = global.backplane;
    let Some(brokers) = brokers.filter(|_| chosen != Some(Backplane::Embedded)) else {
        let option = match (chosen, global.kafka.is_empty(), &global.kafka_config) {
            (Some(Backplane::Embedded), ..) | (None, true, None) => return Ok(None),
            (Some(Backplane::Kafka), ..) => "--backplane kafka",
            (None, false, _) => "--kafka",
            (None, true, Some(_)) => "--kafka-config",
        };
        let hint = "add `--brokers HOST:PORT` or FASTDATA_BROKERS, or leave it out to use the embedded log";
        return Err(UserError::new(format!("`{option}` needs the address of Kafka")).hint(hint).into());
    };
    let mut settings = Settings { brokers, ..Settings::default() };
    if let Some((spec, security)) = file.and_then(|(spec, kafka)| Some((spec, kafka.security.as_ref()?))) {
        settings.tls = security.tls.as_ref().map(|tls| TlsSettings {
            ca: tls.ca.as_ref().map(|p| spec.base.join(p)),
            certificate: tls.certificate.as_ref().map(|p| spec.base.join(p)),
            key: tls.key.as_ref().map(|p| spec.base.join(p)),
            key_password: tls.key_password.as_ref().map(|s| s.expose().to_owned()),
        });
        settings.sasl = security.sasl.as_ref().map(|sasl| SaslSettings {
            mechanism: sasl.mechanism.clone(),
            username: sasl.username.expose().to_owned(),
            password: sasl.password.expose().to_owned(),
        });
    }
    let file =
        global.kafka_config.as_deref().map(|path| Ok::<_, anyhow::Error>((path, properties(path)?))).transpose()?;
    let (path, lines) = file.unwrap_or((Path::new(""), Vec::new()));
    settings.properties =
        lines.iter().map(|(_, property)| property.clone()).chain(global.kafka.iter().cloned()).collect();
    settings.check().map_err(|refused| {
        let is = |(name, _): &&(String, String)| refused.property.as_deref() == Some(name);
        // The last one wins, and those of the command line come last.
        let line = lines.iter().rfind(|(_, property)| is(&property)).map(|(line, _)| *line);
        match line.filter(|_| global.kafka.iter().find(is).is_none()) {
            Some(line) => UserError::new(format!("{}:{line}: {refused}", path.display())),
            None => UserError::new(refused.to_string()),
        }
    })?;
    Ok(Some(settings))
}

/// A property and its value, with the line of the file that has it.
type PropertyLine = (usize, (String, String));

/// Reads a properties file in the format of Kafka's own tools: `key=value` lines and `#` comments.
fn properties(path: &Path) -> anyhow::Result<Vec<PropertyLine>> {
    let invalid = |message: String| UserError::new(message).hint("write `key=value` lines; `#` starts a comment");
    let text = std::fs::read_to_string(path)
        .map_err(|e| invalid(format!("cannot read the properties file `{}`: {e}", path.display())))?;
    let mut properties = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        match line.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
            Some((key, value)) if !key.is_empty() => properties.push((number, (key.to_owned(), value.to_owned()))),
            // The message does not quote the line: it may contain a password.
            _ => return Err(invalid(format!("{}:{number}: no `=` after the property name", path.display())).into()),
        }
    }
    Ok(properties)
}
