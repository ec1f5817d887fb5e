//! `fastdata demo`: the whole story on an embedded log in a temporary folder.
//!
//! Records come in while a pipeline scores them and counts per window; half way a second model takes over.
//! It shows what happened, and fails where the promises were not kept.

mod act;
mod feeder;
mod folder;
mod publish;
mod results;
mod scene;

use super::context::Context;
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
use folder::Folder;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const PIPELINE: &str = include_str!("../../../pipelines/wine.yaml");
/// Two partitions, so that records meet again by key in the windows.
const PARTITIONS: u32 = 2;
/// Window results to show at the end.
const SHOWN: usize = 6;

/// See all of it in twenty seconds: records, a pipeline, windows, two models swapped while it runs
///
/// Needs nothing and leaves nothing behind: the log is a temporary folder. Ends with an error where a
/// record is not accounted for or the models were not swapped.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata demo")]
pub(super) struct Args {}

pub(super) fn execute(_args: &Args, context: &Context) -> anyhow::Result<()> {
    let shutdown = context.shutdown();
    let folder = Folder::new()?;
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
    let played =
        act::play(&plan.name, &*log, &mut observer, &feeder, &|| running.is_finished(), &shutdown, context.printer());
    let fed = feeder.finish();
    stop.cancel(CancelReason::Stop);
    let ran = runtime.block_on(running)?;
    // What ended the run explains all that came after.
    ran?;
    fed?;
    if !played? {
        context.printer().talk("interrupted");
        return Ok(());
    }
    let snapshot = observer.snapshot(&plan.name).map_err(stats::wrong_name)?;
    context.printer().print(format_args!(
        "\nWines per minute and grade, the newest (topic `quality-per-minute`):\n{}\n{}\n",
        results::newest(&*log, "quality-per-minute", SHOWN)?,
        stats::render(&snapshot),
    ))?;
    verdict(&snapshot)?;
    context.printer().talk(NEXT);
    Ok(())
}

const NEXT: &str = "\
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

/// Whether the promises were kept.
fn verdict(snapshot: &Snapshot) -> anyhow::Result<()> {
    let ledger = &snapshot.ledger;
    anyhow::ensure!(
        ledger.remainder == 0,
        "the ledger does not add up: {} records are not accounted for",
        ledger.remainder
    );
    anyhow::ensure!(ledger.dead == 0, "{} records could not be handled", ledger.dead);
    let used = snapshot.steps.iter().flat_map(|s| &s.models).filter(|m| m.usage > 0).count();
    anyhow::ensure!(used == 2, "{used} model versions were used where two were published");
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
    fn a_broken_promise_is_an_error() {
        let mut snapshot = Snapshot::of("p", &Reports::default(), &BTreeMap::new(), 0);
        let used = |usage| ModelStats { usage, ..ModelStats::default() };
        snapshot.steps = vec![StepStats { models: vec![used(1), used(1)], ..StepStats::default() }];
        assert!(verdict(&snapshot).is_ok());
        let with = |ledger| Snapshot { ledger, ..snapshot.clone() };
        assert!(verdict(&with(Ledger { remainder: -1, ..Ledger::default() })).is_err());
        assert!(verdict(&with(Ledger { dead: 1, ..Ledger::default() })).is_err());
        snapshot.steps[0].models[1].usage = 0;
        assert!(verdict(&snapshot).is_err());
    }
}
