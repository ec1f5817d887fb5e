//! Edits of a pipeline file that has committed state: each pair of thirty-five, and what a run does then.
//!
//! What is expected follows from the classes below, which a person has assigned: what the bytes of the state mean, and
//! what its rows have passed before.

mod variants;

use crate::harness::ledger::ledger;
use crate::harness::run::{Setup, run_to_end};
use crate::harness::scenario::{FIXED_NOW_MS, plan};
use crate::harness::topics::{append, temp_log, topic_config, total_end};
use fastdata::log::Log;
use fastdata::log::embedded::EmbeddedLog;
use fastdata::plan::{Physical, state_verdicts};
use fastdata::record::RecordsBuilder;
use fastdata::runtime::{CancelToken, reports};
use std::path::Path;
use std::sync::Arc;
use variants::{VARIANTS, Variant};

fn compiled(variant: &Variant) -> Arc<Physical> {
    let last = if variant.steps.contains("name: after") { "after" } else { variant.step };
    let text = format!(
        "name: p\nsource: {{topic: in, key: k, schema: {{k: string, g: string, v: bigint}}}}\nsteps:\n{}\nsinks: [{{from: {last}, topic: out}}]\n",
        variant.steps
    );
    plan(&text, Path::new("."))
}

/// What is expected of the state of a variant where another takes over.
fn expected(was: &Variant, now: &Variant) -> &'static str {
    let names_state = now.steps.contains("was:");
    match () {
        () if was.state != now.state && (names_state || was.bytes == now.bytes) => "refused",
        () if was.state != now.state => "new",
        () if was.bytes != now.bytes => "refused",
        () if was.step != now.step => "moved",
        () if was.before != now.before => "mixed",
        () => "kept",
    }
}

#[test]
fn each_edit_of_thirty_five_has_its_verdict() {
    let plans: Vec<_> = VARIANTS.iter().map(compiled).collect();
    let mut counts = std::collections::BTreeMap::new();
    for (was, old) in VARIANTS.iter().zip(&plans) {
        for (now, new) in VARIANTS.iter().zip(&plans) {
            let verdicts = state_verdicts(&old.states(), &new.states());
            let verdict = &verdicts[now.step];
            assert_eq!(verdict.word(), expected(was, now), "from `{}` to `{}`: {verdict}", was.label, now.label);
            let is_left = verdicts.get(was.state).is_some_and(|v| v.word() == "orphaned");
            assert_eq!(is_left, was.state != now.state && was.state != now.step, "`{}` to `{}`", was.label, now.label);
            *counts.entry(verdict.word()).or_insert(0) += 1;
        }
    }
    assert_eq!(counts.values().sum::<i32>(), 35 * 35);
    assert!(counts["kept"] >= 40 && counts["mixed"] >= 20 && counts["refused"] >= 600, "{counts:?}");
    assert!(counts["moved"] >= 40 && counts["new"] >= 30, "{counts:?}");
}

/// A log with two partitions of input.
fn log() -> (Arc<EmbeddedLog>, tempfile::TempDir) {
    let (log, dir) = temp_log();
    log.create_topic("in", &topic_config(2)).unwrap();
    (log, dir)
}

/// Six more records of one group, all within a minute.
fn add_input(log: &dyn Log) {
    for partition in 0..2 {
        let mut records = RecordsBuilder::default();
        for v in 1..4 {
            records.push(Some(b"k"), Some(format!(r#"{{"k": "k", "g": "g", "v": {v}}}"#).as_bytes()), FIXED_NOW_MS);
        }
        append(log, "in", partition, records.finish());
    }
}

/// The keys in the state that is kept under a name.
fn keys(log: &dyn Log, state: &str) -> u64 {
    let tasks = reports(log, "p", &CancelToken::default()).unwrap().tasks;
    tasks.values().flat_map(|t| &t.steps).filter(|s| s.state_name() == state && !s.left).map(|s| s.keys).sum()
}

/// What was ever read and written, by a ledger that adds up.
fn remainder_is_zero(plan: &Physical, log: &dyn Log) -> (u64, u64) {
    let tasks = reports(log, "p", &CancelToken::default()).unwrap().tasks;
    let ledger = ledger(plan, tasks.values());
    (ledger.read, ledger.written)
}

/// Runs a file, then an edit of it, then the file again.
fn edit_and_back(was: &Variant, now: &Variant) {
    let context = format!("from `{}` to `{}`", was.label, now.label);
    let (log, _dir) = log();
    let (old, new) = (compiled(was), compiled(now));
    add_input(&*log);
    run_to_end(old.clone(), log.clone());
    let held = keys(&*log, was.state);
    add_input(&*log);
    let edited = Setup { until_end: true, ..Setup::new(new.clone(), log.clone()) }.start().join();
    match expected(was, now) {
        "refused" => {
            let why = edited.expect_err(&context).to_string();
            let begins = match (was.state == now.state, now.steps.contains("was:")) {
                (true, _) => format!("the state of `{}` does not fit the step: ", now.step),
                (false, true) => {
                    format!("`{}` is to go on with the state of `{}`, and there is none", now.step, now.state)
                }
                (false, false) => format!("`{}` would begin without state, and no step goes on with", now.step),
            };
            assert!(why.starts_with(&begins), "{context}: {why}");
            assert!(was.state == now.state || why.contains("`was: counted`"), "{context}: {why}");
            assert_eq!(keys(&*log, was.state), held, "{context}: nothing has changed");
        }
        _ => {
            edited.unwrap_or_else(|e| panic!("{context}: {e}"));
            assert!(expected(was, now) != "moved" || keys(&*log, was.state) == held, "{context}: the same keys");
            assert_eq!(remainder_is_zero(&new, &*log).0, 12, "{context}: all that was ever read");
        }
    }
    add_input(&*log);
    let back = Setup { until_end: true, ..Setup::new(old.clone(), log.clone()) }.start().join();
    if was.state == now.state || expected(was, now) == "refused" {
        back.unwrap_or_else(|e| panic!("{context} and back: {e}"));
        assert_eq!(remainder_is_zero(&old, &*log).0, 18, "{context} and back");
    } else {
        let why = back.expect_err(&context).to_string();
        assert!(why.contains("the pipeline has run without it"), "{context} and back: {why}");
    }
}

#[test]
fn a_run_does_as_the_verdict_says_and_the_way_back_is_open() {
    for now in &VARIANTS {
        edit_and_back(&VARIANTS[0], now);
    }
}

#[test]
fn a_window_goes_on_or_is_refused_as_the_verdict_says() {
    let was = VARIANTS.iter().find(|v| v.label == "window").unwrap();
    for now in VARIANTS.iter().filter(|v| v.label.starts_with("window")) {
        edit_and_back(was, now);
    }
    edit_and_back(was, VARIANTS.iter().find(|v| v.label == "renamed").unwrap());
}

/// The last count that left for a group.
fn last_count(log: &dyn Log) -> i64 {
    use fastdata::log::{FetchLimit, Start, topic};
    let info = topic(log, "out").unwrap();
    let mut greatest = 0;
    for at in fastdata::log::partitions(&info) {
        let mut reader = log.reader(&[(at.clone(), log.resolve(&at, Start::Earliest).unwrap())]).unwrap();
        while let Some(fetched) = reader.poll(FetchLimit::default(), std::time::Duration::ZERO).unwrap() {
            for value in fetched.records.values.iter().flatten() {
                let text = std::str::from_utf8(value).unwrap();
                let digits = text.split("\"c\":").nth(1).unwrap().trim_end_matches('}');
                greatest = greatest.max(digits.parse().unwrap());
            }
        }
    }
    greatest
}

#[test]
fn a_kept_fold_goes_on_from_its_count() {
    let (log, _dir) = log();
    for (label, count) in [
        ("count", 6),
        ("spaces", 12),
        ("filter before", 18),
        ("block style", 24),
        ("renamed with was", 30),
        ("renamed with was and filter before", 36),
        ("count", 42),
    ] {
        add_input(&*log);
        run_to_end(compiled(VARIANTS.iter().find(|v| v.label == label).unwrap()), log.clone());
        assert_eq!(last_count(&*log), count, "{label}");
    }
}

#[test]
fn a_step_that_cannot_read_its_state_starts_over_alone() {
    let (log, _dir) = log();
    let version = |label: &str| compiled(VARIANTS.iter().find(|v| v.label == label).unwrap());
    let reset = |label: &str, step: &str| {
        let setup = Setup { until_end: true, reset: vec![step.into()], ..Setup::new(version(label), log.clone()) };
        setup.start().join().map_err(|fault| fault.to_string())
    };
    add_input(&*log);
    run_to_end(version("count"), log.clone());
    add_input(&*log);
    assert_eq!(
        reset("two at a time", "after").unwrap_err(),
        "`after` is no step with state; steps with state: `counted`"
    );
    assert_eq!(
        reset("count", "counted").unwrap_err(),
        "the state of `counted` need not start over: the step goes on with its state; `--from earliest` starts the whole pipeline over"
    );
    reset("two at a time", "counted").unwrap();
    assert_eq!(last_count(&*log), 12, "six records by two, from zero");
    assert_eq!(remainder_is_zero(&version("two at a time"), &*log).0, 12);
    add_input(&*log);
    run_to_end(version("two at a time"), log.clone());
    assert_eq!(last_count(&*log), 24);
}

/// Every step of a rename can be cut off, as nothing moves: the first names of topics and records stay.
#[test]
fn a_renamed_step_leaves_no_topic_of_another_name() {
    let (log, _dir) = log();
    let version = |label: &str| compiled(VARIANTS.iter().find(|v| v.label == label).unwrap());
    add_input(&*log);
    run_to_end(version("count"), log.clone());
    let topics = || log.topics(None).unwrap().iter().map(|t| t.name.to_string()).collect::<Vec<_>>();
    let before = topics();
    add_input(&*log);
    run_to_end(version("renamed with was"), log.clone());
    assert_eq!(topics(), before);
    assert_eq!(remainder_is_zero(&version("renamed with was"), &*log), (12, 12));
    let states = reports(&*log, "p", &CancelToken::default()).unwrap().states;
    assert_eq!(states["counted"].step("counted"), "tally");
    assert_eq!(states.len(), 1);
}

/// A rename with `was:` edits nothing for the steps behind it; one without it does.
#[test]
fn a_step_behind_a_renamed_one_counts_as_unedited() {
    let two = |first: &str, name: &str| {
        let text = format!(
            "name: p\nsource: {{topic: in, key: k, schema: {{k: string}}}}\nsteps:\n  - {{{first}, scan: {{by: [k], init: {{c: 0}}, next: {{c: c + 1}}}}}}\n  - {{name: last, from: {name}, scan: {{by: [k], init: {{d: 0}}, next: {{d: d + c}}}}}}\nsink: out\n"
        );
        plan(&text, Path::new(".")).states()
    };
    let was = two("name: counted", "counted");
    let word = |now| state_verdicts(&was, &now)["last"].word();
    assert_eq!(word(two("name: tally, was: counted", "tally")), "kept");
    assert_eq!(word(two("name: tally", "tally")), "mixed");
}

/// A step that was renamed without `was:`, or with one that names no state, begins without state if its user says so.
#[test]
fn a_renamed_step_may_begin_without_state() {
    let version = |label: &str| compiled(VARIANTS.iter().find(|v| v.label == label).unwrap());
    for (label, state) in [("renamed", "tally"), ("renamed with was misspelt", "conted")] {
        let (log, _dir) = log();
        (0..2).for_each(|_| add_input(&*log));
        run_to_end(version("count"), log.clone());
        add_input(&*log);
        let setup = Setup { until_end: true, reset: vec!["tally".into()], ..Setup::new(version(label), log.clone()) };
        setup.start().join().unwrap();
        assert_eq!((last_count(&*log), keys(&*log, state)), (12, 1), "{label}: six more from zero");
        run_to_end(version(label), log.clone());
        assert_eq!(remainder_is_zero(&version(label), &*log), (18, 18), "{label}");
    }
}

/// A row and a watermark on their way, as a file with other columns has sent them: only the first bytes are read.
#[test]
fn rows_on_their_way_end_the_run_or_become_dead_letters_and_watermarks_do_not_matter() {
    let version = |label: &str| compiled(VARIANTS.iter().find(|v| v.label == label).unwrap());
    for reset in [false, true] {
        let (log, _dir) = log();
        add_input(&*log);
        run_to_end(version("count"), log.clone());
        let on_the_way = |kind: u8| {
            let mut records = RecordsBuilder::default();
            records.push(Some(b"g"), Some(&[1, 0x80, 0, 5, kind, 1, 0x80, 0, 0, 0, 1, 2]), FIXED_NOW_MS);
            append(&*log, "p.counted.by", 0, records.finish());
        };
        on_the_way(1);
        run_to_end(version("count"), log.clone());
        on_the_way(0);
        if !reset {
            let run = Setup { until_end: true, ..Setup::new(version("count"), log.clone()) }.start();
            let why = run.join().unwrap_err().to_string();
            assert!(why.contains("of `p.counted.by/0` was sent by an earlier version of the file"), "{why}");
            continue;
        }
        let mut plan = version("two at a time");
        Arc::get_mut(&mut plan).unwrap().start_over("counted");
        let reset = vec!["counted".to_owned()];
        Setup { until_end: true, reset, ..Setup::new(plan, log.clone()) }.start().join().unwrap();
        assert_eq!(total_end(&*log, "p.dead"), Some(1));
    }
}

/// Sources that change their places keep their watermarks, and one that is added is read from its beginning.
#[test]
fn inputs_are_found_by_name() {
    let (log, dir) = temp_log();
    let pipeline = |sources: &[&str]| {
        let of = |name: &&str| format!("  {name}: {{topic: {name}, key: k, schema: {{k: string}}}}\n");
        let (list, named): (String, Vec<&str>) = (sources.iter().map(of).collect(), sources.to_vec());
        let merge = if named.len() == 1 {
            String::new()
        } else {
            format!("  - {{name: all, merge: [{}]}}\n", named.join(", "))
        };
        let from = if named.len() == 1 { named[0] } else { "all" };
        let text = format!(
            "name: p\nsources:\n{list}steps:\n{merge}  - {{name: counted, from: {from}, scan: {{by: [k], init: {{c: 0}}, next: {{c: c + 1}}}}}}\nsink: out\n"
        );
        plan(&text, dir.path())
    };
    let add = |topic: &str, records: usize, time: i64| {
        let mut b = RecordsBuilder::default();
        (0..records).for_each(|_| b.push(Some(b"k"), Some(br#"{"k": "k"}"#), time));
        append(&*log, topic, 0, b.finish());
    };
    for topic in ["a", "b", "c"] {
        log.create_topic(topic, &topic_config(1)).unwrap();
    }
    add("a", 2, 1_000);
    add("b", 3, 9_000);
    run_to_end(pipeline(&["a", "b"]), log.clone());
    let watermarks = || {
        let tasks = reports(&*log, "p", &CancelToken::default()).unwrap().tasks;
        let task = tasks.values().find(|t| t.inputs.len() > 1 && t.inputs.iter().all(|i| i.left.is_none())).unwrap();
        let of = task.inputs.iter().zip(&task.watermark.inputs).map(|(i, w)| (i.name.clone(), w.at, i.next));
        let mut all: Vec<_> = of.collect();
        all.sort();
        all
    };
    let named = |all: &[(&str, i64, i64)]| all.iter().map(|(n, w, o)| ((*n).to_owned(), *w, *o)).collect::<Vec<_>>();
    assert_eq!(watermarks(), named(&[("a", 1_000, 2), ("b", 9_000, 3)]));
    add("a", 1, 2_000);
    run_to_end(pipeline(&["b", "a"]), log.clone());
    assert_eq!(watermarks(), named(&[("a", 2_000, 3), ("b", 9_000, 3)]), "they have changed their places");
    add("c", 4, 500);
    let three = pipeline(&["c", "b", "a"]);
    run_to_end(three.clone(), log.clone());
    assert_eq!(watermarks(), named(&[("a", 2_000, 3), ("b", 9_000, 3), ("c", 500, 4)]));
    assert_eq!((remainder_is_zero(&three, &*log), total_end(&*log, "out")), ((10, 10), Some(10)));
    add("a", 1, 3_000);
    let one = pipeline(&["a"]);
    run_to_end(one.clone(), log.clone());
    assert_eq!(
        remainder_is_zero(&one, &*log),
        (11, 11),
        "what sources of earlier files have brought stays in the totals"
    );
}
