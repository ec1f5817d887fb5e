//! `fastdata publish-model`: checks a model as every instance will, and appends it to the models topic.

use super::backplane;
use super::context::Context;
use super::exit::WrongInput;
use super::output::size;
use crate::log::{self, Append, Log, LogError, TopicConfig};
use crate::models::{Activation, Content, ModelDescriptor, Sniffed, prepare, read_model};
use crate::record::{Offset, RecordsBuilder, TopicPartition};
use crate::time::{Clock as _, SystemClock};
use anyhow::Context as _;
use std::path::{Path, PathBuf};

/// Publish a model, so that running pipelines serve it
///
/// The format is recognised by the content. The model is loaded and checked first; one that cannot be
/// served is not published. Its version is the offset of its record, printed as NAME@VERSION.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata publish-model wine.onnx
  fastdata publish-model export-17.pb --name wine-net --data-type wine
  fastdata publish-model wine.onnx --no-activate")]
pub(super) struct Args {
    /// The model, or a ready model descriptor
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Name of the model; default: the file's, without its extension
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// The data type that it serves; default: its name
    #[arg(long, value_name = "TYPE")]
    data_type: Option<String>,

    /// What a person should know about it
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// Publish it, but let the model before it go on serving
    #[arg(long)]
    no_activate: bool,

    /// The topic of models
    #[arg(long, value_name = "TOPIC", default_value = "models")]
    topic: String,
}

pub(super) fn execute(args: &Args, context: &Context) -> anyhow::Result<()> {
    let wrong = || format!("`{}` cannot be published", args.file.display());
    let now = SystemClock.now();
    let descriptor = descriptor(args, now).with_context(wrong)?;
    let checked = prepare(Offset(0), &descriptor, now).with_context(wrong)?;
    let log = backplane::open(context.global(), None)?;
    let at = partition(&*log, &args.topic)?;
    let bytes = descriptor.write();
    let mut records = RecordsBuilder::default();
    records.push(Some(descriptor.served_as().as_bytes()), Some(&bytes), now);
    let offsets = log.appender()?.append(&[Append { to: at, records: records.finish() }])?;
    let version = offsets.first().copied().unwrap_or_default();
    let role = if args.no_activate { "kept for the data type" } else { "served for the data type" };
    context.printer().talk(format_args!(
        "published {} model ({}), {role} `{}`: {}",
        checked.format,
        size(bytes.len() as u64),
        checked.data_type,
        checked.scorer.signature(),
    ));
    context.printer().print(format_args!("{}@{version}\n", descriptor.name))
}

fn descriptor(args: &Args, now: i64) -> anyhow::Result<ModelDescriptor> {
    let (sniffed, bytes) = read_model(&args.file)?;
    let stem = stem(&args.file);
    let name = args.name.as_deref().unwrap_or(&stem);
    let mut descriptor = match sniffed {
        Sniffed::Model(format) => ModelDescriptor::of(name, args.data_type.as_deref().unwrap_or(name), format, bytes),
        Sniffed::Descriptor(ready) => {
            let mut ready = *ready;
            if args.name.is_some() || ready.name.is_empty() {
                ready.name = name.to_owned();
            }
            if let Some(data_type) = &args.data_type {
                ready.data_type.clone_from(data_type);
            }
            ready.content = ready.content.map(|content| from_here(content, &args.file));
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

/// A relative place means the folder of the descriptor; instances run elsewhere, so it is made absolute.
fn from_here(content: Content, descriptor: &Path) -> Content {
    match content {
        Content::Location(place) if !place.contains("://") && Path::new(&place).is_relative() => {
            let path = descriptor.parent().unwrap_or(Path::new("")).join(&place);
            Content::Location(std::path::absolute(&path).unwrap_or(path).to_string_lossy().into_owned())
        }
        other => other,
    }
}

fn stem(file: &Path) -> String {
    let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    absolute.file_stem().map_or_else(|| "model".into(), |s| s.to_string_lossy().into_owned())
}

/// The one partition of the models topic, made where it is not there.
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
            let message = format!("topic `{topic}` is compacted, and would forget earlier models");
            Err(WrongInput::new(message).hint("name another one with `--topic`").into())
        }
        several => {
            let message = format!("topic `{topic}` has {} partitions: a models topic has one", several.len());
            Err(WrongInput::new(message)
                .hint("a model's version is its offset; name another one with `--topic`")
                .into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_a_descriptor_is_read_from_its_folder() {
        let place = |p: &str| match from_here(Content::Location(p.into()), Path::new("/models/wine.bin")) {
            Content::Location(place) => place,
            Content::Data(_) => String::new(),
        };
        assert_eq!(place("wine.onnx"), "/models/wine.onnx");
        assert_eq!(place("/else/wine.onnx"), "/else/wine.onnx");
        assert_eq!(place("file:///else/wine.onnx"), "file:///else/wine.onnx");
    }
}
