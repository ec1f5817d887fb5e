//! Which log a command works on: the one place that decides between the embedded log and Kafka.
//!
//! Separate so that no command knows which backplane it has. A flag beats the environment, which beats the
//! pipeline file.

use super::exit::WrongInput;
use super::global::Global;
use crate::log::Log;
use crate::log::embedded::EmbeddedLog;
use crate::log::kafka::{KafkaLog, Sasl, Settings, Tls};
use crate::spec::Spec;
use std::path::Path;
use std::sync::Arc;

/// Opens the backplane that the options, the environment or the file name.
pub(super) fn open(global: &Global, spec: Option<&Spec>) -> anyhow::Result<Arc<dyn Log>> {
    open_with(global, settings(global, spec)?.as_ref())
}

/// Opens Kafka with these settings, or the embedded log without any.
pub(super) fn open_with(global: &Global, kafka: Option<&Settings>) -> anyhow::Result<Arc<dyn Log>> {
    match kafka {
        Some(settings) => Ok(Arc::new(KafkaLog::connect(settings)?)),
        None => Ok(Arc::new(EmbeddedLog::open(&global.data_dir)?)),
    }
}

/// The same, for a look that must not make a log where there is none.
pub(super) fn open_existing(global: &Global, spec: Option<&Spec>) -> anyhow::Result<Arc<dyn Log>> {
    match settings(global, spec)? {
        Some(settings) => Ok(Arc::new(KafkaLog::connect(&settings)?)),
        None => Ok(Arc::new(EmbeddedLog::open_existing(&global.data_dir)?)),
    }
}

/// How to reach Kafka, where it is wanted.
pub(super) fn settings(global: &Global, spec: Option<&Spec>) -> anyhow::Result<Option<Settings>> {
    let file = spec.and_then(|s| Some((s, s.kafka.as_ref()?)));
    let brokers = global.brokers.clone().or_else(|| file.map(|(_, k)| k.brokers.value.clone()));
    let Some(brokers) = brokers else {
        let without = match (global.kafka.is_empty(), &global.kafka_config) {
            (false, _) => "--kafka",
            (true, Some(_)) => "--kafka-config",
            (true, None) => return Ok(None),
        };
        let hint = "add `--brokers HOST:PORT`, or leave it out to use the embedded log";
        return Err(WrongInput::new(format!("`{without}` says how to reach Kafka, but not where it is"))
            .hint(hint)
            .into());
    };
    let mut settings = Settings { brokers, ..Settings::default() };
    if let Some((spec, security)) = file.and_then(|(spec, kafka)| Some((spec, kafka.security.as_ref()?))) {
        settings.tls = security.tls.as_ref().map(|tls| Tls {
            ca: tls.ca.as_ref().map(|p| spec.base.join(p)),
            certificate: tls.certificate.as_ref().map(|p| spec.base.join(p)),
            key: tls.key.as_ref().map(|p| spec.base.join(p)),
            key_password: tls.key_password.as_ref().map(|s| s.expose().to_owned()),
        });
        settings.sasl = security.sasl.as_ref().map(|sasl| Sasl {
            mechanism: sasl.mechanism.clone(),
            username: sasl.username.expose().to_owned(),
            password: sasl.password.expose().to_owned(),
        });
    }
    if let Some(path) = &global.kafka_config {
        settings.properties = properties(path)?;
    }
    settings.properties.extend(global.kafka.iter().cloned());
    Ok(Some(settings))
}

/// A file of properties as Kafka's own tools read it: `key=value` lines, `#` before remarks.
fn properties(path: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let wrong = |message: String| WrongInput::new(message).hint("write `key=value` lines; `#` begins a remark");
    let text = std::fs::read_to_string(path)
        .map_err(|e| wrong(format!("the file of properties `{}` cannot be read: {e}", path.display())))?;
    let mut all = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        match line.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
            Some((key, value)) if !key.is_empty() => all.push((key.to_owned(), value.to_owned())),
            // The line is not shown: it may hold a password.
            _ => return Err(wrong(format!("{}:{number}: no `=` after the name of a property", path.display())).into()),
        }
    }
    Ok(all)
}
