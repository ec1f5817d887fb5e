//! The cases under `tests/cases/`: each operator and format, run straight, killed and resumed, on other
//! numbers of partitions, and on the real runtime. The same bytes each time.
//!
//! What a case expects was worked out by hand, or by a script under `tests/naive/`.

use crate::harness::case::{Case, folder, on_partitions};
use crate::harness::drive::{Drive, model_records, plan};
use crate::harness::engine;
use crate::harness::record::{Topics, by_key, difference};

/// One test a case, and a test that there is one for each folder.
macro_rules! cases {
    ($($name:ident)*) => {
        $(#[test] fn $name() { check(stringify!($name)); })*

        #[test]
        fn every_case_is_run() {
            let mut folders: Vec<String> =
                std::fs::read_dir(folder()).unwrap().map(|d| d.unwrap().file_name().into_string().unwrap()).collect();
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
    scan
    scan_by_key
    score
    score_by
    select
    set
    text
    window
    window_global
    window_late
    window_repartition
}

/// Batch sizes and batches between commits.
const CUTS: [(usize, usize); 6] = [(1, 1), (1, 5), (7, 1), (7, 3), (4096, 1), (4096, 100)];

/// Numbers of partitions, beside that of the case.
const PARTITIONS: [u32; 3] = [1, 2, 5];

/// Seeds of the runs that are killed.
const SEEDS: u64 = 8;

fn check(name: &str) {
    let case = Case::read(name);
    let partitions = case.input.keys().map(|(_, p)| p + 1).max().unwrap();
    let drive = Drive {
        plan: plan(&case.text, &case.dir),
        input: case.input.clone(),
        partitions,
        models: model_records(&case.models),
    };
    for (batch, commit_every) in CUTS {
        let outcome = drive.straight(batch, commit_every);
        same(&case.output, &outcome.output, &format!("batches of {batch}, a commit each {commit_every}"));
        let mut samples = outcome.samples;
        // Steps take turns by batch; within a step the order is that of the rows.
        samples.sort_by(|a, b| a.split(' ').next().cmp(&b.split(' ').next()));
        assert_eq!(samples, case.samples, "batches of {batch}");
    }
    for seed in 0..SEEDS {
        same(&case.output, &drive.resumed(seed).output, &format!("killed and resumed, seed {seed}"));
    }
    let dir = tempfile::tempdir().unwrap();
    same(&case.output, &engine::whole(&drive, dir.path()), "on the runtime");
    if case.fixed_partitions() {
        return;
    }
    let expected = anywhere(&case.output);
    for count in PARTITIONS {
        let drive = Drive { input: on_partitions(&case.input, count), partitions: count, ..drive.again() };
        let how = format!("on {count} partitions");
        same(&expected, &anywhere(&drive.straight(7, 3).output), &how);
        same(&expected, &anywhere(&drive.resumed(u64::from(count)).output), &format!("{how}, killed and resumed"));
        let dir = tempfile::tempdir().unwrap();
        same(&expected, &anywhere(&engine::whole(&drive, dir.path())), &format!("{how}, on the runtime"));
    }
}

fn same(expected: &Topics, found: &Topics, how: &str) {
    let difference = difference(expected, found);
    assert!(difference.is_empty(), "{how}:\n{difference}");
}

/// By key, and without the places of dead letters, which are those of the partitions.
fn anywhere(topics: &Topics) -> Topics {
    let mut topics = by_key(topics);
    for record in topics.values_mut().flatten() {
        record.headers.retain(|(name, _)| name != "fastdata-source");
    }
    by_key(&topics)
}
