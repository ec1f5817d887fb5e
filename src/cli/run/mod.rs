//! `fastdata run`: runs pipelines until an interrupt or the end of the input.

mod args;
mod dead_notice;
mod missing_source;
mod outputs;
mod progress_line;
mod start;
mod summary;
mod supervise;
mod watched;

use super::backplane;
use super::context::CliContext;
use super::exit::{FailureReported, UserError};
use super::printer::{Printer, Severity};
use super::restore_bar::RestoreBar;
use super::waiting::Waiting;
use crate::expr::Functions;
use crate::log::topic;
use crate::plan::{self, InputPlan, Physical};
use crate::runtime::{CancelReason, CancelToken, Engine, Fault, RestoreGauge, RunOptions, StartFrom};
use crate::spec::{self, ProcessEnvironment, Spec};
use crate::time::SystemClock;
use dead_notice::DeadNotice;
use progress_line::ProgressLine;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use summary::RunBounds;
use supervise::{PipelineEnd, supervise};
use tokio::task::JoinSet;
use watched::WatchedRun;

pub(super) use args::RunArgs;

/// Tasks that may wait at the same time for a model or a commit. Each of them keeps a thread, made only then.
const MAX_WAITING_TASKS: usize = 8192;

/// How often new dead letters are looked for.
const NOTICE_CHECK_INTERVAL: Duration = Duration::from_millis(250);

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
    outputs::check(args, context.global(), &pipelines)?;
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
        from: start::resolve(&args.from, &pipelines, context)?,
        replace_outputs: args.replace_outputs,
        reset: args.reset.clone(),
        lost_input: args.on_lost_input.into(),
        instance: context.global().instance_name.clone().unwrap_or_else(instance_name),
        ..RunOptions::default()
    };
    let mut runs = Vec::new();
    let outcome = runtime.block_on(async {
        let mut waiting = Waiting::new(args.wait, "the log".into(), context);
        let mut running;
        (running, runs) = start_all(pipelines, &options, &stop, &mut waiting, context)?;
        let mut display = Display::new(args, context.printer(), &options, runs.len());
        let report = |name: &str, fault: &Fault| {
            let message = format!("pipeline `{name}` has failed: {fault}");
            context.printer().message(Severity::Error, &message, None);
        };
        supervise(&mut running, &stop, report, || {
            display.update(&runs);
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
    let bounds = RunBounds { until_end: args.until_end, drain: args.drain };
    runs.iter().for_each(|run| summary::print(run, bounds, context.printer()));
    outcome.map_err(|fault| match runs.len() {
        0 | 1 => missing_source::explained(fault, &runs),
        // It was reported when it happened.
        _ => FailureReported.into(),
    })
}

/// What is shown while pipelines run.
struct Display<'a> {
    printer: &'a Printer,
    restoring: RestoreGauge,
    restore_bar: RestoreBar,
    progress: ProgressLine,
    /// One for each pipeline of a run that goes on until it is stopped.
    notices: Vec<DeadNotice>,
    noticed_at: Instant,
}

impl<'a> Display<'a> {
    fn new(args: &RunArgs, printer: &'a Printer, options: &RunOptions, pipelines: usize) -> Self {
        let restoring = options.restoring.clone();
        Self {
            printer,
            restore_bar: RestoreBar::new(printer, restoring.clone()),
            restoring,
            progress: ProgressLine::new(printer),
            notices: (0..pipelines).filter(|_| !args.until_end).map(|_| DeadNotice::default()).collect(),
            noticed_at: Instant::now(),
        }
    }

    fn update(&mut self, runs: &[WatchedRun]) {
        if self.restoring.now().iter().any(|part| part.done < part.total) {
            self.progress.make_way();
            self.restore_bar.update();
        } else {
            self.restore_bar.update();
            self.progress.update(runs);
        }
        if self.noticed_at.elapsed() >= NOTICE_CHECK_INTERVAL {
            self.noticed_at = Instant::now();
            runs.iter().zip(&mut self.notices).for_each(|(run, notice)| notice.update(run, self.printer));
        }
    }
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
        if backplane::settings(context.global(), Some(&spec))?.is_none() {
            backplane::check_folder(context.global())?;
        }
        pipelines.push((spec, physical));
    }
    Ok(pipelines)
}

/// Starts a task for each pipeline, and returns what watches it. A pipeline that cannot be opened cancels those before it.
fn start_all(
    pipelines: Vec<(Spec, Physical)>,
    options: &RunOptions,
    stop: &CancelToken,
    waiting: &mut Waiting<'_>,
    context: &CliContext,
) -> Result<(JoinSet<PipelineEnd>, Vec<WatchedRun>), Fault> {
    let global = context.global();
    let fault = |e: anyhow::Error| match e.downcast() {
        Ok(e) => Fault::Backplane(e),
        Err(e) => Fault::Fatal(format!("{e:#}")),
    };
    let (mut running, mut runs, waiting_for_topics) = (JoinSet::new(), Vec::new(), waiting.is_wanted());
    for (spec, mut physical) in pipelines {
        options.reset.iter().for_each(|step| physical.start_over(step));
        let kafka = backplane::settings(global, Some(&spec)).map_err(fault)?;
        backplane::fit_topics(&mut physical, kafka.as_ref());
        let open = || {
            let log = backplane::open_with(global, kafka.as_ref())?;
            // Without `--wait` the run itself says what is missing.
            if waiting_for_topics {
                physical.subs.iter().flat_map(|sub| &sub.inputs).try_for_each(|input| match input {
                    InputPlan::Source(source) => topic(&*log, &source.topic).map(drop),
                    InputPlan::Repartition(_) => Ok(()),
                })?;
            }
            Ok(log)
        };
        let Some(log) = waiting.until_found(open).map_err(fault)? else { return Ok((running, runs)) };
        let engine = Engine {
            plan: Arc::new(physical),
            log,
            clock: Arc::new(SystemClock),
            samples: Arc::new(|step, row| tracing::info!(target: "fastdata::samples", "{step}: {row}")),
            custom: BTreeMap::new(),
        };
        let (mut options, stop) = (options.clone(), stop.clone());
        // With the embedded log, a local copy of state is no faster than the log itself.
        options.state_folder = kafka.as_ref().map(|_| global.data_dir.join("state"));
        let log_options = backplane::options(global, kafka.as_ref());
        let run = WatchedRun::new(engine.plan.clone(), engine.log.clone(), log_options);
        options.work = run.work.clone();
        if options.from == StartFrom::Earliest && !options.replace_outputs {
            outputs::warn(&run, kafka.is_some(), context.printer())?;
        }
        let end = run.end();
        runs.push(run);
        running.spawn(async move {
            let ended = engine.run(&options, &stop).await.inspect(|()| end());
            (engine.plan.name.clone(), ended)
        });
    }
    Ok((running, runs))
}

/// The name of this instance in statistics and in messages to other instances.
fn instance_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("process {} on {}", std::process::id(), if host.trim().is_empty() { "this machine" } else { host.trim() })
}
