//! `fastdata topics`: lists, creates, describes and deletes topics.

use super::context::CliContext;
use super::exit::UserError;
use super::figures::{bytes, counted};
use super::output::OutputFormat;
use super::table::{Table, TableColumn};
use super::{arguments, backplane};
use crate::log::{self, PartitionInfo, SettingOrigin, TopicConfig, TopicInfo, TopicSetting};
use std::collections::BTreeMap;
use std::time::Duration;

/// List, create, describe and delete topics
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata topics list
  fastdata topics create raw --partitions 4
  fastdata topics create customers --compacted
  fastdata topics describe raw --output json
  fastdata topics delete raw --yes")]
pub(super) struct TopicsArgs {
    #[command(subcommand)]
    command: TopicsCommand,
}

#[derive(clap::Subcommand, Debug)]
enum TopicsCommand {
    /// List all topics, including internal ones
    List(TopicsListArgs),
    /// Create a topic
    Create(TopicsCreateArgs),
    /// Show the retention, the settings and the partitions of a topic
    Describe(TopicsDescribeArgs),
    /// Delete a topic with all its records
    Delete(TopicsDeleteArgs),
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata topics list
  fastdata topics list --output json | jq -r .topic")]
struct TopicsListArgs {
    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    output: OutputFormat,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata topics create raw --partitions 4 --retention 7d
  fastdata topics create customers --compacted
  fastdata topics create raw --partitions 4 --replication 3 --config min.insync.replicas=2")]
struct TopicsCreateArgs {
    /// Name of the topic
    topic: String,

    /// Number of partitions
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    partitions: u32,

    /// Keep only the latest record of each key
    #[arg(long, conflicts_with_all = ["retention", "retention_bytes"])]
    compacted: bool,

    /// Delete records older than this, such as 7d; default: never
    #[arg(long, value_name = "DURATION", value_parser = arguments::duration)]
    retention: Option<Duration>,

    /// Delete the oldest records of a partition larger than this, such as 1GiB; default: never
    #[arg(long, value_name = "SIZE", value_parser = arguments::bytes)]
    retention_bytes: Option<u64>,

    /// How many brokers of Kafka keep each partition; default: as the cluster says
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=32_767))]
    replication: Option<u32>,

    /// A setting of the topic by Kafka's name; repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = arguments::property)]
    config: Vec<(String, String)>,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata topics describe raw
  fastdata topics describe raw --output json")]
struct TopicsDescribeArgs {
    /// Name of the topic
    topic: String,

    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    output: OutputFormat,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata topics delete raw --yes")]
struct TopicsDeleteArgs {
    /// Name of the topic
    topic: String,

    /// Confirm the deletion; required on a terminal
    #[arg(long, short)]
    yes: bool,
}

pub(super) fn execute(args: &TopicsArgs, context: &CliContext) -> anyhow::Result<()> {
    match &args.command {
        TopicsCommand::List(args) => list(args, context),
        TopicsCommand::Create(args) => create(args, context),
        TopicsCommand::Describe(args) => describe(args, context),
        TopicsCommand::Delete(args) => delete(args, context),
    }
}

fn list(args: &TopicsListArgs, context: &CliContext) -> anyhow::Result<()> {
    let log = backplane::open_existing(context.global(), None)?;
    let topics = log.topics(None)?;
    if args.output == OutputFormat::Json {
        let lines: String = topics.iter().map(|t| format!("{}\n", summary(t))).collect();
        return context.printer().print_json(lines);
    }
    if topics.is_empty() {
        context
            .printer()
            .info(format_args!("no topics in {}; create one with `fastdata seed --topic raw`", log.name()));
        return Ok(());
    }
    let mut table = Table::new([
        TableColumn::left("topic"),
        TableColumn::right("partitions"),
        TableColumn::right("records"),
        TableColumn::right("size"),
        TableColumn::left("kept"),
    ]);
    for topic in &topics {
        let (records, size) = (record_count(&topic.partitions), size_of(&topic.partitions));
        table.row([
            topic.name.to_string(),
            topic.partitions.len().to_string(),
            records.to_string(),
            size.map_or_else(|| "-".into(), bytes),
            retention(&topic.config),
        ]);
    }
    context.printer().print(table)
}

/// Settings of Kafka that have options of their own.
const OPTION_OF_SETTING: [(&str, &str); 3] =
    [("cleanup.policy", "--compacted"), ("retention.ms", "--retention"), ("retention.bytes", "--retention-bytes")];

fn create(args: &TopicsCreateArgs, context: &CliContext) -> anyhow::Result<()> {
    let kafka = backplane::settings(context.global(), None)?;
    let option = args.replication.map(|_| "--replication").or_else(|| args.config.first().map(|_| "--config"));
    if let (None, Some(option)) = (&kafka, option) {
        return Err(UserError::new(format!("`{option}` is for topics of Kafka"))
            .hint("add `--brokers HOST:PORT`, or leave it out to use the embedded log")
            .into());
    }
    let settings: BTreeMap<String, String> = args.config.iter().cloned().collect();
    if let Some((name, option)) = OPTION_OF_SETTING.iter().find(|(name, _)| settings.contains_key(*name)) {
        let message = format!("`--config {name}` has an option of its own");
        return Err(UserError::new(message).hint(format!("use `{option}`")).into());
    }
    let config = TopicConfig {
        partitions: args.partitions,
        compacted: args.compacted,
        retention: args.retention,
        retention_bytes: args.retention_bytes,
        replication: args.replication,
        settings,
    };
    let log = backplane::open_with(context.global(), kafka.as_ref())?;
    log.create_topic(&args.topic, &config)?;
    context.printer().info(format_args!(
        "created `{}` ({}, kept {})",
        args.topic,
        counted(args.partitions.into(), "partition"),
        retention(&config)
    ));
    Ok(())
}

fn describe(args: &TopicsDescribeArgs, context: &CliContext) -> anyhow::Result<()> {
    let log = backplane::open_existing(context.global(), None)?;
    let topic = log::topic(&*log, &args.topic)?;
    if args.output == OutputFormat::Json {
        let mut object = summary(&topic);
        object["replication"] = topic.replication.into();
        object["settings"] = topic.settings.iter().map(setting).collect::<serde_json::Map<_, _>>().into();
        object["partitions"] = topic.partitions.iter().zip(0..).map(|(p, n)| partition(n, p)).collect();
        return context.printer().print_json(format_args!("{object}\n"));
    }
    let mut table = Table::new([
        TableColumn::right("partition"),
        TableColumn::right("earliest"),
        TableColumn::right("end"),
        TableColumn::right("records"),
        TableColumn::right("size"),
    ]);
    for (number, p) in topic.partitions.iter().enumerate() {
        table.row([
            number.to_string(),
            p.earliest.to_string(),
            p.end.to_string(),
            record_count(std::slice::from_ref(p)).to_string(),
            p.bytes.map_or_else(|| "-".into(), bytes),
        ]);
    }
    let replicas = topic.replication.map_or(String::new(), |n| format!(", {}", counted(n.into(), "replica")));
    let heading = format!(
        "{}: {}{replicas}, kept {}",
        topic.name,
        counted(topic.partitions.len() as u64, "partition"),
        retention(&topic.config)
    );
    context.printer().print(format_args!("{heading}\n\n{}{table}", settings_table(&topic.settings)))
}

/// The settings of a topic and who has set each, followed by an empty line.
fn settings_table(settings: &[TopicSetting]) -> String {
    if settings.is_empty() {
        return String::new();
    }
    let mut table = Table::new([TableColumn::left("setting"), TableColumn::left("value"), TableColumn::left("set by")]);
    for s in settings {
        table.row([s.name.clone(), s.value.clone(), origin(s.origin).to_owned()]);
    }
    format!("{table}\n")
}

fn origin(of: SettingOrigin) -> &'static str {
    match of {
        SettingOrigin::Topic => "topic",
        SettingOrigin::Broker => "broker",
        SettingOrigin::Default => "default",
    }
}

fn setting(s: &TopicSetting) -> (String, serde_json::Value) {
    (s.name.clone(), serde_json::json!({"value": s.value, "set_by": origin(s.origin)}))
}

fn delete(args: &TopicsDeleteArgs, context: &CliContext) -> anyhow::Result<()> {
    let log = backplane::open_existing(context.global(), None)?;
    let topic = log::topic(&*log, &args.topic)?;
    let records = counted(record_count(&topic.partitions).unsigned_abs(), "record");
    if context.printer().is_interactive() && !args.yes {
        let message = format!("`{}` has {records}; a deletion cannot be undone", topic.name);
        return Err(UserError::new(message).hint("add `--yes` to delete it").into());
    }
    log.delete_topic(&args.topic)?;
    context.printer().info(format_args!("deleted `{}` with {records}", topic.name));
    Ok(())
}

/// The number of offsets, which is greater than the number of records if compaction has left gaps.
fn record_count(partitions: &[PartitionInfo]) -> i64 {
    partitions.iter().map(|p| p.end.0 - p.earliest.0).sum()
}

fn size_of(partitions: &[PartitionInfo]) -> Option<u64> {
    partitions.iter().map(|p| p.bytes).sum()
}

/// How long records are kept, in words.
fn retention(config: &TopicConfig) -> String {
    let age = config.retention.map(|d| format!("for {}", humantime::format_duration(d)));
    let size = config.retention_bytes.map(|b| format!("up to {} a partition", bytes(b)));
    match (config.compacted, age, size) {
        (true, ..) => "as the latest record of each key".into(),
        (_, Some(age), Some(size)) => format!("{age}, {size}"),
        (_, Some(one), None) | (_, None, Some(one)) => one,
        (_, None, None) => "forever".into(),
    }
}

fn summary(topic: &TopicInfo) -> serde_json::Value {
    serde_json::json!({
        "topic": &*topic.name,
        "id": topic.id,
        "partitions": topic.partitions.len(),
        "records": record_count(&topic.partitions),
        "bytes": size_of(&topic.partitions),
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
        "records": record_count(std::slice::from_ref(p)),
        "bytes": p.bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_is_shown_in_words() {
        let week = Some(Duration::from_secs(7 * 86_400));
        let config = TopicConfig { partitions: 1, ..TopicConfig::default() };
        assert_eq!(retention(&config), "forever");
        assert_eq!(retention(&TopicConfig { compacted: true, ..config.clone() }), "as the latest record of each key");
        let both = TopicConfig { retention: week, retention_bytes: Some(1 << 30), ..config };
        assert_eq!(retention(&both), "for 7days, up to 1.0 GiB a partition");
    }
}
