//! `fastdata stats`: the statistics of pipelines, from any process that reaches the backplane.

mod follow;
mod instances;
mod live;
mod sampler;
mod text;

pub(super) use sampler::observe_error;
pub(super) use text::render;

use super::backplane;
use super::context::CliContext;
use super::output::OutputFormat;
use crate::metrics::Snapshot;
use sampler::{RATE_INTERVAL, StatsSampler};

/// Show statistics of pipelines: rates, lag, watermarks, steps, models, the ledger
///
/// Statistics are committed with the results of a pipeline, so they are available while it runs and after it has
/// stopped. Counters are totals since the first run. `lag` is the number of records not read yet, `watermark` the event
/// time of a source. Latencies and the durations of models are those of batches, not of records. After a run it says
/// why that ended. If several instances run a pipeline, each is listed, by name (`--instance-name`). An instance is
/// `silent` if it has not reported for ten seconds, because it was killed or lost its connection; after an hour it
/// is no longer listed. The ledger accounts for every record; a remainder other than 0 is a fault of the program.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata stats                              all pipelines on this log
  fastdata stats wine-quality --follow        live
  fastdata stats wine-quality --output json   one JSON object
  fastdata stats --output json | jq '{pipeline, remainder: .ledger.remainder}'
  fastdata stats wine-quality --output json | jq '.instances[] | {name, state, tasks}'")]
pub(super) struct StatsArgs {
    /// Name of a pipeline; default: all pipelines
    #[arg(value_name = "PIPELINE")]
    pipeline: Option<String>,

    /// Update every second: live on a terminal, else as JSON, one object per pipeline
    #[arg(long, short)]
    follow: bool,

    /// Output format; default: text, or with --follow live on a terminal and JSON elsewhere
    #[arg(long, value_enum, value_name = "FORMAT")]
    output: Option<OutputFormat>,
}

pub(super) fn execute(args: &StatsArgs, context: &CliContext) -> anyhow::Result<()> {
    let log = backplane::open_existing(context.global(), None)?;
    let name = log.name();
    let mut sampler = StatsSampler::new(log, args.pipeline.clone(), args.follow);
    if args.follow {
        return follow::follow(&mut sampler, args.output, context);
    }
    let mut found = sampler.sample(context.printer())?;
    if found.is_empty() {
        context.printer().info(format_args!("{}", no_pipeline(&name)));
        return Ok(());
    }
    if found.iter().any(Snapshot::is_live) {
        // A rate is the difference of two samples.
        let shutdown = context.shutdown();
        shutdown.sleep(RATE_INTERVAL);
        if !shutdown.is_requested() {
            found = sampler.sample(context.printer())?;
        }
    }
    match args.output {
        Some(OutputFormat::Json) => context.printer().print_json(follow::json(&found)?),
        Some(OutputFormat::Text) | None => text::print(&found, context.printer()),
    }
}

fn no_pipeline(log: &str) -> String {
    format!(
        "\
no pipeline has run on {log} yet

Type next:
  fastdata init                       write a first pipeline.yaml
  fastdata seed --topic raw           write 10,000 sample records
  fastdata run pipeline.yaml          run it
  fastdata stats --follow             watch it from another terminal"
    )
}
