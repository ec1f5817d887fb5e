//! The arguments of `fastdata run`.

use super::start::{self, StartPosition};
use crate::cli::arguments;
use crate::runtime;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// Run pipelines until interrupted
///
/// The first interrupt stops in an orderly way: records that were read are processed and committed.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata run pipeline.yaml                    until interrupted
  fastdata run pipeline.yaml --until-end        until all existing records are processed and committed
  fastdata run pipeline.yaml --until-end --drain   also close every window
  fastdata run pipeline.yaml --from earliest --replace-outputs   all over again, with new outputs
  fastdata run pipeline.yaml --dry-run          print the plan and run nothing
  fastdata run orders.yaml alerts.yaml          several pipelines in one process")]
pub(in crate::cli) struct RunArgs {
    /// Pipeline files; `-` is stdin
    #[arg(value_name = "PIPELINE", required = true)]
    pub(in crate::cli) pipelines: Vec<PathBuf>,

    /// Stop when all records that existed at the start are processed and committed
    #[arg(long)]
    pub(in crate::cli) until_end: bool,

    /// Also close every window at the end of the input
    #[arg(long, requires = "until_end")]
    pub(in crate::cli) drain: bool,

    /// Number of worker threads; default: the number of cores
    #[arg(long, value_name = "N")]
    pub(in crate::cli) workers: Option<NonZeroUsize>,

    /// Where to start reading: committed, earliest, latest, recorded, a time, or a file of positions
    ///
    /// `committed` goes on where the last run stopped, else begins at the oldest record. `recorded` goes on with the state
    /// kept where the pipeline's own record of progress stands, although the positions of the group are gone or were set
    /// by something else. All others discard positions and state: `earliest` begins at the oldest record, `latest` with the
    /// next one that arrives, a time such as 2026-01-31T12:00:00Z with the first record of that time or later, and a YAML or
    /// JSON file such as `orders: {0: 1200, 1: 1187}` at these offsets by topic and partition (those that it does not name:
    /// at the oldest record).
    #[arg(long, value_name = "START", value_parser = start::parse, default_value = "committed")]
    pub(in crate::cli) from: StartPosition,

    /// With `--from earliest`: first remove what this pipeline has written, its outputs and its dead letters
    ///
    /// Only on the embedded log, and in one act with the start. A topic that another pipeline writes too, or that this
    /// one reads, is refused by name.
    #[arg(long)]
    pub(in crate::cli) replace_outputs: bool,

    /// Let a step begin without the state that it cannot read any more, where the pipeline stands
    ///
    /// Only where the step was edited so that its state does not fit, and while no other instance runs. Rows on their
    /// way to the step that the earlier version of the file has sent become dead letters.
    #[arg(long, value_name = "STEP", conflicts_with = "from")]
    pub(in crate::cli) reset: Vec<String>,

    /// What to do where retention removed records of a source before they were read
    #[arg(long, value_name = "ACTION", value_enum, default_value = "stop")]
    pub(in crate::cli) on_lost_input: LostInputAction,

    /// Wait at the start for brokers and source topics, for at most DURATION, or without one until interrupted
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, value_parser = arguments::duration)]
    pub(super) wait: Option<Option<Duration>>,

    /// Check the pipelines and print their plans, but run nothing
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum LostInputAction {
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
