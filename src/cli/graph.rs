//! `fastdata graph`: draws a pipeline, or prints its physical plan.

use super::context::CliContext;
use crate::plan;
use std::path::PathBuf;

/// Draw a pipeline
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata graph pipeline.yaml
  fastdata graph pipeline.yaml --format dot | dot -Tsvg > pipeline.svg
  fastdata graph pipeline.yaml --format mermaid >> README.md")]
pub(super) struct GraphArgs {
    /// A pipeline file; `-` is stdin
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,

    /// Format of the drawing
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub(super) format: GraphFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum GraphFormat {
    /// Graphviz
    Dot,
    /// Mermaid, for Markdown pages
    Mermaid,
    /// Text, with the physical plan
    Text,
}

pub(super) fn execute(args: &GraphArgs, context: &CliContext) -> anyhow::Result<()> {
    let (_, physical) = super::run::compile(&args.file)?;
    context.printer().print_plan(&match args.format {
        GraphFormat::Dot => plan::dot(&physical),
        GraphFormat::Mermaid => plan::mermaid(&physical),
        GraphFormat::Text => plan::text(&physical),
    })
}
