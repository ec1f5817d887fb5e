//! Dead letters from the command line: counted, shown, and sent through the pipeline again, each once.

use crate::harness::program::Fastdata;
use crate::harness::topics::total_end;
use crate::harness::wait::until;
use fastdata::log::embedded::EmbeddedLog;
use std::collections::BTreeMap;

/// Takes only numbers as `v`; the other file takes texts.
const STRICT: &str = "name: p
source: {topic: raw, schema: {id: bigint, v: bigint}}
steps: [{filter: id >= 0}]
sink: {topic: out}
";

fn lenient() -> String {
    STRICT.replace("v: bigint", "v: string")
}

fn seeded(values: &str) -> Fastdata {
    let f = Fastdata::in_temp();
    f.file("strict.yaml", STRICT);
    f.file("lenient.yaml", &lenient());
    f.args("seed --topic raw --from -").stdin(values).succeeds();
    f.args("run strict.yaml --until-end").succeeds();
    f
}

const VALUES: &str =
    "{\"id\": 1, \"v\": 1}\n{\"id\": 2, \"v\": \"two\"}\n{\"id\": 3, \"v\": \"three\"}\n{\"id\": \"x\"}\n";

#[test]
fn letters_are_counted_by_reason_and_shown_with_their_bytes() {
    let f = seeded(VALUES);
    let list = f.args("dead list strict.yaml --output json").succeeds();
    let lines: Vec<serde_json::Value> = list.stdout_text().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let counted: BTreeMap<&str, u64> =
        lines.iter().map(|l| (l["error"].as_str().unwrap(), l["letters"].as_u64().unwrap())).collect();
    assert_eq!(counted.values().sum::<u64>(), 3, "{counted:?}");
    assert!(lines.iter().all(|l| l["step"] == "raw" && l["source"] == "raw" && l["replayed"] == 0), "{lines:?}");
    f.args("dead list p --limit 1").succeeds();

    let show = f.args("dead show p --output json").succeeds();
    let newest: serde_json::Value = serde_json::from_str(show.stdout_text()).unwrap();
    assert_eq!((newest["value"].as_str(), newest["source"].as_str()), (Some("{\"id\": \"x\"}"), Some("raw/0/3")));
    let some = f.args("dead show p --count 9 --reason THREE").succeeds();
    assert!(some.stdout_text().contains("  value   {\"id\": 3, \"v\": \"three\"}\n"), "{}", some.stdout_text());
    f.args("dead show p --step elsewhere").succeeds().stdout("").stderr("no dead letter matches\n");
}

#[test]
fn a_replay_sends_each_record_once() {
    let f = seeded(VALUES);
    f.args("dead replay p").succeeds().stdout("").stderr("sent 3 records to `raw` again\n");
    f.args("dead replay p").succeeds().stderr("all dead letters were replayed before\n");
    f.args("run lenient.yaml --until-end").succeeds();
    let out = f.args("tail --topic out --until-end --output raw").succeeds();
    assert_eq!(out.stdout_text(), "{\"id\":1,\"v\":1}\n{\"id\":2,\"v\":\"two\"}\n{\"id\":3,\"v\":\"three\"}\n");
    // One has died again, with the mark of the letter that it was; the others are marked too.
    let show = f.args("dead show p").succeeds();
    assert!(show.stdout_text().contains("  header  fastdata-replayed=p.dead/0/2\n"), "{}", show.stdout_text());
    let list = f.args("dead list p --output json").succeeds();
    assert_eq!(list.stdout_text().matches("\"replayed\":1").count(), 3, "{}", list.stdout_text());
    f.args("dead replay p").succeeds().stderr("sent 1 record to `raw` again\n");
}

#[test]
fn a_replay_that_is_killed_goes_on_where_it_stopped() {
    const LETTERS: i64 = 12_000;
    let values: String = (0..LETTERS).map(|id| format!("{{\"id\": {id}, \"v\": \"x\"}}\n")).collect();
    let f = seeded(&values);
    let log = EmbeddedLog::open(&f.log_dir()).unwrap();
    let mut replay = f.start("dead replay p");
    until("the first records of the replay", || (total_end(&log, "raw")? > LETTERS).then_some(()));
    replay.signal("KILL");
    replay.wait();
    f.args("dead replay p").succeeds();
    let raw = f.args("tail --topic raw --until-end --output raw").succeeds();
    let mut times: BTreeMap<&str, u32> = BTreeMap::new();
    raw.stdout_text().lines().for_each(|line| *times.entry(line).or_default() += 1);
    assert_eq!((times.len() as i64, times.values().all(|n| *n == 2)), (LETTERS, true));
}

#[test]
fn a_row_is_not_taken_for_the_record_that_it_came_from() {
    let f = Fastdata::in_temp();
    // `sum` is out of range only behind the repartition, on a result of the window.
    let pipeline = "name: p
source: {topic: raw, schema: {k: string, v: bigint, ts: timestamp}, timestamp: ts}
steps:
  - {name: w, window: {tumbling: 1h, by: [k], select: {total: sum(v)}}}
sink: {topic: out}
";
    f.file("p.yaml", pipeline);
    let value = "{\"k\": \"a\", \"v\": 9223372036854775807, \"ts\": 1}\n".repeat(2);
    f.args("seed --topic raw --from -").stdin(&value).succeeds();
    f.args("run p.yaml --until-end --drain").succeeds();
    let show = f.args("dead show p --output json").succeeds();
    assert!(show.stdout_text().contains("\"row\":true"), "{}", show.stdout_text());
    let said = "left out 1 letter, which have no source topic: they are results of a window, or it was deleted\n";
    f.args("dead replay p").succeeds().stdout("").stderr(said);
}

#[test]
fn without_letters_there_is_nothing_to_do() {
    let f = Fastdata::in_temp();
    f.args("seed --topic raw --count 1").succeeds();
    for command in ["list", "show", "replay"] {
        let said = f.args(&format!("dead {command} p")).succeeds().stdout("");
        assert!(said.stderr_text().starts_with("`p` has no dead letters on "), "{}", said.stderr_text());
    }
}
