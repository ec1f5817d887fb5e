//! Access control lists: each command runs with the rights that `docs/kafka.md` names, and reports what it leaves out
//! if it has fewer.
//!
//! The tests read the rights from the table of that page.

use super::broker::{self, Cluster, USER};
use super::security::GUARDED;
use super::wire::{self, GROUP, TOPIC, TRANSACTIONAL_ID};
use crate::harness::program::Fastdata;
use crate::harness::wait;
use fastdata::log::{Log as _, Start};
use fastdata::record::TopicPartition;
use std::time::{Duration, Instant};

/// One row of the table: what a command needs on one kind of resource.
struct Right {
    kind: u8,
    name: String,
    operations: Vec<u8>,
}

fn operation(name: &str) -> u8 {
    match name {
        "Read" => wire::READ,
        "Write" => wire::WRITE,
        "Create" => wire::CREATE,
        "Delete" => wire::DELETE,
        "Describe" => wire::DESCRIBE,
        "DescribeConfigs" => wire::DESCRIBE_CONFIGS,
        other => panic!("no operation `{other}`"),
    }
}

/// The rights of a command, as the page lists them.
fn rights(command: &str) -> Vec<Right> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/kafka.md")).unwrap();
    let rows = page.lines().map(|l| l.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    let own = rows.filter(|cells| cells.len() == 4 && cells[0] == format!("`{command}`"));
    let found: Vec<Right> = own
        .map(|cells| Right {
            kind: match cells[1] {
                "topic" => TOPIC,
                "group" => GROUP,
                "transactional id" => TRANSACTIONAL_ID,
                other => panic!("no resource `{other}`"),
            },
            name: cells[2].trim_matches('`').to_owned(),
            operations: cells[3].split(',').map(|o| operation(o.trim())).collect(),
        })
        .collect();
    assert!(!found.is_empty(), "`{command}` is not in the table");
    found
}

/// A cluster whose user has only the rights that a test grants.
struct GuardedCluster {
    cluster: Cluster,
    f: Fastdata,
    /// The flags of the user.
    user: String,
    /// The flags of a user with all rights.
    admin: String,
}

impl GuardedCluster {
    fn new() -> Option<Self> {
        let cluster = broker::start(GUARDED)?;
        let f = Fastdata::in_temp();
        f.file(
            "login",
            &format!(
                "security.protocol=sasl_plaintext\nsasl.mechanism=SCRAM-SHA-512\nsasl.username={}\nsasl.password={}\n",
                USER.0, USER.1
            ),
        );
        let user = format!("--kafka-config login --brokers {}", cluster.listener("SASL_PLAINTEXT"));
        let admin = format!("--brokers {}", cluster.listener("PLAINTEXT"));
        Some(Self { cluster, f, user, admin })
    }

    /// Gives the user exactly the rights of a command, except for `without`; `names` replace the page's placeholders.
    fn grant(&self, command: &str, names: &[(&str, &str)], without: impl Fn(&str, u8) -> bool) {
        wire::revoke_all(&self.cluster);
        for right in rights(command) {
            let (pattern, stem) = match right.name.strip_suffix('*') {
                Some(stem) => (wire::PREFIXED, stem),
                None => (wire::LITERAL, right.name.as_str()),
            };
            let name = names.iter().fold(stem.to_owned(), |name, (from, to)| name.replace(from, to));
            for operation in right.operations.iter().filter(|o| !without(&right.name, **o)) {
                wire::rule(&self.cluster, right.kind, pattern, &name, *operation, true);
            }
        }
    }

    /// Runs a command as the user, who has all rights that it needs.
    fn run_allowed(&self, line: &str) -> String {
        let ended = self.f.args(&format!("{line} {}", self.user)).succeeds();
        assert!(
            !ended.stderr_text().contains("allow") && !ended.stderr_text().contains("warning"),
            "`{line}`: {}",
            ended.stderr_text()
        );
        ended.stdout_text().to_owned()
    }

    /// Creates a pipeline with state, a repartition and a model; its source has records and its model is published.
    fn create_pipeline(&self, name: &str) {
        let columns: Vec<String> = (0..11).map(|i| format!("x{i}")).collect();
        let set: Vec<String> = columns.iter().map(|c| format!("{c}: CAST(i % 10 AS DOUBLE)")).collect();
        self.f.file(
            &format!("{name}.yaml"),
            &format!(
                "name: {name}\nsource: {{topic: {name}-in, schema: {{i: bigint}}}}\nsteps:\n  - set: {{{}}}\n  - score: {{model: {name}, inputs: [{}], outputs: {{grade: prediction}}}}\n  - set: {{last: i % 3}}\n  - {{name: counted, scan: {{by: [last], init: {{n: 0}}, next: {{n: n + 1}}}}}}\nsink: {name}-out\n",
                set.join(", "),
                columns.join(", ")
            ),
        );
        let model = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/models/wine.onnx");
        self.run_as_admin(&format!("publish-model {model} --data-type {name}"));
        self.run_as_admin(&format!("topics create {name}-in --partitions 2"));
        self.seed(name);
    }

    /// Runs a command as the user with all rights.
    fn run_as_admin(&self, line: &str) {
        self.f.args(&format!("{line} {}", self.admin)).succeeds();
    }

    fn seed(&self, name: &str) {
        let lines: String = (0..20).map(|i| format!("{{\"i\": {i}}}\n")).collect();
        self.f.file("records.jsonl", &lines);
        self.run_as_admin(&format!("seed --topic {name}-in --from records.jsonl"));
    }
}

/// Leaves out no right.
const WITHOUT_NONE: fn(&str, u8) -> bool = |_, _| false;

#[test]
fn each_command_runs_with_the_rights_that_the_manual_names() {
    let Some(guarded) = GuardedCluster::new() else { return };
    let unique = |name: &str| guarded.cluster.name(name);
    // Topics.
    let topic = unique("listed");
    guarded.grant("topics create", &[("TOPIC", &topic)], WITHOUT_NONE);
    guarded.run_allowed(&format!("topics create {topic}"));
    guarded.grant("topics list", &[("TOPIC", &topic)], WITHOUT_NONE);
    assert!(guarded.run_allowed("topics list").contains(&topic));
    guarded.grant("topics describe", &[("TOPIC", &topic)], WITHOUT_NONE);
    assert!(guarded.run_allowed(&format!("topics describe {topic}")).contains("1 partition"));
    guarded.grant("topics delete", &[("TOPIC", &topic)], WITHOUT_NONE);
    guarded.run_allowed(&format!("topics delete {topic} --yes"));
    // Records.
    let topic = unique("seeded");
    guarded.f.file("two.jsonl", "{\"i\": 1}\n{\"i\": 2}\n");
    guarded.grant("seed", &[("TOPIC", &topic)], WITHOUT_NONE);
    guarded.run_allowed(&format!("seed --topic {topic} --from two.jsonl"));
    guarded.run_allowed(&format!("seed --topic {topic} --from two.jsonl"));
    guarded.grant("tail", &[("TOPIC", &topic)], WITHOUT_NONE);
    let shown = guarded.run_allowed(&format!("tail --topic {topic} --from earliest --until-end --output raw"));
    assert_eq!(shown.lines().count(), 4, "{shown}");
    // Models.
    let topic = unique("models");
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/models/wine.onnx");
    guarded.grant("publish-model", &[("models", &topic)], WITHOUT_NONE);
    guarded.run_allowed(&format!("publish-model {model} --topic {topic}"));
    guarded.run_allowed(&format!("publish-model {model} --topic {topic}"));
    // A topic that exists needs no right to create it.
    guarded.grant("publish-model", &[("models", &topic)], |_, operation| operation == wire::CREATE);
    guarded.run_allowed(&format!("publish-model {model} --topic {topic}"));
    for command in ["models list", "models show"] {
        guarded.grant(command, &[("models", &topic)], WITHOUT_NONE);
        let shown = guarded.run_allowed(&format!("{command} --topic {topic} --output json"));
        assert!(shown.contains("ONNX") && !shown.contains("\"error\""), "{shown}");
    }
    pipelines_run_with_their_rights(&guarded);
}

fn pipelines_run_with_their_rights(guarded: &GuardedCluster) {
    let name = guarded.cluster.name("rights");
    guarded.create_pipeline(&name);
    let (input, output) = (format!("{name}-in"), format!("{name}-out"));
    let names = [("PIPELINE", name.as_str()), ("SOURCE", &input), ("SINK", &output)];
    let validate = || {
        guarded.grant("validate --online", &names, WITHOUT_NONE);
        guarded.run_allowed(&format!("validate {name}.yaml --online"));
    };
    validate();
    guarded.grant("run", &names, WITHOUT_NONE);
    guarded.run_allowed(&format!("run {name}.yaml --until-end --quiet"));
    guarded.run_allowed(&format!("run {name}.yaml --until-end --quiet"));
    guarded.grant("run --from", &names, WITHOUT_NONE);
    guarded.run_allowed(&format!("run {name}.yaml --until-end --quiet --from earliest"));
    validate();
    guarded.grant("query", &names, WITHOUT_NONE);
    assert_eq!(guarded.run_allowed(&format!("query {name}.yaml counted")).lines().count(), 3);
    guarded.grant("stats", &names, WITHOUT_NONE);
    assert!(guarded.run_allowed(&format!("stats {name}")).contains("counted"));
    guarded.grant("stats", &names, |name, _| name == "SOURCE");
    let ended = guarded.f.args(&format!("stats {name} {}", guarded.user)).succeeds();
    assert!(ended.stdout_text().contains("counted"), "{}", ended.stdout_text());
    assert!(
        ended.stderr_text().contains(&format!("`{input}`")) && ended.stderr_text().contains("left out"),
        "{}",
        ended.stderr_text()
    );
}

#[test]
fn a_list_of_topics_names_those_whose_configuration_the_user_may_not_see() {
    let Some(guarded) = GuardedCluster::new() else { return };
    let [visible, hidden, partly] = ["visible", "hidden", "partly"].map(|n| guarded.cluster.name(n));
    for topic in [&visible, &hidden, &partly] {
        guarded.run_as_admin(&format!("topics create {topic}"));
    }
    for operation in [wire::DESCRIBE, wire::DESCRIBE_CONFIGS] {
        wire::rule(&guarded.cluster, TOPIC, wire::LITERAL, &visible, operation, true);
    }
    wire::rule(&guarded.cluster, TOPIC, wire::LITERAL, &partly, wire::DESCRIBE, true);
    let ended = guarded.f.args(&format!("topics list {}", guarded.user)).succeeds();
    assert!(ended.stdout_text().contains(&visible), "{}", ended.stdout_text());
    assert!(
        !ended.stdout_text().contains(&hidden) && !ended.stdout_text().contains(&partly),
        "{}",
        ended.stdout_text()
    );
    let message = format!("left out `{partly}`: Kafka does not allow this user to describe its configuration");
    assert!(ended.stderr_text().contains(&message), "{}", ended.stderr_text());
}

#[test]
fn a_run_without_the_right_to_trim_its_topics_warns_once() {
    let Some(guarded) = GuardedCluster::new() else { return };
    let name = guarded.cluster.name("untrimmed");
    guarded.create_pipeline(&name);
    let (input, output) = (format!("{name}-in"), format!("{name}-out"));
    let names = [("PIPELINE", name.as_str()), ("SOURCE", &input), ("SINK", &output)];
    guarded.grant("run", &names, |_, operation| operation == wire::DELETE);
    let mut run = guarded.f.start(&format!("run {name}.yaml {}", guarded.user));
    let (start, log) = (Instant::now(), guarded.cluster.connect());
    let end = || {
        let at = (0..2).map(|p| TopicPartition::new(output.as_str(), p));
        at.map(|at| log.resolve(&at, Start::Latest).map_or(0, |end| end.0)).sum::<i64>()
    };
    // Records are trimmed at most once a second, for the first time after the second commit.
    let mut rounds = 0;
    while start.elapsed() < Duration::from_secs(5) || rounds < 6 {
        rounds += 1;
        let before = end();
        guarded.seed(&name);
        wait::until("results", || (end() > before).then_some(()));
    }
    run.signal("INT");
    assert!(run.wait().success());
    let stderr = run.stderr_text();
    assert_eq!(stderr.matches("Topic authorization failed").count(), 1, "{stderr}");
    assert!(stderr.contains("give this user the right `Delete` on the topic"), "{stderr}");
}
