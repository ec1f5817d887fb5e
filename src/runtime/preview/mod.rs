//! The first records of each source through all steps of a pipeline, over a log in memory: nothing is written and no
//! group is joined.
//!
//! The steps run under the [`Driver`], like those of a run. What leaves each of them is seen by one more sink.

mod first_records;
mod taps;

use super::cancel::CancelToken;
use super::driver::{Driver, DriverOptions};
use super::fault::Fault;
use super::inspect::query::{Selection, query};
use super::read::model_feed::MODELS_TOPIC;
use super::read::to_end::read_all;
use crate::formats::Format;
use crate::log::memory::MemoryLog;
use crate::log::{Log, TopicConfig, topic};
use crate::metrics::{Counters, TaskProgress};
use crate::plan::{InputPlan, ModelChoice, NodePlan, Op, Physical};
use crate::record::{Records, TopicPartition};
use crate::spec::{ErrorPolicy, WhenMissing};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use first_records::first_records;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use taps::Taps;

/// The columns of what a sink writes: the key and the value of a record.
pub const SINK_COLUMNS: [&str; 2] = ["_key", "_value"];

/// What a source, a step or a sink has done with the records.
#[derive(Clone, Debug)]
pub struct PreviewStep {
    /// Its name.
    pub name: String,
    /// The operator, or `source` or `sink`.
    pub kind: &'static str,
    /// The topic of a source or sink.
    pub topic: Option<String>,
    /// Its rows by what became of them.
    pub counters: Counters,
    /// What left it, output by output. An output that no step reads is only counted.
    pub tables: Vec<PreviewTable>,
    /// The windows that are still open, as they would close now.
    pub open: Option<PreviewTable>,
    /// The records that it could not handle.
    pub errors: Vec<PreviewError>,
}

impl PreviewStep {
    /// Rows that it sent, counted once however many steps read them, and records that it wrote.
    #[must_use]
    pub fn out(&self) -> u64 {
        self.counters.output.saturating_sub(self.counters.copied) + self.counters.written
    }
}

/// Rows under their columns.
#[derive(Clone, Debug)]
pub struct PreviewTable {
    /// The name of an extra output.
    pub output: Option<String>,
    /// The columns.
    pub schema: SchemaRef,
    /// Each row as a JSON object with all columns.
    pub rows: Vec<String>,
}

/// A record that a step could not handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewError {
    /// Topic, partition and offset of the record that it comes from.
    pub record: String,
    /// Why.
    pub error: String,
}

/// Runs the first `rows` records of each source through the steps, `now` on the wall clock.
///
/// # Errors
/// A source that does not exist, a step that waits for a model that is not there, and faults of the backplane.
pub fn preview(plan: &Physical, log: &dyn Log, rows: usize, now: i64) -> Result<Vec<PreviewStep>, Fault> {
    let memory = MemoryLog::default();
    for source in sources(plan) {
        if memory.topics(Some(source))?.is_empty() {
            let info = topic(log, source)?;
            let partitions = info.config.partitions.max(1);
            memory.create_topic(source, &TopicConfig { partitions, ..TopicConfig::default() })?;
            first_records(log, &info, rows)?.iter().try_for_each(|fetched| memory.load(fetched))?;
        }
    }
    let (tapped, taps) = Taps::add_to(plan);
    let options = DriverOptions { batch: rows, commit_every: 1, merge: true, max_released_rows: None };
    let tapped = Arc::new(Physical { errors: ErrorPolicy::DeadLetter, ..tapped });
    let mut driver = Driver::over(memory.clone(), tapped.clone(), now, Arc::new(|_, _| {}), options)?;
    if driver.models().needed() && !log.topics(Some(MODELS_TOPIC))?.is_empty() {
        read_all(log, &TopicPartition::new(MODELS_TOPIC, 0), &CancelToken::default(), |fetched| {
            driver.models().take(fetched);
            Ok(())
        })?;
    }
    check_models(plan, &driver)?;
    driver.run(None, false)?;
    let seen = Seen { driver: &driver, memory: &memory, plan: &tapped, taps: &taps, progress: driver.progress()? };
    seen.steps(plan)
}

/// Refuses a step that would wait for a model.
fn check_models(plan: &Physical, driver: &Driver) -> Result<(), Fault> {
    for node in plan.subs.iter().flat_map(|sub| &sub.nodes) {
        if let Op::Score(score) = &node.op
            && let (ModelChoice::Fixed(data_type), WhenMissing::Wait) = (&score.model, score.when_missing)
            && driver.models().current(data_type).is_none()
        {
            return Err(Fault::Fatal(format!(
                "no model serves `{data_type}`, so `{}` would wait for one\nhint: publish one with `fastdata publish-model FILE --data-type {data_type}`",
                node.name
            )));
        }
    }
    Ok(())
}

/// The topics of the sources.
fn sources(plan: &Physical) -> impl Iterator<Item = &str> {
    let inputs = plan.subs.iter().flat_map(|sub| &sub.inputs);
    inputs.filter_map(|i| if let InputPlan::Source(source) = i { Some(&*source.topic) } else { None })
}

/// What the driver has done.
struct Seen<'a> {
    driver: &'a Driver,
    memory: &'a MemoryLog,
    plan: &'a Physical,
    taps: &'a Taps,
    progress: Vec<TaskProgress>,
}

impl Seen<'_> {
    fn steps(&self, plan: &Physical) -> Result<Vec<PreviewStep>, Fault> {
        let mut errors = self.errors()?;
        let mut steps = Vec::new();
        for (sub, tapped) in plan.subs.iter().zip(&self.plan.subs) {
            for (number, input) in sub.inputs.iter().enumerate() {
                if let InputPlan::Source(source) = input {
                    let counters = self.input_counters(&source.name);
                    steps.push(PreviewStep {
                        name: source.name.clone(),
                        kind: "source",
                        topic: Some(source.topic.to_string()),
                        counters,
                        tables: self.tables(self.taps.of_input(sub.id, number))?,
                        open: None,
                        errors: errors.remove(&source.name).unwrap_or_default(),
                    });
                }
            }
            for (number, node) in tapped.nodes.iter().enumerate().take(sub.nodes.len()) {
                if matches!(node.op, Op::Repartition(_)) {
                    continue;
                }
                steps.push(PreviewStep {
                    name: node.name.clone(),
                    kind: node.op.kind(),
                    topic: if let Op::Sink(sink) = &node.op { Some(sink.topic.to_string()) } else { None },
                    counters: self.step_counters(&node.name),
                    tables: match &node.op {
                        Op::Sink(sink) => vec![self.written(&sink.topic)?],
                        _ => self.tables(self.taps.of_node(sub.id, number))?,
                    },
                    open: self.open(node)?,
                    errors: errors.remove(&node.name).unwrap_or_default(),
                });
            }
        }
        Ok(steps)
    }

    fn input_counters(&self, name: &str) -> Counters {
        let mut all = Counters::default();
        for input in self.progress.iter().flat_map(|task| &task.inputs).filter(|input| input.name == name) {
            all.input += input.read;
            all.dead += input.dead;
            all.filtered += input.filtered;
            all.output += input.read - input.dead - input.filtered;
        }
        all
    }

    fn step_counters(&self, name: &str) -> Counters {
        let mut all = Counters::default();
        let steps = self.progress.iter().flat_map(|task| &task.steps).filter(|step| step.name == name);
        steps.for_each(|step| all += step.counters);
        all
    }

    fn tables<'t>(&self, taps: impl Iterator<Item = &'t taps::Tap>) -> Result<Vec<PreviewTable>, Fault> {
        let table = |tap: &taps::Tap| {
            let mut rows = Vec::new();
            for records in self.records(&tap.topic)? {
                rows.extend(records.values.iter().flatten().map(text));
            }
            Ok(PreviewTable { output: tap.output.clone(), schema: tap.schema.clone(), rows })
        };
        taps.map(table).collect()
    }

    /// The records that a sink has written.
    fn written(&self, topic: &str) -> Result<PreviewTable, Fault> {
        let mut rows = Vec::new();
        for records in self.records(topic)? {
            for row in 0..records.len() {
                let key = records.keys.is_valid(row).then(|| text(records.keys.value(row)));
                let value = records.values.is_valid(row).then(|| text(records.values.value(row)));
                rows.push(json!({SINK_COLUMNS[0]: key, SINK_COLUMNS[1]: value}).to_string());
            }
        }
        let schema = Schema::new(SINK_COLUMNS.map(|name| Field::new(name, DataType::Utf8, true)).to_vec());
        Ok(PreviewTable { output: None, schema: schema.into(), rows })
    }

    /// The windows of a step that have not closed.
    fn open(&self, node: &NodePlan) -> Result<Option<PreviewTable>, Fault> {
        if !matches!(node.op, Op::Window(_)) {
            return Ok(None);
        }
        let found = query(self.memory, self.plan, &node.name, &Selection::default()).map_err(Fault::internal)?;
        let schema = found.rows.schema();
        let rows = json_rows(&found.rows)?;
        Ok((!rows.is_empty()).then_some(PreviewTable { output: None, schema, rows }))
    }

    /// The dead letters by step.
    fn errors(&self) -> Result<BTreeMap<String, Vec<PreviewError>>, Fault> {
        let mut errors: BTreeMap<String, Vec<PreviewError>> = BTreeMap::new();
        for letters in self.records(&self.plan.dead_topic())? {
            for row in 0..letters.len() {
                let headers: BTreeMap<&[u8], String> = (letters.headers.iter())
                    .flat_map(|headers| headers.row(row))
                    .map(|(name, value)| (name, text(value.unwrap_or_default())))
                    .collect();
                let header = |name: &str| headers.get(name.as_bytes()).cloned().unwrap_or_default();
                let error = PreviewError { record: header("fastdata-source"), error: header("fastdata-error") };
                errors.entry(header("fastdata-step")).or_default().push(error);
            }
        }
        Ok(errors)
    }

    /// All records of a topic, partition by partition.
    fn records(&self, topic: &str) -> Result<Vec<Records>, Fault> {
        let partitions = self.driver.written().into_iter().filter(|at| *at.topic == *topic);
        let all: Result<Vec<Option<Records>>, Fault> = partitions.map(|at| self.driver.output(&at)).collect();
        Ok(all?.into_iter().flatten().collect())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json_rows(rows: &RecordBatch) -> Result<Vec<String>, Fault> {
    let mut encoder = Format::Json { strict: false }.encoder(&rows.schema()).map_err(Fault::internal)?;
    Ok(encoder.encode(rows).values.iter().flatten().map(text).collect())
}
