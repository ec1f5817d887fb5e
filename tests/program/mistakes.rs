//! Mistakes of a user and their messages. The exit code is 2, or 1 if the environment is at fault.

use crate::harness::program::Fastdata;

const PIPELINE: &str =
    "name: p\nsource: {topic: raw, schema: {n: bigint}}\nsteps: [{filter: n > 1}]\nsink: {topic: out}\n";

#[test]
fn invalid_arguments_are_refused() {
    let f = Fastdata::in_temp();
    f.args("rnu").fails_with(2).stdout("");
    f.args("run").fails_with(2).stderr(
        "error: the following required arguments were not provided:
  <PIPELINE>...

Usage: fastdata run <PIPELINE>...

For more information, try '--help'.
",
    );
    f.args("run p.yaml --drain").fails_with(2).stdout("");
    f.args("seed --topic raw --count many").fails_with(2).stdout("");
}

#[test]
fn a_missing_topic_is_reported() {
    let f = Fastdata::in_temp();
    f.args("topics create raw").succeeds();
    f.args("tail --topic rwa --until-end")
        .fails_with(2)
        .stdout("")
        .stderr("error: topic `rwa` does not exist; did you mean `raw`?\n");
    f.file("p.yaml", &PIPELINE.replace("topic: raw", "topic: wines"));
    f.args("run p.yaml --until-end").fails_with(2).stdout("").stderr(
        "error: topic `wines` does not exist; make it with `fastdata topics create wines` or fill it with \
         `fastdata seed --topic wines`\n",
    );
}

#[test]
fn a_missing_pipeline_file_is_reported() {
    let f = Fastdata::in_temp();
    f.args("run p.yaml").fails_with(2).stdout("").stderr(
        "error: cannot read the pipeline file `p.yaml`: there is no such file; `fastdata init` writes an example\n",
    );
}

#[test]
fn every_mistake_in_a_file_is_reported() {
    let f = Fastdata::in_temp();
    f.file(
        "p.yaml",
        "name: p
source: {topic: raw, schema: {n: bigit}}
steps:
  - fliter: n > 1
  - name: w
    window: {tumbling: 1 minuet, select: {n: count(*)}}
sinks:
  - {form: w, topic: out}
delivery: exactly_one
",
    );
    f.args("validate p.yaml").fails_with(2).stdout("").stderr(
        "error: unknown type `bigit`
  --> p.yaml:2:34
  |
2 | source: {topic: raw, schema: {n: bigit}}
  |                                  ^^^^^
hint: did you mean `bigint`?

error: unknown field `fliter` in a step
  --> p.yaml:4:5
  |
4 |   - fliter: n > 1
  |     ^^^^^^
hint: did you mean `filter`?

error: `1 minuet` is not a duration
  --> p.yaml:6:24
  |
6 |     window: {tumbling: 1 minuet, select: {n: count(*)}}
  |                        ^^^^^^^^
hint: write a whole number and a unit, such as `500ms`, `2s`, `10 min` or `1h 30m`

error: unknown field `form` in a sink
  --> p.yaml:8:6
  |
8 |   - {form: w, topic: out}
  |      ^^^^
hint: did you mean `from`?

error: unknown value `exactly_one`
  --> p.yaml:9:11
  |
9 | delivery: exactly_one
  |           ^^^^^^^^^^^
hint: did you mean `exactly_once`?
",
    );
}

/// A step that cannot be parsed hides neither the steps after it nor mistakes in the SQL of other steps.
#[test]
fn syntax_and_sql_mistakes_are_reported_together() {
    let f = Fastdata::in_temp();
    f.file(
        "p.yaml",
        "name: p
source: {topic: raw, schema: {n: bigit, b: double}}
steps:
  - fliter: b > 1
  - filter: c > 1
  - filter: n > 1
  - scan: {by: [b], inti: {k: 0}, next: {k: k + 1}}
  - filter: k > 1 AND q > 1
sink: {topic: out, key: nn}
",
    );
    // `n` and `k` are missing only because of mistakes that are reported already, so reading them is not reported. The
    // columns after a step that cannot be parsed are unknown, so `q` is not reported either.
    f.args("validate p.yaml").fails_with(2).stdout("").stderr(
        "error: unknown type `bigit`
  --> p.yaml:2:34
  |
2 | source: {topic: raw, schema: {n: bigit, b: double}}
  |                                  ^^^^^
hint: did you mean `bigint`?

error: unknown field `fliter` in a step
  --> p.yaml:4:5
  |
4 |   - fliter: b > 1
  |     ^^^^^^
hint: did you mean `filter`?

error: unknown column `c`
  --> p.yaml:5:13
  |
5 |   - filter: c > 1
  |             ^
hint: columns in scope: b

error: unknown field `inti` in `scan`
  --> p.yaml:7:21
  |
7 |   - scan: {by: [b], inti: {k: 0}, next: {k: k + 1}}
  |                     ^^^^
hint: did you mean `init`?
",
    );
}

#[test]
fn every_mistake_in_sql_is_reported() {
    let f = Fastdata::in_temp();
    f.file(
        "p.yaml",
        "name: p
source: {topic: raw, schema: {n: bigint, s: string}}
steps:
  - filter: m > 1
  - set: {a: uper(s), b: lenght(s)}
  - filter: n
sink: {topic: out, key: nn}
",
    );
    // A wrong expression does not hide later mistakes: its columns are in scope all the same.
    f.args("validate p.yaml").fails_with(2).stdout("").stderr(
        "error: unknown column `m`
  --> p.yaml:4:13
  |
4 |   - filter: m > 1
  |             ^
hint: columns in scope: n, s

error: unknown function `uper`
  --> p.yaml:5:14
  |
5 |   - set: {a: uper(s), b: lenght(s)}
  |              ^^^^
hint: did you mean `upper`?

error: unknown function `lenght`
  --> p.yaml:5:26
  |
5 |   - set: {a: uper(s), b: lenght(s)}
  |                          ^^^^^^
hint: did you mean `length`?

error: a condition is boolean, but this is bigint
  --> p.yaml:6:13
  |
6 |   - filter: n
  |             ^
hint: compare it with something, as in `… > 0`

error: unknown column `nn`
  --> p.yaml:7:25
  |
7 | sink: {topic: out, key: nn}
  |                         ^^
hint: did you mean `n`?
",
    );
}

#[test]
fn an_unusable_data_folder_is_reported() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", PIPELINE).file("occupied", "");
    f.args("run p.yaml --until-end --data-dir occupied")
        .fails_with(1)
        .stdout("")
        .stderr("error: `occupied` is a file, not a folder; name a folder with `--data-dir`\n");
    f.args("seed --topic raw --data-dir /proc/fastdata").fails_with(1).stdout("").stderr(
        "error: `/proc/fastdata` cannot be used (No such file or directory (os error 2)); make the folder and the \
         file writable, or name another folder with `--data-dir`\n",
    );
}

#[test]
fn a_bad_record_stops_a_run_with_errors_stop() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", &format!("{PIPELINE}errors: stop\n")).file("in.jsonl", "{\"n\": 5}\n{\"n\": \"x\"}\n");
    f.args("seed --topic raw --from in.jsonl").succeeds();
    f.args("run p.yaml --until-end").fails_with(1).stdout("").stderr(
        "error: record raw/0/1 could not be handled by `raw`: field `n`: expected a whole number, found string \"x\" \
         (byte 6)\nhint: `errors: dead_letter` sets such records aside and goes on\n",
    );
}
