//! Runs with one injected fault, without a broker: a run recovers or ends with an error, and never hangs.

use crate::harness::case::Case;
use crate::harness::faulty_log::{FaultyLog, InjectedFault};
use crate::harness::record::pack;
use crate::harness::run::{Setup, run_to_end};
use crate::harness::scenario::{FIXED_NOW_MS, model_records, plan};
use crate::harness::topics::{append, temp_log, topic_config, total_end};
use crate::harness::wait;
use fastdata::log::embedded::EmbeddedLog;
use fastdata::log::{Append, Log, Start};
use fastdata::metrics::progress_topic;
use fastdata::plan::Physical;
use fastdata::record::{Offset, Records, RecordsBuilder, TopicPartition};
use fastdata::runtime::inspect::observe::Observer;
use fastdata::runtime::operators::build::Factory;
use fastdata::runtime::task::operator::Operator;
use fastdata::runtime::{
    CancelReason, CancelToken, Collector, Fault, LostInput, MODELS_TOPIC, Round, StartFrom, reports,
};
use fastdata::time::SystemClock;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tempfile::TempDir;

pub fn single_record(value: &[u8]) -> Records {
    let mut records = RecordsBuilder::default();
    records.push(None, Some(value), FIXED_NOW_MS);
    records.finish()
}

fn end_offset(log: &dyn Log, topic: &str) -> Offset {
    log.resolve(&TopicPartition::new(topic, 0), Start::Latest).unwrap()
}

struct PanickingOperator;

impl Operator for PanickingOperator {
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
        let (log, _dir) = temp_log();
        log.create_topic("numbers", &topic_config(2)).unwrap();
        append(&*log, "numbers", 1, single_record(br#"{"n":7}"#));
        let make: Factory = Arc::new(|_| Box::new(PanickingOperator));
        // The task of the other partition is idle and waits for records.
        let custom = BTreeMap::from([("halved", make)]);
        let fault = Setup { custom, until_end, ..Setup::new(plan.clone(), log) }.start().join().unwrap_err();
        assert_eq!(fault.to_string(), "internal error: task 0/1 has panicked: a seventh has no half");
    }
}

/// A pipeline that scores, its models (not published yet), and a log with records to score.
pub fn scoring_pipeline() -> (Arc<Physical>, Vec<Vec<u8>>, Arc<EmbeddedLog>, TempDir) {
    let case = Case::load("score");
    let (log, dir) = temp_log();
    log.create_topic("wines", &topic_config(1)).unwrap();
    log.create_topic(MODELS_TOPIC, &topic_config(1)).unwrap();
    append(&*log, "wines", 0, pack(&case.input[&("wines".to_owned(), 0)]));
    (plan(&case.text, &case.dir), model_records(&case.models), log, dir)
}

#[test]
fn reading_models_is_retried_after_errors() {
    let (plan, models, log, _dir) = scoring_pipeline();
    let faulty = Arc::new(FaultyLog::new(log.clone(), MODELS_TOPIC, InjectedFault::ReadersFailAtEnd(2)));
    let run = Setup { until_end: true, ..Setup::new(plan, faulty.clone()) }.start();
    wait::until("the reader of models to fail twice", || (faulty.failures() >= 2).then_some(()));
    append(&*log, MODELS_TOPIC, 0, single_record(&models[0]));
    run.join().unwrap();
    assert!(end_offset(&*log, "scored") > Offset(0), "nothing was scored");
}

#[test]
fn a_run_ends_when_the_models_topic_is_deleted() {
    let (plan, _, log, _dir) = scoring_pipeline();
    let faulty = Arc::new(FaultyLog::new(log.clone(), MODELS_TOPIC, InjectedFault::ReadersFailAtEnd(0)));
    let run = Setup::new(plan, faulty.clone()).start();
    wait::until("the run to follow the models topic", || (faulty.calls.load(Ordering::Relaxed) > 2).then_some(()));
    log.delete_topic(MODELS_TOPIC).unwrap();
    let fault = run.join().unwrap_err().to_string();
    assert!(fault.contains("topic `models`"), "{fault}");
}

#[test]
fn a_run_that_is_reading_models_can_be_stopped() {
    let (plan, models, log, _dir) = scoring_pipeline();
    append(&*log, MODELS_TOPIC, 0, single_record(&models[0]));
    let silent = Arc::new(FaultyLog::new(log, MODELS_TOPIC, InjectedFault::ReadersReturnNothing));
    let run = Setup::new(plan, silent.clone()).start();
    wait::until("the run to read the models topic", || (silent.calls.load(Ordering::Relaxed) > 1).then_some(()));
    run.stop.cancel(CancelReason::Stop);
    run.join().unwrap();
}

#[test]
fn a_stopped_run_whose_commit_aborts_ends_without_error_and_the_next_run_continues() {
    let (plan, models, log, _dir) = scoring_pipeline();
    append(&*log, MODELS_TOPIC, 0, single_record(&models[0]));
    let stop = CancelToken::default();
    let faulty = Arc::new(FaultyLog::new(log.clone(), "", InjectedFault::CommitAbortsAfterStop(stop.clone())));
    let run = Setup { stop, ..Setup::new(plan.clone(), faulty.clone()) }.start();
    wait::until("a commit", || (faulty.calls.load(Ordering::Relaxed) > 0).then_some(()));
    run.stop.cancel(CancelReason::Stop);
    run.join().unwrap();
    assert_eq!(end_offset(&*log, "scored"), Offset(0));
    run_to_end(plan, log.clone());
    assert!(end_offset(&*log, "scored") > Offset(0), "nothing was scored");
}

#[test]
fn a_stopped_run_does_not_retry_a_failed_commit() {
    let (plan, models, log, _dir) = scoring_pipeline();
    append(&*log, MODELS_TOPIC, 0, single_record(&models[0]));
    let stop = CancelToken::default();
    let faulty = Arc::new(FaultyLog::new(log.clone(), "", InjectedFault::CommitFailsAfterStop(stop.clone())));
    let run = Setup { stop, ..Setup::new(plan, faulty.clone()) }.start();
    wait::until("a commit", || (faulty.calls.load(Ordering::Relaxed) > 0).then_some(()));
    run.stop.cancel(CancelReason::Stop);
    run.join().unwrap();
    assert_eq!(faulty.calls.load(Ordering::Relaxed), 1, "each retry may take long");
}

#[test]
fn a_run_that_is_reading_its_progress_can_be_stopped() {
    let (plan, models, log, _dir) = scoring_pipeline();
    append(&*log, MODELS_TOPIC, 0, single_record(&models[0]));
    run_to_end(plan.clone(), log.clone());
    let before = end_offset(&*log, "scored");
    let progress = progress_topic(&plan.name);
    let silent = Arc::new(FaultyLog::new(log.clone(), &progress, InjectedFault::ReadersReturnNothing));
    let run = Setup::new(plan.clone(), silent.clone()).start();
    wait::until("the run to read its progress", || (silent.calls.load(Ordering::Relaxed) > 1).then_some(()));
    run.stop.cancel(CancelReason::Stop);
    run.join().unwrap();
    // The interrupted start leaves nothing that affects the next run.
    run_to_end(plan, log.clone());
    assert_eq!(end_offset(&*log, "scored"), before, "something was scored again");
}

const FILTER_PIPELINE: &str =
    "name: p\nsource: {topic: in, schema: {a: bigint}}\nsteps:\n  - filter: a > 0\nsink: out\n";

/// A log with three records in `in`.
fn log_with_three_records() -> (Arc<EmbeddedLog>, TempDir) {
    let (log, dir) = temp_log();
    log.create_topic("in", &topic_config(1)).unwrap();
    append(&*log, "in", 0, number_records(1..4));
    (log, dir)
}

fn number_records(range: std::ops::Range<i64>) -> Records {
    let mut b = RecordsBuilder::default();
    range.for_each(|a| b.push(None, Some(format!("{{\"a\": {a}}}").as_bytes()), a));
    b.finish()
}

#[test]
fn a_run_whose_first_commit_aborts_continues_from_the_committed_positions() {
    for (from, applied, results) in [
        (StartFrom::Earliest, true, 5),
        (StartFrom::Earliest, false, 5),
        (StartFrom::Latest, true, 2),
        (StartFrom::Latest, false, 2),
    ] {
        let (log, dir) = log_with_three_records();
        let appended = vec![Append { to: TopicPartition::new("in", 0), records: number_records(4..6) }];
        let fault = InjectedFault::FirstCommitAborts { applied, appended };
        let faulty = Arc::new(FaultyLog::new(log.clone(), "", fault));
        let plan = plan(FILTER_PIPELINE, dir.path());
        let run = Setup { from: from.clone(), ..Setup::new(plan, faulty.clone()) }.start();
        wait::until("all results", || {
            assert!(!run.thread.is_finished(), "{from:?}, applied: {applied}: the run has ended");
            let exists = !log.topics(Some("out")).unwrap().is_empty();
            (exists && end_offset(&*log, "out") >= Offset(results)).then_some(())
        });
        run.stop.cancel(CancelReason::Stop);
        run.join().unwrap();
        assert_eq!(end_offset(&*log, "out"), Offset(results), "{from:?}, applied: {applied}");
    }
}

/// Records read and offsets lost, over all tasks.
fn read_and_lost(log: &dyn Log, plan: &Physical) -> (u64, u64) {
    let tasks = reports(log, &plan.name, &CancelToken::default()).unwrap().tasks;
    let inputs = || tasks.values().flat_map(|task| &task.inputs);
    (inputs().map(|i| i.read).sum(), inputs().map(|i| i.lost).sum())
}

/// A log whose source has the offsets 5 and 6; offsets 0 to 2 were read by a run, and 3 and 4 were not.
fn with_lost_input() -> (Arc<Physical>, Arc<EmbeddedLog>, TempDir) {
    let (log, dir) = log_with_three_records();
    let plan = plan(FILTER_PIPELINE, dir.path());
    run_to_end(plan.clone(), log.clone());
    append(&*log, "in", 0, number_records(4..8));
    log.delete_records(&[(TopicPartition::new("in", 0), Offset(5))]).unwrap();
    (plan, log, dir)
}

#[test]
fn lost_input_is_counted_once_when_the_commit_that_counts_it_aborts() {
    for (applied, until_end) in [(true, true), (true, false), (false, true), (false, false)] {
        let (plan, log, _dir) = with_lost_input();
        let fault = InjectedFault::FirstCommitAborts { applied, appended: Vec::new() };
        let faulty = Arc::new(FaultyLog::new(log.clone(), "", fault));
        let run = Setup { lost_input: LostInput::Skip, until_end, ..Setup::new(plan.clone(), faulty.clone()) }.start();
        wait::until("the results after the gap", || {
            let done = end_offset(&*log, "out") >= Offset(5) && faulty.calls.load(Ordering::Relaxed) > 1;
            (done || run.thread.is_finished()).then_some(())
        });
        run.stop.cancel(CancelReason::Stop);
        run.join().unwrap();
        assert!(faulty.failures() > 0, "no commit has failed");
        assert_eq!(end_offset(&*log, "out"), Offset(5), "applied: {applied}, until_end: {until_end}");
        assert_eq!(read_and_lost(&*log, &plan), (5, 2), "applied: {applied}, until_end: {until_end}");
    }
}

/// What was read counts although it is gone by the commit, and only what comes after it is lost.
#[test]
fn a_run_that_retention_overtakes_between_reading_and_commit_skips_the_gap() {
    for lost_input in [LostInput::Skip, LostInput::Stop] {
        let (log, dir) = log_with_three_records();
        let plan = plan(FILTER_PIPELINE, dir.path());
        run_to_end(plan.clone(), log.clone());
        append(&*log, "in", 0, number_records(4..6));
        let appended = Append { to: TopicPartition::new("in", 0), records: number_records(6..10) };
        let fault = InjectedFault::RecordsRemovedAtFirstCommit { appended, before: Offset(8), polling: Arc::default() };
        let faulty = Arc::new(FaultyLog::new(log.clone(), "", fault));
        let run = Setup { lost_input, ..Setup::new(plan.clone(), faulty) }.start();
        wait::until("the result after the gap", || {
            (end_offset(&*log, "out") >= Offset(6) || run.thread.is_finished()).then_some(())
        });
        run.stop.cancel(CancelReason::Stop);
        let outcome = run.join();
        if lost_input == LostInput::Stop {
            let fault = outcome.unwrap_err().to_string();
            assert!(fault.contains("offset 5 of `in/0`") && fault.contains("--on-lost-input skip"), "{fault}");
            continue;
        }
        outcome.unwrap();
        assert_eq!(end_offset(&*log, "out"), Offset(6));
        assert_eq!(read_and_lost(&*log, &plan), (6, 3));
    }
}

#[test]
fn statistics_are_those_of_when_they_are_asked_for_although_the_run_writes_on() {
    let (log, dir) = log_with_three_records();
    let plan = plan(FILTER_PIPELINE, dir.path());
    run_to_end(plan, log.clone());
    let mut records = RecordsBuilder::default();
    records.push(Some(b"pipeline"), Some(b"{}"), 0);
    let appended = Append { to: TopicPartition::new("p.progress", 0), records: records.finish() };
    let growing = Arc::new(FaultyLog::new(log, "p.progress", InjectedFault::TopicGrows { appended }));
    let mut observer = Observer::new(growing.clone(), Arc::new(SystemClock));
    for polls in 1..=2 {
        assert_eq!(observer.snapshot("p").unwrap().sources.len(), 0, "the record of the pipeline is replaced");
        assert_eq!(growing.calls.load(Ordering::Relaxed), polls);
    }
}

/// A log with three records in `in`, and a faulty view of it whose fault involves two later records.
fn log_with_late_records(fault: impl Fn(Vec<Append>) -> InjectedFault) -> (Arc<EmbeddedLog>, Arc<FaultyLog>, TempDir) {
    let (log, dir) = log_with_three_records();
    let appended = vec![Append { to: TopicPartition::new("in", 0), records: number_records(4..6) }];
    let faulty = Arc::new(FaultyLog::new(log.clone(), "", fault(appended)));
    (log, faulty, dir)
}

/// Runs to the end with the fault, which must have occurred; then `results` records are written and the end of the
/// start is committed. A run without a fault writes the two late records.
fn assert_ends_where_the_source_ended_at_the_start(
    from: StartFrom,
    results: i64,
    fault: impl Fn(Vec<Append>) -> InjectedFault,
) {
    let (log, faulty, dir) = log_with_late_records(fault);
    let plan = plan(FILTER_PIPELINE, dir.path());
    Setup { from: from.clone(), until_end: true, ..Setup::new(plan.clone(), faulty.clone()) }.start().join().unwrap();
    assert!(faulty.failures() > 0, "{from:?}: the fault did not occur");
    assert_eq!(end_offset(&*log, "in"), Offset(5));
    assert_eq!(end_offset(&*log, "out"), Offset(results), "{from:?}: {faulty:?}");
    let committed = log.committed("p", &[TopicPartition::new("in", 0)]).unwrap();
    assert_eq!(committed, [Some(Offset(3))], "{from:?}");
    run_to_end(plan, log.clone());
    assert_eq!(end_offset(&*log, "out"), Offset(results + 2), "{from:?}");
}

#[test]
fn a_bounded_run_whose_first_commit_aborts_ends_where_its_sources_ended_at_the_start() {
    for applied in [true, false] {
        for (from, results) in [(StartFrom::Committed, 3), (StartFrom::Earliest, 3), (StartFrom::Latest, 0)] {
            let fault = |appended| InjectedFault::FirstCommitAborts { applied, appended };
            assert_ends_where_the_source_ended_at_the_start(from, results, fault);
        }
    }
}

#[test]
fn a_bounded_run_whose_partitions_are_revoked_ends_where_its_sources_ended_at_the_start() {
    for from in [StartFrom::Committed, StartFrom::Earliest] {
        let fault = |appended| InjectedFault::PartitionsRevoked { appended };
        assert_ends_where_the_source_ended_at_the_start(from, 3, fault);
    }
}

#[test]
fn record_limits_are_read_again_with_each_assignment() {
    let (log, dir) = log_with_three_records();
    let faulty = Arc::new(FaultyLog::new(log.clone(), "", InjectedFault::RecordLimitRaised { topic: "out" }));
    let plan = plan(FILTER_PIPELINE, dir.path());
    Setup { until_end: true, ..Setup::new(plan.clone(), faulty.clone()) }.start().join().unwrap();
    assert!(faulty.failures() > 0, "the fault did not occur");
    // The first record is a dead letter if it was committed before the revocation.
    let (results, dead_letters) = (total_end(&*log, "out"), total_end(&*log, &plan.dead_topic()));
    let expected = [(Some(2), Some(1)), (Some(3), Some(0))];
    assert!(expected.contains(&(results, dead_letters)), "{results:?} results, {dead_letters:?} dead letters");
}
