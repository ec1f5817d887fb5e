//! `diff`, and a run that refuses or resets the state of an edited step, through the binary.

use crate::harness::program::Fastdata;
use crate::harness::wait;

const COUNT: &str = "\
name: p
source: {topic: in, key: k, schema: {k: string, v: bigint}}
steps:
  - {name: counted, window: {tumbling: 1m, by: [k], select: {n: count(*)}}}
sink: out
";

#[test]
fn diff_says_what_an_edit_does_and_a_run_does_it() {
    let f = Fastdata::in_temp();
    f.file("old.yaml", COUNT);
    f.file("same.yaml", &COUNT.replace("{n: count(*)}", "{total: count( * )}, grace: 5s"));
    f.file("new.yaml", &COUNT.replace("count(*)", "sum(v)"));
    f.file("in.jsonl", "{\"k\":\"a\",\"v\":2}\n{\"k\":\"a\",\"v\":3}\n");
    f.args("seed --topic in --from in.jsonl --key k").succeeds();
    let table = "step     state  why\ncounted  kept   the step goes on with its state\n";
    f.args("diff old.yaml same.yaml").succeeds().stdout(table);
    let why = "it kept `count(*)` and keeps `sum(v)`";
    let refused = format!("step     state    why\ncounted  refused  {why}\n");
    f.args("diff old.yaml new.yaml").fails_with(2).stdout(&refused);
    f.args("run old.yaml --until-end").succeeds();
    let line = format!("{{\"step\":\"counted\",\"state\":\"refused\",\"why\":\"{why}\"}}\n");
    f.args("diff --running new.yaml --output json").fails_with(2).stdout(&line);
    let ended = f.args("run new.yaml --until-end").fails_with(1);
    assert!(
        ended.stderr_text().contains(&format!("the state of `counted` does not fit the step: {why}; go back to the earlier file, give the step another name, or start its state over with `--reset counted`")),
        "{}",
        ended.stderr_text()
    );
    let online = f.args("validate --online new.yaml").fails_with(2);
    assert!(online.stderr_text().contains(why), "{}", online.stderr_text());
    f.args("run new.yaml --until-end --reset counted").succeeds();
    f.args("diff --running new.yaml").succeeds();
    f.args("diff old.yaml").fails_with(2);
}

/// `was:`: the hint of a run, the verdict of `diff`, and the mistakes of a file.
#[test]
fn a_renamed_step_goes_on_with_the_state_that_was_names() {
    let f = Fastdata::in_temp();
    let renamed = |name: &str| COUNT.replace("{name: counted,", &format!("{{name: {name},"));
    f.file("old.yaml", COUNT).file("new.yaml", &renamed("tally")).file("was.yaml", &renamed("tally, was: counted"));
    f.file("typo.yaml", &renamed("tally, was: countd")).file("third.yaml", &renamed("third, was: tally"));
    f.file("in.jsonl", "{\"k\":\"a\",\"v\":2}\n{\"k\":\"a\",\"v\":3}\n");
    f.args("seed --topic in --from in.jsonl --key k").succeeds();
    let table = "step   state  why\ntally  moved  the step goes on with the state of `counted`\n";
    f.args("diff old.yaml was.yaml").succeeds().stdout(table);
    f.args("run old.yaml --until-end").succeeds();
    let hint = "hint: if the step was renamed, add `was: counted` to it; if it is a new one, let it begin without state with `--reset tally`";
    let ended = f.args("run new.yaml --until-end").fails_with(1);
    assert!(ended.stderr_text().contains(hint), "{}", ended.stderr_text());
    let ended = f.args("run typo.yaml --until-end").fails_with(1);
    assert!(ended.stderr_text().contains("hint: did you mean `was: counted`? "), "{}", ended.stderr_text());
    f.args("run was.yaml --until-end").succeeds();
    let rows = f.args("query was.yaml tally --output json").succeeds();
    assert!(rows.stdout_text().contains("\"n\":2"), "{}", rows.stdout_text());
    let ended = f.args("run third.yaml --until-end").fails_with(1);
    assert!(ended.stderr_text().contains("hint: did you mean `was: counted`? "), "{}", ended.stderr_text());
    f.args("seed --topic in --from in.jsonl --key k").succeeds();
    f.args("run old.yaml --until-end --drain").succeeds();
    let out = f.args("tail --topic out --until-end --output raw").succeeds();
    assert!(out.stdout_text().contains("\"n\":4"), "both versions have counted: {}", out.stdout_text());
}

#[test]
fn state_is_listed_and_dropped() {
    let f = Fastdata::in_temp();
    let two = COUNT.replace("sink: out", "  - {name: summed, from: in, scan: {by: [k], init: {s: 0}, next: {s: s + v}}}\nsinks: [{from: counted, topic: out}, {from: summed, topic: sums}]");
    let misread = COUNT.replace("count(*)", "sum(v)");
    f.file("two.yaml", &two).file("one.yaml", COUNT).file("misread.yaml", &misread);
    f.file("in.jsonl", "{\"k\":\"a\",\"v\":2}\n{\"k\":\"b\",\"v\":3}\n");
    f.args("seed --topic in --from in.jsonl --key k").succeeds();
    f.args("state list two.yaml").succeeds().stdout("").stderr("`p` has committed no state\n");
    f.args("run two.yaml --until-end").succeeds();
    let listed = |file: &str| {
        let lines = f.args(&format!("state list {file} --output json")).succeeds();
        let object = |line: &str| {
            let v: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(v["fingerprint"].as_str().map(str::len), Some(16), "{v}");
            format!(
                "{} {} {} keys {}",
                v["name"].as_str().unwrap(),
                v["operator"].as_str().unwrap(),
                v["keys"],
                v["state"].as_str().unwrap()
            )
        };
        lines.stdout_text().lines().map(object).collect::<Vec<_>>()
    };
    let kept = ["counted window 2 keys kept", "summed scan 2 keys kept"];
    assert_eq!(listed("two.yaml"), kept);
    assert_eq!(listed("misread.yaml"), ["counted window 2 keys refused", "summed scan 2 keys orphaned"]);
    let text = f.args("state list misread.yaml").succeeds();
    assert!(text.stdout_text().starts_with("name     step     operator  fingerprint"), "{}", text.stdout_text());
    let used = f.args("state drop two.yaml summed").fails_with(2);
    assert!(
        used.stderr_text().starts_with("error: the state of `summed` is in use: the step goes on with its state\n"),
        "{}",
        used.stderr_text()
    );
    let none = f.args("state drop one.yaml sumed").fails_with(2);
    assert_eq!(none.stderr_text(), "error: `p` has no state of `sumed`\nhint: there is `counted`, `summed`\n");
    let dropped = f.args("state drop one.yaml summed").succeeds();
    assert!(
        dropped.stderr_text().starts_with("dropped the state of `summed`: 2 keys in "),
        "{}",
        dropped.stderr_text()
    );
    assert!(dropped.stderr_text().ends_with("topic `p.summed.state`\n"), "{}", dropped.stderr_text());
    assert_eq!(listed("two.yaml"), ["counted window 2 keys kept"]);
    f.args("seed --topic in --from in.jsonl --key k").succeeds();
    f.args("run one.yaml --until-end").succeeds();
    let stats: serde_json::Value =
        serde_json::from_str(f.args("stats p --output json").succeeds().stdout_text()).unwrap();
    assert_eq!((&stats["ledger"]["remainder"], &stats["ledger"]["read"]), (&0.into(), &4.into()), "{stats}");
    assert!(f.args("topics list").succeeds().stdout_text().lines().all(|l| !l.contains("summed.state")));
    // The file with the step again: it begins anew, and the state that it cannot read is dropped the same way.
    f.args("state drop misread.yaml counted").succeeds();
    f.args("run misread.yaml --until-end").succeeds();
    assert_eq!(listed("misread.yaml").len(), 1);
}

#[test]
fn state_of_a_running_pipeline_is_not_dropped() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", COUNT)
        .file("other.yaml", &COUNT.replace("name: counted", "name: other").replace("count(*)", "sum(v)"));
    f.file("in.jsonl", "{\"k\":\"a\",\"v\":2}\n");
    f.args("seed --topic in --from in.jsonl --key k").succeeds();
    let mut run = f.start("run p.yaml");
    wait::until("the state", || {
        let listed = f.args("state list other.yaml --output json").run();
        listed.stdout_text().contains("\"keys\":1").then_some(())
    });
    let refused = f.args("state drop other.yaml counted").fails_with(1);
    assert!(
        refused.stderr_text().contains(" runs `p` and would write the state again; stop it first"),
        "{}",
        refused.stderr_text()
    );
    run.signal("TERM");
    assert_eq!(run.wait().code(), Some(0), "{}", run.stderr_text());
    f.args("state drop other.yaml counted").succeeds();
}
