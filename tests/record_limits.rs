//! Records that are too large for their topic: results become dead letters, dead letters lose their value, and state
//! and repartitioned rows end the run with a message.

use crate::harness::engine;
use crate::harness::record::{Record, Topics};
use crate::harness::scenario::{Outcome, Scenario};
use crate::harness::topics::total_end;
use fastdata::log::embedded::EmbeddedLog;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tempfile::TempDir;

/// Largest record of the logs here. The progress that every run writes is smaller.
const MAX_RECORD_BYTES: usize = 32 << 10;

/// Bytes of a text that makes a record too large.
const OVERSIZED_BYTES: usize = 40_000;

/// Makes a result of the size that the record names.
const ENLARGED: &str = "name: p
source: {topic: in, schema: {id: bigint, size: bigint}}
steps:
  - select: {id: id, body: \"repeat('x', size)\"}
sink: {topic: out}
";

fn input(records: Vec<Record>) -> Topics {
    Topics::from([(("in".to_owned(), 0), records)])
}

/// An embedded log that takes records of at most [`MAX_RECORD_BYTES`].
fn limited_log() -> (Arc<EmbeddedLog>, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    drop(EmbeddedLog::open(dir.path()).unwrap());
    let log = EmbeddedLog::open_with_max_record_bytes(dir.path(), MAX_RECORD_BYTES).unwrap();
    (Arc::new(log), dir)
}

fn sized_records() -> Vec<Record> {
    let size = |id: i64| if id % 5 == 3 { OVERSIZED_BYTES } else { 10 };
    let record = |id| Record::json(None, &json!({"id": id, "size": size(id)}), id);
    (0..20).map(record).collect()
}

fn topic<'a>(topics: &'a Topics, name: &str) -> &'a [Record] {
    topics.get(&(name.to_owned(), 0)).map_or(&[], Vec::as_slice)
}

/// Runs at several batch sizes, which must give the same bytes.
fn run_at_all_batch_sizes(scenario: &Scenario) -> Outcome {
    let [first, second, third] = [1, 7, 4096].map(|batch| {
        scenario.run_with_record_limit(MAX_RECORD_BYTES, batch).unwrap_or_else(|e| panic!("batch size {batch}: {e}"))
    });
    assert_eq!(first.output, second.output, "batch sizes 1 and 7 differ");
    assert_eq!(first.output, third.output, "batch sizes 1 and 4096 differ");
    first
}

/// Asserts that each large record of [`sized_records`] is a dead letter.
fn assert_dead_letters_of_results(output: &Topics, source: &[Record], limit_of: &str) {
    assert_eq!(topic(output, "out").len(), 16);
    let dead_letters = topic(output, "p.dead");
    let large: Vec<(usize, &Record)> = source.iter().enumerate().filter(|(i, _)| i % 5 == 3).collect();
    assert_eq!(dead_letters.len(), large.len());
    for (letter, (offset, record)) in dead_letters.iter().zip(large) {
        assert_eq!((&letter.key, &letter.value, letter.timestamp), (&record.key, &record.value, record.timestamp));
        let bytes = json!({"id": offset, "body": ""}).to_string().len() + OVERSIZED_BYTES;
        let error = format!(
            "a record of {bytes} bytes for `out` is larger than the limit of {MAX_RECORD_BYTES}: this is the limit of {limit_of}; make the record smaller"
        );
        assert_eq!(letter.header("fastdata-error"), Some(error.as_str()));
        assert_eq!(letter.header("fastdata-step"), Some("sink:out"));
        assert_eq!(letter.header("fastdata-source"), Some(format!("in/0/{offset}").as_str()));
        assert_eq!(letter.header("fastdata-size"), None);
    }
}

#[test]
fn a_result_that_is_too_large_becomes_a_dead_letter() {
    let scenario = Scenario::new(ENLARGED, input(sized_records()), 1);
    let outcome = run_at_all_batch_sizes(&scenario);
    assert_dead_letters_of_results(&outcome.output, &sized_records(), "the log in memory");
    assert_eq!((outcome.ledger["written"], outcome.ledger["dead"]), (16, 4));
}

#[test]
fn a_result_that_is_too_large_becomes_a_dead_letter_on_the_embedded_log() {
    let scenario = Scenario::new(ENLARGED, input(sized_records()), 1);
    let (log, _dir) = limited_log();
    engine::seed(&scenario, &*log);
    engine::try_run(&scenario, log.clone()).unwrap();
    assert_dead_letters_of_results(&engine::read_outputs(&scenario, &*log), &sized_records(), "the embedded log");
    let ledger = engine::committed_ledger(&scenario, &*log);
    assert_eq!((ledger["written"], ledger["dead"]), (16, 4));
}

#[test]
fn a_result_that_is_too_large_follows_the_error_policy() {
    let text = |policy: &str| format!("{ENLARGED}errors: {policy}\n");
    let dropped = run_at_all_batch_sizes(&Scenario::new(&text("drop"), input(sized_records()), 1));
    assert_eq!((dropped.ledger["written"], dropped.ledger["dead"]), (16, 4));
    assert!(topic(&dropped.output, "p.dead").is_empty());
    let stopped = Scenario::new(&text("stop"), input(sized_records()), 1).run_with_record_limit(MAX_RECORD_BYTES, 7);
    let message = stopped.unwrap_err().to_string();
    assert!(message.starts_with("record in/0/3 could not be handled by `sink:out`: a record of "), "{message}");
}

/// Neither record can be decoded; a copy of the first is too large for a dead letter.
#[test]
fn a_dead_letter_that_would_be_too_large_has_size_and_digest_in_place_of_the_value() {
    let large = Record { value: Some(vec![b'x'; MAX_RECORD_BYTES - 1]), ..Record::json(None, &json!({}), 5) };
    let small = Record { value: Some(b"y".to_vec()), ..Record::json(Some("k"), &json!({}), 6) };
    let scenario = Scenario::new(ENLARGED, input(vec![large.clone(), small.clone()]), 1);
    let outcome = run_at_all_batch_sizes(&scenario);
    let [without_value, whole] = topic(&outcome.output, "p.dead") else { panic!("{:?}", outcome.output.keys()) };
    let digest = format!("{:x}", Sha256::digest(large.value.as_ref().unwrap()));
    assert_eq!((&without_value.key, &without_value.value, without_value.timestamp), (&None, &None, 5));
    assert_eq!(without_value.header("fastdata-size"), Some((MAX_RECORD_BYTES - 1).to_string().as_str()));
    assert_eq!(without_value.header("fastdata-sha256"), Some(digest.as_str()));
    assert_eq!(without_value.header("fastdata-source"), Some("in/0/0"));
    assert_eq!(without_value.header("fastdata-step"), Some("in"));
    assert!(without_value.header("fastdata-error").is_some());
    assert_eq!((&whole.key, &whole.value, whole.timestamp), (&small.key, &small.value, 6));
    assert_eq!(whole.header("fastdata-size"), None);
    assert_eq!(outcome.ledger["dead"], 2);
}

/// The result of a window has no source record: its dead letter would hold the row as JSON.
#[test]
fn a_row_without_a_source_record_that_is_too_large_is_described_in_its_dead_letter() {
    let text = format!(
        "name: p
source: {{topic: in, key: id, schema: {{id: bigint, size: bigint}}}}
steps:
  - window: {{tumbling: {{size: 1s}}, by: [id], select: {{n: count(*)}}}}
  - select: {{id: id, body: \"repeat('x', {OVERSIZED_BYTES})\"}}
sink: {{topic: out}}
"
    );
    let record = Record::json(Some("1"), &json!({"id": 1, "size": 0}), 5);
    let outcome = run_at_all_batch_sizes(&Scenario::new(&text, input(vec![record]), 1));
    let [letter] = topic(&outcome.output, "p.dead") else { panic!("{:?}", outcome.output.keys()) };
    let row = format!(r#"{{"id":1,"body":"{}"}}"#, "x".repeat(OVERSIZED_BYTES));
    assert_eq!(letter.value, None);
    assert_eq!(letter.header("fastdata-size"), Some(row.len().to_string().as_str()));
    assert_eq!(letter.header("fastdata-sha256"), Some(format!("{:x}", Sha256::digest(&row)).as_str()));
}

/// A fold whose state grows with each row.
const GROWING_STATE: &str = "name: p
source: {topic: in, key: id, schema: {id: bigint, size: bigint}}
steps:
  - name: joined
    scan:
      by: [id]
      init: {body: \"''\"}
      next: {body: \"body || repeat('x', size)\"}
  - select: {id: id}
sink: {topic: out}
";

fn growing_records() -> Vec<Record> {
    (0..5).map(|i| Record::json(Some("1"), &json!({"id": 1, "size": 10_000}), i)).collect()
}

#[test]
fn a_row_of_state_that_is_too_large_ends_the_run_with_a_message() {
    let scenario = Scenario::new(GROWING_STATE, input(growing_records()), 1);
    let message = scenario.run_with_record_limit(MAX_RECORD_BYTES, 1).unwrap_err().to_string();
    let (head, tail) = message.split_once(" bytes for ").unwrap_or_else(|| panic!("{message}"));
    assert!(head.starts_with("the state of `joined` cannot be committed: a record of 4"), "{message}");
    let expected = format!(
        "`p.joined.state` is larger than the limit of {MAX_RECORD_BYTES}: this is the limit of the log in memory; make the record smaller\nhint: keep less in one key (shorter windows, finer `by`); what was committed is safe"
    );
    assert_eq!(tail, expected);
}

#[test]
fn a_row_of_state_that_is_too_large_leaves_what_was_committed_on_the_embedded_log() {
    let scenario = Scenario::new(GROWING_STATE, input(growing_records()), 1);
    let (log, _dir) = limited_log();
    engine::seed(&scenario, &*log);
    let message = engine::try_run(&scenario, log.clone()).unwrap_err().to_string();
    assert!(message.starts_with("the state of `joined` cannot be committed: a record of "), "{message}");
    assert!(message.contains("this is the limit of the embedded log"), "{message}");
    let results = total_end(&*log, "out").unwrap();
    assert!(results < 4, "{results} results were committed without their state");
}

#[test]
fn a_repartitioned_row_that_is_too_large_ends_the_run_with_a_message() {
    let text = "name: p
source: {topic: in, schema: {id: bigint, size: bigint}}
steps:
  - select: {id: id, body: \"repeat('x', size)\"}
  - name: counted
    window: {tumbling: {size: 1s}, by: [id], select: {n: count(*)}}
sink: {topic: out}
";
    let message = Scenario::new(text, input(sized_records()), 1)
        .run_with_record_limit(MAX_RECORD_BYTES, 7)
        .unwrap_err()
        .to_string();
    let head = "record in/0/3 cannot be sent to the task of its key by `counted.by`: a record of ";
    assert!(message.starts_with(head), "{message}");
    assert!(message.contains("for `p.counted.by` is larger than the limit of "), "{message}");
    assert!(message.ends_with("hint: keep fewer or smaller columns with a `select` before this step"), "{message}");
}
