//! `fastdata validate`: checks pipeline files, with `--online` also against the backplane.

use super::context::CliContext;
use super::exit::{self, FailureReported, InvalidInputReported};
use super::printer::Severity;
use super::run::compile;
use super::{backplane, online_checks};
use crate::log::LogError;
use crate::plan::Physical;
use crate::spec::Spec;
use std::path::PathBuf;

/// Check pipeline files and show all errors
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata validate pipeline.yaml
  fastdata validate pipelines/*.yaml
  envsubst < template.yaml | fastdata validate -
  fastdata validate pipeline.yaml --online --brokers localhost:9092")]
pub(super) struct ValidateArgs {
    /// Pipeline files; `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    pub(super) files: Vec<PathBuf>,

    /// Also check topics, partitions, access rights and models on the backplane; changes nothing
    #[arg(long)]
    pub(super) online: bool,
}

pub(super) fn execute(args: &ValidateArgs, context: &CliContext) -> anyhow::Result<()> {
    let (mut invalid, mut failed) = (false, false);
    for path in &args.files {
        let checked = compile(path).and_then(|(spec, plan)| {
            backplane::check_rack(context.global(), &spec, &plan)?;
            Ok(args.online.then_some((spec, plan)))
        });
        let valid = format!("{}: valid", path.display());
        match checked {
            Ok(None) => context.printer().info(valid),
            Ok(Some((spec, plan))) => match check_online(&spec, plan, context) {
                Ok(Some(name)) => context.printer().info(format_args!("{valid} on {name}")),
                Ok(None) => invalid = true,
                // The next file may name another backplane.
                Err(error) if error.is::<LogError>() => {
                    failed = true;
                    exit::show(&error, context.printer());
                }
                Err(error) => return Err(error),
            },
            Err(error) => {
                invalid = true;
                exit::show(&error, context.printer());
            }
        }
    }
    match (invalid, failed) {
        (true, _) => Err(InvalidInputReported.into()),
        (false, true) => Err(FailureReported.into()),
        (false, false) => Ok(()),
    }
}

/// Checks a pipeline against its backplane and prints what prevents a run; returns the name of the backplane if
/// nothing does.
fn check_online(spec: &Spec, mut plan: Physical, context: &CliContext) -> anyhow::Result<Option<String>> {
    let log = backplane::open_existing(context.global(), Some(spec))?;
    backplane::fit_topics(&mut plan, backplane::settings(context.global(), Some(spec))?.as_ref());
    let findings = online_checks::check(spec, &plan, &*log)?;
    context.printer().report(Severity::Warning, &findings.warnings);
    if findings.errors.is_empty() {
        return Ok(Some(log.name()));
    }
    context.printer().report(Severity::Error, &findings.errors);
    Ok(None)
}
