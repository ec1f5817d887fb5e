//! `run --from earliest` where outputs exist, and `--replace-outputs`.

use crate::harness::program::Fastdata;
use crate::harness::topics::total_end;
use crate::harness::wait::until;
use fastdata::log::embedded::EmbeddedLog;

/// A pipeline that writes everything that it reads; one record in three is dead.
fn copying(f: &Fastdata) {
    f.file("copy.yaml", "name: copy\nsource: {topic: raw, schema: {n: bigint}}\nsteps: [{filter: n > 0}]\nsink: out\n");
    f.file("in.jsonl", "{\"n\":1}\n{\"n\":2}\n{\"n\":\"x\"}\n");
    f.args("seed --topic raw --from in.jsonl").succeeds();
    f.args("run copy.yaml --until-end --quiet").succeeds().stderr("");
}

fn records(f: &Fastdata, topic: &str) -> usize {
    let tail = f.args(&format!("tail --topic {topic} --until-end --output raw")).succeeds();
    tail.stdout_text().lines().count()
}

#[test]
fn starting_over_says_that_outputs_will_be_there_twice_and_replaces_them_on_request() {
    let f = Fastdata::in_temp();
    copying(&f);
    let doubled = f.args("run copy.yaml --until-end --from earliest").succeeds();
    let warning = "warning: `copy` starts over, and its outputs hold records of earlier runs, which stay: `out` (2), \
         `copy.dead` (1)\nhint: `--replace-outputs` removes them first\n";
    assert!(doubled.stderr_text().starts_with(warning), "{}", doubled.stderr_text());
    assert_eq!((records(&f, "out"), records(&f, "copy.dead")), (4, 2));
    let replaced = f.args("run copy.yaml --until-end --from earliest --replace-outputs").succeeds();
    assert!(replaced.stderr_text().starts_with("copy: 3 records read in "), "{}", replaced.stderr_text());
    assert_eq!((records(&f, "out"), records(&f, "copy.dead")), (2, 1));
    // A pipeline that has never run warns of nothing.
    f.args("run copy.yaml --until-end --from earliest --data-dir other").fails_with(1);
}

#[test]
fn only_outputs_of_the_pipeline_alone_are_replaced() {
    let f = Fastdata::in_temp();
    copying(&f);
    let replace = |file: &str| f.args(&format!("run {file} --until-end --from earliest --replace-outputs --quiet"));
    let copy = "name: copy\nsource: {topic: raw, schema: {n: bigint}}\nsteps: [{filter: n > 0}]\nsink: out\n";
    f.file("same.yaml", &copy.replace("name: copy", "name: same"));
    let refused = |why: &str| {
        format!(
            "error: `--replace-outputs` must not empty the topic `{why}; nothing was removed\nhint: leave the option out, \
             or remove what may go with `fastdata topics delete TOPIC`\n"
        )
    };
    let unknown = "out`: the pipeline `copy` writes it too";
    replace("same.yaml").fails_with(1).stderr(&refused(unknown));
    f.args("run same.yaml --until-end --quiet").succeeds();
    replace("copy.yaml").fails_with(1).stderr(&refused("out`: the pipeline `same` writes it too"));
    // Another pipeline writes what looks like the dead letters of this one.
    f.file("dead.yaml", &copy.replace("name: copy", "name: dead").replace("sink: out", "sink: mine.dead"));
    f.file("mine.yaml", &copy.replace("name: copy", "name: mine").replace("sink: out", "sink: mine"));
    f.args("run dead.yaml mine.yaml --until-end --quiet").succeeds();
    replace("mine.yaml").fails_with(1).stderr(&refused("mine.dead`: the pipeline `dead` writes it too"));
    // What it reads itself.
    f.file("reads.yaml", &copy.replace("name: copy", "name: reads").replace("topic: raw", "topic: reads.dead"));
    replace("reads.yaml").fails_with(2);
    f.args("seed --topic new --from in.jsonl").succeeds();
    f.file("new.yaml", &copy.replace("name: copy", "name: new").replace("sink: out", "sink: new"));
    let unwritten = "new`: it holds records, and nothing shows that `new` has written them";
    replace("new.yaml").fails_with(1).stderr(&refused(unwritten));
    assert_eq!((records(&f, "out"), records(&f, "new"), records(&f, "mine.dead")), (4, 3, 3));
}

#[test]
fn outputs_are_replaced_only_where_that_is_one_act() {
    let f = Fastdata::in_temp();
    copying(&f);
    f.args("run copy.yaml --replace-outputs").fails_with(2).stdout("").stderr(
        "error: `--replace-outputs` is for a run that starts over: outputs of records that are not read again would be \
         lost\nhint: add `--from earliest`, or leave `--replace-outputs` out\n",
    );
    f.args("run copy.yaml --from earliest --replace-outputs --brokers localhost:1").fails_with(2).stdout("").stderr(
        "error: `--replace-outputs` works on the embedded log only: Kafka cannot remove topics and positions in one \
         act, so a fault in between would lose or double results\nhint: stop `copy`, then `fastdata topics delete out`, \
         `fastdata topics delete copy.dead`, then run it with `--from earliest` alone; or write to new topics\n",
    );
    // While an instance runs nothing is removed.
    let mut run = f.start("run copy.yaml");
    f.args("seed --topic raw --from in.jsonl").succeeds();
    let log = EmbeddedLog::open(&f.log_dir()).unwrap();
    until("results of the run", || (total_end(&log, "out")? == 4).then_some(()));
    let refused = f.args("run copy.yaml --until-end --from earliest --replace-outputs --quiet").fails_with(1);
    let taken = "error: pipeline `copy` is already running: ";
    assert!(refused.stderr_text().starts_with(taken), "{}", refused.stderr_text());
    assert_eq!(records(&f, "out"), 4);
    run.signal("INT");
    assert_eq!(run.wait().code(), Some(0));
}
