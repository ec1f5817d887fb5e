//! `fastdata init`: writes a first pipeline file and says what to type next.

use super::context::Context;
use super::exit::WrongInput;
use anyhow::Context as _;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

const FILE: &str = "pipeline.yaml";
const PIPELINE: &str = include_str!("init/pipeline.yaml");

/// Write a first pipeline.yaml
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata init
  fastdata init wines && cd wines")]
pub(super) struct Args {
    /// Folder to write it into; made where it is not there
    #[arg(value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

pub(super) fn execute(args: &Args, context: &Context) -> anyhow::Result<()> {
    std::fs::create_dir_all(&args.dir).with_context(|| format!("cannot make the folder `{}`", args.dir.display()))?;
    let here = args.dir.as_os_str() == ".";
    let path = if here { PathBuf::from(FILE) } else { args.dir.join(FILE) };
    let mut file = match std::fs::File::create_new(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            let message = format!("`{}` is there already, and is left as it is", path.display());
            return Err(WrongInput::new(message).hint("name another folder: `fastdata init DIR`").into());
        }
        Err(e) => return Err(e).with_context(|| format!("cannot write `{}`", path.display())),
    };
    file.write_all(PIPELINE.as_bytes()).with_context(|| format!("cannot write `{}`", path.display()))?;
    let go = if here { String::new() } else { format!("  cd {}\n", args.dir.display()) };
    context.printer().talk(format_args!(
        "\
wrote {}

Type next:
{go}  fastdata seed --topic raw                            10,000 sample wines
  fastdata run {FILE} --until-end --drain     run the pipeline over them
  fastdata tail --topic wines-per-minute --until-end   look at the result
  fastdata stats                                       what went in and what came out",
        path.display()
    ));
    Ok(())
}
