//! How the topics of a pipeline are made on Kafka: `kafka: {topics: …}`, `topics create` and `topics describe`.

use super::broker::{self, Cluster};
use crate::harness::program::Fastdata;
use crate::harness::topics::{self, topic_config};
use fastdata::log::{Log as _, TopicConfig};
use fastdata::record::{RecordsBuilder, TopicPartition};
use serde_json::{Value, json};

/// Event times of the records: long ago, so that a retention by event time would remove them at once.
const EVENT_TIME: i64 = 1_000;

/// A pipeline with a sink, a repartition, state and dead letters.
struct Fixture<'a> {
    cluster: &'a Cluster,
    name: String,
    f: Fastdata,
}

impl<'a> Fixture<'a> {
    /// `topics` is what the file says about its topics. The source has two partitions, a good and a bad record.
    fn new(cluster: &'a Cluster, topics: &str) -> Self {
        let (name, f) = (cluster.name("made"), Fastdata::in_temp());
        let brokers = cluster.listener("PLAINTEXT");
        f.file(
            "p.yaml",
            &format!(
                "name: {name}\nsource: {{topic: {name}-in, schema: {{n: bigint, k: string}}}}\nsteps:\n  - {{name: c, scan: {{by: [k], init: {{s: 0}}, next: {{s: s + n}}}}}}\nsink: {{topic: {name}-out}}\nkafka: {{brokers: '{brokers}', topics: {topics}}}\n"
            ),
        );
        let log = cluster.connect();
        log.create_topic(&format!("{name}-in"), &topic_config(2)).unwrap();
        let mut records = RecordsBuilder::default();
        records.push(None, Some(b"{\"n\": 1, \"k\": \"a\"}"), EVENT_TIME);
        records.push(None, Some(b"{\"n\": bad}"), EVENT_TIME);
        topics::append(&log, &format!("{name}-in"), 0, records.finish());
        Self { cluster, name, f }
    }

    fn flags(&self) -> String {
        format!("--brokers {}", self.cluster.listener("PLAINTEXT"))
    }

    /// What `topics describe` says about a topic of the pipeline.
    fn describe(&self, end: &str) -> Value {
        describe(&self.f, &format!("{}{end}", self.name), &self.flags())
    }
}

fn describe(f: &Fastdata, topic: &str, flags: &str) -> Value {
    let described = f.args(&format!("topics describe {topic} --output json {flags}")).succeeds();
    serde_json::from_str(described.stdout_text()).unwrap()
}

fn values(described: &Value, names: [&str; 4]) -> [String; 4] {
    names.map(|name| described["settings"][name]["value"].as_str().unwrap_or("-").to_owned())
}

#[test]
fn topics_are_made_as_the_file_says() {
    let Some(cluster) = broker::shared() else { return };
    let fixture = Fixture::new(
        cluster,
        "{replication: 1, retention: 7d, config: {max.message.bytes: 2000000, retention.bytes: 1000000000}}",
    );
    fixture.f.args("run p.yaml --until-end --quiet").succeeds();
    let names = ["cleanup.policy", "retention.ms", "retention.bytes", "message.timestamp.type"];
    let expected = [
        ("-out", ["delete", "604800000", "1000000000", "CreateTime"]),
        (".dead", ["delete", "604800000", "1000000000", "LogAppendTime"]),
        (".c.by", ["delete", "-1", "-1", "CreateTime"]),
        (".c.state", ["compact", "-", "-", "CreateTime"]),
        (".progress", ["compact", "-", "-", "CreateTime"]),
    ];
    for (end, settings) in expected {
        let described = fixture.describe(end);
        let mut found = values(&described, names);
        if settings[0] == "compact" {
            // What the cluster would do with records of a topic that is not compacted.
            found[1..3].iter_mut().for_each(|value| *value = "-".into());
        }
        assert_eq!(found, settings, "{end}: {described}");
        assert_eq!(described["replication"], 1, "{end}");
        let max_bytes = json!({"value": "2000000", "set_by": "topic"});
        assert_eq!(described["settings"]["max.message.bytes"], max_bytes, "{end}");
    }
    assert_eq!(fixture.describe(".c.state")["settings"]["segment.bytes"]["value"], "52428800");
}

/// Also of a record of long ago; their age counts from when they were written.
#[test]
fn dead_letters_are_kept_for_30_days_unless_said() {
    let Some(cluster) = broker::shared() else { return };
    for (topics, retention) in [("{}", "2592000000"), ("{retention: none}", "-1")] {
        let fixture = Fixture::new(cluster, topics);
        fixture.f.args("run p.yaml --until-end --quiet").succeeds();
        let dead = fixture.describe(".dead");
        assert_eq!(dead["settings"]["retention.ms"]["value"], retention, "{dead}");
        assert_eq!(fixture.describe("-out")["settings"]["retention.ms"]["value"], "-1");
        let letters =
            topics::read_partition(&cluster.connect(), &TopicPartition::new(format!("{}.dead", fixture.name), 0));
        assert_eq!(letters.len(), 1);
        assert!(letters[0].timestamp > 1_700_000_000_000, "written at {}", letters[0].timestamp);
        // The record has its own time when it is sent again.
        fixture.f.args(&format!("dead replay {} {}", fixture.name, fixture.flags())).succeeds();
        let source = TopicPartition::new(format!("{}-in", fixture.name), 0);
        let times: Vec<i64> = topics::read_partition(&cluster.connect(), &source).iter().map(|r| r.timestamp).collect();
        assert_eq!(times, [EVENT_TIME; 3]);
    }
}

#[test]
fn a_pipeline_that_makes_no_topics_names_the_commands_that_do() {
    let Some(cluster) = broker::shared() else { return };
    let fixture = Fixture::new(cluster, "{create: false, replication: 1, config: {compression.type: lz4}}");
    let (name, f) = (&fixture.name, &fixture.f);
    let each = "--replication 1 --config compression.type=lz4";
    let commands = [
        format!("fastdata topics create {name}.c.by --partitions 2 {each}"),
        format!("fastdata topics create {name}.c.state --partitions 2 --compacted {each}"),
        format!("fastdata topics create {name}-out --partitions 2 {each}"),
        format!(
            "fastdata topics create {name}.dead --partitions 1 {each} --config message.timestamp.type=LogAppendTime --retention 30days"
        ),
        format!("fastdata topics create {name}.progress --partitions 1 --compacted {each}"),
    ];
    f.args("run p.yaml --until-end --quiet").fails_with(1).stdout("").stderr(&format!(
        "error: topics `{name}.c.by`, `{name}.c.state`, `{name}-out`, `{name}.dead`, `{name}.progress` do not exist, and `create: false` makes none; make them with:\n  {}\n",
        commands.join("\n  ")
    ));
    let online = f.args("validate p.yaml --online").fails_with(2);
    for command in &commands {
        assert!(
            online.stderr_text().contains(&format!("hint: make it with `{command}`\n")),
            "{}",
            online.stderr_text()
        );
        let line = command.strip_prefix("fastdata ").unwrap();
        f.args(&format!("{line} {}", fixture.flags())).succeeds();
    }
    f.args("validate p.yaml --online").succeeds();
    f.args("run p.yaml --until-end --quiet").succeeds();
    let state = fixture.describe(".c.state");
    assert_eq!(state["settings"]["compression.type"], json!({"value": "lz4", "set_by": "topic"}));
    assert_eq!(fixture.describe(".dead")["settings"]["retention.ms"]["value"], "2592000000");

    // Starting over deletes what is in them, and again the commands make what is missing; then it does start over.
    let again = f.args("run p.yaml --until-end --quiet --from earliest").fails_with(1);
    let stderr = again.stderr_text();
    for command in stderr.lines().filter_map(|line| line.strip_prefix("  fastdata ")) {
        f.args(&format!("{command} {}", fixture.flags())).succeeds();
    }
    f.args("run p.yaml --until-end --quiet --from earliest").succeeds();
}

/// On a cluster of its own, because all pipelines share the topic of models.
#[test]
fn a_pipeline_that_makes_no_topics_does_not_make_that_of_models() {
    let Some(cluster) = broker::start(broker::SINGLE_NODE) else { return };
    let (f, flags) = (Fastdata::in_temp(), format!("--brokers {}", cluster.listener("PLAINTEXT")));
    let file = format!(
        "name: p\nsource: {{topic: raw, schema: {{n: double}}}}\nsteps:\n  - score: {{model: m, inputs: [n], when_missing: drop}}\nsink: out\nerrors: drop\nkafka: {{brokers: '{}', topics: {{create: false, replication: 1}}}}\n",
        cluster.listener("PLAINTEXT")
    );
    f.file("p.yaml", &file);
    for topic in ["raw", "out", "p.progress --compacted"] {
        f.args(&format!("topics create {topic} {flags}")).succeeds();
    }
    let command = "topics create models --partitions 1 --replication 1";
    let missing = "topic `models` does not exist, and `create: false` makes none";
    f.args("run p.yaml --until-end --quiet")
        .fails_with(1)
        .stderr(&format!("error: {missing}; make it with `fastdata {command}`\n"));
    let online = f.args("validate p.yaml --online").fails_with(2);
    assert!(online.stderr_text().contains(&format!("error: {missing}\n")), "{}", online.stderr_text());
    f.args(&format!("{command} {flags}")).succeeds();
    f.args("validate p.yaml --online").succeeds();
    f.args("run p.yaml --until-end --quiet").succeeds();
}

#[test]
fn settings_that_kafka_refuses_are_named() {
    let Some(cluster) = broker::shared() else { return };
    let too_many = Fixture::new(cluster, "{replication: 3}");
    let refused = too_many.f.args("run p.yaml --until-end --quiet").fails_with(2);
    let stderr = refused.stderr_text();
    let named = stderr.contains(&format!("Kafka does not take topic `{}.c.by`: ", too_many.name));
    assert!(named && stderr.contains("3 replicas need as many brokers"), "{stderr}");
    let unknown = Fixture::new(cluster, "{config: {fastdata.nonsense: 5}}");
    let refused = unknown.f.args("run p.yaml --until-end --quiet").fails_with(2);
    assert!(refused.stderr_text().contains("look at its settings `fastdata.nonsense`"), "{}", refused.stderr_text());
}

#[test]
fn a_topic_is_described_as_the_broker_has_it() {
    let Some(cluster) = broker::shared() else { return };
    let (f, topic) = (Fastdata::in_temp(), cluster.name("described"));
    let flags = format!("--brokers {}", cluster.listener("PLAINTEXT"));
    let line = "--partitions 2 --replication 1 --retention 7d --config min.insync.replicas=1 --config segment.ms=60000";
    f.args(&format!("topics create {topic} {line} {flags}")).succeeds();
    let described = describe(&f, &topic, &flags);
    let set_by = |name: &str| described["settings"][name]["set_by"].as_str().unwrap_or("-").to_owned();
    let names = ["cleanup.policy", "retention.ms", "min.insync.replicas", "segment.ms", "max.message.bytes"];
    assert_eq!(names.map(set_by), ["topic", "topic", "topic", "topic", "default"], "{described}");
    assert_eq!(described["settings"]["segment.ms"]["value"], "60000");
    assert!(described["settings"]["compression.type"].is_null(), "a default: {described}");
    let text = f.args(&format!("topics describe {topic} {flags}")).succeeds();
    let text = text.stdout_text();
    assert!(text.starts_with(&format!("{topic}: 2 partitions, 1 replica, kept for 7days\n\n")), "{text}");
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    for expected in [
        ["setting", "value", "set", "by"].as_slice(),
        &["cleanup.policy", "delete", "topic"],
        &["max.message.bytes", "1048588", "default"],
        &["min.insync.replicas", "1", "topic"],
        &["retention.ms", "604800000", "topic"],
        &["partition", "earliest", "end", "records", "size"],
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected:?} in {text}");
    }
}

#[test]
fn a_topic_has_the_replicas_that_were_asked_for() {
    let Some(cluster) = broker::start(broker::THREE_NODES) else { return };
    let (log, topic) = (cluster.connect(), cluster.name("replicated"));
    log.create_topic(&topic, &TopicConfig { replication: Some(2), ..topic_config(3) }).unwrap();
    assert_eq!(log.topics(Some(&topic)).unwrap()[0].replication, Some(2));
}
