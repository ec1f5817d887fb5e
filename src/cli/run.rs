//! `fastdata run`: runs pipelines until an interrupt or the end of the input.

use super::backplane;
use super::context::CliContext;
use super::exit::UserError;
use super::restore_bar::RestoreBar;
use crate::expr::Functions;
use crate::plan::{self, Physical};
use crate::runtime::{self, CancelReason, CancelToken, Engine, Fault, RunOptions};
use crate::spec::{self, ProcessEnvironment, Spec};
use crate::time::SystemClock;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How often shutdown requests are checked and the restore bar is drawn.
const TICK_INTERVAL: Duration = Duration::from_millis(20);

/// How long pipelines have to end in good order beside one in which a part has panicked.
const END_TIMEOUT_AFTER_PANIC: Duration = Duration::from_millis(1500);

/// Tasks that may wait at the same time for a model or a commit. Each of them keeps a thread, made only then.
const MAX_WAITING_TASKS: usize = 8192;

/// Run pipelines until interrupted
///
/// The first interrupt stops in an orderly way: records that were read are processed and committed.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata run pipeline.yaml                    until interrupted
  fastdata run pipeline.yaml --until-end        until all existing records are processed and committed
  fastdata run pipeline.yaml --until-end --drain   also close every window
  fastdata run pipeline.yaml --dry-run          print the plan and run nothing
  fastdata run orders.yaml alerts.yaml          several pipelines in one process")]
pub(super) struct RunArgs {
    /// Pipeline files; `-` is stdin
    #[arg(value_name = "PIPELINE", required = true)]
    pub(super) pipelines: Vec<PathBuf>,

    /// Stop when all records that existed at the start are processed and committed
    #[arg(long)]
    pub(super) until_end: bool,

    /// Also close every window at the end of the input
    #[arg(long, requires = "until_end")]
    pub(super) drain: bool,

    /// Number of worker threads; default: the number of cores
    #[arg(long, value_name = "N")]
    pub(super) workers: Option<NonZeroUsize>,

    /// Where to start reading
    #[arg(long, value_name = "START", value_enum, default_value = "committed")]
    pub(super) from: StartPosition,

    /// Let a step begin without the state that it cannot read any more, where the pipeline stands
    ///
    /// Only where the step was edited so that its state does not fit, and while no other instance runs. Rows on their
    /// way to the step that the earlier version of the file has sent become dead letters.
    #[arg(long, value_name = "STEP", conflicts_with = "from")]
    pub(super) reset: Vec<String>,

    /// What to do where retention removed records of a source before they were read
    #[arg(long, value_name = "ACTION", value_enum, default_value = "stop")]
    pub(super) on_lost_input: LostInputAction,

    /// Check the pipelines and print their plans, but run nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum StartPosition {
    /// The oldest record; committed positions and state are discarded
    Earliest,
    /// The next record that arrives
    Latest,
    /// The committed position, else the oldest record
    Committed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum LostInputAction {
    /// End with an error
    Stop,
    /// Go on from the oldest record with the state kept, and count the skipped offsets in the statistics
    Skip,
}

impl From<LostInputAction> for runtime::LostInput {
    fn from(action: LostInputAction) -> Self {
        match action {
            LostInputAction::Stop => Self::Stop,
            LostInputAction::Skip => Self::Skip,
        }
    }
}

impl From<StartPosition> for runtime::StartFrom {
    fn from(position: StartPosition) -> Self {
        match position {
            StartPosition::Earliest => Self::Earliest,
            StartPosition::Latest => Self::Latest,
            StartPosition::Committed => Self::Committed,
        }
    }
}

/// The name of stdin as a pipeline file.
const STDIN: &str = "-";
/// What messages call it.
const STDIN_SHOWN: &str = "<stdin>";

/// Reads and compiles a pipeline file, or what comes from stdin.
pub(super) fn compile(path: &Path) -> anyhow::Result<(Spec, Physical)> {
    let reading = match path == Path::new(STDIN) {
        true => spec::read_stream(STDIN_SHOWN, std::io::stdin().lock(), &ProcessEnvironment)?,
        false => spec::read_partial(path, &ProcessEnvironment)?,
    };
    Ok(plan::compile_partial(reading, &Functions::new())?)
}

pub(super) fn execute(args: &RunArgs, context: &CliContext) -> anyhow::Result<()> {
    let pipelines = compile_all(&args.pipelines, context)?;
    if args.dry_run {
        return pipelines.iter().try_for_each(|(_, p)| context.printer().print_plan(&plan::text(p)));
    }
    let shutdown = context.shutdown();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.max_blocking_threads(MAX_WAITING_TASKS);
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
        reset: args.reset.clone(),
        lost_input: args.on_lost_input.into(),
        instance: instance_name(),
        ..RunOptions::default()
    };
    let outcome = runtime.block_on(async {
        let mut running = start_all(pipelines, &options, &stop, context)?;
        let mut restore_bar = RestoreBar::new(context.printer(), options.restoring.clone());
        supervise(&mut running, &stop, || {
            restore_bar.update();
            if shutdown.is_requested() && !stop.is_cancelled() {
                let message = "finishing the records that were read; interrupt again to stop at once";
                context.printer().info(message);
                stop.cancel(CancelReason::Stop);
            }
        })
        .await
    });
    // After a panic some threads may still wait for the backplane; otherwise none is left.
    runtime.shutdown_background();
    outcome.map_err(|fault| match fault {
        Fault::Backplane(e) => e.into(),
        other => other.into(),
    })
}

/// Compiles pipeline files and checks that their names differ.
fn compile_all(paths: &[PathBuf], context: &CliContext) -> anyhow::Result<Vec<(Spec, Physical)>> {
    let mut pipelines: Vec<(Spec, Physical)> = Vec::new();
    for path in paths {
        let (spec, physical) = compile(path)?;
        if let Some((i, _)) = pipelines.iter().enumerate().find(|(_, (_, p))| p.name == physical.name) {
            let (first, second) = (paths[i].display(), path.display());
            let message = format!("`{first}` and `{second}` are both named `{}`", physical.name);
            return Err(UserError::new(message).hint("give each pipeline a `name:` of its own").into());
        }
        backplane::check_rack(context.global(), &spec, &physical)?;
        pipelines.push((spec, physical));
    }
    Ok(pipelines)
}

/// Starts a task for each pipeline. A pipeline that cannot be opened cancels those before it.
fn start_all(
    pipelines: Vec<(Spec, Physical)>,
    options: &RunOptions,
    stop: &CancelToken,
    context: &CliContext,
) -> Result<JoinSet<Result<(), Fault>>, Fault> {
    let global = context.global();
    let fault = |e: anyhow::Error| match e.downcast() {
        Ok(e) => Fault::Backplane(e),
        Err(e) => Fault::Fatal(format!("{e:#}")),
    };
    let mut running = JoinSet::new();
    for (spec, mut physical) in pipelines {
        options.reset.iter().for_each(|step| physical.start_over(step));
        let kafka = backplane::settings(global, Some(&spec)).map_err(fault)?;
        let log = backplane::open_with(global, kafka.as_ref()).map_err(fault)?;
        let engine = Engine {
            plan: Arc::new(physical),
            log,
            clock: Arc::new(SystemClock),
            samples: Arc::new(|step, row| tracing::info!(target: "fastdata::samples", "{step}: {row}")),
            custom: BTreeMap::new(),
        };
        let (mut options, stop) = (options.clone(), stop.clone());
        // With the embedded log, a local copy of state is no faster than the log itself.
        options.state_folder = kafka.map(|_| global.data_dir.join("state"));
        running.spawn(async move { engine.run(&options, &stop).await });
    }
    Ok(running)
}

/// Waits until all pipelines have ended and calls `tick` in between. The first failure stops the others in an
/// orderly way, and is the outcome; after a panic they are left behind where they take long.
async fn supervise(
    running: &mut JoinSet<Result<(), Fault>>,
    stop: &CancelToken,
    mut tick: impl FnMut(),
) -> Result<(), Fault> {
    let (mut outcome, mut deadline) = (Ok(()), None);
    loop {
        tokio::select! {
            ended = running.join_next() => {
                let Some(ended) = ended else { return outcome };
                let ended = ended.unwrap_or_else(|e| Err(Fault::Panic(e.to_string())));
                if let Err(fault) = &ended {
                    stop.cancel(CancelReason::Stop);
                    // Those may take a while to end in good order, and the fault must be known before.
                    if !running.is_empty() {
                        tracing::error!("a pipeline has failed, so the others are stopped: {fault}");
                    }
                    if matches!(fault, Fault::Panic(_)) {
                        deadline.get_or_insert(Instant::now() + END_TIMEOUT_AFTER_PANIC);
                    }
                    outcome = outcome.and(ended);
                }
            }
            () = tokio::time::sleep(TICK_INTERVAL) => tick(),
        }
        if deadline.is_some_and(|at| Instant::now() >= at) && !running.is_empty() {
            tracing::error!(
                "the other pipelines have not ended in {END_TIMEOUT_AFTER_PANIC:?} and are left as after a kill"
            );
            return outcome;
        }
    }
}

/// The name of this instance in statistics and in messages to other instances.
fn instance_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("process {} on {}", std::process::id(), if host.trim().is_empty() { "this machine" } else { host.trim() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The outcome of two pipelines, of which one fails and the other never ends.
    fn beside_one_that_never_ends(fault: Fault) -> Option<Result<(), Fault>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let (mut running, stop) = (JoinSet::new(), CancelToken::default());
            running.spawn(std::future::pending());
            running.spawn(async { Err(fault) });
            let ended = supervise(&mut running, &stop, || {});
            let ended = tokio::time::timeout(END_TIMEOUT_AFTER_PANIC * 2, ended).await.ok();
            assert!(stop.is_cancelled_for(CancelReason::Stop));
            ended
        })
    }

    #[test]
    fn after_a_panic_no_pipeline_is_awaited_for_long() {
        let ended = beside_one_that_never_ends(Fault::Panic("a task has panicked".into()));
        assert_eq!(ended.map(|end| end.map_err(|f| f.to_string())), Some(Err("a task has panicked".into())));
        assert!(beside_one_that_never_ends(Fault::Fatal("too large".into())).is_none(), "others end in good order");
    }
}
