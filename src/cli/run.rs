//! `fastdata run`: runs pipelines until stopped or until the input ends.

use super::backplane;
use super::context::Context;
use super::exit::WrongInput;
use super::restoring::Restoring;
use crate::expr::Functions;
use crate::plan::{self, Physical};
use crate::runtime::{self, CancelReason, CancelToken, Engine, Fault, RunOptions};
use crate::spec::{self, ProcessEnvironment, Spec};
use crate::time::SystemClock;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How soon the wish to stop reaches the engine.
const NOTICE: Duration = Duration::from_millis(20);

/// Run pipelines until stopped
///
/// Interrupt once to stop in good order: what was read is worked off and committed.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata run pipeline.yaml                    until interrupted
  fastdata run pipeline.yaml --until-end        until all that is there now is done and committed
  fastdata run pipeline.yaml --until-end --drain   and close every window
  fastdata run pipeline.yaml --dry-run          show what would run, and run nothing
  fastdata run orders.yaml alerts.yaml          several pipelines in one process")]
pub(super) struct Args {
    /// Pipeline files
    #[arg(value_name = "PIPELINE", required = true)]
    pub(super) pipelines: Vec<PathBuf>,

    /// Stop when all that was there at the start is done and committed
    #[arg(long)]
    pub(super) until_end: bool,

    /// At the end of the input also close every window
    #[arg(long, requires = "until_end")]
    pub(super) drain: bool,

    /// Threads to work with; default: as many as there are cores
    #[arg(long, value_name = "N")]
    pub(super) workers: Option<NonZeroUsize>,

    /// Where to begin: where the pipeline left off (or at the oldest record), or elsewhere
    #[arg(long, value_name = "START", value_enum, default_value = "committed")]
    pub(super) from: From,

    /// Check everything and print the plan, but run nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// Where a pipeline begins to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum From {
    /// At the oldest record, forgetting what was committed
    Earliest,
    /// At what comes from now on
    Latest,
    /// Where it left off, else at the oldest record
    Committed,
}

impl std::convert::From<From> for runtime::StartFrom {
    fn from(from: From) -> Self {
        match from {
            From::Earliest => Self::Earliest,
            From::Latest => Self::Latest,
            From::Committed => Self::Committed,
        }
    }
}

/// Reads and compiles a pipeline file.
pub(super) fn compile(path: &Path) -> anyhow::Result<(Spec, Physical)> {
    let reading = spec::examine(path, &ProcessEnvironment)?;
    Ok(plan::compile_reading(reading, &Functions::new())?)
}

pub(super) fn execute(args: &Args, context: &Context) -> anyhow::Result<()> {
    let mut pipelines: Vec<(Spec, Physical)> = Vec::new();
    for path in &args.pipelines {
        let (spec, physical) = compile(path)?;
        if let Some((i, _)) = pipelines.iter().enumerate().find(|(_, (_, p))| p.name == physical.name) {
            let (first, second) = (args.pipelines[i].display(), path.display());
            let message = format!("`{first}` and `{second}` are both named `{}`", physical.name);
            return Err(WrongInput::new(message).hint("give each pipeline a `name:` of its own").into());
        }
        pipelines.push((spec, physical));
    }
    if args.dry_run {
        return pipelines.iter().try_for_each(|(_, p)| context.printer().print(plan::text(p)));
    }
    let shutdown = context.shutdown();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_time();
    if let Some(workers) = args.workers {
        runtime.worker_threads(workers.get());
    }
    let runtime = runtime.build()?;
    let stop = CancelToken::default();
    let options = RunOptions {
        until_end: args.until_end,
        drain: args.drain,
        from: args.from.into(),
        instance: instance(),
        ..RunOptions::default()
    };
    let mut restoring = Restoring::new(context.printer(), options.restoring.clone());
    let outcome: Result<(), Fault> = runtime.block_on(async {
        let mut running = tokio::task::JoinSet::new();
        for (spec, physical) in pipelines {
            let global = context.global();
            let fault = |e: anyhow::Error| match e.downcast() {
                Ok(e) => Fault::Backplane(e),
                Err(e) => Fault::Fatal(format!("{e:#}")),
            };
            let kafka = backplane::settings(global, Some(&spec)).map_err(fault)?;
            let log = backplane::open_with(global, kafka.as_ref()).map_err(fault)?;
            let samples =
                Arc::new(|step: &str, row: &str| tracing::info!(target: "fastdata::samples", "{step}: {row}"));
            let engine = Engine {
                plan: Arc::new(physical),
                log,
                clock: Arc::new(SystemClock),
                samples,
                custom: BTreeMap::new(),
            };
            let (mut options, stop) = (options.clone(), stop.clone());
            // The embedded log is as near as any file.
            options.state_folder = kafka.map(|_| global.data_dir.join("state"));
            running.spawn(async move { engine.run(&options, &stop).await });
        }
        let mut outcome = Ok(());
        loop {
            tokio::select! {
                ended = running.join_next() => match ended {
                    None => return outcome,
                    Some(ended) => {
                        let ended = ended.unwrap_or_else(|e| Err(Fault::Fatal(e.to_string())));
                        if ended.is_err() {
                            // One that fails takes the others down in good order.
                            stop.cancel(CancelReason::Stop);
                            outcome = outcome.and(ended);
                        }
                    }
                },
                () = tokio::time::sleep(NOTICE) => {
                    restoring.show();
                    if shutdown.requested() && !stop.is_cancelled() {
                        context.printer().talk(format_args!("stopping once what was read is done; interrupt again to stop at once"));
                        stop.cancel(CancelReason::Stop);
                    }
                }
            }
        }
    });
    outcome.map_err(|fault| match fault {
        Fault::Backplane(e) => e.into(),
        other => other.into(),
    })
}

/// Who runs: shown to a second instance and in statistics.
fn instance() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("process {} on {}", std::process::id(), if host.trim().is_empty() { "this machine" } else { host.trim() })
}
