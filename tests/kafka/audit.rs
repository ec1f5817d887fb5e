//! A pipeline whose results show each kind of [`Defect`], and the check of all of them.
//!
//! Every expected value follows from the number of a record, as in [`exact`].

use super::checker::{self, Defect, Results};
use super::exact::{self, Tally};
use super::feed::Record;
use super::group::{Group, GroupPlan};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// One record in this many divides by zero and becomes a dead letter.
const RECORDS_PER_DEAD_LETTER: i64 = 40;

/// The header of each record: its number.
const NUMBER_HEADER: &str = "number";

/// The step at which some records become dead letters.
const STEP_OF_DEAD_LETTERS: &str = "passed";

const STEPS: &str = "  - name: passed
    from: NAME-in
    filter: 100 / (i % 40) > -101
";

fn record(i: i64) -> Record {
    Record { header: Some((NUMBER_HEADER, i.to_string())), ..exact::record(i) }
}

/// A fold, a window and a filter over the records of [`exact`], which have a header here.
pub fn plan(stem: &'static str, max_lag: i64) -> GroupPlan {
    let (steps, sinks) = exact::STEPS.split_once("sinks:\n").unwrap();
    let pipeline = format!("{}{steps}{STEPS}sinks:\n  - {{from: passed, topic: NAME-passed}}\n{sinks}", exact::SOURCE);
    GroupPlan { pipeline, record, ..GroupPlan::exact(stem, max_lag) }
}

/// All defects in the results of a group that has read this many records.
pub fn defects(group: &Group<'_>, records: i64) -> BTreeSet<Defect> {
    let folds = exact::folds(group.cluster, &group.topic("folded"), records, i64::eq);
    let windows = exact::counts(group.cluster, &group.topic("counted"), records);
    let mut found: BTreeSet<Defect> = folds.defects().into_iter().chain(windows.defects()).collect();
    found.extend(in_keys_of_folds(group));
    found.extend(in_passed_records(group, records));
    found.extend(in_dead_letters(group, records));
    found.extend(in_ledger(group, records));
    found
}

/// The header with this name as text.
fn header<'a>(message: &'a BorrowedMessage<'_>, name: &str) -> Option<&'a str> {
    let headers = message.headers()?;
    headers.iter().find(|h| h.key == name).and_then(|h| str::from_utf8(h.value?).ok())
}

#[derive(Deserialize)]
struct Numbered {
    i: i64,
}

fn number(message: &BorrowedMessage<'_>) -> Option<i64> {
    serde_json::from_slice::<Numbered>(message.payload()?).ok().map(|n| n.i)
}

/// The key of each fold is that of the last record in it.
fn in_keys_of_folds(group: &Group<'_>) -> BTreeSet<Defect> {
    #[derive(Deserialize)]
    struct Fold {
        last: i64,
    }
    let mut found = BTreeSet::new();
    checker::for_each_committed(group.cluster, &group.topic("folded"), |key, value| {
        if serde_json::from_slice(value).is_ok_and(|f: Fold| exact::record(f.last).key != key) {
            found.insert(Defect::WrongKey);
        }
    });
    found
}

/// Key, header, timestamp and partition of the records that pass.
fn in_passed_records(group: &Group<'_>, records: i64) -> BTreeSet<Defect> {
    let dead_letters = |before: i64| (before + RECORDS_PER_DEAD_LETTER - 1) / RECORDS_PER_DEAD_LETTER;
    let mut tally = Tally::new(Results::Records, records - dead_letters(records));
    let mut partition_of_key: BTreeMap<Vec<u8>, i32> = BTreeMap::new();
    let mut found = BTreeSet::new();
    checker::for_each_message(group.cluster, &group.topic("passed"), |message| {
        let value = message.payload().unwrap_or_default();
        let Some(i) = number(message).filter(|i| i % RECORDS_PER_DEAD_LETTER != 0) else {
            return tally.count_wrong(value);
        };
        tally.count(i - dead_letters(i), value);
        let (expected, key) = (record(i), message.key().unwrap_or_default());
        if key != expected.key.as_bytes() {
            found.insert(Defect::WrongKey);
        }
        if header(message, NUMBER_HEADER) != Some(&*i.to_string()) {
            found.insert(Defect::WrongHeader);
        }
        if message.timestamp().to_millis() != Some(exact::timestamp(i)) {
            found.insert(Defect::WrongTimestamp);
        }
        if *partition_of_key.entry(key.to_vec()).or_insert(message.partition()) != message.partition() {
            found.insert(Defect::WrongPartition);
        }
    });
    found.extend(tally.defects());
    found
}

/// Each dead letter is there once, with the bytes and the header of its record and the name of the step.
fn in_dead_letters(group: &Group<'_>, records: i64) -> BTreeSet<Defect> {
    let expected = (records + RECORDS_PER_DEAD_LETTER - 1) / RECORDS_PER_DEAD_LETTER;
    let mut tally = Tally::new(Results::DeadLetters, expected);
    let topic = format!("{}.dead", group.name);
    checker::for_each_message(group.cluster, &topic, |message| {
        let value = message.payload().unwrap_or_default();
        let Some(i) = number(message).filter(|i| i % RECORDS_PER_DEAD_LETTER == 0) else {
            return tally.count_wrong(value);
        };
        let right = value == record(i).value.as_bytes()
            && header(message, NUMBER_HEADER) == Some(&*i.to_string())
            && header(message, "fastdata-step") == Some(STEP_OF_DEAD_LETTERS);
        if tally.count(i / RECORDS_PER_DEAD_LETTER, value) && !right {
            tally.count_wrong(value);
        }
    });
    tally.defects().into_iter().collect()
}

/// The tasks together have counted each record of the input once.
fn in_ledger(group: &Group<'_>, records: i64) -> BTreeSet<Defect> {
    #[derive(Deserialize)]
    struct Progress {
        #[serde(default)]
        inputs: Vec<Input>,
    }
    #[derive(Deserialize)]
    struct Input {
        topic: String,
        read: i64,
    }
    let (input, mut read) = (group.topic("in"), BTreeMap::new());
    checker::for_each_committed(group.cluster, &format!("{}.progress", group.name), |key, value| {
        let progress = serde_json::from_slice::<Progress>(value).ok();
        let inputs = progress.into_iter().flat_map(|p| p.inputs).filter(|i| i.topic == input);
        read.insert(key.to_owned(), inputs.map(|i| i.read).sum::<i64>());
    });
    let is_right = read.values().sum::<i64>() == records;
    (!is_right).then_some(Defect::WrongLedger).into_iter().collect()
}
