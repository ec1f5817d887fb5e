//! `fastdata schema`: the JSON Schema of pipeline files, for editors.

use super::context::Context;

/// Print the JSON Schema of pipeline files, for editors that complete and check YAML
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata schema > fastdata.schema.json

In an editor with a YAML language server, put this first into a pipeline file:
  # yaml-language-server: $schema=./fastdata.schema.json")]
pub(super) struct Args {}

pub(super) fn execute(_args: &Args, context: &Context) -> anyhow::Result<()> {
    let schema = serde_json::to_string_pretty(&crate::spec::json_schema())?;
    context.printer().print(format_args!("{schema}\n"))
}
