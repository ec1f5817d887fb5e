//! Runs that are stopped by signals, and a second instance beside a run.

use crate::harness::program::{Fastdata, RunningProcess};
use crate::harness::topics::total_end;
use crate::harness::wait::until;
use fastdata::log::embedded::EmbeddedLog;

const PIPELINE: &str =
    "name: p\nsource: {topic: raw, schema: {kind: string}}\nsteps: [{filter: kind = 'red'}]\nsink: {topic: red}\n";

/// A run that has committed results and waits for more input.
fn running(f: &Fastdata) -> RunningProcess {
    f.file("p.yaml", PIPELINE);
    f.args("seed --topic raw --count 100 --random-seed 1").succeeds();
    let run = f.start("run p.yaml");
    let log = EmbeddedLog::open(&f.log_dir()).unwrap();
    until("the first commit of the run", || (total_end(&log, "red")? > 0).then_some(()));
    run
}

#[test]
fn a_signal_ends_a_run_in_good_order() {
    for signal in ["INT", "TERM", "HUP"] {
        let f = Fastdata::in_temp();
        let mut run = running(&f);
        run.signal(signal);
        assert_eq!(run.wait().code(), Some(0), "SIG{signal}: {}", run.stderr_text());
        f.args("run p.yaml --until-end").succeeds();
    }
}

/// Another process holds the write lock, so that the run cannot end after the first signal.
#[test]
fn a_second_signal_ends_it_at_once() {
    let f = Fastdata::in_temp();
    let mut run = running(&f);
    let blocker = rusqlite::Connection::open(f.log_dir().join("fastdata.db")).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    run.signal("INT");
    until("the message that the run is stopping", || {
        let line = run.next_stderr_line();
        line.contains("interrupt again").then_some(())
    });
    run.signal("INT");
    assert_eq!(run.wait().code(), Some(130));
    blocker.execute_batch("ROLLBACK").unwrap();
    f.args("run p.yaml --until-end").succeeds();
}

#[test]
fn a_second_instance_is_refused_with_the_first_ones_name() {
    let f = Fastdata::in_temp();
    let mut run = running(&f);
    f.args("run p.yaml --quiet").fails_with(1).stdout("").stderr_around(
        &format!("error: pipeline `p` is already running: process {} ", run.id()),
        "; stop it, or give this one another `name:`\n",
    );
    // Other commands and pipelines work beside it.
    f.file("q.yaml", &PIPELINE.replace("name: p", "name: q"));
    f.args("run q.yaml --until-end").succeeds();
    run.signal("KILL");
    run.wait();
    f.args("run p.yaml --until-end").succeeds();
}
