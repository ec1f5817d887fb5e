//! `fastdata state`: the committed state of a pipeline, and its removal.

mod drop;
mod list;

use super::context::CliContext;
use super::output::OutputFormat;
use std::path::PathBuf;

/// List and drop the committed state of a pipeline
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata state list pipeline.yaml
  fastdata state drop pipeline.yaml per_minute")]
pub(super) struct StateArgs {
    #[command(subcommand)]
    command: StateCommand,
}

#[derive(clap::Subcommand, Debug)]
enum StateCommand {
    /// List the committed state, with what the steps of the file make of it
    List(StateListArgs),
    /// Remove state that no step of the file goes on with, or that its step cannot read
    Drop(StateDropArgs),
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata state list pipeline.yaml
  fastdata state list pipeline.yaml --output json")]
pub(super) struct StateListArgs {
    /// A pipeline file
    #[arg(value_name = "PIPELINE")]
    pipeline: PathBuf,

    /// For a person or for a program
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    output: OutputFormat,
}

/// Remove state that no step of the file goes on with, or that its step cannot read
///
/// Positions, counters and the state of all other steps stay. No instance may run.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata state drop pipeline.yaml per_minute")]
pub(super) struct StateDropArgs {
    /// A pipeline file
    #[arg(value_name = "PIPELINE")]
    pipeline: PathBuf,

    /// The name of the state, as `fastdata state list` shows it
    #[arg(value_name = "STEP")]
    step: String,
}

pub(super) fn execute(args: &StateArgs, context: &CliContext) -> anyhow::Result<()> {
    match &args.command {
        StateCommand::List(args) => list::execute(args, context),
        StateCommand::Drop(args) => drop::execute(args, context),
    }
}
