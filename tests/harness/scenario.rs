//! Runs a pipeline under the synchronous driver: without interruption, or with restarts from the last commit.
//!
//! The ledger is checked after every run.

use super::record::{Topics, pack, unpack};
use super::topics::topic_config;
use fastdata::expr::Functions;
use fastdata::log::Log as _;
use fastdata::log::memory::MemoryLog;
use fastdata::metrics::Ledger;
use fastdata::models::{ModelDescriptor, Sniffed, read_model};
use fastdata::plan::{InputPlan, Physical, compile};
use fastdata::record::{Offset, TopicPartition};
use fastdata::runtime::operators::SampleHandler;
use fastdata::runtime::{Driver, DriverOptions, Fault};
use fastdata::spec::{ProcessEnvironment, parse};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The wall clock of every test: it stands at 2026-01-01T00:00:00Z.
pub const FIXED_NOW_MS: i64 = 1_767_225_600_000;

/// Compiles the text of a pipeline file.
pub fn plan(text: &str, base: &Path) -> Arc<Physical> {
    let source = fastdata::diagnostics::SourceText { name: "pipeline.yaml".into(), text: text.into() };
    let spec = parse(Arc::new(source), base, &ProcessEnvironment).unwrap_or_else(|report| panic!("{report}"));
    Arc::new(compile(&spec, &Functions::new()).unwrap_or_else(|report| panic!("{report}")))
}

/// The descriptor of each model file, in order. Name and data type are the file's stem.
pub fn model_records(files: &[PathBuf]) -> Vec<Vec<u8>> {
    let record = |path: &PathBuf| {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        // `1-wine.onnx` is published before `2-wine.onnx`; both serve `wine`.
        let name = stem.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches('-');
        match read_model(path).unwrap() {
            (Sniffed::Model(format), bytes) => ModelDescriptor::of(name, name, format, bytes).write(),
            (other, _) => panic!("{}: {other:?}", path.display()),
        }
    };
    files.iter().map(record).collect()
}

/// A pipeline and the records of its sources.
#[derive(Clone)]
pub struct Scenario {
    pub plan: Arc<Physical>,
    pub input: Topics,
    pub partitions: u32,
    pub models: Vec<Vec<u8>>,
}

/// The results of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The topics of the sinks and of dead letters.
    pub output: Topics,
    /// The ledger's terms by name.
    pub ledger: BTreeMap<&'static str, u64>,
    /// The lines that `log` steps printed, `STEP JSON`.
    pub samples: Vec<String>,
}

impl Scenario {
    /// A pipeline without models whose sources have `partitions` partitions.
    pub fn new(text: &str, input: Topics, partitions: u32) -> Self {
        Self { plan: plan(text, Path::new(".")), input, partitions, models: Vec::new() }
    }

    /// A driver that has its input and has read nothing yet.
    pub fn driver(&self, options: DriverOptions, samples: &Arc<Mutex<Vec<String>>>) -> Driver {
        self.driver_over(MemoryLog::default(), options, samples)
    }

    /// The same over a log of the caller, which must be empty.
    fn driver_over(&self, log: MemoryLog, options: DriverOptions, samples: &Arc<Mutex<Vec<String>>>) -> Driver {
        let inputs = self.plan.subs.iter().flat_map(|s| &s.inputs);
        let sources = inputs.filter_map(|i| match i {
            InputPlan::Source(s) => Some((s.topic.clone(), self.partitions)),
            InputPlan::Repartition(_) => None,
        });
        let samples = samples.clone();
        let collect: SampleHandler =
            Arc::new(move |step: &str, row: &str| samples.lock().unwrap().push(format!("{step} {row}")));
        for (topic, partitions) in sources.collect::<BTreeMap<_, _>>() {
            log.create_topic(&topic, &topic_config(partitions)).expect("the topic is new");
        }
        let mut driver =
            Driver::over(log, self.plan.clone(), FIXED_NOW_MS, collect, options).expect("the plan is runnable");
        for (version, model) in (0..).zip(&self.models) {
            driver.models().publish(Offset(version), model);
        }
        for ((topic, partition), records) in &self.input {
            driver.feed(TopicPartition::new(topic.as_str(), *partition), pack(records)).expect("the partition exists");
        }
        driver
    }

    /// Runs from the first record to the last, and closes every window.
    pub fn run_uninterrupted(&self, batch: usize, commit_every: usize) -> Outcome {
        let samples = Arc::default();
        let mut driver =
            self.driver(DriverOptions { batch, commit_every, merge: true, max_released_rows: None }, &samples);
        assert!(driver.run(None, true).expect("no fault"), "the driver stopped before the end");
        self.collect_outcome(&driver, &samples)
    }

    /// Runs from the first record to the last. Between two commits each step emits at most `rows` rows that only the
    /// watermark or the clock releases.
    pub fn run_in_parts(&self, batch: usize, rows: usize) -> Outcome {
        let samples = Arc::default();
        let options = DriverOptions { batch, commit_every: 3, merge: true, max_released_rows: Some(rows) };
        let mut driver = self.driver(options, &samples);
        assert!(driver.run(None, true).expect("no fault"), "the driver stopped before the end");
        self.collect_outcome(&driver, &samples)
    }

    /// Runs without interruption over a log whose records have at most `max_record_bytes` bytes.
    pub fn run_with_record_limit(&self, max_record_bytes: usize, batch: usize) -> Result<Outcome, Fault> {
        let (samples, options) =
            (Arc::default(), DriverOptions { batch, commit_every: 1, merge: true, ..DriverOptions::default() });
        let mut driver = self.driver_over(MemoryLog::with_max_record_bytes(max_record_bytes), options, &samples);
        assert!(driver.run(None, true)?, "the driver stopped before the end");
        Ok(self.collect_outcome(&driver, &samples))
    }

    /// Runs without interruption, reading the inputs of a task round robin as an unbounded run may.
    pub fn run_unmerged(&self, batch: usize, commit_every: usize) -> Outcome {
        let samples = Arc::default();
        let mut driver = self.driver(DriverOptions { batch, commit_every, ..DriverOptions::default() }, &samples);
        assert!(driver.run(None, true).expect("no fault"), "the driver stopped before the end");
        self.collect_outcome(&driver, &samples)
    }

    /// Stops after random numbers of batches and restarts from the last commit each time. One more restart
    /// after the end must add nothing.
    pub fn run_with_restarts(&self, seed: u64) -> Outcome {
        let mut random = Pcg64::seed_from_u64(seed);
        let (batch, commit_every) = (random.random_range(1..9), random.random_range(1..7));
        let max_released_rows = random.random_bool(0.5).then(|| random.random_range(1..4));
        let options = DriverOptions { batch, commit_every, merge: true, max_released_rows };
        let samples = Arc::default();
        let mut driver = self.driver(options, &samples);
        let mut restarts = 0;
        while !driver.run(Some(random.random_range(1..=12 + restarts)), true).expect("no fault") {
            driver.resume().expect("the committed state can be restored");
            // The limit grows: a run that always stopped before its first commit would never end.
            restarts += 1;
        }
        let output = self.collect_outcome(&driver, &samples).output;
        driver.resume().expect("the committed state can be restored");
        assert!(driver.run(None, true).expect("no fault"));
        let outcome = self.collect_outcome(&driver, &samples);
        assert_eq!(outcome.output, output, "seed {seed}: a run after the end adds something");
        outcome
    }

    fn collect_outcome(&self, driver: &Driver, samples: &Mutex<Vec<String>>) -> Outcome {
        let is_input =
            |at: &&TopicPartition| self.plan.subs.iter().flat_map(|s| &s.inputs).any(|i| *i.topic() == at.topic);
        let mut output = Topics::new();
        for at in driver.written().into_iter().filter(|at| !is_input(&at)) {
            let records = driver.output(&at).expect("it can be read").map(|r| unpack(&r)).unwrap_or_default();
            output.insert((at.topic.to_string(), at.partition.0), records);
        }
        let ledger = super::ledger::ledger(&self.plan, driver.progress().expect("it can be read").iter());
        let samples = samples.lock().unwrap().clone();
        let terms = ledger.inflows().into_iter().chain(ledger.outflows());
        let outcome = Outcome { output, ledger: terms.collect(), samples };
        self.check_ledger(&outcome, &ledger);
        outcome
    }

    /// Compares the ledger with counts that are taken from the topics.
    fn check_ledger(&self, outcome: &Outcome, ledger: &Ledger) {
        assert_eq!(ledger.remainder, 0, "{ledger:?}");
        let count = |t: &mut dyn Iterator<Item = &Vec<super::record::Record>>| t.map(|r| r.len() as u64).sum::<u64>();
        let dead = self.plan.dead_topic();
        let written = count(&mut outcome.output.iter().filter(|((t, _), _)| *t != dead).map(|(_, r)| r));
        let dead_letters = count(&mut outcome.output.iter().filter(|((t, _), _)| *t == dead).map(|(_, r)| r));
        let term = |name: &str| outcome.ledger[name];
        assert_eq!(term("read"), count(&mut self.input.values()), "{ledger:?}");
        assert_eq!(term("written"), written, "{ledger:?}");
        if self.plan.errors == fastdata::spec::ErrorPolicy::DeadLetter {
            assert_eq!(term("dead"), dead_letters, "{ledger:?}");
        }
    }
}
