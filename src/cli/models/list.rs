//! `fastdata models list`: a table or JSON of all versions.

use super::versions::ModelVersion;
use crate::cli::context::CliContext;
use crate::cli::figures::bytes;
use crate::cli::output::OutputFormat;
use crate::cli::table::{Table, TableColumn};

pub(super) fn print(versions: &[ModelVersion], output: OutputFormat, context: &CliContext) -> anyhow::Result<()> {
    if output == OutputFormat::Json {
        let lines: String = versions.iter().map(|v| format!("{}\n", v.summary())).collect();
        return context.printer().print_json(lines);
    }
    if versions.is_empty() {
        return Ok(());
    }
    let mut table = Table::new([
        TableColumn::left("model"),
        TableColumn::left("data type"),
        TableColumn::left("format"),
        TableColumn::right("size"),
        TableColumn::left("published"),
        TableColumn::left("state"),
    ]);
    for version in versions {
        let unknown = || "-".to_owned();
        let (name, data_type, format, size) = match &version.descriptor {
            Ok(d) => (
                d.name.as_str(),
                d.served_as().to_owned(),
                d.format().map_or_else(|_| "unknown".into(), |f| f.to_string()),
                version.bytes.map_or_else(|| "elsewhere".into(), bytes),
            ),
            Err(_) => ("?", unknown(), unknown(), unknown()),
        };
        let label = format!("{name}@{}", version.offset);
        table.row([label, data_type, format, size, version.published_at(), version.state.name().to_owned()]);
    }
    context.printer().print(table)
}
