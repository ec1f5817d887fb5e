//! Which log a command works on: the one place that decides between the embedded log and Kafka.
//!
//! Separate so that no command knows which backplane it has.

use super::exit::WrongInput;
use super::global::Global;
use crate::log::Log;
use crate::log::embedded::EmbeddedLog;
use crate::spec::Spec;
use std::sync::Arc;

/// Opens the backplane that the options, the environment or the file name.
pub(super) fn open(global: &Global, spec: Option<&Spec>) -> anyhow::Result<Arc<dyn Log>> {
    if let Some(wish) = wish_for_kafka(global, spec) {
        let hint =
            format!("leave out {wish}: the embedded log in `{}` needs nothing installed", global.data_dir.display());
        return Err(WrongInput::new("Kafka is not part of this version of fastdata").hint(hint).into());
    }
    Ok(Arc::new(EmbeddedLog::open(&global.data_dir)?))
}

fn wish_for_kafka(global: &Global, spec: Option<&Spec>) -> Option<&'static str> {
    if global.brokers.is_some() {
        Some("`--brokers` (or unset FASTDATA_BROKERS)")
    } else if !global.kafka.is_empty() {
        Some("`--kafka`")
    } else if global.kafka_config.is_some() {
        Some("`--kafka-config` (or unset FASTDATA_KAFKA_CONFIG)")
    } else if spec.is_some_and(|s| s.kafka.is_some()) {
        Some("`kafka:` in the pipeline file")
    } else {
        None
    }
}
