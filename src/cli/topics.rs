//! `fastdata topics`: list, make, describe and remove topics.

use super::context::Context;
use super::exit::WrongInput;
use super::output::{Align, Output, Table, counted, size};
use super::{backplane, values};
use crate::log::{self, PartitionInfo, TopicConfig, TopicInfo};
use std::time::Duration;

/// List, make, describe and remove topics
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata topics list
  fastdata topics create raw --partitions 4
  fastdata topics create customers --compacted
  fastdata topics describe raw --output json
  fastdata topics delete raw --yes")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// List all topics, internal ones too
    List(List),
    /// Make a topic
    Create(Create),
    /// Show how a topic is kept and what each of its partitions holds
    Describe(Describe),
    /// Remove a topic with all its records
    Delete(Delete),
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata topics list
  fastdata topics list --output json | jq -r .topic")]
struct List {
    /// How to write it
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    output: Output,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata topics create raw --partitions 4 --retention 7d
  fastdata topics create customers --compacted")]
struct Create {
    /// Name of the topic
    topic: String,

    /// How many partitions
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    partitions: u32,

    /// Keep only the latest record of each key
    #[arg(long, conflicts_with_all = ["retention", "retention_bytes"])]
    compacted: bool,

    /// Remove records that are older than this, such as 7d; default: never
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    retention: Option<Duration>,

    /// Remove the oldest records of a partition that holds more than this, such as 1GiB; default: never
    #[arg(long, value_name = "SIZE", value_parser = values::bytes)]
    retention_bytes: Option<u64>,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata topics describe raw
  fastdata topics describe raw --output json")]
struct Describe {
    /// Name of the topic
    topic: String,

    /// How to write it
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    output: Output,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata topics delete raw --yes")]
struct Delete {
    /// Name of the topic
    topic: String,

    /// Needed on a terminal, because what is removed does not come back
    #[arg(long, short)]
    yes: bool,
}

pub(super) fn execute(args: &Args, context: &Context) -> anyhow::Result<()> {
    match &args.command {
        Command::List(args) => list(args, context),
        Command::Create(args) => create(args, context),
        Command::Describe(args) => describe(args, context),
        Command::Delete(args) => delete(args, context),
    }
}

fn list(args: &List, context: &Context) -> anyhow::Result<()> {
    let log = backplane::open(context.global(), None)?;
    let topics = log.topics(None)?;
    if args.output == Output::Json {
        let lines: String = topics.iter().map(|t| format!("{}\n", summary(t))).collect();
        return context.printer().print(lines);
    }
    if topics.is_empty() {
        context.printer().talk(format_args!("no topics in {}; make some with `fastdata seed --topic raw`", log.name()));
        return Ok(());
    }
    let mut table = Table::new([
        ("topic", Align::Left),
        ("partitions", Align::Right),
        ("records", Align::Right),
        ("size", Align::Right),
        ("kept", Align::Left),
    ]);
    for topic in &topics {
        let (records, bytes) = (held(&topic.partitions), bytes(&topic.partitions));
        table.row([
            topic.name.to_string(),
            topic.partitions.len().to_string(),
            records.to_string(),
            bytes.map_or_else(|| "-".into(), size),
            kept(&topic.config),
        ]);
    }
    context.printer().print(table)
}

fn create(args: &Create, context: &Context) -> anyhow::Result<()> {
    let log = backplane::open(context.global(), None)?;
    let config = TopicConfig {
        partitions: args.partitions,
        compacted: args.compacted,
        retention: args.retention,
        retention_bytes: args.retention_bytes,
    };
    log.create_topic(&args.topic, &config)?;
    context.printer().talk(format_args!(
        "created `{}` ({}, kept {})",
        args.topic,
        counted(args.partitions.into(), "partition"),
        kept(&config)
    ));
    Ok(())
}

fn describe(args: &Describe, context: &Context) -> anyhow::Result<()> {
    let log = backplane::open(context.global(), None)?;
    let topic = log::topic(&*log, &args.topic)?;
    if args.output == Output::Json {
        let mut object = summary(&topic);
        object["partitions"] = topic.partitions.iter().zip(0..).map(|(p, n)| partition(n, p)).collect();
        return context.printer().print(format_args!("{object}\n"));
    }
    let mut table = Table::new([
        ("partition", Align::Right),
        ("earliest", Align::Right),
        ("end", Align::Right),
        ("records", Align::Right),
        ("size", Align::Right),
    ]);
    for (number, p) in topic.partitions.iter().enumerate() {
        table.row([
            number.to_string(),
            p.earliest.to_string(),
            p.end.to_string(),
            held(std::slice::from_ref(p)).to_string(),
            p.bytes.map_or_else(|| "-".into(), size),
        ]);
    }
    let heading = format!(
        "{}: {}, kept {}",
        topic.name,
        counted(topic.partitions.len() as u64, "partition"),
        kept(&topic.config)
    );
    context.printer().print(format_args!("{heading}\n\n{table}"))
}

fn delete(args: &Delete, context: &Context) -> anyhow::Result<()> {
    let log = backplane::open(context.global(), None)?;
    let topic = log::topic(&*log, &args.topic)?;
    let records = counted(held(&topic.partitions).unsigned_abs(), "record");
    if context.printer().is_attended() && !args.yes {
        let message = format!("`{}` holds {records}, and what is removed does not come back", topic.name);
        return Err(WrongInput::new(message).hint("add `--yes` to remove it").into());
    }
    log.delete_topic(&args.topic)?;
    context.printer().talk(format_args!("deleted `{}` with {records}", topic.name));
    Ok(())
}

/// Offsets between the bounds: the number of records, or a few more where compaction left gaps.
fn held(partitions: &[PartitionInfo]) -> i64 {
    partitions.iter().map(|p| p.end.0 - p.earliest.0).sum()
}

fn bytes(partitions: &[PartitionInfo]) -> Option<u64> {
    partitions.iter().map(|p| p.bytes).sum()
}

fn kept(config: &TopicConfig) -> String {
    let age = config.retention.map(|d| format!("for {}", humantime::format_duration(d)));
    let bytes = config.retention_bytes.map(|b| format!("up to {} a partition", size(b)));
    match (config.compacted, age, bytes) {
        (true, ..) => "as the latest of each key".into(),
        (_, Some(age), Some(bytes)) => format!("{age}, {bytes}"),
        (_, Some(one), None) | (_, None, Some(one)) => one,
        (_, None, None) => "for ever".into(),
    }
}

fn summary(topic: &TopicInfo) -> serde_json::Value {
    serde_json::json!({
        "topic": &*topic.name,
        "id": topic.id,
        "partitions": topic.partitions.len(),
        "records": held(&topic.partitions),
        "bytes": bytes(&topic.partitions),
        "compacted": topic.config.compacted,
        "retention_ms": topic.config.retention.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)),
        "retention_bytes": topic.config.retention_bytes,
    })
}

fn partition(number: u32, p: &PartitionInfo) -> serde_json::Value {
    serde_json::json!({
        "partition": number,
        "earliest": p.earliest,
        "end": p.end,
        "records": held(std::slice::from_ref(p)),
        "bytes": p.bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_topic_is_kept_is_said_in_words() {
        let week = Some(Duration::from_secs(7 * 86_400));
        let config = TopicConfig { partitions: 1, ..TopicConfig::default() };
        assert_eq!(kept(&config), "for ever");
        assert_eq!(kept(&TopicConfig { compacted: true, ..config.clone() }), "as the latest of each key");
        let both = TopicConfig { retention: week, retention_bytes: Some(1 << 30), ..config };
        assert_eq!(kept(&both), "for 7days, up to 1.0 GiB a partition");
    }
}
