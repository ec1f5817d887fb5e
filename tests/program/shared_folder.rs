//! Several processes that share one data folder: each sees what the others commit, and a replaced folder is an error.

use crate::harness::program::Fastdata;
use crate::harness::topics::total_end;
use crate::harness::wait::until;
use fastdata::log::embedded::EmbeddedLog;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

const ROUNDS: i64 = 12;
const PIPELINES: [&str; 3] = ["one", "two", "three"];

fn copying(name: &str) -> String {
    format!(
        "name: {name}\nsource: {{topic: raw, schema: {{kind: string}}}}\nsteps: [{{filter: kind IS NOT NULL}}]\nsink: {{topic: {name}}}\n"
    )
}

/// `run` with several files runs several pipelines in one process, each with its own handle of the log. Each `stats`
/// is a process that opens and closes the same log.
#[test]
fn several_pipelines_of_one_process_lose_nothing_while_others_open_and_close_the_log() {
    let f = Fastdata::in_temp();
    f.args("seed --topic raw --count 1 --random-seed 1").succeeds();
    for name in PIPELINES {
        f.file(&format!("{name}.yaml"), &copying(name));
    }
    let mut run = f.start("run one.yaml two.yaml three.yaml");
    let written = |name: &str| -> Option<i64> {
        // Opened and closed each time, as another process would.
        let log = EmbeddedLog::open(&f.log_dir()).ok()?;
        total_end(&log, name)
    };
    for round in 0..ROUNDS {
        let expected = 1 + round * 50;
        for name in PIPELINES {
            until(&format!("{expected} records in `{name}`"), || (written(name)? >= expected).then_some(()));
        }
        f.args("stats").succeeds();
        f.args("seed --topic raw --count 50 --random-seed 1").succeeds();
    }
    let expected = 1 + ROUNDS * 50;
    for name in PIPELINES {
        until(&format!("{expected} records in `{name}`"), || (written(name)? >= expected).then_some(()));
    }
    run.signal("TERM");
    assert_eq!(run.wait().code(), Some(0), "{}", run.stderr_text());
    assert_eq!(PIPELINES.map(written), [Some(expected); 3]);
}

/// Ways to replace the folder.
const REPLACEMENTS: [fn(&Path); 3] = [
    |dir| std::fs::remove_dir_all(dir).unwrap(),
    |dir| std::fs::rename(dir, dir.with_extension("moved")).unwrap(),
    |dir| {
        std::fs::rename(dir, dir.with_extension("moved")).unwrap();
        drop(EmbeddedLog::open(dir).unwrap());
    },
];

/// Replaces the folder once a command has printed `lines` lines and `is_busy` holds; the command must fail and name
/// the folder.
fn fails_when_the_folder_is_replaced(line: &str, lines: usize, is_busy: impl Fn(&EmbeddedLog) -> bool) {
    for replace in REPLACEMENTS {
        let f = Fastdata::in_temp();
        f.file("p.yaml", &copying("p"));
        f.args("seed --topic raw --count 100 --random-seed 1").succeeds();
        if line.starts_with("stats") {
            f.args("run p.yaml --until-end").succeeds();
        }
        let mut program = f.start(line);
        let stdout = BufReader::new(program.child().stdout.take().unwrap());
        let (send, printed) = mpsc::channel();
        let reader = std::thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(|l| drop(send.send(l))));
        for _ in 0..lines {
            printed.recv_timeout(Duration::from_secs(60)).unwrap();
        }
        let log = EmbeddedLog::open(&f.log_dir()).unwrap();
        until(&format!("`{line}` to be at work"), || is_busy(&log).then_some(()));
        drop(log);
        replace(&f.log_dir());
        let replaced = Instant::now();
        let code = program.wait().code();
        let took = replaced.elapsed();
        let stderr = program.stderr_text();
        assert_eq!(code, Some(1), "`{line}`: {stderr}");
        assert!(stderr.contains("the data folder `.fastdata` was removed, moved or replaced"), "`{line}`: {stderr}");
        // The check runs every second; a loaded machine may take some more to end a process.
        assert!(took < Duration::from_secs(20), "`{line}` took {took:?}");
        reader.join().unwrap();
    }
}

#[test]
fn run_fails_when_its_folder_is_replaced() {
    let has_committed = |log: &EmbeddedLog| total_end(log, "p") == Some(100);
    fails_when_the_folder_is_replaced("run p.yaml", 0, has_committed);
}

#[test]
fn seed_fails_when_its_folder_is_replaced() {
    let more_than_110 = |log: &EmbeddedLog| total_end(log, "raw") > Some(110);
    fails_when_the_folder_is_replaced("seed --topic raw --count 20000 --rate 200/s", 0, more_than_110);
}

#[test]
fn a_seed_that_writes_seldom_fails_when_its_folder_is_replaced() {
    let more_than_100 = |log: &EmbeddedLog| total_end(log, "raw") > Some(100);
    fails_when_the_folder_is_replaced("seed --topic raw --count 20000 --rate 1/m", 0, more_than_100);
}

#[test]
fn a_seed_that_waits_for_stdin_fails_when_its_folder_is_replaced() {
    let f = Fastdata::in_temp();
    let mut seed = f.start_with_input("seed --topic raw --from -");
    let mut input = seed.child().stdin.take().unwrap();
    input.write_all(b"{\"n\": 1}\n").unwrap();
    until("the first record", || {
        let log = EmbeddedLog::open_existing(&f.log_dir()).ok()?;
        (total_end(&log, "raw") == Some(1)).then_some(())
    });
    std::fs::remove_dir_all(f.log_dir()).unwrap();
    let code = seed.wait().code();
    let stderr = seed.stderr_text();
    assert_eq!(code, Some(1), "{stderr}");
    assert!(
        stderr.contains("error: after writing 1 record: the data folder `.fastdata` was removed, moved or replaced"),
        "{stderr}"
    );
    drop(input);
}

#[test]
fn tail_fails_when_its_folder_is_replaced() {
    fails_when_the_folder_is_replaced("tail --topic raw", 100, |_| true);
}

#[test]
fn stats_follow_fails_when_its_folder_is_replaced() {
    fails_when_the_folder_is_replaced("stats --follow --output json", 1, |_| true);
}
