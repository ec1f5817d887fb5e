//! The two models of the demo, and their way onto the models topic.

use crate::log::{Append, Log, LogError, TopicConfig};
use crate::models::{ModelDescriptor, ModelFormat};
use crate::record::{RecordsBuilder, TopicPartition};
use crate::runtime::MODELS_TOPIC;
use crate::time::{Clock as _, SystemClock};

/// A model that comes with the program.
pub(super) struct Shipped {
    format: ModelFormat,
    description: &'static str,
    content: &'static [u8],
}

/// What serves first.
pub(super) const FIRST: Shipped = Shipped {
    format: ModelFormat::Tensorflow,
    description: "grades wines, as trained first",
    content: include_bytes!("../../../examples/wine/wine.pb"),
};

/// What takes over.
pub(super) const SECOND: Shipped = Shipped {
    format: ModelFormat::Onnx,
    description: "grades wines, trained apart on noisier ones",
    content: include_bytes!("../../../examples/models/wine.onnx"),
};

/// Publishes a model for the data type `wine`, as `fastdata publish-model` does.
pub(super) fn publish(log: &dyn Log, model: &Shipped) -> Result<(), LogError> {
    match log.create_topic(MODELS_TOPIC, &TopicConfig { partitions: 1, ..TopicConfig::default() }) {
        Ok(()) | Err(LogError::TopicExists(_)) => {}
        Err(e) => return Err(e),
    }
    let now = SystemClock.now();
    let mut descriptor = ModelDescriptor::of("wine", "wine", model.format, model.content.to_vec());
    descriptor.description = model.description.into();
    descriptor.published_at = now;
    let mut records = RecordsBuilder::default();
    records.push(Some(b"wine"), Some(&descriptor.write()), now);
    let to = TopicPartition::new(MODELS_TOPIC, 0);
    log.appender()?.append(&[Append { to, records: records.finish() }]).map(drop)
}
