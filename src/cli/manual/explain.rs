//! `fastdata explain`: prints a page of the manual.

use super::SUBJECTS;
use super::terminal::PageStyle;
use crate::cli::context::CliContext;
use crate::cli::exit::UserError;
use crate::cli::table::terminal_width;
use crate::diagnostics::{nearest, width};
use std::io::IsTerminal as _;

/// The width of a page in a pipe, and the greatest on a terminal: longer lines are hard to read.
const PIPE_WIDTH: usize = 80;
const MAX_WIDTH: usize = 100;

/// Print a page of the manual, or the list of its subjects
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata explain               the subjects
  fastdata explain time          how event time, watermarks and windows work
  fastdata explain kafka | less")]
pub(in crate::cli) struct ExplainArgs {
    /// Subject of the page
    #[arg(value_name = "SUBJECT")]
    subject: Option<String>,
}

pub(in crate::cli) fn execute(args: &ExplainArgs, context: &CliContext) -> anyhow::Result<()> {
    let Some(wanted) = &args.subject else { return context.printer().print(list()) };
    let Some(subject) = SUBJECTS.iter().find(|s| s.name == wanted) else {
        let near = nearest(wanted, SUBJECTS.iter().map(|s| s.name));
        let hint =
            near.map_or_else(|| "`fastdata explain` lists them".into(), |near| format!("did you mean `{near}`?"));
        return Err(UserError::new(format!("the manual has no subject `{wanted}`")).hint(hint).into());
    };
    let terminal = std::io::stdout().is_terminal();
    let colored = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
    let width = if terminal { terminal_width().min(MAX_WIDTH) } else { PIPE_WIDTH };
    context.printer().print_styled(&PageStyle { width, colored }.render(subject.text))
}

fn list() -> String {
    let widest = SUBJECTS.iter().map(|s| width(s.name)).max().unwrap_or(0);
    let line = |name: &str, title: &str| format!("{name:widest$}  {title}\n");
    SUBJECTS.iter().map(|s| line(s.name, s.title())).collect()
}
