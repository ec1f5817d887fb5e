//! The versions on a models topic, with the state that the topic gives each of them.
//!
//! It keeps descriptors without the bytes of the models: a topic may hold more of them than fit into memory.

use crate::cli::read_topic;
use crate::log::Log;
use crate::models::{Activation, Content, ModelDescriptor, serving_versions};
use crate::record::{Offset, TopicPartition};
use crate::time::rfc3339;
use arrow_array::Array as _;
use serde_json::{Value, json};

/// One record of a models topic.
#[derive(Debug)]
pub(in crate::cli) struct ModelVersion {
    pub(super) at: TopicPartition,
    pub(super) offset: Offset,
    pub(super) timestamp: i64,
    pub(super) state: PublishedState,
    /// The size of the model; `None` if the record only has its location.
    pub(super) bytes: Option<u64>,
    /// The descriptor without the bytes of the model, or why it cannot be decoded.
    pub(super) descriptor: Result<ModelDescriptor, String>,
}

/// The state of a version according to the topic. Instances may still reject a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PublishedState {
    Serving,
    Replaced,
    Held,
    Unreadable,
}

impl PublishedState {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Replaced => "replaced",
            Self::Held => "held",
            Self::Unreadable => "unreadable",
        }
    }
}

impl ModelVersion {
    /// Whether it is the version that serves a data type.
    pub(in crate::cli) fn serves(&self, data_type: &str) -> bool {
        let serves = |d: &ModelDescriptor| d.served_as() == data_type;
        self.state == PublishedState::Serving && self.descriptor.as_ref().is_ok_and(serves)
    }

    /// The publication time in the descriptor, or else the timestamp of the record.
    pub(super) fn published_at(&self) -> String {
        let declared = self.descriptor.as_ref().map_or(0, |d| d.published_at);
        rfc3339(if declared == 0 { self.timestamp } else { declared })
    }

    /// The version as a JSON object.
    pub(super) fn summary(&self) -> Value {
        match &self.descriptor {
            Ok(d) => json!({
                "model": d.name,
                "version": self.offset,
                "data_type": d.served_as(),
                "state": self.state.name(),
                "format": d.format().ok().map(|f| f.to_string()),
                "description": d.description,
                "bytes": self.bytes,
                "location": match &d.content { Some(Content::Location(location)) => Some(location), _ => None },
                "published_at": self.published_at(),
            }),
            Err(error) => json!({
                "version": self.offset,
                "state": self.state.name(),
                "error": error,
                "published_at": self.published_at(),
            }),
        }
    }
}

/// Reads every version on a topic, oldest first; none if the topic does not exist.
pub(in crate::cli) fn read_versions(log: &dyn Log, topic: &str) -> anyhow::Result<Vec<ModelVersion>> {
    let mut versions = Vec::new();
    let Some(info) = log.topics(Some(topic))?.pop() else { return Ok(versions) };
    read_topic::read_all(log, &info, |fetched| {
        for row in (0..fetched.offsets.len()).filter(|row| fetched.records.values.is_valid(*row)) {
            let mut descriptor = ModelDescriptor::read(fetched.records.values.value(row)).map_err(|e| e.to_string());
            let content = descriptor.as_mut().ok().and_then(|d| d.content.as_mut());
            let bytes = match content {
                Some(Content::Data(data)) => Some(std::mem::take(data).len() as u64),
                Some(Content::Location(_)) | None => None,
            };
            versions.push(ModelVersion {
                at: (*fetched.origin).clone(),
                offset: Offset(fetched.offsets[row]),
                timestamp: fetched.records.timestamps[row],
                state: PublishedState::Unreadable,
                bytes,
                descriptor,
            });
        }
        Ok(())
    })?;
    set_states(&mut versions);
    Ok(versions)
}

fn set_states(versions: &mut [ModelVersion]) {
    let serving = serving_versions(versions.iter().filter_map(|v| Some((v.offset, v.descriptor.as_ref().ok()?))));
    for version in versions {
        let Ok(descriptor) = &version.descriptor else { continue };
        version.state = match descriptor.activates() {
            Ok(Activation::Serve) if serving.get(descriptor.served_as()) == Some(&version.offset) => {
                PublishedState::Serving
            }
            Ok(Activation::Serve) => PublishedState::Replaced,
            Ok(Activation::Hold) => PublishedState::Held,
            Err(_) => PublishedState::Unreadable,
        };
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::models::ModelFormat;

    fn version(offset: i64, name: &str, data_type: &str, activation: Activation) -> ModelVersion {
        let mut descriptor = ModelDescriptor::of(name, data_type, ModelFormat::Onnx, vec![1]);
        descriptor.activation = activation.into();
        ModelVersion {
            at: TopicPartition::new("models", 0),
            offset: Offset(offset),
            timestamp: 0,
            state: PublishedState::Unreadable,
            bytes: Some(1),
            descriptor: Ok(descriptor),
        }
    }

    /// Three versions for `wine`, one for `beer`, and a record that cannot be decoded.
    pub(in crate::cli::models) fn sample() -> Vec<ModelVersion> {
        let garbage = ModelVersion { descriptor: Err("no".into()), ..version(1, "", "", Activation::Serve) };
        let mut versions = vec![
            version(0, "a", "wine", Activation::Serve),
            garbage,
            version(2, "b", "wine", Activation::Serve),
            version(3, "c", "wine", Activation::Hold),
            version(4, "d", "beer", Activation::Serve),
        ];
        set_states(&mut versions);
        versions
    }

    #[test]
    fn the_newest_version_published_to_serve_serves() {
        let versions = sample();
        let states: Vec<_> = versions.iter().map(|v| v.state.name()).collect();
        assert_eq!(states, ["replaced", "unreadable", "serving", "held", "serving"]);
        let serves: Vec<_> = versions.iter().map(|v| v.serves("wine")).collect();
        assert_eq!(serves, [false, false, true, false, false]);
    }
}
