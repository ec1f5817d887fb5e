//! `fastdata stats`: what pipelines do, from any process that reaches the backplane.

mod collect;
mod follow;
mod format;
mod grid;
mod instances;
mod live;
mod text;

pub(super) use collect::wrong_name;
pub(super) use format::count;
pub(super) use text::render;

use super::backplane;
use super::context::Context;
use super::output::Output;
use collect::Sampler;
use std::time::Duration;

/// Between two samples.
const EVERY: Duration = Duration::from_secs(1);

/// Show what pipelines do: rates, lag, watermarks, steps, models, the ledger
///
/// Reads what pipelines commit together with their results, so it works while they run and after they
/// have stopped. Counters are totals since a pipeline's first run. `lag` is what is there and not read
/// yet; `behind` is how far event time is behind the wall clock. Where several instances run a pipeline
/// they are listed: one is `silent` that has not reported for ten seconds (killed, or cut off; after an hour
/// it is left out). The ledger accounts for every record; a remainder other than 0 is a fault of the program.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata stats                              all pipelines on this log
  fastdata stats wine-quality --follow        live
  fastdata stats wine-quality --output json   one JSON object
  fastdata stats --output json | jq '{pipeline, remainder: .ledger.remainder}'
  fastdata stats wine-quality --output json | jq '.instances[] | {name, state, tasks}'")]
pub(super) struct Args {
    /// The pipeline's name; default: all
    #[arg(value_name = "PIPELINE")]
    pipeline: Option<String>,

    /// Keep showing: live on a terminal, else one JSON object a pipeline and second
    #[arg(long, short)]
    follow: bool,

    /// How to write it; default: text, or with --follow what fits the terminal or the pipe
    #[arg(long, value_enum, value_name = "FORMAT")]
    output: Option<Output>,
}

pub(super) fn execute(args: &Args, context: &Context) -> anyhow::Result<()> {
    let log = backplane::open(context.global(), None)?;
    let name = log.name();
    let mut sampler = Sampler::new(log, args.pipeline.clone());
    if args.follow {
        return follow::follow(&mut sampler, args.output, context);
    }
    let mut found = sampler.sample(context.printer())?;
    if found.is_empty() {
        context.printer().talk(format_args!("{}", nothing(&name)));
        return Ok(());
    }
    if found.iter().any(crate::metrics::Snapshot::live) {
        // A rate is a difference, so a pipeline at work is looked at twice.
        let shutdown = context.shutdown();
        shutdown.sleep(EVERY);
        if !shutdown.requested() {
            found = sampler.sample(context.printer())?;
        }
    }
    match args.output {
        Some(Output::Json) => context.printer().print(follow::json(&found)?),
        Some(Output::Text) | None => text::print(&found, context.printer()),
    }
}

/// What to say where no pipeline has ever run.
fn nothing(log: &str) -> String {
    format!(
        "\
no pipeline has run on {log} yet

Type next:
  fastdata init                       write a first pipeline.yaml
  fastdata seed --topic raw           10,000 sample records for it
  fastdata run pipeline.yaml          run it
  fastdata stats --follow             watch it from another terminal"
    )
}
