//! Publishes the two models of the demo.

use crate::cli::publish_model;
use crate::log::Log;
use crate::models::{ModelDescriptor, ModelFormat};
use crate::runtime::MODELS_TOPIC;
use crate::time::{Clock as _, SystemClock};

/// A model that is part of the program.
pub(super) struct BuiltInModel {
    format: ModelFormat,
    description: &'static str,
    content: &'static [u8],
}

/// The model that serves first.
pub(super) const FIRST: BuiltInModel = BuiltInModel {
    format: ModelFormat::Tensorflow,
    description: "grades wines, trained first",
    content: include_bytes!("../../../examples/wine/wine.pb"),
};

/// The model that takes over.
pub(super) const SECOND: BuiltInModel = BuiltInModel {
    format: ModelFormat::Onnx,
    description: "grades wines, trained on noisier samples",
    content: include_bytes!("../../../examples/models/wine.onnx"),
};

/// Publishes a model for the data type `wine`.
pub(super) fn publish(log: &dyn Log, model: &BuiltInModel) -> anyhow::Result<()> {
    let now = SystemClock.now();
    let mut descriptor = ModelDescriptor::of("wine", "wine", model.format, model.content.to_vec());
    descriptor.description = model.description.into();
    descriptor.published_at = now;
    publish_model::append(log, MODELS_TOPIC, &descriptor, now).map(drop)
}
