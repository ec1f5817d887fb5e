//! A run that reaches the limits of its pipeline file.

use crate::harness::program::Fastdata;

const PIPELINE: &str = "name: p
source: {topic: raw, schema: {id: string}}
steps:
  - name: seen
    scan: {by: [id], init: {n: 0}, next: {n: n + 1}}
sink: {topic: out}
state: {memory_limit: 64KiB}
";

/// 300 keys fit. 1,000 do not, and the commit that would exceed the limit is not made.
#[test]
fn state_beyond_its_limit_stops_the_run_before_the_commit() {
    let keys = |n: std::ops::Range<u32>| n.map(|i| format!("{{\"id\":\"sensor-{i}\"}}\n")).collect::<String>();
    let f = Fastdata::in_temp();
    f.file("p.yaml", PIPELINE).file("few.jsonl", &keys(0..300)).file("more.jsonl", &keys(300..1000));
    f.args("seed --topic raw --from few.jsonl").succeeds();
    f.args("run p.yaml --until-end").succeeds();
    f.args("seed --topic raw --from more.jsonl").succeeds();
    f.args("run p.yaml --until-end").fails_with(1).stdout("").stderr_around(
        "error: state has grown to ",
        " bytes, beyond `state.memory_limit` of 65536: `seen` holds 1000 keys in 123910 bytes
hint: raise the limit, or keep fewer keys (shorter windows, less `grace`, coarser `by`); what was committed is safe\n",
    );
    let out = f.args("tail --topic out --until-end --output raw").succeeds();
    assert_eq!(out.stdout_text().lines().count(), 300);
    f.file("p.yaml", &PIPELINE.replace("64KiB", "64MiB"));
    f.args("run p.yaml --until-end").succeeds();
    let out = f.args("tail --topic out --until-end --output raw").succeeds();
    assert_eq!(out.stdout_text().lines().count(), 1000);
}
