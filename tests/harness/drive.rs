//! Runs a pipeline under the synchronous driver: straight, or killed and resumed.
//!
//! Separate from the cases and properties that use it. After every run it looks at the ledger.

use super::record::{Topics, pack, unpack};
use fastdata::expr::Functions;
use fastdata::metrics::Ledger;
use fastdata::models::{ModelDescriptor, Sniffed, read_model};
use fastdata::plan::{InputPlan, Physical, compile};
use fastdata::record::{Offset, TopicPartition};
use fastdata::runtime::operators::Samples;
use fastdata::runtime::{Driver, DriverOptions};
use fastdata::spec::{ProcessEnvironment, parse};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The wall clock of every test, 2026-01-01T00:00:00Z: it stands still.
pub const NOW: i64 = 1_767_225_600_000;

/// Compiles the text of a pipeline file.
pub fn plan(text: &str, base: &Path) -> Arc<Physical> {
    let source = fastdata::diagnostics::SourceText { name: "pipeline.yaml".into(), text: text.into() };
    let spec = parse(Arc::new(source), base, &ProcessEnvironment).unwrap_or_else(|report| panic!("{report}"));
    Arc::new(compile(&spec, &Functions::new()).unwrap_or_else(|report| panic!("{report}")))
}

/// The record of each model file, in order: name and data type are the file's stem.
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

/// A pipeline and what its sources hold.
pub struct Drive {
    pub plan: Arc<Physical>,
    pub input: Topics,
    pub partitions: u32,
    pub models: Vec<Vec<u8>>,
}

/// What a run gave.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Sinks and dead letters.
    pub output: Topics,
    /// The ledger's terms by name.
    pub ledger: BTreeMap<&'static str, u64>,
    /// What `log` steps printed, `STEP JSON`.
    pub samples: Vec<String>,
}

impl Drive {
    /// A pipeline without models whose sources have so many partitions.
    pub fn new(text: &str, input: Topics, partitions: u32) -> Self {
        Self { plan: plan(text, Path::new(".")), input, partitions, models: Vec::new() }
    }

    /// The same pipeline, to be run on something else.
    pub fn again(&self) -> Self {
        let (plan, models) = (self.plan.clone(), self.models.clone());
        Self { plan, input: self.input.clone(), partitions: self.partitions, models }
    }

    /// A driver that has been fed, before it reads.
    pub fn driver(&self, options: DriverOptions, samples: &Arc<Mutex<Vec<String>>>) -> Driver {
        let inputs = self.plan.subs.iter().flat_map(|s| &s.inputs);
        let sources = inputs.filter_map(|i| match i {
            InputPlan::Source(s) => Some((s.topic.clone(), self.partitions)),
            InputPlan::Repartition(_) => None,
        });
        let samples = samples.clone();
        let take: Samples =
            Arc::new(move |step: &str, row: &str| samples.lock().unwrap().push(format!("{step} {row}")));
        let mut driver =
            Driver::new(self.plan.clone(), sources.collect(), NOW, take, options).expect("the plan can be run");
        for (version, model) in (0..).zip(&self.models) {
            driver.models().publish(Offset(version), model);
        }
        for ((topic, partition), records) in &self.input {
            driver.feed(TopicPartition::new(topic.as_str(), *partition), pack(records)).expect("the partition exists");
        }
        driver
    }

    /// From the first record to the last, then every window closed.
    pub fn straight(&self, batch: usize, commit_every: usize) -> Outcome {
        let samples = Arc::default();
        let mut driver = self.driver(DriverOptions { batch, commit_every, merge: true }, &samples);
        assert!(driver.run(None, true).expect("no fault"), "the driver stopped before the end");
        self.outcome(&driver, &samples)
    }

    /// The same with the inputs of a task read in turns, as an unbounded run may.
    pub fn in_turns(&self, batch: usize, commit_every: usize) -> Outcome {
        let samples = Arc::default();
        let mut driver = self.driver(DriverOptions { batch, commit_every, merge: false }, &samples);
        assert!(driver.run(None, true).expect("no fault"), "the driver stopped before the end");
        self.outcome(&driver, &samples)
    }

    /// Killed after random numbers of batches, each time going on from the last commit; and once more
    /// after the end, which must add nothing.
    pub fn resumed(&self, seed: u64) -> Outcome {
        let mut random = Pcg64::seed_from_u64(seed);
        let options =
            DriverOptions { batch: random.random_range(1..9), commit_every: random.random_range(1..7), merge: true };
        let samples = Arc::default();
        let mut driver = self.driver(options, &samples);
        let mut idle = 0;
        while !driver.run(Some(random.random_range(1..=12 + idle)), true).expect("no fault") {
            driver.resume().expect("what was committed can be taken back");
            // A run that is always killed before its first commit would never end.
            idle += 1;
        }
        let output = self.outcome(&driver, &samples).output;
        driver.resume().expect("what was committed can be taken back");
        assert!(driver.run(None, true).expect("no fault"));
        let outcome = self.outcome(&driver, &samples);
        assert_eq!(outcome.output, output, "seed {seed}: a run after the end adds something");
        outcome
    }

    fn outcome(&self, driver: &Driver, samples: &Mutex<Vec<String>>) -> Outcome {
        let inputs =
            |at: &&TopicPartition| self.plan.subs.iter().flat_map(|s| &s.inputs).any(|i| *i.topic() == at.topic);
        let mut output = Topics::new();
        for at in driver.written().filter(|at| !inputs(at)) {
            let records = driver.output(at).expect("it can be read").map(|r| unpack(&r)).unwrap_or_default();
            output.insert((at.topic.to_string(), at.partition.0), records);
        }
        let ledger = super::ledger::ledger(&self.plan, driver.progress().expect("it can be read").iter());
        let samples = samples.lock().unwrap().clone();
        let terms = ledger.came().into_iter().chain(ledger.went());
        let outcome = Outcome { output, ledger: terms.collect(), samples };
        self.audit(&outcome, &ledger);
        outcome
    }

    /// The ledger against counts that it does not keep.
    fn audit(&self, outcome: &Outcome, ledger: &Ledger) {
        assert_eq!(ledger.remainder, 0, "{ledger:?}");
        let count = |t: &mut dyn Iterator<Item = &Vec<super::record::Record>>| t.map(|r| r.len() as u64).sum::<u64>();
        let dead = self.plan.dead_topic();
        let written = count(&mut outcome.output.iter().filter(|((t, _), _)| *t != dead).map(|(_, r)| r));
        let letters = count(&mut outcome.output.iter().filter(|((t, _), _)| *t == dead).map(|(_, r)| r));
        let term = |name: &str| outcome.ledger[name];
        assert_eq!(term("read"), count(&mut self.input.values()), "{ledger:?}");
        assert_eq!(term("written"), written, "{ledger:?}");
        if self.plan.errors == fastdata::spec::ErrorPolicy::DeadLetter {
            assert_eq!(term("dead"), letters, "{ledger:?}");
        }
    }
}
