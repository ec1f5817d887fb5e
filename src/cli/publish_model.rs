//! `fastdata publish-model`: checks a model as every instance does, and appends it to the models topic.

use super::backplane;
use super::context::CliContext;
use super::exit::UserError;
use super::figures::bytes;
use crate::log::{self, Append, Log, LogError, TopicConfig};
use crate::models::{Activation, Content, ModelDescriptor, Sniffed, prepare, read_model};
use crate::record::{Offset, RecordsBuilder, TopicPartition};
use crate::time::{Clock as _, SystemClock};
use anyhow::Context as _;
use std::path::{Path, PathBuf};

/// Publish a model for running pipelines
///
/// The format is recognised from the content. The model is loaded and checked first; one that cannot be served is
/// not published. The version of the model is the offset of its record. Prints NAME@VERSION.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata publish-model wine.onnx
  fastdata publish-model export-17.pb --name wine-net --data-type wine
  fastdata publish-model wine.onnx --no-activate")]
pub(super) struct PublishModelArgs {
    /// A model, or a complete model descriptor
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Name of the model; default: the file name without its extension
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Data type that the model serves; default: its name
    #[arg(long, value_name = "TYPE")]
    data_type: Option<String>,

    /// Description of the model
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// Publish the model without serving it; the current model goes on serving
    #[arg(long)]
    no_activate: bool,

    /// Topic of models
    #[arg(long, value_name = "TOPIC", default_value = "models")]
    topic: String,
}

pub(super) fn execute(args: &PublishModelArgs, context: &CliContext) -> anyhow::Result<()> {
    let cannot_publish = || format!("`{}` cannot be published", args.file.display());
    let now = SystemClock.now();
    let descriptor = descriptor(args, now).with_context(cannot_publish)?;
    let checked = prepare(Offset(0), &descriptor, now).with_context(cannot_publish)?;
    if let Some(warning) = &checked.warning {
        context.printer().warn(format_args!("`{}`: {warning}", args.file.display()));
    }
    let log = backplane::open(context.global(), None)?;
    let (version, size) = append(&*log, &args.topic, &descriptor, now)?;
    let role = if args.no_activate { "kept for the data type" } else { "served for the data type" };
    context.printer().info(format_args!(
        "published {} model ({}), {role} `{}`: {}",
        checked.format,
        bytes(size),
        checked.data_type,
        checked.scorer.signature(),
    ));
    context.printer().print(format_args!("{}@{version}\n", descriptor.name))
}

/// Appends a descriptor to a models topic; returns the version and the size of the record.
pub(super) fn append(
    log: &dyn Log,
    topic: &str,
    descriptor: &ModelDescriptor,
    now: i64,
) -> anyhow::Result<(Offset, u64)> {
    let to = partition(log, topic)?;
    let record = descriptor.write();
    let mut records = RecordsBuilder::default();
    records.push(Some(descriptor.served_as().as_bytes()), Some(&record), now);
    let offsets = log.appender()?.append(&[Append { to, records: records.finish() }])?;
    Ok((offsets.first().copied().unwrap_or_default(), record.len() as u64))
}

fn descriptor(args: &PublishModelArgs, now: i64) -> anyhow::Result<ModelDescriptor> {
    let (sniffed, content) = read_model(&args.file)?;
    let stem = stem(&args.file);
    let name = args.name.as_deref().unwrap_or(&stem);
    let mut descriptor = match sniffed {
        Sniffed::Model(format) => ModelDescriptor::of(name, args.data_type.as_deref().unwrap_or(name), format, content),
        Sniffed::Descriptor(descriptor) => {
            let mut ready = *descriptor;
            if args.name.is_some() || ready.name.is_empty() {
                ready.name = name.to_owned();
            }
            if let Some(data_type) = &args.data_type {
                ready.data_type.clone_from(data_type);
            }
            ready.content = ready.content.map(|content| resolve_location(content, &args.file));
            ready
        }
    };
    if let Some(description) = &args.description {
        descriptor.description.clone_from(description);
    }
    if args.no_activate {
        descriptor.activation = Activation::Hold.into();
    }
    if descriptor.published_at == 0 {
        descriptor.published_at = now;
    }
    Ok(descriptor)
}

/// Makes a relative location absolute: it starts at the folder of the descriptor, and instances run elsewhere.
fn resolve_location(content: Content, descriptor: &Path) -> Content {
    match content {
        Content::Location(location) if !location.contains("://") && Path::new(&location).is_relative() => {
            let path = descriptor.parent().unwrap_or(Path::new("")).join(&location);
            Content::Location(std::path::absolute(&path).unwrap_or(path).to_string_lossy().into_owned())
        }
        other => other,
    }
}

fn stem(file: &Path) -> String {
    let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    absolute.file_stem().map_or_else(|| "model".into(), |s| s.to_string_lossy().into_owned())
}

/// The partition of the models topic, which is created if it does not exist.
fn partition(log: &dyn Log, topic: &str) -> anyhow::Result<TopicPartition> {
    let config = TopicConfig { partitions: 1, ..TopicConfig::default() };
    match log.create_topic(topic, &config) {
        Ok(()) | Err(LogError::TopicExists(_)) => {}
        Err(e) => return Err(e.into()),
    }
    let info = log::topic(log, topic)?;
    match &log::partitions(&info)[..] {
        [only] if !info.config.compacted => Ok(only.clone()),
        [_] => {
            let message = format!("topic `{topic}` is compacted, so it would lose earlier models");
            Err(UserError::new(message).hint("name another one with `--topic`").into())
        }
        several => {
            let message = format!("topic `{topic}` has {} partitions, but a models topic has one", several.len());
            Err(UserError::new(message)
                .hint("name another one with `--topic`; versions are offsets, so there can be only one partition")
                .into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_location_starts_at_the_folder_of_the_descriptor() {
        let location = |p: &str| match resolve_location(Content::Location(p.into()), Path::new("/models/wine.bin")) {
            Content::Location(location) => location,
            Content::Data(_) => String::new(),
        };
        assert_eq!(location("wine.onnx"), "/models/wine.onnx");
        assert_eq!(location("/else/wine.onnx"), "/else/wine.onnx");
        assert_eq!(location("file:///else/wine.onnx"), "file:///else/wine.onnx");
    }
}
