//! The golden cases under `tests/cases/`: each operator and format, run without interruption, with restarts, on
//! other numbers of partitions, and on the real runtime. The output is the same bytes each time.
//!
//! The expected records were worked out by hand. A script under `tests/naive/` writes the models that they use.

use crate::harness::case::{Case, cases_folder, redistribute};
use crate::harness::engine;
use crate::harness::record::{Topics, difference, sorted_by_key};
use crate::harness::scenario::{Scenario, model_records, plan};

/// Makes one test for each case, and one that asserts that each folder has a test.
macro_rules! cases {
    ($($name:ident)*) => {
        $(#[test] fn $name() { check(stringify!($name)); })*

        #[test]
        fn every_case_folder_has_a_test() {
            let mut folders: Vec<String> =
                std::fs::read_dir(cases_folder()).unwrap().map(|d| d.unwrap().file_name().into_string().unwrap()).collect();
            folders.sort();
            assert_eq!(folders, [$(stringify!($name)),*]);
        }
    };
}

cases! {
    branch
    bytes
    csv
    dag
    dead_encode
    dead_evaluation
    dead_undecodable
    drop
    errors_drop
    event_time
    filter
    flatten
    functions
    json
    key_by
    log
    merge
    merge_sources
    meta
    rename
    rename_key
    scan
    scan_by_key
    score
    score_by
    select
    set
    text
    tombstones
    window
    window_global
    window_late
    window_repartition
    window_statistics
    window_sum
}

/// Records in a batch and batches between commits.
const BATCH_SIZES_AND_COMMIT_INTERVALS: [(usize, usize); 6] = [(1, 1), (1, 5), (7, 1), (7, 3), (4096, 1), (4096, 100)];

/// Records in a batch and rows that a window closes at a time.
const BATCH_SIZES_AND_PARTS: [(usize, usize); 3] = [(1, 1), (7, 2), (4096, 3)];

/// Partition counts beside that of the case.
const PARTITION_COUNTS: [u32; 3] = [1, 2, 5];

/// Seeds of the runs with restarts.
const RESTART_SEEDS: u64 = 8;

fn check(name: &str) {
    let case = Case::load(name);
    let partitions = case.input.keys().map(|(_, p)| p + 1).max().unwrap();
    let scenario = Scenario {
        plan: plan(&case.text, &case.dir),
        input: case.input.clone(),
        partitions,
        models: model_records(&case.models),
    };
    for (batch, commit_every) in BATCH_SIZES_AND_COMMIT_INTERVALS {
        let outcome = scenario.run_uninterrupted(batch, commit_every);
        assert_same(&case.output, &outcome.output, &format!("batches of {batch}, a commit every {commit_every}"));
        let mut samples = outcome.samples;
        // Steps alternate by batch; within a step the samples are in the order of the rows.
        samples.sort_by(|a, b| a.split(' ').next().cmp(&b.split(' ').next()));
        assert_eq!(samples, case.samples, "batches of {batch}");
    }
    for (batch, rows) in BATCH_SIZES_AND_PARTS {
        let outcome = scenario.run_in_parts(batch, rows);
        assert_same(
            &case.output,
            &outcome.output,
            &format!("batches of {batch}, windows that close {rows} rows at a time"),
        );
    }
    for seed in 0..RESTART_SEEDS {
        assert_same(&case.output, &scenario.run_with_restarts(seed).output, &format!("with restarts, seed {seed}"));
    }
    let dir = tempfile::tempdir().unwrap();
    assert_same(&case.output, &engine::run_on_embedded_log(&scenario, dir.path()), "on the runtime");
    if case.fixed_partitions() {
        return;
    }
    let expected = ignoring_partitions(&case.output);
    for count in PARTITION_COUNTS {
        let scenario = Scenario { input: redistribute(&case.input, count), partitions: count, ..scenario.clone() };
        let how = format!("on {count} partitions");
        assert_same(&expected, &ignoring_partitions(&scenario.run_uninterrupted(7, 3).output), &how);
        assert_same(
            &expected,
            &ignoring_partitions(&scenario.run_with_restarts(u64::from(count)).output),
            &format!("{how}, with restarts"),
        );
        let dir = tempfile::tempdir().unwrap();
        assert_same(
            &expected,
            &ignoring_partitions(&engine::run_on_embedded_log(&scenario, dir.path())),
            &format!("{how}, on the runtime"),
        );
    }
}

fn assert_same(expected: &Topics, found: &Topics, how: &str) {
    let difference = difference(expected, found);
    assert!(difference.is_empty(), "{how}:\n{difference}");
}

/// Sorts by key and drops the origin of dead letters, which depends on the partitions.
fn ignoring_partitions(topics: &Topics) -> Topics {
    let mut topics = sorted_by_key(topics);
    for record in topics.values_mut().flatten() {
        record.headers.retain(|(name, _)| name != "fastdata-source");
    }
    sorted_by_key(&topics)
}
