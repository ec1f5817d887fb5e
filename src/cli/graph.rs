//! `fastdata graph`: a pipeline as a drawing, or as text with its physical plan.

use super::context::Context;
use crate::plan;
use std::path::PathBuf;

/// Draw a pipeline
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata graph pipeline.yaml
  fastdata graph pipeline.yaml --format dot | dot -Tsvg > pipeline.svg
  fastdata graph pipeline.yaml --format mermaid >> README.md")]
pub(super) struct Args {
    /// A pipeline file
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,

    /// What to draw it as
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub(super) format: Format,
}

/// What a pipeline is drawn as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// Graphviz
    Dot,
    /// Mermaid, as Markdown pages show it
    Mermaid,
    /// Text, with the physical plan
    Text,
}

pub(super) fn execute(args: &Args, context: &Context) -> anyhow::Result<()> {
    let (_, physical) = super::run::compile(&args.file)?;
    context.printer().print(match args.format {
        Format::Dot => plan::dot(&physical),
        Format::Mermaid => plan::mermaid(&physical),
        Format::Text => plan::text(&physical),
    })
}
