//! A program that embeds the library and brings an operator of its own: an exponential moving average per
//! sensor, whose state is committed with the records and survives a restart.
//!
//! The pipeline is YAML. The program inserts the operator behind one of its steps; the operator fills a column
//! that this step adds. Run it with `cargo run --example custom_operator`; it fails if a result is wrong.

use anyhow::{Context as _, ensure};
use arrow_array::{Float64Array, RecordBatch, cast::AsArray as _, types::Float64Type};
use fastdata::log::{Append, FetchLimit, Log, Start, TopicConfig, embedded::EmbeddedLog};
use fastdata::plan::{self, Port};
use fastdata::record::{RecordsBuilder, TopicPartition};
use fastdata::runtime::{CancelToken, Collector, Engine, Fault, Round, RoundClock, RunOptions};
use fastdata::runtime::{operators::build::Factory, task::operator::Operator};
use fastdata::spec::{self, ProcessEnvironment};
use fastdata::state::{MemoryStore, StateChange, Store as _};
use fastdata::{diagnostics::SourceText, expr::Functions, time::SystemClock};
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

const PIPELINE: &str = "
name: smooth
source: {topic: readings, key: sensor, schema: {sensor: string, celsius: double}}
steps:
  - name: prepared
    set: {smooth: celsius}
sink: smoothed
";

/// The share of each new value in the average.
const WEIGHT: f64 = 0.2;

/// The operator. Each task has its own, so it needs no lock. All records of a key go to one task.
#[derive(Default)]
struct MovingAverage {
    averages: MemoryStore,
}

impl MovingAverage {
    fn add(&mut self, sensor: &[u8], reading: f64) -> f64 {
        let before = self.averages.get(sensor).and_then(|bytes| bytes.try_into().ok()).map(f64::from_le_bytes);
        let after = before.map_or(reading, |before| before + WEIGHT * (reading - before));
        self.averages.put(sensor.to_vec(), Some(after.to_le_bytes().to_vec()));
        after
    }
}

impl Operator for MovingAverage {
    fn process(&mut self, round: Round<'_>, out: &mut Collector<'_>) -> Result<(), Fault> {
        for batch in round.single() {
            let mut columns = batch.columns.columns().to_vec();
            let sensors = columns[0].as_string::<i32>().iter().map(Option::unwrap_or_default);
            let readings = columns[1].as_primitive::<Float64Type>().iter();
            // A reading without a value does not change the average.
            let smooth = sensors.zip(readings).map(|(sensor, reading)| Some(self.add(sensor.as_bytes(), reading?)));
            columns[2] = Arc::new(smooth.collect::<Float64Array>());
            let columns = RecordBatch::try_new(batch.columns.schema(), columns);
            out.emit(Port(0), batch.with_columns(columns.expect("the new column has the type and length of the old")));
        }
        Ok(())
    }

    fn barrier(&mut self, _: &RoundClock, _: Option<bool>, _: &mut Collector<'_>) -> Result<Vec<StateChange>, Fault> {
        Ok(self.averages.changes())
    }

    fn restore(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), Fault> {
        self.averages.restore(key, value);
        Ok(())
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let log: Arc<dyn Log> = Arc::new(EmbeddedLog::open(folder.path())?);
    log.create_topic("readings", &TopicConfig { partitions: 1, ..TopicConfig::default() })?;

    let source = Arc::new(SourceText { name: "smooth.yaml".into(), text: PIPELINE.into() });
    let spec = spec::parse(source, Path::new("."), &ProcessEnvironment)?;
    let mut plan = plan::compile(&spec, &Functions::new())?;
    plan.insert_after("prepared", "average", "moving_average").map_err(anyhow::Error::msg)?;

    let make: Factory = Arc::new(|_| Box::new(MovingAverage::default()));
    let engine = Engine {
        plan: Arc::new(plan),
        log: log.clone(),
        clock: Arc::new(SystemClock),
        samples: Arc::new(|_, _| {}),
        custom: BTreeMap::from([("moving_average", make)]),
    };
    let options = RunOptions { until_end: true, instance: "example".into(), ..RunOptions::default() };
    for half in [0..50, 50..100] {
        let mut records = RecordsBuilder::default();
        for n in half {
            let value = format!(r#"{{"sensor":"s-{}","celsius":{n}}}"#, n % 3);
            records.push(Some(format!("s-{}", n % 3).as_bytes()), Some(value.as_bytes()), n);
        }
        let to = TopicPartition::new("readings", 0);
        log.appender()?.append(&[Append { to, records: records.finish() }])?;
        // The second run continues where the first stopped, with its averages.
        engine.run(&options, &CancelToken::default()).await?;
    }

    let from = TopicPartition::new("smoothed", 0);
    let mut reader = log.reader(&[(from.clone(), log.resolve(&from, Start::Earliest)?)])?;
    let (mut averages, mut read) = ([0., 1., 2.], 0);
    while let Some(fetched) = reader.poll(FetchLimit::default(), Duration::ZERO)? {
        for row in fetched.records.values.iter().flatten() {
            let row: serde_json::Value = serde_json::from_slice(row)?;
            let average: &mut f64 = &mut averages[read % 3];
            *average += WEIGHT * (read as f64 - *average);
            let smooth = row["smooth"].as_f64().context("`smooth` is no number")?;
            ensure!((smooth - *average).abs() < 1e-9, "{row} where {average} was expected");
            read += 1;
        }
    }
    ensure!(read == 100, "{read} records came out of 100");
    println!("100 readings smoothed in two runs; the last averages: {averages:?}");
    Ok(())
}
