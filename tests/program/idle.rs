//! An idle run: the wall clock closes windows (`close_after`), and the results are committed although no record
//! arrives.

use crate::harness::program::Fastdata;
use crate::harness::record::{Record, pack};
use crate::harness::topics::{append, topic_config, total_end};
use crate::harness::wait::until;
use fastdata::log::Log as _;
use fastdata::log::embedded::EmbeddedLog;
use serde_json::json;

const PIPELINE: &str = "name: p
source: {topic: raw, schema: {kind: string, ts: timestamp}, timestamp: ts}
steps:
  - window: {tumbling: 1s, by: [kind], select: {n: count(*)}, close_after: 1s}
sink: counted
";

#[test]
fn a_window_closed_by_the_clock_is_written_and_its_state_is_deleted() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", PIPELINE);
    let log = EmbeddedLog::open(&f.log_dir()).unwrap();
    log.create_topic("raw", &topic_config(1)).unwrap();
    let records = pack(&[Record::json(None, &json!({"kind": "red", "ts": "2026-01-01T00:00:00Z"}), 0)]);
    append(&log, "raw", 0, records);
    let mut run = f.start("run p.yaml");
    until("the window to be written", || (total_end(&log, "counted")? > 0).then_some(()));
    run.signal("TERM");
    assert_eq!(run.wait().code(), Some(0), "{}", run.stderr_text());
    // State and counters agree, so that the next run continues.
    f.args("run p.yaml --until-end --drain").succeeds();
    assert_eq!(total_end(&log, "counted"), Some(1), "one result of the window");
}
