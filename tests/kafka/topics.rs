//! Topics on Kafka: how they are made and listed, and what a run says when they change under it.
//!
//! Separate because here a person, or another program, does to the topics what fastdata never does itself.

use super::broker::{self, Cluster};
use super::checker;
use crate::harness::program::{Fastdata, Started};
use crate::harness::wait;
use crate::program::online;
use fastdata::log::kafka::KafkaLog;
use fastdata::log::{Append, Log as _, Start, TopicConfig};
use fastdata::record::{Offset, RecordsBuilder, TopicPartition};
use rdkafka::admin::{AdminClient, AdminOptions, ConfigSource, NewPartitions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often the list of topics is taken.
const LOOKS: usize = 30;

/// How many topics come and go at once.
const OTHERS: u32 = 3;

fn plain(partitions: u32) -> TopicConfig {
    TopicConfig { partitions, ..TopicConfig::default() }
}

#[test]
fn the_list_of_topics_is_whole_while_others_come_and_go() {
    let Some(cluster) = broker::shared() else { return };
    let log = cluster.connect();
    let lasting: Vec<String> = (0..3).map(|_| cluster.name("lasting")).collect();
    lasting.iter().for_each(|name| log.create_topic(name, &plain(2)).unwrap());
    let done = AtomicBool::new(false);
    let come_and_go = |log: &KafkaLog, name: &str| {
        while !done.load(Ordering::Relaxed) {
            log.create_topic(name, &plain(3)).unwrap();
            log.delete_topic(name).unwrap();
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..OTHERS {
            let (log, name) = (cluster.connect(), cluster.name("fleeting"));
            scope.spawn(move || come_and_go(&log, &name));
        }
        let looks: Vec<_> = (0..LOOKS).map(|_| log.topics(None)).collect();
        done.store(true, Ordering::Relaxed);
        for listed in looks {
            let listed = listed.unwrap();
            for name in &lasting {
                let found = listed.iter().find(|t| *t.name == **name);
                let partitions = found.map(|t| (t.config.partitions, t.partitions.len()));
                assert_eq!(partitions, Some((2, 2)), "`{name}` in {listed:?}");
            }
        }
    });
}

#[test]
fn a_compacted_topic_is_made_so_that_compaction_reaches_it() {
    let Some(cluster) = broker::shared() else { return };
    let log = cluster.connect();
    let (compacted, other) = (cluster.name("compacted"), cluster.name("other"));
    log.create_topic(&compacted, &TopicConfig { compacted: true, ..plain(1) }).unwrap();
    log.create_topic(&other, &plain(1)).unwrap();
    let settings = |topic: &str| {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", cluster.listener("PLAINTEXT")).create().unwrap();
        let of = [ResourceSpecifier::Topic(topic)];
        let asked = admin.describe_configs(&of, &AdminOptions::new());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = runtime.block_on(asked).unwrap().remove(0).unwrap();
        answer.entries.into_iter().map(|e| (e.name.clone(), e)).collect::<BTreeMap<_, _>>()
    };
    let found = settings(&compacted);
    let of = |names: [&str; 3]| names.map(|n| found[n].value.as_deref().unwrap());
    assert_eq!(of(["cleanup.policy", "segment.bytes", "segment.ms"]), ["compact", "52428800", "3600000"]);
    let deletions = &found["delete.retention.ms"];
    assert_eq!(deletions.value.as_deref(), Some("86400000"));
    assert_eq!(deletions.source, ConfigSource::DynamicTopic, "said, and not left to the cluster");
    assert_eq!(settings(&other)["segment.bytes"].value.as_deref(), Some("1073741824"), "Kafka's own size");
}

#[test]
fn a_pipeline_is_checked_against_the_cluster() {
    let Some(cluster) = broker::shared() else { return };
    let (brokers, name) = (cluster.listener("PLAINTEXT"), cluster.name("shop"));
    let f = Fastdata::in_temp();
    let flags = format!("--brokers {brokers}");
    online::looks_and_changes_nothing(&f, &name, &flags, &brokers);
}

/// Whether a pipeline remembers anything between records, and how.
#[derive(Clone, Copy)]
enum Keeps {
    Nothing,
    State,
    Repartition,
}

/// A pipeline with its source, run as a process.
struct Scene<'a> {
    cluster: &'a Cluster,
    log: KafkaLog,
    name: String,
    f: Fastdata,
}

impl<'a> Scene<'a> {
    fn new(cluster: &'a Cluster, keeps: Keeps, partitions: u32) -> Self {
        let (log, name, f) = (cluster.connect(), cluster.name("scene"), Fastdata::in_temp());
        let step = match keeps {
            Keeps::Nothing => "filter: n >= 0",
            Keeps::State => "scan: {by: [kind], init: {c: 0}, next: {c: c + 1}}",
            Keeps::Repartition => "scan: {by: [other], init: {c: 0}, next: {c: c + 1}}",
        };
        let schema = "schema: {n: bigint, kind: string, other: string}";
        f.file(
            "p.yaml",
            &format!(
                "name: {name}\nsource: {{topic: {name}-in, key: kind, {schema}}}\ncommit_every: 20ms\nsteps:\n  - {{name: counted, {step}}}\nsink: {{topic: {name}-out}}\n"
            ),
        );
        let scene = Self { cluster, log, name, f };
        scene.make(partitions);
        scene
    }

    fn topic(&self, end: &str) -> String {
        format!("{}{end}", self.name)
    }

    fn at(&self, partition: u32) -> TopicPartition {
        TopicPartition::new(self.topic("-in"), partition)
    }

    fn make(&self, partitions: u32) {
        self.log.create_topic(&self.topic("-in"), &plain(partitions)).unwrap();
    }

    /// Four records for one partition.
    fn feed(&self, partition: u32) {
        let mut b = RecordsBuilder::default();
        for n in 0..4 {
            let value = format!("{{\"n\": {n}, \"kind\": \"k{partition}\", \"other\": \"o{n}\"}}");
            b.push(Some(format!("k{partition}").as_bytes()), Some(value.as_bytes()), n);
        }
        self.log.appender().unwrap().append(&[Append { to: self.at(partition), records: b.finish() }]).unwrap();
    }

    fn grow(&self, partitions: usize) {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", self.cluster.listener("PLAINTEXT")).create().unwrap();
        let topic = self.topic("-in");
        let more = [NewPartitions::new(&topic, partitions)];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(admin.create_partitions(&more, &AdminOptions::new())).unwrap().remove(0).unwrap();
        wait::until("the new partitions", || {
            (self.log.topics(Some(&topic)).unwrap()[0].partitions.len() == partitions).then_some(())
        });
    }

    fn line(&self, more: &str) -> String {
        let quick = "--kafka topic.metadata.refresh.interval.ms=500 --kafka fetch.wait.max.ms=5";
        format!("run p.yaml --quiet --brokers {} {quick} {more}", self.cluster.listener("PLAINTEXT"))
    }

    /// Runs to the end of the input, well.
    fn ends_well(&self) {
        self.f.args(&self.line("--until-end")).succeeds();
    }

    /// Runs to the end of the input, and says what is wrong.
    fn ends_with(&self, said: &str) {
        self.f.args(&self.line("--until-end")).fails_with(1).stdout("").stderr(&format!("error: {said}\n"));
    }

    /// Makes the source again, longer than it was: what was committed is none of it, and only a run that forgets
    /// that goes on.
    fn starts_over(&self) {
        self.make(1);
        (0..3).for_each(|_| self.feed(0));
        // A commit may stand before the mark of the transaction that it has read, or behind it.
        self.f.args(&self.line("--until-end")).fails_with(1).stdout("").stderr_around(
            &format!("error: the position of `{}` is gone, and the state was committed at ", self.at(0)),
            ": the topic was deleted and made again, or the positions were removed; start over with `--from earliest`\n",
        );
        self.f.args(&self.line("--until-end --from earliest")).succeeds();
    }

    /// A run under way, after it has given so many results.
    fn started(&self, results: usize) -> Started {
        let mut run = self.f.start(&self.line(""));
        self.given(&mut run, results);
        run
    }

    fn given(&self, run: &mut Started, results: usize) {
        wait::until("results", || {
            let ended = run.child().try_wait().unwrap();
            assert!(ended.is_none(), "it has ended: {ended:?}\n{}", run.talk());
            let there = !self.log.topics(Some(&self.topic("-out"))).unwrap().is_empty();
            (there && checker::count(self.cluster, &self.topic("-out")) >= results).then_some(())
        });
    }
}

/// What a run that has ended by itself said; its exit code is 1.
fn last_words(mut run: Started) -> String {
    let code = run.wait().code();
    let talk = run.talk();
    assert_eq!(code, Some(1), "{talk}");
    talk
}

#[test]
fn a_source_that_goes_away_under_a_run_ends_it() {
    let Some(cluster) = broker::shared() else { return };
    let scene = Scene::new(cluster, Keeps::Nothing, 1);
    scene.feed(0);
    let run = scene.started(4);
    scene.log.delete_topic(&scene.topic("-in")).unwrap();
    let (topic, name) = (scene.topic("-in"), &scene.name);
    assert_eq!(
        last_words(run),
        format!(
            "error: topic `{topic}`, which `{name}` reads, was deleted while it ran; make it again and start over with `--from earliest`\n"
        )
    );
    // Made again, it is another one, although it is longer than the old one was.
    scene.starts_over();
}

/// In which a run that is told to stop is to end; others are waited for twice as long.
const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_run_that_waits_for_others_to_leave_can_be_stopped() {
    let Some(cluster) = broker::shared() else { return };
    let scene = Scene::new(cluster, Keeps::Nothing, 1);
    scene.feed(0);
    let _first = scene.started(4);
    let line = scene.line("--from earliest").replace("--quiet ", "");
    let mut second = scene.f.start_into(&line, "second.log", &[]);
    let said = || std::fs::read_to_string(scene.f.dir().join("second.log")).unwrap();
    wait::until("it to wait", || said().contains("waits until the other instances of").then_some(()));
    let start = Instant::now();
    second.signal("TERM");
    assert_eq!(second.wait().code(), Some(0), "{}", said());
    assert!(start.elapsed() < SOON, "it has waited for {:?}", start.elapsed());
}

/// Where positions are committed apart from the rest, too.
#[test]
fn a_source_that_is_made_anew_between_two_runs_is_told_from_what_it_was() {
    let Some(cluster) = broker::shared() else { return };
    for delivery in ["at_least_once", "at_most_once"] {
        let scene = Scene::new(cluster, Keeps::State, 1);
        let text = std::fs::read_to_string(scene.f.dir().join("p.yaml")).unwrap();
        scene.f.file("p.yaml", &format!("{text}delivery: {delivery}\n"));
        scene.feed(0);
        scene.ends_well();
        scene.log.delete_topic(&scene.topic("-in")).unwrap();
        scene.starts_over();
        assert_eq!(checker::count(cluster, &scene.topic("-out")), 4 + 12, "{delivery}");
    }
}

#[test]
fn a_source_that_is_made_anew_under_a_run_ends_it() {
    let Some(cluster) = broker::shared() else { return };
    let scene = Scene::new(cluster, Keeps::State, 1);
    scene.feed(0);
    let run = scene.started(4);
    scene.log.delete_topic(&scene.topic("-in")).unwrap();
    scene.make(1);
    (0..3).for_each(|_| scene.feed(0));
    let said = last_words(run);
    let topic = scene.topic("-in");
    let either = [
        format!("error: topic `{topic}` was deleted and made again since it was read last; start over"),
        format!("error: topic `{topic}`, which `{}` reads, was deleted while it ran; make it again", scene.name),
        format!("error: the position of `{topic}/0` is gone, and the state was committed at "),
    ];
    assert!(either.iter().any(|e| said.starts_with(e)), "{said}");
}

#[test]
fn records_that_were_removed_unread_are_missed_by_name() {
    let Some(cluster) = broker::shared() else { return };
    let scene = Scene::new(cluster, Keeps::State, 1);
    scene.feed(0);
    let run = scene.started(4);
    run.signal("STOP");
    scene.feed(0);
    let at = scene.at(0);
    let end = wait::until("the mark of the second transaction", || {
        let end = scene.log.resolve(&at, Start::Latest).unwrap();
        (end == Offset(10)).then_some(end)
    });
    scene.log.delete_records(&[(at.clone(), Offset(7))]).unwrap();
    run.signal("CONT");
    // Where it stood was before the mark of the first transaction, or behind it.
    let tail = format!(
        " of `{at}` cannot be read: the partition holds 7 to {end}; start over with `--from earliest` or `--from latest`\n"
    );
    let said = last_words(run);
    assert!(said.starts_with("error: offset ") && said.ends_with(&tail), "{said}");
    scene.f.args(&scene.line("--until-end")).fails_with(1).stdout("").stderr_around("error: offset ", &tail);
    scene.f.args(&scene.line("--until-end --from earliest")).succeeds();
}

#[test]
fn what_a_pipeline_keeps_for_itself_is_missed_by_name() {
    let Some(cluster) = broker::shared() else { return };
    let scene = Scene::new(cluster, Keeps::State, 1);
    scene.feed(0);
    scene.ends_well();
    let (state, name) = (scene.topic(".counted.state"), &scene.name);
    scene.log.delete_topic(&state).unwrap();
    scene.feed(0);
    scene.ends_with(&format!(
        "topic `{state}`, in which `{name}` keeps the state of `counted`, was deleted; start over with `--from earliest`, which makes it anew"
    ));
    scene.f.args(&scene.line("--until-end --from earliest")).succeeds();

    let run = scene.started(8);
    scene.log.delete_topic(&state).unwrap();
    scene.feed(0);
    let said = last_words(run);
    let either = [
        format!("error: topic `{state}`, which `{name}` keeps for itself, was deleted while it ran; start over"),
        format!("error: topic `{state}`, in which `{name}` keeps the state of `counted`, was deleted; start over"),
    ];
    assert!(either.iter().any(|e| said.contains(e)), "{said}");
}

#[test]
fn a_source_that_grows_is_read_on_where_nothing_is_kept() {
    let Some(cluster) = broker::shared() else { return };
    let scene = Scene::new(cluster, Keeps::Nothing, 1);
    scene.feed(0);
    let mut run = scene.started(4);
    scene.grow(3);
    scene.feed(2);
    scene.given(&mut run, 8);
    run.signal("TERM");
    assert_eq!(run.wait().code(), Some(0), "{}", run.talk());
    assert_eq!(checker::count(cluster, &scene.topic("-out")), 8, "each record once");
}

#[test]
fn a_source_that_grows_ends_a_run_whose_keys_would_move() {
    let Some(cluster) = broker::shared() else { return };
    for (keeps, topic, what) in [
        (Keeps::State, ".counted.state", "the state of `counted`"),
        (Keeps::Repartition, ".counted.by", "the records that `counted` groups"),
    ] {
        let scene = Scene::new(cluster, keeps, 2);
        scene.feed(1);
        let run = scene.started(4);
        scene.grow(3);
        let said = format!(
            "topic `{}`, which holds {what}, has 2 partitions where 3 are needed, as many as what is read has; start over with `--from earliest`, which makes it anew",
            scene.topic(topic)
        );
        assert_eq!(last_words(run), format!("error: {said}\n"));
        scene.ends_with(&said);
        scene.f.args(&scene.line("--until-end --from earliest")).succeeds();
    }
}
