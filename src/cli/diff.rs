//! `fastdata diff`: what becomes of the state of each step where a pipeline file takes over.

use super::context::CliContext;
use super::exit::InvalidInputReported;
use super::output::OutputFormat;
use super::table::{Table, TableColumn};
use super::{backplane, run};
use crate::plan::{StateVerdict, state_verdicts};
use crate::runtime::{CancelToken, reports, topics};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Show what becomes of the state of each step when a pipeline file is edited
///
/// A run refuses what is `refused` here. Exit code 2 says that something is.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata diff old.yaml new.yaml       compare two versions of a file
  fastdata diff --running new.yaml      compare with what runs of the pipeline have committed")]
pub(super) struct DiffArgs {
    /// Pipeline files: the old one and the new one, or with `--running` the new one
    #[arg(value_name = "FILE", required = true, num_args = 1..=2)]
    pub(super) files: Vec<PathBuf>,

    /// Compare with the state that is committed on the backplane
    #[arg(long)]
    pub(super) running: bool,

    /// For a person or for a program
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub(super) output: OutputFormat,
}

pub(super) fn execute(args: &DiffArgs, context: &CliContext) -> anyhow::Result<()> {
    let verdicts = match (args.files.as_slice(), args.running) {
        ([new], true) => {
            let (spec, plan) = run::compile(new)?;
            let log = backplane::open_existing(context.global(), Some(&spec))?;
            let reports = reports(log.as_ref(), &plan.name, &CancelToken::default())?;
            topics::recorded_verdicts(&plan, &reports)
        }
        ([old, new], false) => state_verdicts(&run::compile(old)?.1.states(), &run::compile(new)?.1.states()),
        (_, true) => return Err(super::exit::UserError::new("with `--running` there is one file, the new one").into()),
        (_, false) => {
            let hint = "give the old file and the new one, or add `--running` to compare with what is committed";
            return Err(super::exit::UserError::new("there is nothing to compare the file with").hint(hint).into());
        }
    };
    print(&verdicts, args.output, context)?;
    match verdicts.values().any(StateVerdict::is_refused) {
        true => Err(InvalidInputReported.into()),
        false => Ok(()),
    }
}

fn print(verdicts: &BTreeMap<String, StateVerdict>, output: OutputFormat, context: &CliContext) -> anyhow::Result<()> {
    if output == OutputFormat::Json {
        for (step, verdict) in verdicts {
            let line = serde_json::json!({"step": step, "state": verdict.word(), "why": verdict.to_string()});
            context.printer().print(format_args!("{line}\n"))?;
        }
        return Ok(());
    }
    if verdicts.is_empty() {
        context.printer().info("no step of either has state");
        return Ok(());
    }
    let columns = vec![TableColumn::left("step"), TableColumn::left("state"), TableColumn::left("why")];
    let mut table = Table::new(columns);
    for (step, verdict) in verdicts {
        table.row([step.clone(), verdict.word().to_owned(), verdict.to_string()]);
    }
    context.printer().print(table)
}
