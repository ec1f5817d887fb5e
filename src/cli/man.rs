//! `fastdata man`: manual pages, one for each command.

use super::context::CliContext;
use anyhow::Context as _;
use std::path::PathBuf;

/// Print the manual page, or write the pages of all commands
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata man | man -l -           read the page of fastdata itself
  fastdata man --dir man            write fastdata.1, fastdata-run.1 and so on")]
pub(super) struct ManArgs {
    /// Write the page of each command into this folder instead of printing
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn execute(args: &ManArgs, command: clap::Command, context: &CliContext) -> anyhow::Result<()> {
    let command = command.disable_help_subcommand(true);
    if let Some(dir) = &args.dir {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot create the folder `{}`", dir.display()))?;
        clap_mangen::generate_to(command, dir).with_context(|| format!("cannot write into `{}`", dir.display()))?;
        context.printer().info(format_args!("wrote the manual pages into {}", dir.display()));
        return Ok(());
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    context.printer().print(String::from_utf8_lossy(&page))
}
