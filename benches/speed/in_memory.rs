//! A task in memory from decoding to encoding, against the sum of its parts, each measured alone in the same run.

use super::setup::{self, BATCH};
use fastdata::formats::Format;
use fastdata::models::Binding;
use fastdata::plan::{InputPlan, Op, PartitionCounts, layout};
use fastdata::record::{Batch, Fetched, Meta, Offset, Origins, TopicPartition};
use fastdata::runtime::operators::build::{self, Surroundings};
use fastdata::runtime::operators::models::Models;
use fastdata::time::SystemClock;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

const BATCHES: usize = 64;
const ROUNDS: usize = 9;

/// Records per second of the whole task; the best round.
pub(crate) fn records_per_second() -> f64 {
    let (mut task, fetched) = prepare();
    (0..ROUNDS)
        .map(|round| process(&mut task, &shifted(&fetched, round)))
        .fold(0., |best, took| best.max(setup::per_second(BATCH * BATCHES, took)))
}

fn prepare() -> (fastdata::runtime::Task, Vec<Fetched>) {
    let plan = setup::pipeline();
    let models = Arc::new(Models::new(&plan, Arc::new(SystemClock), false));
    models.publish(Offset(0), &setup::model("wine"));
    let around = Surroundings {
        layout: Arc::new(layout(&plan, &PartitionCounts::new())),
        limits: fastdata::log::RecordLimits::default(),
        models,
        cancel: fastdata::runtime::CancelToken::default(),
        samples: Arc::new(|_, _| ()),
        custom: BTreeMap::new(),
    };
    let task = build::task(&plan, &Arc::new(plan.subs[0].clone()), 0, &around).expect("the plan is good");
    let origin = Arc::new(TopicPartition::new("raw", 0));
    let fetched = (0..BATCHES).map(|b| {
        let offsets: Vec<i64> = (0..BATCH).map(|i| (b * BATCH + i) as i64).collect();
        Fetched { origin: origin.clone(), offsets: offsets.into(), records: setup::records(b * BATCH, BATCH, 0) }
    });
    (task, fetched.collect())
}

/// The same records at later offsets: a task skips offsets that it has processed.
fn shifted(fetched: &[Fetched], round: usize) -> Vec<Fetched> {
    let by = (round * BATCH * BATCHES) as i64;
    let shifted = |f: &Fetched| Fetched { offsets: f.offsets.iter().map(|o| o + by).collect(), ..f.clone() };
    fetched.iter().map(shifted).collect()
}

fn process(task: &mut fastdata::runtime::Task, fetched: &[Fetched]) -> Duration {
    let started = Instant::now();
    for batch in fetched {
        task.run(batch, 0, &mut |_| Ok(())).expect("no fault");
    }
    let commit = black_box(task.barrier(0, false).expect("no fault"));
    let took = started.elapsed();
    let written: usize = commit.appends.iter().map(|a| a.records.len()).sum();
    assert!(written * 10 > BATCH * BATCHES * 8, "five in six records pass the filter, not {written}");
    took
}

pub(crate) fn run() {
    let (mut task, fetched) = prepare();
    let bytes: usize = fetched.iter().map(|f| f.records.bytes()).sum::<usize>() / (BATCH * BATCHES);
    let mut best = [Duration::MAX; 5];
    for round in 0..ROUNDS {
        best[0] = best[0].min(process(&mut task, &shifted(&fetched, round)));
        let parts = time_parts(&fetched);
        (0..4).for_each(|i| best[i + 1] = best[i + 1].min(parts[i]));
    }
    let n = BATCH * BATCHES;
    let sum: Duration = best[1..].iter().sum();
    println!("in memory, {bytes}-byte JSON, filter + score + select, one thread");
    for (name, took) in ["whole", "decode alone", "filter alone", "score alone", "encode alone"].iter().zip(best) {
        println!("  {name:<14} {:>10.0} records/s", setup::per_second(n, took));
    }
    println!("  the whole runs at {:.0} % of the sum of its parts", 100. * sum.as_secs_f64() / best[0].as_secs_f64());
}

/// The times of decode, filter, score and encode, each alone over the same records.
fn time_parts(fetched: &[Fetched]) -> [Duration; 4] {
    let plan = setup::pipeline();
    let InputPlan::Source(source) = &plan.subs[0].inputs[0] else { unreachable!("the bench reads a source") };
    let nodes = &plan.subs[0].nodes;
    let (Op::Filter(filter), Op::Score(score)) = (&nodes[0].op, &nodes[1].op) else {
        unreachable!("the bench's steps")
    };
    let Op::Sink(sink) = &nodes[3].op else { unreachable!("the bench's sink") };
    let mut decoder = source.format.decoder(&source.schema).expect("json");
    let mut encoder = Format::Json { strict: false }.encoder(&sink.schema).expect("json");
    let models = Models::new(&plan, Arc::new(SystemClock), false);
    models.publish(Offset(0), &setup::model("wine"));
    let model = models.current("wine").expect("published");
    let named: Vec<_> = score.inputs.iter().map(|(_, e)| (e.column(), e.data_type().clone())).collect();
    let binding = Binding::new(model.scorer.signature(), &named, false).expect("eleven inputs");

    let started = Instant::now();
    let decoded: Vec<_> = fetched.iter().map(|f| decoder.decode(&f.records.values).columns).collect();
    let decode = started.elapsed();
    let batches: Vec<Batch> = decoded
        .into_iter()
        .zip(fetched)
        .map(|(columns, f)| {
            let times = f.records.timestamps.clone();
            let meta = Meta {
                origins: Origins::one(f.origin.clone()),
                order: f.offsets.clone(),
                offsets: f.offsets.clone(),
                timestamps: times.clone(),
                event_times: times.clone(),
                watermarks: times,
                keys: f.records.keys.clone(),
                headers: None,
                value_nulls: None,
            };
            Batch { columns, meta }
        })
        .collect();
    let started = Instant::now();
    let kept: Vec<Batch> = batches.iter().map(|b| b.filter(&filter.evaluate(b).0)).collect();
    let filtered = started.elapsed();
    let features: Vec<Vec<_>> =
        kept.iter().map(|b| score.inputs.iter().map(|(_, e)| e.evaluate(b).array).collect()).collect();
    let started = Instant::now();
    let scored: Vec<_> =
        features.iter().map(|f| model.scorer.score(&binding.apply(f).expect("doubles").0).expect("scores")).collect();
    let scoring = started.elapsed();
    black_box(&scored);
    let results: Vec<_> = kept
        .iter()
        .map(|b| {
            let grade = arrow_array::Float64Array::from_value(1., b.len());
            let columns = vec![b.columns.column(0).clone(), b.columns.column(12).clone(), Arc::new(grade) as _];
            arrow_array::RecordBatch::try_new(sink.schema.clone(), columns).expect("the sink's columns")
        })
        .collect();
    let started = Instant::now();
    for r in &results {
        black_box(encoder.encode(r).values.value_data().len());
    }
    [decode, filtered, scoring, started.elapsed()]
}
