//! Topics on Kafka: how they are created and listed, and the errors of a run whose topics are deleted, recreated, grown
//! or truncated by somebody else.

use super::broker::{self, Cluster};
use super::checker;
use crate::harness::program::{Fastdata, RunningProcess};
use crate::harness::topics::topic_config;
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

/// Number of listings while other topics come and go.
const LISTINGS: usize = 30;

/// Topics that are created and deleted concurrently.
const CONCURRENT_TOPICS: u32 = 3;

#[test]
fn listing_topics_is_complete_while_others_are_created_and_deleted() {
    let Some(cluster) = broker::shared() else { return };
    let log = cluster.connect();
    let permanent: Vec<String> = (0..3).map(|_| cluster.name("permanent")).collect();
    permanent.iter().for_each(|name| log.create_topic(name, &topic_config(2)).unwrap());
    let done = AtomicBool::new(false);
    let create_and_delete = |log: &KafkaLog, name: &str| {
        while !done.load(Ordering::Relaxed) {
            log.create_topic(name, &topic_config(3)).unwrap();
            log.delete_topic(name).unwrap();
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..CONCURRENT_TOPICS {
            let (log, name) = (cluster.connect(), cluster.name("temporary"));
            scope.spawn(move || create_and_delete(&log, &name));
        }
        let listings: Vec<_> = (0..LISTINGS).map(|_| log.topics(None)).collect();
        done.store(true, Ordering::Relaxed);
        for listed in listings {
            let listed = listed.unwrap();
            for name in &permanent {
                let found = listed.iter().find(|t| *t.name == **name);
                let partitions = found.map(|t| (t.config.partitions, t.partitions.len()));
                assert_eq!(partitions, Some((2, 2)), "`{name}` in {listed:?}");
            }
        }
    });
}

#[test]
fn a_compacted_topic_has_segments_that_compaction_reaches() {
    let Some(cluster) = broker::shared() else { return };
    let log = cluster.connect();
    let (compacted, other) = (cluster.name("compacted"), cluster.name("other"));
    log.create_topic(&compacted, &TopicConfig { compacted: true, ..topic_config(1) }).unwrap();
    log.create_topic(&other, &topic_config(1)).unwrap();
    let settings = |topic: &str| {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", cluster.listener("PLAINTEXT")).create().unwrap();
        let resources = [ResourceSpecifier::Topic(topic)];
        let request = admin.describe_configs(&resources, &AdminOptions::new());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = runtime.block_on(request).unwrap().remove(0).unwrap();
        answer.entries.into_iter().map(|e| (e.name.clone(), e)).collect::<BTreeMap<_, _>>()
    };
    let found = settings(&compacted);
    let values = |names: [&str; 3]| names.map(|n| found[n].value.as_deref().unwrap());
    assert_eq!(values(["cleanup.policy", "segment.bytes", "segment.ms"]), ["compact", "52428800", "3600000"]);
    let deletions = &found["delete.retention.ms"];
    assert_eq!(deletions.value.as_deref(), Some("86400000"));
    assert_eq!(deletions.source, ConfigSource::DynamicTopic, "set on the topic, not by the cluster");
    assert_eq!(settings(&other)["segment.bytes"].value.as_deref(), Some("1073741824"), "the default of Kafka");
}

#[test]
fn a_pipeline_is_checked_against_the_cluster() {
    let Some(cluster) = broker::shared() else { return };
    let (brokers, name) = (cluster.listener("PLAINTEXT"), cluster.name("shop"));
    let f = Fastdata::in_temp();
    let flags = format!("--brokers {brokers}");
    online::assert_checks_and_changes_nothing(&f, &name, &flags, &brokers);
}

/// What a pipeline keeps on the log besides its positions.
#[derive(Clone, Copy)]
pub(super) enum PipelineKind {
    Stateless,
    Stateful,
    Repartitioned,
}

/// A pipeline and its source, run as a process.
pub(super) struct Fixture<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) log: KafkaLog,
    pub(super) name: String,
    pub(super) f: Fastdata,
}

impl<'a> Fixture<'a> {
    pub(super) fn new(cluster: &'a Cluster, kind: PipelineKind, partitions: u32) -> Self {
        let (log, name, f) = (cluster.connect(), cluster.name("fixture"), Fastdata::in_temp());
        let step = match kind {
            PipelineKind::Stateless => "filter: n >= 0",
            PipelineKind::Stateful => "scan: {by: [kind], init: {c: 0}, next: {c: c + 1}}",
            PipelineKind::Repartitioned => "scan: {by: [other], init: {c: 0}, next: {c: c + 1}}",
        };
        let schema = "schema: {n: bigint, kind: string, other: string}";
        f.file(
            "p.yaml",
            &format!(
                "name: {name}\nsource: {{topic: {name}-in, key: kind, {schema}}}\ncommit_every: 20ms\nsteps:\n  - {{name: counted, {step}}}\nsink: {{topic: {name}-out}}\n"
            ),
        );
        let fixture = Self { cluster, log, name, f };
        fixture.create_source(partitions);
        fixture
    }

    pub(super) fn topic(&self, end: &str) -> String {
        format!("{}{end}", self.name)
    }

    pub(super) fn at(&self, partition: u32) -> TopicPartition {
        TopicPartition::new(self.topic("-in"), partition)
    }

    fn create_source(&self, partitions: u32) {
        self.log.create_topic(&self.topic("-in"), &topic_config(partitions)).unwrap();
    }

    /// Four records for one partition.
    pub(super) fn feed(&self, partition: u32) {
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

    pub(super) fn run_args(&self, more: &str) -> String {
        let fast_refresh = "--kafka topic.metadata.refresh.interval.ms=500 --kafka fetch.wait.max.ms=5";
        format!("run p.yaml --quiet --brokers {} {fast_refresh} {more}", self.cluster.listener("PLAINTEXT"))
    }

    /// Runs to the end of the input without an error.
    pub(super) fn run_to_end(&self) {
        self.f.args(&self.run_args("--until-end")).succeeds();
    }

    /// Runs to the end of the input; the run must fail with this error.
    fn assert_fails_with(&self, error: &str) {
        self.f.args(&self.run_args("--until-end")).fails_with(1).stdout("").stderr(&format!("error: {error}\n"));
    }

    /// Creates the source again, longer than it was. The committed position does not belong to the new topic, so only
    /// a run with `--from earliest` succeeds.
    fn recreate_and_start_over(&self) {
        self.create_source(1);
        (0..3).for_each(|_| self.feed(0));
        // The committed position is before or after the marker of the transaction that was read.
        self.f.args(&self.run_args("--until-end")).fails_with(1).stdout("").stderr_around(
            &format!("error: the position of `{}` is gone, and the state was committed at ", self.at(0)),
            ", if the topic is still the same; `--from earliest` starts over\n",
        );
        self.f.args(&self.run_args("--until-end --from earliest")).succeeds();
    }

    /// Starts a run and waits for this many results.
    fn start(&self, results: usize) -> RunningProcess {
        let mut run = self.f.start(&self.run_args(""));
        self.await_results(&mut run, results);
        run
    }

    pub(super) fn await_results(&self, run: &mut RunningProcess, results: usize) {
        wait::until("results", || {
            let ended = run.child().try_wait().unwrap();
            assert!(ended.is_none(), "the run has ended: {ended:?}\n{}", run.stderr_text());
            let exists = !self.log.topics(Some(&self.topic("-out"))).unwrap().is_empty();
            (exists && checker::count_committed(self.cluster, &self.topic("-out")) >= results).then_some(())
        });
    }
}

/// The stderr of a run that must end by itself with exit code 1.
fn stderr_of_failure(mut run: RunningProcess) -> String {
    let code = run.wait().code();
    let stderr = run.stderr_text();
    assert_eq!(code, Some(1), "{stderr}");
    stderr
}

#[test]
fn a_source_deleted_during_a_run_ends_it() {
    let Some(cluster) = broker::shared() else { return };
    let fixture = Fixture::new(cluster, PipelineKind::Stateless, 1);
    fixture.feed(0);
    let run = fixture.start(4);
    fixture.log.delete_topic(&fixture.topic("-in")).unwrap();
    let (topic, name) = (fixture.topic("-in"), &fixture.name);
    assert_eq!(
        stderr_of_failure(run),
        format!(
            "error: topic `{topic}`, which `{name}` reads, was deleted while it ran; make it again and start over with `--from earliest`\n"
        )
    );
    // A topic of the same name is another one, although it is longer than the old one was.
    fixture.recreate_and_start_over();
}

/// Longest time from a signal to the end of a run. The run would wait twice as long for the others to leave.
const MAX_SHUTDOWN_TIME: Duration = Duration::from_secs(10);

#[test]
fn a_run_that_waits_for_others_to_leave_can_be_stopped() {
    let Some(cluster) = broker::shared() else { return };
    let fixture = Fixture::new(cluster, PipelineKind::Stateless, 1);
    fixture.feed(0);
    let _first = fixture.start(4);
    let line = fixture.run_args("--from earliest").replace("--quiet ", "");
    let mut second = fixture.f.start_with_log(&line, "second.log", &[]);
    let log = || std::fs::read_to_string(fixture.f.dir().join("second.log")).unwrap();
    wait::until("the second run to wait", || log().contains("waiting for the other instances of").then_some(()));
    let start = Instant::now();
    second.signal("TERM");
    assert_eq!(second.wait().code(), Some(0), "{}", log());
    assert!(start.elapsed() < MAX_SHUTDOWN_TIME, "it waited for {:?}", start.elapsed());
}

/// Also with the deliveries that commit positions separately.
#[test]
fn a_source_recreated_between_two_runs_is_reported() {
    let Some(cluster) = broker::shared() else { return };
    for delivery in ["at_least_once", "at_most_once"] {
        let fixture = Fixture::new(cluster, PipelineKind::Stateful, 1);
        let text = std::fs::read_to_string(fixture.f.dir().join("p.yaml")).unwrap();
        fixture.f.file("p.yaml", &format!("{text}delivery: {delivery}\n"));
        fixture.feed(0);
        fixture.run_to_end();
        fixture.log.delete_topic(&fixture.topic("-in")).unwrap();
        fixture.recreate_and_start_over();
        assert_eq!(checker::count_committed(cluster, &fixture.topic("-out")), 4 + 12, "{delivery}");
    }
}

#[test]
fn a_source_recreated_during_a_run_ends_it() {
    let Some(cluster) = broker::shared() else { return };
    let fixture = Fixture::new(cluster, PipelineKind::Stateful, 1);
    fixture.feed(0);
    let run = fixture.start(4);
    fixture.log.delete_topic(&fixture.topic("-in")).unwrap();
    fixture.create_source(1);
    (0..3).for_each(|_| fixture.feed(0));
    let stderr = stderr_of_failure(run);
    let topic = fixture.topic("-in");
    let either = [
        format!("error: topic `{topic}` was deleted and made again since it was read last; start over"),
        format!("error: topic `{topic}`, which `{}` reads, was deleted while it ran; make it again", fixture.name),
        format!("error: the position of `{topic}/0` is gone, and the state was committed at "),
    ];
    assert!(either.iter().any(|e| stderr.starts_with(e)), "{stderr}");
}

#[test]
fn records_deleted_before_they_were_read_are_reported() {
    let Some(cluster) = broker::shared() else { return };
    let fixture = Fixture::new(cluster, PipelineKind::Stateful, 1);
    fixture.feed(0);
    let run = fixture.start(4);
    run.suspend();
    fixture.feed(0);
    let at = fixture.at(0);
    let end = wait::until("the marker of the second transaction", || {
        let end = fixture.log.resolve(&at, Start::Latest).unwrap();
        (end == Offset(10)).then_some(end)
    });
    fixture.log.delete_records(&[(at.clone(), Offset(7))]).unwrap();
    run.signal("CONT");
    // The position is before or after the marker of the first transaction.
    let tail = format!(
        " of `{at}` cannot be read: the partition holds 7 to {end}; start over with `--from earliest` or `--from latest`, or go on from the oldest record with `--on-lost-input skip`, which keeps the state and counts the gap\n"
    );
    let stderr = stderr_of_failure(run);
    assert!(stderr.starts_with("error: offset ") && stderr.ends_with(&tail), "{stderr}");
    fixture.f.args(&fixture.run_args("--until-end")).fails_with(1).stdout("").stderr_around("error: offset ", &tail);
    fixture.f.args(&fixture.run_args("--until-end --from earliest")).succeeds();
}

#[test]
fn a_deleted_internal_topic_is_reported() {
    let Some(cluster) = broker::shared() else { return };
    let fixture = Fixture::new(cluster, PipelineKind::Stateful, 1);
    fixture.feed(0);
    fixture.run_to_end();
    let (state, name) = (fixture.topic(".counted.state"), &fixture.name);
    fixture.log.delete_topic(&state).unwrap();
    fixture.feed(0);
    fixture.assert_fails_with(&format!(
        "topic `{state}`, in which `{name}` keeps the state of `counted`, was deleted; start over with `--from earliest`, which makes it anew"
    ));
    fixture.f.args(&fixture.run_args("--until-end --from earliest")).succeeds();

    let run = fixture.start(8);
    fixture.log.delete_topic(&state).unwrap();
    fixture.feed(0);
    let stderr = stderr_of_failure(run);
    let either = [
        format!("error: topic `{state}`, which `{name}` keeps for itself, was deleted while it ran; start over"),
        format!("error: topic `{state}`, in which `{name}` keeps the state of `counted`, was deleted; start over"),
    ];
    assert!(either.iter().any(|e| stderr.contains(e)), "{stderr}");
}

#[test]
fn new_partitions_are_read_by_a_pipeline_without_state() {
    let Some(cluster) = broker::shared() else { return };
    let fixture = Fixture::new(cluster, PipelineKind::Stateless, 1);
    fixture.feed(0);
    let mut run = fixture.start(4);
    fixture.grow(3);
    fixture.feed(2);
    fixture.await_results(&mut run, 8);
    run.signal("TERM");
    assert_eq!(run.wait().code(), Some(0), "{}", run.stderr_text());
    assert_eq!(checker::count_committed(cluster, &fixture.topic("-out")), 8, "each record once");
}

#[test]
fn new_partitions_end_a_run_whose_keys_would_move() {
    let Some(cluster) = broker::shared() else { return };
    for (kind, topic, what) in [
        (PipelineKind::Stateful, ".counted.state", "the state of `counted`"),
        (PipelineKind::Repartitioned, ".counted.by", "the records that `counted` groups"),
    ] {
        let fixture = Fixture::new(cluster, kind, 2);
        fixture.feed(1);
        let run = fixture.start(4);
        fixture.grow(3);
        let error = format!(
            "topic `{}`, which holds {what}, has 2 partitions where 3 are needed, as many as what is read has; start over with `--from earliest`, which makes it anew",
            fixture.topic(topic)
        );
        assert_eq!(stderr_of_failure(run), format!("error: {error}\n"));
        fixture.assert_fails_with(&error);
        fixture.f.args(&fixture.run_args("--until-end --from earliest")).succeeds();
    }
}
