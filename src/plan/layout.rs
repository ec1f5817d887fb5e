//! How many partitions every topic of a pipeline has, and how many tasks run each sub-topology.
//!
//! A pure function of the plan and of the topics that exist, so that creating, reading and checking topics
//! use the same numbers.

use super::op::{Op, SinkPlan};
use super::physical::{InputPlan, NodeInput, Physical, SubId, SubTopology};
use crate::log::TopicConfig;
use crate::metrics::progress_topic;
use crate::spec::{ErrorPolicy, KeptFor, TopicCreation};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long dead letters are kept on Kafka, unless the file says otherwise.
const DEAD_LETTER_RETENTION: Duration = Duration::from_secs(30 * 86_400);

/// Settings of Kafka that remove records, or that Kafka refuses for compacted topics.
const REMOVING_SETTINGS: [&str; 4] =
    ["retention.bytes", "local.retention.ms", "local.retention.bytes", "remote.storage.enable"];

/// Partition counts of topics by name.
pub type PartitionCounts = BTreeMap<Arc<str>, u32>;

/// What a topic is for in a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TopicRole {
    /// A source reads it. The pipeline does not create it.
    Source,
    /// It carries rows to the task of their key.
    Repartition,
    /// A sink writes it.
    Sink,
    /// It is the changelog of a step's state.
    State,
    /// It takes the dead letters of the pipeline.
    DeadLetters,
    /// It holds the committed positions and counters of the pipeline.
    Progress,
}

impl TopicRole {
    /// Whether only the pipeline itself reads and writes the topic, so that its partition count must be that
    /// of the layout.
    #[must_use]
    pub fn is_internal(self) -> bool {
        match self {
            Self::Repartition | Self::State | Self::Progress => true,
            Self::Source | Self::Sink | Self::DeadLetters => false,
        }
    }

    /// Whether the topic keeps the latest record of each key only.
    #[must_use]
    pub fn is_compacted(self) -> bool {
        match self {
            Self::State | Self::Progress => true,
            Self::Source | Self::Repartition | Self::Sink | Self::DeadLetters => false,
        }
    }
}

/// A topic of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicLayout {
    /// Its name.
    pub topic: Arc<str>,
    /// What it is for.
    pub role: TopicRole,
    /// The source, step or sink that it belongs to; else the pipeline.
    pub owner: String,
    /// Its partitions. A source, sink or dead-letter topic that exists has its own count; any other topic
    /// must have, or is created with, this one.
    pub partitions: u32,
}

impl TopicLayout {
    /// The settings that it is created with.
    #[must_use]
    pub fn config(&self, creation: &TopicCreation) -> TopicConfig {
        TopicConfig {
            partitions: self.partitions,
            compacted: self.role.is_compacted(),
            replication: creation.replication,
            settings: self.settings(creation),
            ..TopicConfig::default()
        }
    }

    /// The settings of Kafka. What removes records for their age or the size of the topic is for topics that others
    /// read: repartitions are trimmed once they have been read, and nothing may be missing from state.
    fn settings(&self, creation: &TopicCreation) -> BTreeMap<String, String> {
        let removes = matches!(self.role, TopicRole::Sink | TopicRole::DeadLetters);
        let applies = |name: &str| removes || !REMOVING_SETTINGS.contains(&name);
        let all = creation.config.iter().filter(|(name, _)| applies(name));
        let mut settings: BTreeMap<String, String> = all.map(|(name, value)| (name.clone(), value.clone())).collect();
        let kept = match creation.kept {
            KeptFor::Time(time) if removes => Some(time),
            KeptFor::Unsaid if self.role == TopicRole::DeadLetters => Some(DEAD_LETTER_RETENTION),
            KeptFor::Unsaid | KeptFor::Ever | KeptFor::Time(_) => None,
        };
        settings.extend(kept.map(|time| ("retention.ms".to_owned(), time.as_millis().to_string())));
        if self.role == TopicRole::DeadLetters {
            // Their age counts from when they were written: a bad record of long ago would be removed at once.
            settings.insert("message.timestamp.type".to_owned(), "LogAppendTime".to_owned());
        }
        settings
    }

    /// The command that creates it.
    #[must_use]
    pub fn create_command(&self, creation: &TopicCreation) -> String {
        create_command(&self.topic, &self.config(creation))
    }
}

/// The settings that a topic of models is created with. Pipelines share it, so those of one do not hold.
#[must_use]
pub fn models_config(creation: &TopicCreation) -> TopicConfig {
    TopicConfig { partitions: 1, replication: creation.replication, ..TopicConfig::default() }
}

/// The command that creates a topic.
#[must_use]
pub fn create_command(topic: &str, config: &TopicConfig) -> String {
    let mut command = format!("fastdata topics create {topic} --partitions {}", config.partitions);
    if config.compacted {
        command += " --compacted";
    }
    if let Some(replication) = config.replication {
        command += &format!(" --replication {replication}");
    }
    for (name, value) in &config.settings {
        command += &match (name.as_str(), value.parse()) {
            ("retention.ms", Ok(ms)) => {
                let time = humantime::format_duration(Duration::from_millis(ms)).to_string();
                format!(" --retention {}", time.replace(' ', ""))
            }
            ("retention.bytes", Ok(_)) => format!(" --retention-bytes {value}"),
            _ => format!(" --config {}", quoted(&format!("{name}={value}"))),
        };
    }
    command
}

/// An argument as a shell takes it.
fn quoted(argument: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-=:,/+".contains(c);
    if argument.chars().all(is_plain) { argument.to_owned() } else { format!("'{}'", argument.replace('\'', "'\\''")) }
}

/// The tasks of a sub-topology.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubLayout {
    /// The number of tasks: the partitions of its widest input.
    pub width: u32,
    /// The partitions of each input. A task whose number is not below this does not have the input.
    pub inputs: Vec<u32>,
}

impl SubLayout {
    /// Whether the task with this number has a partition of the input with this index.
    #[must_use]
    pub fn has_input(&self, input: usize, task: u32) -> bool {
        self.inputs.get(input).is_some_and(|count| task < *count)
    }
}

/// The topics and tasks of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineLayout {
    /// The topics: each once, what a sub-topology reads before what it writes.
    pub topics: Vec<TopicLayout>,
    /// The tasks of each sub-topology, in the order of the plan.
    pub subs: Vec<SubLayout>,
}

impl PipelineLayout {
    /// The partition count of every topic.
    #[must_use]
    pub fn partitions(&self) -> PartitionCounts {
        self.topics.iter().map(|t| (t.topic.clone(), t.partitions)).collect()
    }

    /// The tasks of a sub-topology of the plan.
    #[must_use]
    pub fn sub(&self, id: SubId) -> &SubLayout {
        &self.subs[id.0 as usize]
    }

    fn add(&mut self, topic: &Arc<str>, role: TopicRole, owner: &str, partitions: u32) {
        if self.topics.iter().all(|t| t.topic != *topic) {
            self.topics.push(TopicLayout { topic: topic.clone(), role, owner: owner.to_owned(), partitions });
        }
    }
}

/// Computes the layout of a plan. `existing` has the partition counts of the topics that exist; only those of
/// sources, sinks and dead letters count. A source that does not exist counts as one partition.
#[must_use]
pub fn layout(plan: &Physical, existing: &PartitionCounts) -> PipelineLayout {
    let mut layout = PipelineLayout { topics: Vec::new(), subs: Vec::new() };
    for sub in &plan.subs {
        let inputs = input_partitions(plan, sub, existing, &layout.subs);
        for (input, partitions) in sub.inputs.iter().zip(&inputs) {
            match input {
                InputPlan::Source(s) => layout.add(&s.topic, TopicRole::Source, &s.name, *partitions),
                InputPlan::Repartition(r) => {
                    layout.add(&r.topic, TopicRole::Repartition, reader_of(sub, input), *partitions);
                }
            }
        }
        layout.subs.push(SubLayout { width: inputs.iter().copied().max().unwrap_or(1), inputs });
    }
    for (sub, tasks) in plan.subs.iter().zip(layout.subs.clone()) {
        for node in &sub.nodes {
            if let Op::Sink(sink) = &node.op {
                let count = existing.get(&sink.topic).copied();
                let count = count.unwrap_or_else(|| sink_partitions(plan, &layout.subs, sink));
                layout.add(&sink.topic, TopicRole::Sink, &node.name, count);
            }
            if node.op.stateful() {
                let topic = plan.state_topic(&node.name).as_str().into();
                layout.add(&topic, TopicRole::State, &node.name, tasks.width);
            }
        }
    }
    if plan.errors == ErrorPolicy::DeadLetter {
        let topic: Arc<str> = plan.dead_topic().as_str().into();
        let count = existing.get(&topic).copied().unwrap_or(1);
        layout.add(&topic, TopicRole::DeadLetters, &plan.name, count);
    }
    layout.add(&progress_topic(&plan.name).as_str().into(), TopicRole::Progress, &plan.name, 1);
    layout
}

/// The partitions of each input of a sub-topology. An internal topic has as many as the widest input, so that a key
/// has the same task whatever input it comes from; that of a group without a key has one.
fn input_partitions(plan: &Physical, sub: &SubTopology, existing: &PartitionCounts, before: &[SubLayout]) -> Vec<u32> {
    let natural = |input: &InputPlan| match input {
        InputPlan::Source(s) => existing.get(&s.topic).copied().unwrap_or(1),
        InputPlan::Repartition(r) if r.single => 1,
        InputPlan::Repartition(r) => {
            plan.subs.iter().position(|s| s.id == r.from).and_then(|i| before.get(i)).map_or(1, |s| s.width)
        }
    };
    let widest = sub.inputs.iter().map(natural).max().unwrap_or(1);
    let count = |input: &InputPlan| match input {
        InputPlan::Repartition(r) if !r.single => widest,
        InputPlan::Source(_) | InputPlan::Repartition(_) => natural(input),
    };
    sub.inputs.iter().map(count).collect()
}

/// The partitions of a sink's topic that does not exist: as many as a sink asks for, else as many as the widest of the
/// sub-topologies that write it has tasks.
fn sink_partitions(plan: &Physical, subs: &[SubLayout], sink: &SinkPlan) -> u32 {
    let writers = plan.subs.iter().zip(subs).flat_map(|(sub, tasks)| sub.nodes.iter().map(move |n| (n, tasks.width)));
    let (mut asked, mut widest) = (None, 1);
    for (node, width) in writers {
        if let Op::Sink(other) = &node.op
            && other.topic == sink.topic
        {
            asked = asked.max(other.partitions);
            widest = widest.max(width);
        }
    }
    asked.unwrap_or(widest)
}

/// The step that reads an input. Messages about an internal topic name this step.
fn reader_of<'a>(sub: &'a SubTopology, input: &'a InputPlan) -> &'a str {
    let reads = |from: &NodeInput| matches!(from, NodeInput::Input(i) if sub.inputs[*i].topic() == input.topic());
    sub.nodes.iter().find(|node| node.from.iter().any(reads)).map_or(input.name(), |node| &node.name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::diagnostics::SourceText;
    use crate::expr::Functions;
    use crate::spec::ProcessEnvironment;
    use std::path::Path;

    fn plan(text: &str) -> Physical {
        let source = SourceText { name: "p.yaml".into(), text: text.into() };
        let spec = crate::spec::parse(Arc::new(source), Path::new("."), &ProcessEnvironment).unwrap();
        super::super::compile(&spec, &Functions::new()).unwrap()
    }

    fn counts(of: &[(&str, u32)]) -> PartitionCounts {
        of.iter().map(|(topic, n)| (Arc::from(*topic), *n)).collect()
    }

    /// The partitions of every topic by its name.
    fn topics(plan: &Physical, existing: &[(&str, u32)]) -> Vec<(String, u32)> {
        layout(plan, &counts(existing)).topics.into_iter().map(|t| (t.topic.to_string(), t.partitions)).collect()
    }

    fn named(of: &[(&str, u32)]) -> Vec<(String, u32)> {
        of.iter().map(|(topic, n)| ((*topic).to_owned(), *n)).collect()
    }

    const MERGE: &str = "
name: p
sources:
  a: {schema: {k: string, n: bigint}}
  b: {schema: {k: string, n: bigint}}
steps:
  - merge: [a, b]
sink: out
";

    #[test]
    fn a_stateless_merge_is_as_wide_as_its_widest_input_and_each_input_has_its_own_partitions() {
        let plan = plan(MERGE);
        let layout = layout(&plan, &counts(&[("a", 2), ("b", 5)]));
        assert_eq!(layout.subs, [SubLayout { width: 5, inputs: vec![2, 5] }]);
        let has = |input, task| layout.subs[0].has_input(input, task);
        assert_eq!([has(0, 1), has(0, 2), has(1, 2), has(1, 4), has(1, 5)], [true, false, true, true, false]);
        assert_eq!(layout.sub(plan.subs[0].id), &layout.subs[0]);
        let expected = named(&[("a", 2), ("b", 5), ("out", 5), ("p.dead", 1), ("p.progress", 1)]);
        assert_eq!(topics(&plan, &[("a", 2), ("b", 5)]), expected);
    }

    #[test]
    fn existing_topics_keep_their_partitions_unless_they_are_internal() {
        let plan = plan(
            "
name: p
source: {topic: raw, schema: {k: string, n: bigint}}
steps:
  - {name: w, window: {tumbling: 1m, by: [k], select: {s: sum(n)}}}
sink: out
",
        );
        let existing = [("raw", 3), ("out", 7), ("p.dead", 2), ("p.w.by", 9), ("p.w.state", 9), ("p.progress", 9)];
        let expected =
            named(&[("raw", 3), ("p.w.by", 3), ("p.w.state", 3), ("out", 7), ("p.dead", 2), ("p.progress", 1)]);
        assert_eq!(topics(&plan, &existing), expected);
        assert_eq!(layout(&plan, &counts(&existing)).subs.iter().map(|s| s.width).collect::<Vec<_>>(), [3, 3]);
    }

    #[test]
    fn internal_topics_of_one_sub_topology_have_the_same_width() {
        // Both folds need the key `k`. The merge puts them into one sub-topology.
        let plan = plan(
            "
name: p
sources:
  a: {schema: {k: string, n: bigint}}
  b: {schema: {k: string, n: bigint}}
steps:
  - {name: fa, from: a, scan: {by: k, init: {t: 0}, next: {t: t + n}}}
  - {name: fb, from: b, scan: {by: k, init: {t: 0}, next: {t: t + n}}}
  - merge: [fa, fb]
sink: out
errors: drop
",
        );
        let existing = [("a", 2), ("b", 5)];
        let layout = layout(&plan, &counts(&existing));
        let of = |topic: &str| layout.partitions()[topic];
        assert_eq!([of("p.fa.by"), of("p.fb.by"), of("p.fa.state"), of("p.fb.state"), of("out")], [5; 5]);
        assert_eq!(layout.subs.last().unwrap(), &SubLayout { width: 5, inputs: vec![5, 5] });
        assert!(layout.topics.iter().all(|t| t.role != TopicRole::DeadLetters));
        let by = layout.topics.iter().find(|t| *t.topic == *"p.fa.by").unwrap();
        assert_eq!((by.role, by.owner.as_str()), (TopicRole::Repartition, "fa"));
    }

    #[test]
    fn an_internal_topic_is_as_wide_as_a_source_of_its_sub_topology() {
        let plan = plan(
            "
name: p
sources:
  a: {key: k, schema: {k: string, n: bigint}}
  b: {schema: {k: string, n: bigint}}
steps:
  - {name: fa, from: a, scan: {by: k, init: {t: 0}, next: {t: t + n}}}
  - {name: fb, from: b, scan: {by: k, init: {t: 0}, next: {t: t + n}}}
  - merge: [fa, fb]
sink: out
",
        );
        let widths = |a, b| {
            let layout = layout(&plan, &counts(&[("a", a), ("b", b)]));
            (layout.partitions()["p.fb.by"], layout.subs.last().unwrap().clone())
        };
        assert_eq!(widths(4, 2), (4, SubLayout { width: 4, inputs: vec![4, 4] }));
        // A source is not repartitioned, so a narrower one keeps its partitions; `inputs` shows the difference.
        assert_eq!(widths(2, 4), (4, SubLayout { width: 4, inputs: vec![2, 4] }));
    }

    #[test]
    fn a_group_without_a_key_has_one_partition_and_one_task() {
        let plan = plan(
            "
name: p
source: {topic: raw, schema: {n: bigint}}
steps:
  - {name: w, window: {tumbling: 1m, select: {s: sum(n)}}}
sink: out
",
        );
        let layout = layout(&plan, &counts(&[("raw", 8)]));
        assert_eq!(layout.subs.iter().map(|s| s.width).collect::<Vec<_>>(), [8, 1]);
        assert_eq!((layout.partitions()["p.w.by"], layout.partitions()["out"]), (1, 1));
    }

    #[test]
    fn the_topic_of_a_sink_has_the_requested_partitions_or_else_those_of_its_widest_writer() {
        let text = |sinks: &str| {
            format!(
                "name: p\nsources:\n  a: {{schema: {{n: bigint}}}}\n  b: {{schema: {{n: bigint}}}}\nsteps:\n  - {{name: x, \
                 from: a, filter: n > 0}}\n  - {{name: y, from: b, filter: n > 0}}\nsinks:\n{sinks}errors: stop\n"
            )
        };
        let out =
            |sinks: &str, existing: &[(&str, u32)]| layout(&plan(&text(sinks)), &counts(existing)).partitions()["out"];
        let two = "  - {from: x, topic: out}\n  - {from: y, topic: out}\n";
        assert_eq!(out(two, &[("a", 2), ("b", 3)]), 3);
        assert_eq!(out(two, &[("a", 3), ("b", 2)]), 3);
        let asked = "  - {from: x, topic: out}\n  - {from: y, topic: out, partitions: 1}\n";
        assert_eq!(out(asked, &[("a", 2), ("b", 3)]), 1);
        assert_eq!(out(asked, &[("a", 2), ("b", 3), ("out", 6)]), 6);
    }

    const GROUPED: &str = "
name: p
source: {topic: raw, schema: {k: string, n: bigint}}
steps:
  - {name: w, window: {tumbling: 1m, by: [k], select: {s: sum(n)}}}
sink: out
";

    /// The settings of Kafka that each topic is made with.
    fn settings(creation: &str) -> BTreeMap<String, Vec<String>> {
        let plan = plan(&format!("{GROUPED}kafka: {{brokers: b, topics: {creation}}}\n"));
        let of = |t: TopicLayout| {
            let config = t.config(&plan.topics);
            (t.topic.to_string(), config.settings.into_iter().map(|(name, value)| format!("{name}={value}")).collect())
        };
        layout(&plan, &counts(&[("raw", 1)])).topics.into_iter().map(of).collect()
    }

    #[test]
    fn retention_is_for_topics_that_others_read_and_other_settings_are_for_all() {
        let found = settings("{retention: 7d, config: {retention.bytes: 100, compression.type: lz4}}");
        let (lz4, bytes, week) = ("compression.type=lz4", "retention.bytes=100", "retention.ms=604800000");
        assert_eq!(found["out"], [lz4, bytes, week]);
        assert_eq!(found["p.dead"], [lz4, "message.timestamp.type=LogAppendTime", bytes, week]);
        for internal in ["p.w.by", "p.w.state", "p.progress"] {
            assert_eq!(found[internal], [lz4], "{internal}");
        }
    }

    #[test]
    fn dead_letters_are_kept_for_a_month_from_when_they_were_written_unless_said() {
        let append_time = "message.timestamp.type=LogAppendTime";
        let found = settings("{}");
        assert_eq!(found["p.dead"], [append_time, "retention.ms=2592000000"]);
        assert!(found.iter().all(|(topic, settings)| topic == "p.dead" || settings.is_empty()), "{found:?}");
        assert_eq!(settings("{retention: none}")["p.dead"], [append_time]);
    }

    #[test]
    fn the_command_that_creates_a_topic_says_all_of_its_settings() {
        let creation =
            "{replication: 3, retention: 36h, config: {retention.bytes: 100, x.y: \"it's *\", segment.ms: 9}}";
        let plan = plan(&format!("{GROUPED}kafka: {{brokers: b, topics: {creation}}}\n"));
        let command = |topic: &str| {
            let topics = layout(&plan, &counts(&[("raw", 4)])).topics;
            topics.into_iter().find(|t| *t.topic == *topic).unwrap().create_command(&plan.topics)
        };
        let rest = "--replication 3 --config segment.ms=9 --config 'x.y=it'\\''s *'";
        assert_eq!(command("p.w.by"), format!("fastdata topics create p.w.by --partitions 4 {rest}"));
        assert_eq!(command("p.w.state"), format!("fastdata topics create p.w.state --partitions 4 --compacted {rest}"));
        assert_eq!(
            command("out"),
            "fastdata topics create out --partitions 4 --replication 3 --retention-bytes 100 --retention 1day12h \
             --config segment.ms=9 --config 'x.y=it'\\''s *'"
        );
    }

    #[test]
    fn a_source_that_does_not_exist_counts_as_one_partition() {
        let expected = named(&[("a", 1), ("b", 1), ("out", 1), ("p.dead", 1), ("p.progress", 1)]);
        assert_eq!(topics(&plan(MERGE), &[]), expected);
    }
}
