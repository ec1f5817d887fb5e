//! `stats --follow`: repeated samples, on the live screen of a terminal, else as JSON lines or text.

use super::sampler::{SAMPLE_INTERVAL, StatsSampler};
use super::{live, text};
use crate::cli::context::CliContext;
use crate::cli::output::OutputFormat;
use crate::metrics::Snapshot;
use std::io::{IsTerminal as _, Write as _};

/// Shows samples until interrupted.
pub(super) fn follow(
    sampler: &mut StatsSampler,
    output: Option<OutputFormat>,
    context: &CliContext,
) -> anyhow::Result<()> {
    let terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if terminal && output != Some(OutputFormat::Json) {
        return live::show(sampler, context);
    }
    let shutdown = context.shutdown();
    let mut data = context.printer().stdout();
    while !shutdown.is_requested() {
        let found = sampler.sample(context.printer())?;
        match output {
            Some(OutputFormat::Text) => text::print(&found, context.printer())?,
            Some(OutputFormat::Json) | None => data.write_all(json(&found)?.as_bytes())?,
        }
        data.flush()?;
        shutdown.sleep(SAMPLE_INTERVAL);
    }
    Ok(())
}

/// One object per line.
pub(super) fn json(snapshots: &[Snapshot]) -> anyhow::Result<String> {
    let mut lines = String::new();
    for snapshot in snapshots {
        lines.push_str(&serde_json::to_string(snapshot)?);
        lines.push('\n');
    }
    Ok(lines)
}
