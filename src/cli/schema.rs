//! `fastdata schema`: the JSON Schema of pipeline files, for editors.

use super::context::CliContext;

/// Print the JSON Schema of pipeline files, for editors that complete and check YAML
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata schema > fastdata.schema.json

For an editor with a YAML language server, start the pipeline file with this line:
  # yaml-language-server: $schema=./fastdata.schema.json")]
pub(super) struct SchemaArgs {}

pub(super) fn execute(_args: &SchemaArgs, context: &CliContext) -> anyhow::Result<()> {
    let schema = serde_json::to_string_pretty(&crate::spec::json_schema())?;
    context.printer().print_json(format_args!("{schema}\n"))
}
