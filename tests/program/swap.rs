//! A model is replaced while a stream runs: each record is scored by exactly one version, in order, none is lost, and
//! the stream does not pause. A version that does not fit leaves the one before it serving.

use crate::harness::program::{Fastdata, RunningProcess};
use crate::harness::record::unpack;
use crate::harness::topics::{append, topic_config};
use crate::harness::wait;
use fastdata::log::embedded::EmbeddedLog;
use fastdata::log::{FetchLimit, Log as _, Reader, topic};
use fastdata::record::{Offset, RecordsBuilder, TopicPartition};
use serde_json::Value;
use std::time::{Duration, Instant};

const PIPELINE: &str = "name: p
source: {topic: raw, schema: {id: bigint, alcohol: double}}
steps:
  - score:
      model: wine
      inputs: [alcohol, alcohol, alcohol, alcohol, alcohol, alcohol, alcohol, alcohol, alcohol, alcohol, alcohol]
      outputs: {best: prediction, version: model_version}
sink: scored
";

/// Two models that fit the step, and one with another number of inputs.
const FIRST_MODEL: &str = "examples/wine/wine.pb";
const SECOND_MODEL: &str = "examples/models/wine.onnx";
const UNFIT_MODEL: &str = "tests/cases/score/models/1-largest.onnx";

/// Records that are written and not yet scored, so that the run is never without input.
const LEAD: usize = 4_000;

/// Records of one append.
const BATCH: usize = 500;

/// Results of a version after which it counts as serving under load.
const RESULTS: usize = 2_000;

/// Longest time between results while models change, beside the longest one before: a machine may stall by itself. The
/// README states it.
const MAX_PAUSE: Duration = Duration::from_secs(1);

const POLL_TIMEOUT: Duration = Duration::from_millis(1);

/// A run whose input does not end, and what it has scored.
struct Stream {
    f: Fastdata,
    run: RunningProcess,
    log: EmbeddedLog,
    reader: Box<dyn Reader>,
    written: usize,
    /// The version that scored each record.
    versions: Vec<i64>,
    last_result: Instant,
    longest_pause: Duration,
}

fn publish(model: &str) -> String {
    format!("publish-model {}/{model} --name wine --data-type wine", env!("CARGO_MANIFEST_DIR"))
}

impl Stream {
    /// Starts a run and waits until the first model has scored enough.
    fn start() -> Self {
        let f = Fastdata::in_temp();
        f.file("p.yaml", PIPELINE);
        f.args(&publish(FIRST_MODEL)).succeeds().stdout("wine@0\n");
        let log = EmbeddedLog::open(&f.log_dir()).unwrap();
        log.create_topic("raw", &topic_config(1)).unwrap();
        let run = f.start_with_log("run p.yaml", "stderr", &[]);
        wait::until("the topic of the results", || topic(&log, "scored").ok());
        let reader = log.reader(&[(TopicPartition::new("scored", 0), Offset(0))]).unwrap();
        let (versions, last_result, longest_pause) = (Vec::new(), Instant::now(), Duration::ZERO);
        let mut stream = Self { f, run, log, reader, written: 0, versions, last_result, longest_pause };
        stream.flow_until("the first result", |s| !s.versions.is_empty());
        stream.longest_pause = Duration::ZERO;
        stream.await_results_of(0);
        stream
    }

    /// Writes input and reads results until a condition holds.
    fn flow_until(&mut self, condition: &str, mut is_met: impl FnMut(&Self) -> bool) {
        wait::until(condition, || {
            if self.written < self.versions.len() + LEAD {
                let mut records = RecordsBuilder::default();
                for id in self.written..self.written + BATCH {
                    let value = format!(r#"{{"id":{id},"alcohol":{}}}"#, 8 + id % 7);
                    records.push(None, Some(value.as_bytes()), 0);
                }
                append(&self.log, "raw", 0, records.finish());
                self.written += BATCH;
            }
            self.read_results();
            is_met(self).then_some(())
        });
    }

    fn read_results(&mut self) {
        let Some(fetched) = self.reader.poll(FetchLimit::default(), POLL_TIMEOUT).unwrap() else { return };
        self.longest_pause = self.longest_pause.max(self.last_result.elapsed());
        self.last_result = Instant::now();
        for record in unpack(&fetched.records) {
            let value: Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
            assert_eq!(value["id"], self.versions.len(), "a record is lost, scored twice or out of order");
            let version = value["version"].as_i64().unwrap();
            assert_eq!(record.header("fastdata-model"), Some(format!("wine@{version}").as_str()), "{value}");
            self.versions.push(version);
        }
    }

    fn await_results_of(&mut self, version: i64) {
        self.flow_until(&format!("results of wine@{version}"), |s| {
            s.versions.iter().filter(|v| **v == version).count() >= RESULTS
        });
    }

    /// Publishes a model while the stream goes on.
    fn publish(&mut self, model: &str) {
        let mut publisher = self.f.start(&publish(model));
        let mut status = None;
        self.flow_until("the model to be published", |_| {
            status = publisher.child().try_wait().unwrap();
            status.is_some()
        });
        assert!(status.unwrap().success(), "{}", publisher.stderr_text());
    }

    fn stderr(&self) -> String {
        std::fs::read_to_string(self.f.dir().join("stderr")).unwrap()
    }

    /// Waits for the results of all that was written, and stops the run. Returns the versions in the order in which they
    /// have served.
    fn finish(mut self) -> Vec<i64> {
        wait::until("all results", || {
            self.read_results();
            (self.versions.len() >= self.written).then_some(())
        });
        self.run.signal("TERM");
        assert_eq!(self.run.wait().code(), Some(0), "{}", self.stderr());
        self.read_results();
        assert_eq!(self.versions.len(), self.written, "results that nothing was written for");
        self.versions.dedup();
        self.versions
    }
}

#[test]
fn a_second_model_takes_over_under_load() {
    let mut stream = Stream::start();
    let before = std::mem::take(&mut stream.longest_pause);
    stream.publish(SECOND_MODEL);
    stream.await_results_of(1);
    let pause = stream.longest_pause;
    assert!(pause < MAX_PAUSE + before, "no result for {pause:?}, and for {before:?} before the swap");
    assert_eq!(stream.finish(), [0, 1]);
}

#[test]
fn a_model_that_does_not_fit_leaves_the_old_one_serving() {
    let mut stream = Stream::start();
    let before = std::mem::take(&mut stream.longest_pause);
    stream.publish(UNFIT_MODEL);
    let reason = "model wine@1 was rejected: the model takes 2 features (";
    stream.flow_until("the log to say why", |s| s.stderr().contains(reason));
    let rejected = stream.versions.len();
    stream.flow_until("results after that", |s| s.versions.len() >= rejected + RESULTS);
    stream.publish(SECOND_MODEL);
    stream.await_results_of(2);
    let pause = stream.longest_pause;
    assert!(pause < MAX_PAUSE + before, "no result for {pause:?}, and for {before:?} before");
    assert_eq!(stream.finish(), [0, 2]);
}
