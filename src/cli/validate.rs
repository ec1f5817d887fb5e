//! `fastdata validate`: every check of a pipeline file that needs no backplane.

use super::context::Context;
use super::exit::{self, WrongFiles};
use super::run::compile;
use std::path::PathBuf;

/// Check pipeline files and say all that is wrong with them
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata validate pipeline.yaml
  fastdata validate pipelines/*.yaml")]
pub(super) struct Args {
    /// Pipeline files
    #[arg(value_name = "FILE", required = true)]
    pub(super) files: Vec<PathBuf>,
}

pub(super) fn execute(args: &Args, context: &Context) -> anyhow::Result<()> {
    let mut wrong = false;
    for path in &args.files {
        match compile(path) {
            Ok(_) => context.printer().talk(format_args!("{}: valid", path.display())),
            Err(error) => {
                wrong = true;
                context.printer().error(&exit::text(&error));
            }
        }
    }
    if wrong { Err(WrongFiles.into()) } else { Ok(()) }
}
