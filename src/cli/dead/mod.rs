//! `fastdata dead`: the dead letters of a pipeline: counts, single ones, and sending them through it again.

mod letter;
mod list;
mod replay;
mod show;

use super::context::CliContext;
use super::exit::UserError;
use super::{backplane, run};
use crate::log::{Log, TopicInfo};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// List, show and replay dead letters: records that a pipeline could not handle
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata dead list wine-quality                 how many, why, and where from
  fastdata dead show pipeline.yaml --count 3      the last three, with their bytes
  fastdata dead replay pipeline.yaml              send them through the pipeline again")]
pub(super) struct DeadArgs {
    #[command(subcommand)]
    command: DeadCommand,
}

#[derive(clap::Subcommand, Debug)]
enum DeadCommand {
    List(list::DeadListArgs),
    Show(show::DeadShowArgs),
    Replay(replay::DeadReplayArgs),
}

pub(super) fn execute(args: &DeadArgs, context: &CliContext) -> anyhow::Result<()> {
    match &args.command {
        DeadCommand::List(args) => list::execute(args, context),
        DeadCommand::Show(args) => show::execute(args, context),
        DeadCommand::Replay(args) => replay::execute(args, context),
    }
}

/// A pipeline, by its file or by its name.
struct Pipeline {
    name: String,
    log: Arc<dyn Log>,
}

impl Pipeline {
    /// What is a file is one; a name needs none.
    fn open(given: &Path, context: &CliContext) -> anyhow::Result<Self> {
        let is_yaml = given.extension().is_some_and(|e| e == "yaml" || e == "yml");
        if given.is_file() || is_yaml || given == Path::new("-") {
            let (spec, plan) = run::compile(given)?;
            return Ok(Self { name: plan.name, log: backplane::open_existing(context.global(), Some(&spec))? });
        }
        Ok(Self { name: given.display().to_string(), log: backplane::open_existing(context.global(), None)? })
    }

    /// The topic of its dead letters; `None` where it has none yet.
    fn letters(&self) -> anyhow::Result<Option<TopicInfo>> {
        Ok(self.log.topics(Some(&format!("{}.dead", self.name)))?.pop())
    }

    /// The group that holds which letters have been replayed.
    fn replay_group(&self) -> String {
        format!("{}.dead.replay", self.name)
    }
}

/// The argument that names a pipeline.
#[derive(clap::Args, Debug)]
struct PipelineArg {
    /// A pipeline file, or the name of a pipeline
    #[arg(value_name = "PIPELINE")]
    pipeline: PathBuf,
}

/// Nothing to list, show or replay.
fn say_none(pipeline: &Pipeline, context: &CliContext) {
    context.printer().info(format_args!("`{}` has no dead letters on {}", pipeline.name, pipeline.log.name()));
}

/// A pipeline that is started again while its letters are replayed is no problem; a second replay is.
fn taken(name: &str) -> UserError {
    UserError::new(format!("the dead letters of `{name}` are being replayed by another process"))
        .hint("wait until it has ended")
}
