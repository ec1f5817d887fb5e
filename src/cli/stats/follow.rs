//! Samples without end: to the live screen on a terminal, else as JSON lines or blocks of text.

use super::collect::Sampler;
use super::{EVERY, live, text};
use crate::cli::context::Context;
use crate::cli::output::Output;
use crate::metrics::Snapshot;
use std::io::{IsTerminal as _, Write as _};

/// Shows samples until interrupted.
pub(super) fn follow(sampler: &mut Sampler, output: Option<Output>, context: &Context) -> anyhow::Result<()> {
    let terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if terminal && output != Some(Output::Json) {
        return live::show(sampler, context);
    }
    let shutdown = context.shutdown();
    let mut data = context.printer().data();
    while !shutdown.requested() {
        let found = sampler.sample(context.printer())?;
        match output {
            Some(Output::Text) => text::print(&found, context.printer())?,
            Some(Output::Json) | None => data.write_all(json(&found)?.as_bytes())?,
        }
        data.flush()?;
        shutdown.sleep(EVERY);
    }
    Ok(())
}

/// One object a line.
pub(super) fn json(snapshots: &[Snapshot]) -> anyhow::Result<String> {
    let mut lines = String::new();
    for snapshot in snapshots {
        lines.push_str(&serde_json::to_string(snapshot)?);
        lines.push('\n');
    }
    Ok(lines)
}
