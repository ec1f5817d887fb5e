//! `fastdata query`: reads the last committed state from outside the run.

use crate::harness::program::{Fastdata, Finished};

/// No window closes by itself: the watermark is an hour behind.
const PIPELINE: &str = "name: p
source: {topic: raw, key: kind, schema: {kind: string, n: bigint, ts: timestamp}, timestamp: ts, watermark: {delay: 1h}}
steps:
  - name: good
    filter: n > 0
  - name: folded
    scan: {by: [kind], init: {total: 0, last: 0}, next: {total: total + n, last: n}}
  - name: per_kind
    from: good
    window: {tumbling: 1m, by: [kind], select: {n: count(*), mean: avg(n)}}
  - name: per_pair
    from: good
    window: {tumbling: 1h, by: [kind, n], select: {least: min(ts)}}
  - name: all
    from: good
    window: {tumbling: 1m, select: {n: count(*), tenth: 10 / (count(*) - 1)}}
  - name: each
    from: good
    scan: {init: {seen: 0}, next: {seen: seen + 1}}
sinks:
  - {from: folded, topic: folded}
  - {from: per_kind, topic: per-kind}
  - {from: per_pair, topic: per-pair}
  - {from: all, topic: all}
  - {from: each, topic: each}
";

const RECORDS: &str = r#"{"kind":"red","n":1,"ts":"2026-01-01T00:00:01Z"}
{"kind":"white","n":2,"ts":"2026-01-01T00:00:03Z"}
{"kind":"red","n":4,"ts":"2026-01-01T00:00:05Z"}
{"kind":"red","n":-9,"ts":"2026-01-01T00:00:06Z"}
{"kind":"red","n":3,"ts":"2026-01-01T00:01:04Z"}
"#;

const RED_0: &str = r#"{"kind":"red","n":2,"mean":2.5,"window_start":"2026-01-01T00:00:00.000Z","window_end":"2026-01-01T00:01:00.000Z"}
"#;
const WHITE_0: &str = r#"{"kind":"white","n":1,"mean":2.0,"window_start":"2026-01-01T00:00:00.000Z","window_end":"2026-01-01T00:01:00.000Z"}
"#;
const RED_1: &str = r#"{"kind":"red","n":1,"mean":3.0,"window_start":"2026-01-01T00:01:00.000Z","window_end":"2026-01-01T00:02:00.000Z"}
"#;

/// A log on which the pipeline has processed the records, in two partitions.
fn after_a_run(seeding: &str) -> Fastdata {
    let f = Fastdata::in_temp();
    f.file("p.yaml", PIPELINE).file("in.jsonl", RECORDS);
    f.args(&format!("seed --topic raw --from in.jsonl --partitions 2 {seeding}")).succeeds();
    f.args("run p.yaml --until-end").succeeds();
    f
}

fn query(f: &Fastdata, args: &str) -> Finished {
    f.args(&format!("query p.yaml {args}")).succeeds()
}

#[test]
fn open_windows_are_shown_with_their_current_results_and_stay_open() {
    let f = after_a_run("--key kind");
    for _ in 0..2 {
        query(&f, "per_kind").stdout(&[RED_0, WHITE_0, RED_1].concat()).stderr("");
    }
    query(&f, "per_kind --key red").stdout(&[RED_0, RED_1].concat());
    query(&f, "per_kind --key white").stdout(WHITE_0);
    query(&f, "per_kind --limit 2").stdout(&[RED_0, WHITE_0].concat());
    query(&f, "per_kind --key rose").stdout("").stderr("`per_kind` has no state that matches\n");
    query(&f, "per_pair --key [\"red\",4]").stdout(
        "{\"kind\":\"red\",\"n\":4,\"least\":\"2026-01-01T00:00:05.000Z\",\
         \"window_start\":\"2026-01-01T00:00:00.000Z\",\"window_end\":\"2026-01-01T01:00:00.000Z\"}\n",
    );
    f.args("run p.yaml --until-end --drain").succeeds();
    assert_eq!(f.args("tail --topic per-kind --until-end").succeeds().stdout_text().lines().count(), 3);
    query(&f, "per_kind").stdout("").stderr("`per_kind` has no state that matches\n");
}

#[test]
fn windows_are_selected_by_a_time_in_them_or_by_their_start() {
    let f = after_a_run("--key kind");
    query(&f, "per_kind --window 2026-01-01T00:00:59.999Z").stdout(&[RED_0, WHITE_0].concat());
    query(&f, "per_kind --window 2026-01-01T00:01:00Z").stdout(RED_1);
    query(&f, "per_kind --window 1767225660000 --key red").stdout(RED_1);
    query(&f, "per_kind --from 2026-01-01T00:00:00Z --to 2026-01-01T00:01:00Z").stdout(&[RED_0, WHITE_0].concat());
    query(&f, "per_kind --from 2026-01-01T00:00:00.001Z").stdout(RED_1);
    query(&f, "per_kind --to 2026-01-01T00:00:00Z").stdout("");
    query(&f, "per_kind --to 2026-01-01T00:00:00.001Z").stdout(&[RED_0, WHITE_0].concat());
}

#[test]
fn a_fold_is_shown_by_key_or_else_by_partition() {
    let f = after_a_run("--key kind");
    let (red, white) = ("{\"kind\":\"red\",\"total\":8,\"last\":3}\n", "{\"kind\":\"white\",\"total\":2,\"last\":2}\n");
    query(&f, "folded").stdout(&[red, white].concat());
    query(&f, "folded --key white").stdout(white);
    query(&f, "folded --output text").stdout("kind   total  last\nred        8     3\nwhite      2     2\n");
    // The partitions of `red` and `white` by Kafka's hash, computed by another program.
    query(&f, "each").stdout("{\"_partition\":0,\"seen\":3}\n{\"_partition\":1,\"seen\":1}\n");
}

#[test]
fn a_key_is_found_outside_the_partition_of_its_hash() {
    let f = after_a_run("");
    // Records without keys are all in partition 0; the hash of `white` gives 1.
    query(&f, "folded --key white").stdout("{\"kind\":\"white\",\"total\":2,\"last\":2}\n");
    assert_eq!(query(&f, "folded --key rose").stdout_text(), "");
}

#[test]
fn a_result_that_cannot_be_computed_is_omitted_with_a_warning() {
    let f = after_a_run("--key kind");
    query(&f, "all")
        .stdout(
            "{\"n\":3,\"tenth\":5,\"window_start\":\"2026-01-01T00:00:00.000Z\",\
             \"window_end\":\"2026-01-01T00:01:00.000Z\"}\n",
        )
        .stderr("warning: a row that cannot be computed is left out: `10 / (count(*) - 1)`: division by zero\n");
}

#[test]
fn invalid_queries_are_refused_with_a_hint() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", PIPELINE);
    let fails = |args: &str, stderr: &str| {
        f.args(&format!("query p.yaml {args}")).fails_with(2).stdout("").stderr(stderr);
    };
    fails("per_knd", "error: pipeline `p` has no step `per_knd`\nhint: did you mean `per_kind`?\n");
    let kept = "state is kept by `folded`, `per_kind`, `each`, `per_pair`, `all`\n";
    fails("zzzzzzzz", &format!("error: pipeline `p` has no step `zzzzzzzz`\nhint: {kept}"));
    fails("good", &format!("error: `good` keeps no state: it is a `filter`\nhint: {kept}"));
    fails(
        "folded --window 0",
        "error: `folded` is a `scan`, which has no windows\nhint: leave `--window`, `--from` and `--to` out\n",
    );
    f.args("topics create other").succeeds();
    let never = "error: there is no state of `per_kind` on .fastdata: pipeline `p` has not run there \
                 (no topic `p.per_kind.state`)\nhint: run the pipeline first; `--data-dir` or `--brokers` name \
                 another log\n";
    fails("per_kind", never);
    let f = after_a_run("--key kind");
    let fails = |args: &str, stderr: &str| {
        f.args(&format!("query p.yaml {args}")).fails_with(2).stdout("").stderr(stderr);
    };
    fails("all --key 3", "error: `all` keeps no state by key: it has no `by`\nhint: leave `--key` out\n");
    fails(
        "per_pair --key red",
        "error: `red` is no key of `per_pair`: it is no JSON array\nhint: write the values of `kind`, `n` as a JSON \
         array, such as '[\"red\",3]'\n",
    );
}
