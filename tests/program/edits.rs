//! `diff`, and a run that refuses or resets the state of an edited step, through the binary.

use crate::harness::program::Fastdata;

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
