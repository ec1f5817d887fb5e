//! `fastdata validate`: every check of a pipeline file that needs no backplane, and those that need one
//! where they are asked for.

use super::context::Context;
use super::exit::{self, Failed, WrongFiles};
use super::run::compile;
use super::{backplane, online};
use crate::log::LogError;
use crate::plan::Physical;
use crate::spec::Spec;
use std::path::PathBuf;

/// Check pipeline files and say all that is wrong with them
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata validate pipeline.yaml
  fastdata validate pipelines/*.yaml
  fastdata validate pipeline.yaml --online --brokers localhost:9092")]
pub(super) struct Args {
    /// Pipeline files
    #[arg(value_name = "FILE", required = true)]
    pub(super) files: Vec<PathBuf>,

    /// Also look at the topics, their partitions, the rights to use them, and the models; changes nothing
    #[arg(long)]
    pub(super) online: bool,
}

pub(super) fn execute(args: &Args, context: &Context) -> anyhow::Result<()> {
    let (mut wrong, mut failed) = (false, false);
    for path in &args.files {
        let checked = compile(path).map(|compiled| if args.online { Some(compiled) } else { None });
        let valid = format!("{}: valid", path.display());
        match checked {
            Ok(None) => context.printer().talk(valid),
            Ok(Some((spec, plan))) => match fits(&spec, &plan, context) {
                Ok(Some(name)) => context.printer().talk(format_args!("{valid} on {name}")),
                Ok(None) => wrong = true,
                // Another file may name another backplane.
                Err(error) if error.is::<LogError>() => {
                    failed = true;
                    context.printer().error(&exit::text(&error));
                }
                Err(error) => return Err(error),
            },
            Err(error) => {
                wrong = true;
                context.printer().error(&exit::text(&error));
            }
        }
    }
    match (wrong, failed) {
        (true, _) => Err(WrongFiles.into()),
        (false, true) => Err(Failed.into()),
        (false, false) => Ok(()),
    }
}

/// The name of the backplane, where the pipeline can run on it; else everything that is in its way is printed.
fn fits(spec: &Spec, plan: &Physical, context: &Context) -> anyhow::Result<Option<String>> {
    let log = backplane::open_existing(context.global(), Some(spec))?;
    let findings = online::examine(spec, plan, &*log)?;
    if !findings.warnings.is_empty() {
        let text = findings.warnings.to_string();
        let lines: Vec<String> =
            text.lines().map(|l| l.strip_prefix("error: ").map_or(l.to_owned(), |l| format!("warning: {l}"))).collect();
        context.printer().error(&lines.join("\n"));
    }
    if findings.errors.is_empty() {
        return Ok(Some(log.name()));
    }
    context.printer().error(&findings.errors.to_string());
    Ok(None)
}
