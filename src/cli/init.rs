//! `fastdata init`: writes a first pipeline file.

use super::context::CliContext;
use super::exit::UserError;
use anyhow::Context as _;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

const FILE_NAME: &str = "pipeline.yaml";
const PIPELINE: &str = include_str!("init/pipeline.yaml");

/// Write a first pipeline.yaml
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata init
  fastdata init wines && cd wines")]
pub(super) struct InitArgs {
    /// Folder to write it into; created if it does not exist
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

pub(super) fn execute(args: &InitArgs, context: &CliContext) -> anyhow::Result<()> {
    std::fs::create_dir_all(&args.dir).with_context(|| format!("cannot create the folder `{}`", args.dir.display()))?;
    let in_current = args.dir.as_os_str() == ".";
    let path = if in_current { PathBuf::from(FILE_NAME) } else { args.dir.join(FILE_NAME) };
    let mut file = match std::fs::File::create_new(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            let message = format!("`{}` already exists", path.display());
            return Err(UserError::new(message).hint("name another folder: `fastdata init DIR`").into());
        }
        Err(e) => return Err(e).with_context(|| format!("cannot write `{}`", path.display())),
    };
    file.write_all(PIPELINE.as_bytes()).with_context(|| format!("cannot write `{}`", path.display()))?;
    let change_dir = if in_current { String::new() } else { format!("  cd {}\n", args.dir.display()) };
    context.printer().info(format_args!(
        "\
wrote {}

Type next:
{change_dir}  fastdata seed --topic raw                            10,000 sample wines
  fastdata run {FILE_NAME} --until-end --drain     run the pipeline over them
  fastdata tail --topic wines-per-minute --until-end   print the results
  fastdata stats                                       show what went in and what came out",
        path.display()
    ));
    Ok(())
}
