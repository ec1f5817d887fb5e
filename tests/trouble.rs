//! Runs in trouble, without a broker: whatever happens, a run goes on or ends, and never only stands still.
//!
//! Separate because each of these runs has one fault that is put there on purpose.

use crate::harness::case::Case;
use crate::harness::drive::{NOW, model_records, plan};
use crate::harness::record::pack;
use crate::harness::troubled::{Trouble, Troubled};
use crate::harness::wait;
use fastdata::log::embedded::EmbeddedLog;
use fastdata::log::{Append, Log, Start, TopicConfig};
use fastdata::metrics::progress_topic;
use fastdata::plan::Physical;
use fastdata::record::{Offset, Records, RecordsBuilder, TopicPartition};
use fastdata::runtime::operators::build::Factory;
use fastdata::runtime::task::operator::Operator;
use fastdata::runtime::{CancelReason, CancelToken, Collector, Engine, Fault, Round, RunOptions, StartFrom};
use fastdata::time::VirtualClock;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use tempfile::TempDir;

const MODELS: &str = "models";

/// A run on a thread of its own.
struct Run {
    stop: CancelToken,
    thread: JoinHandle<Result<(), Fault>>,
}

impl Run {
    fn start(plan: Arc<Physical>, log: Arc<dyn Log>, custom: BTreeMap<&'static str, Factory>, until_end: bool) -> Self {
        Self::start_with(CancelToken::default(), plan, log, custom, until_end)
    }

    fn start_with(
        stop: CancelToken,
        plan: Arc<Physical>,
        log: Arc<dyn Log>,
        custom: BTreeMap<&'static str, Factory>,
        until_end: bool,
    ) -> Self {
        Self::start_from(StartFrom::Committed, stop, plan, log, custom, until_end)
    }

    fn start_from(
        from: StartFrom,
        stop: CancelToken,
        plan: Arc<Physical>,
        log: Arc<dyn Log>,
        custom: BTreeMap<&'static str, Factory>,
        until_end: bool,
    ) -> Self {
        let engine = Engine { plan, log, clock: Arc::new(VirtualClock::at(NOW)), samples: Arc::new(|_, _| {}), custom };
        let options = RunOptions { until_end, from, instance: "test".into(), ..RunOptions::default() };
        let asked = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
            runtime.block_on(engine.run(&options, &asked))
        });
        Self { stop, thread }
    }

    /// How it ends, which it must by itself.
    fn end(self) -> Result<(), Fault> {
        wait::until("the run to end", || self.thread.is_finished().then_some(()));
        self.thread.join().unwrap()
    }
}

fn append(log: &dyn Log, topic: &str, partition: u32, records: Records) {
    let to = TopicPartition::new(topic, partition);
    log.appender().unwrap().append(&[Append { to, records }]).unwrap();
}

fn one(value: &[u8]) -> Records {
    let mut records = RecordsBuilder::default();
    records.push(None, Some(value), NOW);
    records.finish()
}

fn config(partitions: u32) -> TopicConfig {
    TopicConfig { partitions, ..TopicConfig::default() }
}

fn end(log: &dyn Log, topic: &str) -> Offset {
    log.resolve(&TopicPartition::new(topic, 0), Start::Latest).unwrap()
}

struct Panics;

impl Operator for Panics {
    fn process(&mut self, round: Round<'_>, _: &mut Collector<'_>) -> Result<(), Fault> {
        assert!(round.single().iter().all(|batch| batch.columns.num_rows() == 0), "a seventh has no half");
        Ok(())
    }
}

#[test]
fn a_task_that_panics_ends_the_run_with_its_name() {
    const PIPELINE: &str = "
name: halves
source: {topic: numbers, schema: {n: bigint}}
steps:
  - name: copied
    set: {m: n}
sink: {topic: halves}
";
    let mut plan = Arc::into_inner(plan(PIPELINE, ".".as_ref())).unwrap();
    plan.insert_after("copied", "halved", "halved").unwrap();
    let plan = Arc::new(plan);
    for until_end in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let log = Arc::new(EmbeddedLog::open(dir.path()).unwrap());
        log.create_topic("numbers", &config(2)).unwrap();
        append(&*log, "numbers", 1, one(br#"{"n":7}"#));
        let make: Factory = Arc::new(|_| Box::new(Panics));
        // The task of the other partition has nothing to do, and waits for more.
        let fault = Run::start(plan.clone(), log, BTreeMap::from([("halved", make)]), until_end).end().unwrap_err();
        assert_eq!(fault.to_string(), "internal error: task 0/1 has panicked: a seventh has no half");
    }
}

/// A pipeline that waits for a model, and what is to be scored with it.
fn scoring() -> (Arc<Physical>, Vec<Vec<u8>>, Arc<EmbeddedLog>, TempDir) {
    let case = Case::read("score");
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(EmbeddedLog::open(dir.path()).unwrap());
    log.create_topic("wines", &config(1)).unwrap();
    log.create_topic(MODELS, &config(1)).unwrap();
    append(&*log, "wines", 0, pack(&case.input[&("wines".to_owned(), 0)]));
    (plan(&case.text, &case.dir), model_records(&case.models), log, dir)
}

#[test]
fn a_model_is_found_after_the_topic_of_models_was_away() {
    let (plan, models, log, _dir) = scoring();
    let troubled = Arc::new(Troubled::new(log.clone(), MODELS, Trouble::Fails(2)));
    let run = Run::start(plan, troubled.clone(), BTreeMap::new(), true);
    wait::until("the topic to be away twice", || (troubled.failed() >= 2).then_some(()));
    append(&*log, MODELS, 0, one(&models[0]));
    run.end().unwrap();
    assert!(end(&*log, "scored") > Offset(0), "nothing was scored");
}

#[test]
fn a_run_ends_when_the_topic_of_models_is_gone() {
    let (plan, _, log, _dir) = scoring();
    let troubled = Arc::new(Troubled::new(log.clone(), MODELS, Trouble::Fails(0)));
    let run = Run::start(plan, troubled.clone(), BTreeMap::new(), false);
    wait::until("the models to be followed", || (troubled.polls.load(Ordering::Relaxed) > 2).then_some(()));
    log.delete_topic(MODELS).unwrap();
    let fault = run.end().unwrap_err().to_string();
    assert!(fault.contains("topic `models`"), "{fault}");
}

#[test]
fn a_run_that_waits_for_models_to_be_read_can_be_stopped() {
    let (plan, models, log, _dir) = scoring();
    append(&*log, MODELS, 0, one(&models[0]));
    let silent = Arc::new(Troubled::new(log, MODELS, Trouble::Silent));
    let run = Run::start(plan, silent.clone(), BTreeMap::new(), false);
    wait::until("the models to be asked for", || (silent.polls.load(Ordering::Relaxed) > 1).then_some(()));
    run.stop.cancel(CancelReason::Stop);
    run.end().unwrap();
}

#[test]
fn a_run_that_is_stopped_and_cannot_commit_ends_well_and_leaves_it_to_the_next() {
    let (plan, models, log, _dir) = scoring();
    append(&*log, MODELS, 0, one(&models[0]));
    let stop = CancelToken::default();
    let undoing = Arc::new(Troubled::new(log.clone(), "", Trouble::Undoes(stop.clone())));
    let run = Run::start_with(stop, plan.clone(), undoing.clone(), BTreeMap::new(), false);
    wait::until("a commit", || (undoing.polls.load(Ordering::Relaxed) > 0).then_some(()));
    run.stop.cancel(CancelReason::Stop);
    run.end().unwrap();
    assert_eq!(end(&*log, "scored"), Offset(0));
    Run::start(plan, log.clone(), BTreeMap::new(), true).end().unwrap();
    assert!(end(&*log, "scored") > Offset(0), "nothing was scored");
}

#[test]
fn a_run_that_is_stopped_does_not_try_again_to_commit_where_no_broker_is() {
    let (plan, models, log, _dir) = scoring();
    append(&*log, MODELS, 0, one(&models[0]));
    let stop = CancelToken::default();
    let away = Arc::new(Troubled::new(log.clone(), "", Trouble::Away(stop.clone())));
    let run = Run::start_with(stop, plan, away.clone(), BTreeMap::new(), false);
    wait::until("a commit", || (away.polls.load(Ordering::Relaxed) > 0).then_some(()));
    run.stop.cancel(CancelReason::Stop);
    run.end().unwrap();
    assert_eq!(away.polls.load(Ordering::Relaxed), 1, "each try may take long");
}

#[test]
fn a_run_that_waits_for_its_progress_to_be_read_can_be_stopped() {
    let (plan, models, log, _dir) = scoring();
    append(&*log, MODELS, 0, one(&models[0]));
    Run::start(plan.clone(), log.clone(), BTreeMap::new(), true).end().unwrap();
    let before = end(&*log, "scored");
    let silent = Arc::new(Troubled::new(log.clone(), &progress_topic(&plan.name), Trouble::Silent));
    let run = Run::start(plan.clone(), silent.clone(), BTreeMap::new(), false);
    wait::until("the progress to be asked for", || (silent.polls.load(Ordering::Relaxed) > 1).then_some(()));
    run.stop.cancel(CancelReason::Stop);
    run.end().unwrap();
    // What was given up has left nothing behind that a further run would stumble over.
    Run::start(plan, log.clone(), BTreeMap::new(), true).end().unwrap();
    assert_eq!(end(&*log, "scored"), before, "something was scored again");
}

const PLAIN: &str = "name: p\nsource: {topic: in, schema: {a: bigint}}\nsteps:\n  - filter: a > 0\nsink: out\n";

fn numbers(of: std::ops::Range<i64>) -> Records {
    let mut b = RecordsBuilder::default();
    of.for_each(|a| b.push(None, Some(format!("{{\"a\": {a}}}").as_bytes()), a));
    b.finish()
}

#[test]
fn a_run_whose_first_commit_fails_goes_on_from_what_the_group_has() {
    for (from, made, results) in [
        (StartFrom::Earliest, true, 5),
        (StartFrom::Earliest, false, 5),
        (StartFrom::Latest, true, 2),
        (StartFrom::Latest, false, 2),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let log = Arc::new(EmbeddedLog::open(dir.path()).unwrap());
        log.create_topic("in", &config(1)).unwrap();
        append(&*log, "in", 0, numbers(1..4));
        let more = vec![Append { to: TopicPartition::new("in", 0), records: numbers(4..6) }];
        let troubled = Arc::new(Troubled::new(log.clone(), "", Trouble::First { made, more }));
        let plan = plan(PLAIN, dir.path());
        let run = Run::start_from(from, CancelToken::default(), plan, troubled.clone(), BTreeMap::new(), false);
        wait::until("all results", || {
            assert!(!run.thread.is_finished(), "{from:?}, made: {made}: it has ended");
            let there = !log.topics(Some("out")).unwrap().is_empty();
            (there && end(&*log, "out") >= Offset(results)).then_some(())
        });
        run.stop.cancel(CancelReason::Stop);
        run.end().unwrap();
        assert_eq!(end(&*log, "out"), Offset(results), "{from:?}, made: {made}");
    }
}
