//! `fastdata models`: what the models topic holds, and which version serves.
//!
//! It reads descriptors and loads a model only where one is looked at: the topic may be long.

use super::context::Context;
use super::exit::WrongInput;
use super::output::{Align, Output, Table, size};
use super::{backplane, tail};
use crate::diagnostics::one_of;
use crate::log::{FetchLimit, Log};
use crate::models::{Activation, Content, ModelDescriptor, ServedModel, prepare};
use crate::record::{Offset, TopicPartition};
use crate::time::{Clock as _, SystemClock, rfc3339};
use anyhow::Context as _;
use arrow_array::Array as _;
use serde_json::{Value, json};
use std::time::Duration;

/// List and show published models
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata models list
  fastdata models show wine
  fastdata models show wine@57 --output json")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// List every version of every model
    List(List),
    /// Show models with their inputs and outputs
    Show(Show),
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata models list
  fastdata models list --output json")]
struct List {
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata models show
  fastdata models show wine
  fastdata models show wine@57 --output json")]
struct Show {
    /// A model, a data type, or a version such as wine@57; default: all that serve
    #[arg(value_name = "NAME")]
    name: Option<String>,

    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args, Debug)]
struct Common {
    /// The topic of models
    #[arg(long, value_name = "TOPIC", default_value = "models")]
    topic: String,

    /// How to write it
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    output: Output,
}

/// One record of the models topic.
#[derive(Debug)]
struct Version {
    at: TopicPartition,
    offset: Offset,
    timestamp: i64,
    state: State,
    /// Bytes of the model, where they are in the record.
    bytes: Option<u64>,
    /// Without the bytes of the model: a topic may hold more of them than fit into memory.
    descriptor: Result<ModelDescriptor, String>,
}

/// What the topic says of a version; whether an instance could load it is the instance's to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Serving,
    Replaced,
    Held,
    Unreadable,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Replaced => "replaced",
            Self::Held => "held",
            Self::Unreadable => "unreadable",
        }
    }
}

pub(super) fn execute(args: &Args, context: &Context) -> anyhow::Result<()> {
    let common = match &args.command {
        Command::List(list) => &list.common,
        Command::Show(show) => &show.common,
    };
    let log = backplane::open(context.global(), None)?;
    let versions = read(&*log, &common.topic)?;
    if versions.is_empty() {
        let hint = "publish one with `fastdata publish-model FILE`";
        context.printer().talk(format_args!("no models in the topic `{}`; {hint}", common.topic));
    }
    match &args.command {
        Command::List(_) => list(&versions, common.output, context),
        Command::Show(show) => {
            let chosen = choose(&versions, show.name.as_deref())?;
            let separator = if common.output == Output::Json { "" } else { "\n" };
            let texts: Vec<_> = chosen.into_iter().map(|v| shown(&*log, v, common.output)).collect();
            context.printer().print(texts.join(separator))
        }
    }
}

/// Every version in the topic, oldest first; none where there is no topic yet.
fn read(log: &dyn Log, topic: &str) -> anyhow::Result<Vec<Version>> {
    let mut versions = Vec::new();
    let Some(info) = log.topics(Some(topic))?.pop() else { return Ok(versions) };
    tail::read_all(log, &info, |fetched| {
        for row in 0..fetched.offsets.len() {
            if fetched.records.values.is_null(row) {
                continue;
            }
            let mut descriptor = ModelDescriptor::read(fetched.records.values.value(row)).map_err(|e| e.to_string());
            let content = descriptor.as_mut().ok().and_then(|d| d.content.as_mut());
            let bytes = match content {
                Some(Content::Data(data)) => Some(std::mem::take(data).len() as u64),
                Some(Content::Location(_)) | None => None,
            };
            versions.push(Version {
                at: (*fetched.origin).clone(),
                offset: Offset(fetched.offsets[row]),
                timestamp: fetched.records.timestamps[row],
                state: State::Unreadable,
                bytes,
                descriptor,
            });
        }
        Ok(())
    })?;
    give_states(&mut versions);
    Ok(versions)
}

/// Reads one version again, with its model, and loads it.
fn load(log: &dyn Log, version: &Version) -> anyhow::Result<ServedModel> {
    let mut reader = log.reader(&[(version.at.clone(), version.offset)])?;
    let limit = FetchLimit { records: 1, ..FetchLimit::default() };
    let fetched = reader.poll(limit, Duration::from_secs(1))?.context("its record is gone")?;
    let descriptor = ModelDescriptor::read(fetched.records.values.value(0))?;
    Ok(prepare(version.offset, &descriptor, SystemClock.now())?)
}

/// The newest version of a data type that was published to serve is the one that serves.
fn give_states(versions: &mut [Version]) {
    let mut served = std::collections::HashSet::new();
    for version in versions.iter_mut().rev() {
        let Ok(descriptor) = &version.descriptor else { continue };
        version.state = match descriptor.activates() {
            Ok(Activation::Serve) if served.insert(descriptor.served_as().to_owned()) => State::Serving,
            Ok(Activation::Serve) => State::Replaced,
            Ok(Activation::Hold) => State::Held,
            Err(_) => State::Unreadable,
        };
    }
}

fn choose<'a>(versions: &'a [Version], name: Option<&str>) -> anyhow::Result<Vec<&'a Version>> {
    let Some(name) = name else {
        return Ok(versions.iter().filter(|v| v.state == State::Serving).collect());
    };
    let named = versions.iter().filter_map(|v| Some((v, v.descriptor.as_ref().ok()?)));
    let exact = named.clone().find(|(v, d)| format!("{}@{}", d.name, v.offset) == name);
    let newest = || {
        let of_name = named.clone().filter(|(_, d)| d.name == name || d.served_as() == name);
        of_name.max_by_key(|(v, _)| (v.state == State::Serving, v.offset))
    };
    if let Some((version, _)) = exact.or_else(newest) {
        return Ok(vec![version]);
    }
    let names: Vec<_> = named.map(|(_, d)| d.name.as_str()).collect();
    let hint = one_of(name, names.iter().copied());
    Err(WrongInput::new(format!("there is no model `{name}`")).maybe_hint(hint).into())
}

fn list(versions: &[Version], output: Output, context: &Context) -> anyhow::Result<()> {
    if output == Output::Json {
        let lines: String = versions.iter().map(|v| format!("{}\n", summary(v))).collect();
        return context.printer().print(lines);
    }
    if versions.is_empty() {
        return Ok(());
    }
    let mut table = Table::new([
        ("model", Align::Left),
        ("data type", Align::Left),
        ("format", Align::Left),
        ("size", Align::Right),
        ("published", Align::Left),
        ("state", Align::Left),
    ]);
    for version in versions {
        let state = version.state.word().to_owned();
        match &version.descriptor {
            Ok(d) => table.row([
                format!("{}@{}", d.name, version.offset),
                d.served_as().to_owned(),
                d.format().map_or_else(|_| "unknown".into(), |f| f.to_string()),
                version.bytes.map_or_else(|| "elsewhere".into(), size),
                rfc3339(published(version)),
                state,
            ]),
            Err(_) => {
                let none = || "-".to_owned();
                let name = format!("?@{}", version.offset);
                table.row([name, none(), none(), none(), rfc3339(version.timestamp), state]);
            }
        }
    }
    context.printer().print(table)
}

fn shown(log: &dyn Log, version: &Version, output: Output) -> String {
    let mut object = summary(version);
    match load(log, version) {
        Ok(model) => {
            object["sha256"] = model.sha256.clone().into();
            object["signature"] = model.scorer.signature().to_string().into();
        }
        Err(error) => object["error"] = error.to_string().into(),
    }
    if output == Output::Json {
        return format!("{object}\n");
    }
    let mut text = String::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        let value = match value {
            Value::Null => continue,
            Value::String(value) => value.clone(),
            Value::Number(bytes) if name == "bytes" => bytes.as_u64().map_or_else(String::new, size),
            other => other.to_string(),
        };
        if !value.is_empty() {
            text.push_str(&format!("{:<12}  {value}\n", name.replace('_', " ")));
        }
    }
    text
}

fn summary(version: &Version) -> Value {
    let published = rfc3339(published(version));
    match &version.descriptor {
        Ok(d) => json!({
            "model": d.name,
            "version": version.offset,
            "data_type": d.served_as(),
            "state": version.state.word(),
            "format": d.format().ok().map(|f| f.to_string()),
            "description": d.description,
            "bytes": version.bytes,
            "location": match &d.content { Some(Content::Location(place)) => Some(place), _ => None },
            "published_at": published,
        }),
        Err(error) => json!({
            "version": version.offset,
            "state": version.state.word(),
            "error": error,
            "published_at": published,
        }),
    }
}

fn published(version: &Version) -> i64 {
    let told = version.descriptor.as_ref().map_or(0, |d| d.published_at);
    if told == 0 { version.timestamp } else { told }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::models::ModelFormat;

    fn version(offset: i64, name: &str, data_type: &str, activation: Activation) -> Version {
        let mut descriptor = ModelDescriptor::of(name, data_type, ModelFormat::Onnx, vec![1]);
        descriptor.activation = activation.into();
        let at = TopicPartition::new("models", 0);
        Version {
            at,
            offset: Offset(offset),
            timestamp: 0,
            state: State::Unreadable,
            bytes: Some(1),
            descriptor: Ok(descriptor),
        }
    }

    fn versions() -> Vec<Version> {
        let garbage = Version { descriptor: Err("no".into()), ..version(1, "", "", Activation::Serve) };
        let mut all = vec![
            version(0, "a", "wine", Activation::Serve),
            garbage,
            version(2, "b", "wine", Activation::Serve),
            version(3, "c", "wine", Activation::Hold),
            version(4, "d", "beer", Activation::Serve),
        ];
        give_states(&mut all);
        all
    }

    #[test]
    fn the_newest_that_was_published_to_serve_serves() {
        let states: Vec<_> = versions().iter().map(|v| v.state.word()).collect();
        assert_eq!(states, ["replaced", "unreadable", "serving", "held", "serving"]);
    }

    #[test]
    fn a_name_means_what_serves_before_what_is_newest() {
        let all = versions();
        let chosen = |name| choose(&all, name).unwrap().iter().map(|v| v.offset.0).collect::<Vec<_>>();
        assert_eq!(chosen(Some("wine")), [2]);
        assert_eq!(chosen(Some("a@0")), [0]);
        assert_eq!(chosen(Some("c")), [3]);
        assert_eq!(chosen(None), [2, 4]);
        assert!(choose(&all, Some("vine")).is_err());
    }
}
