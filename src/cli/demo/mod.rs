//! `fastdata demo`: a pipeline at work on an embedded log in a temporary folder.
//!
//! The pipeline scores records and counts them per window; a second model takes over while it runs. The demo fails
//! if the ledger has a remainder or if one of the models was not used.

mod display;
mod feeder;
mod phase;
mod publish;
mod results;
mod temp_folder;

use super::context::CliContext;
use super::stats;
use crate::diagnostics::SourceText;
use crate::expr::Functions;
use crate::log::embedded::EmbeddedLog;
use crate::log::{Log, TopicConfig};
use crate::metrics::Snapshot;
use crate::plan::{self, Physical};
use crate::runtime::inspect::observe::Observer;
use crate::runtime::{CancelReason, CancelToken, Engine, RunOptions};
use crate::spec::{self, ProcessEnvironment};
use crate::time::SystemClock;
use feeder::Feeder;
use phase::Demo;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use temp_folder::TempFolder;

const PIPELINE: &str = include_str!("../../../pipelines/wine.yaml");
/// With two partitions, the window repartitions records by key.
const PARTITIONS: u32 = 2;
/// Window results that are printed at the end.
const MAX_RESULTS: usize = 6;

/// Show a pipeline, windows and the swap of two models in twenty seconds
///
/// Needs no input and leaves nothing behind: the log is in a temporary folder. Fails if a record is not accounted
/// for or if the models were not swapped.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata demo")]
pub(super) struct DemoArgs {}

pub(super) fn execute(_args: &DemoArgs, context: &CliContext) -> anyhow::Result<()> {
    let shutdown = context.shutdown();
    let folder = TempFolder::new()?;
    let log: Arc<dyn Log> = Arc::new(EmbeddedLog::open(folder.path())?);
    let plan = Arc::new(compile()?);
    let topic = plan.subs[0].inputs[0].topic().clone();
    log.create_topic(&topic, &TopicConfig { partitions: PARTITIONS, ..TopicConfig::default() })?;
    publish::publish(&*log, &publish::FIRST)?;

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build()?;
    let stop = CancelToken::default();
    let engine = Engine {
        plan: plan.clone(),
        log: log.clone(),
        clock: Arc::new(SystemClock),
        samples: Arc::new(|_, _| {}),
        custom: BTreeMap::new(),
    };
    let feeder = Feeder::start(log.clone(), &topic)?;
    let running = runtime.spawn({
        let stop = stop.clone();
        let options = RunOptions { instance: "fastdata demo".into(), ..RunOptions::default() };
        async move { engine.run(&options, &stop).await }
    });
    let mut observer = Observer::new(log.clone(), Arc::new(SystemClock));
    let printer = context.printer();
    let demo = Demo { pipeline: &plan.name, log: &*log, feeder: &feeder, shutdown: &shutdown, printer };
    let completed = demo.play(&mut observer, &|| running.is_finished());
    let fed = feeder.finish();
    stop.cancel(CancelReason::Stop);
    let ran = runtime.block_on(running)?;
    // An error of the run is the cause of later ones, so it is reported first.
    ran?;
    fed?;
    if !completed? {
        context.printer().info("interrupted");
        return Ok(());
    }
    let snapshot = observer.snapshot(&plan.name).map_err(stats::observe_error)?;
    context.printer().print_styled(&format!(
        "\nWines per minute and grade, the newest (topic `quality-per-minute`):\n{}\n{}\n",
        results::newest(&*log, "quality-per-minute", MAX_RESULTS)?,
        stats::render(&snapshot),
    ))?;
    check_promises(&snapshot)?;
    context.printer().info(NEXT_STEPS);
    Ok(())
}

const NEXT_STEPS: &str = "\
Every record is accounted for, and the model was swapped while the stream ran.

Type next:
  fastdata init                      write a pipeline.yaml of your own
  fastdata seed --topic raw          10,000 sample wines into .fastdata
  fastdata run pipeline.yaml         run it until interrupted
  fastdata stats --follow            watch it from a second terminal";

fn compile() -> anyhow::Result<Physical> {
    let source = Arc::new(SourceText { name: "pipelines/wine.yaml".into(), text: PIPELINE.into() });
    let spec = spec::parse(source, Path::new("."), &ProcessEnvironment)?;
    Ok(plan::compile(&spec, &Functions::new())?)
}

/// Checks that every record is accounted for and that both models were used.
fn check_promises(snapshot: &Snapshot) -> anyhow::Result<()> {
    let ledger = &snapshot.ledger;
    anyhow::ensure!(
        ledger.remainder == 0,
        "the ledger does not add up: {} records are not accounted for",
        ledger.remainder
    );
    anyhow::ensure!(ledger.dead == 0, "{} records became dead letters", ledger.dead);
    let used = snapshot.steps.iter().flat_map(|s| &s.models).filter(|m| m.usage > 0).count();
    anyhow::ensure!(used == 2, "{used} of the two published model versions were used");
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::metrics::{Ledger, ModelStats, Reports, StepStats};

    #[test]
    fn the_shipped_pipeline_compiles() {
        assert_eq!(compile().unwrap().name, "wine-quality");
    }

    #[test]
    fn a_remainder_or_an_unused_model_is_an_error() {
        let mut snapshot = Snapshot::of("p", &Reports::default(), &BTreeMap::new(), 0);
        let model = |usage| ModelStats { usage, ..ModelStats::default() };
        snapshot.steps = vec![StepStats { models: vec![model(1), model(1)], ..StepStats::default() }];
        assert!(check_promises(&snapshot).is_ok());
        let with = |ledger| Snapshot { ledger, ..snapshot.clone() };
        assert!(check_promises(&with(Ledger { remainder: -1, ..Ledger::default() })).is_err());
        assert!(check_promises(&with(Ledger { dead: 1, ..Ledger::default() })).is_err());
        snapshot.steps[0].models[1].usage = 0;
        assert!(check_promises(&snapshot).is_err());
    }
}
