//! Sets up the log lines on stderr, as text or as JSON.

use super::global::{Global, LogFormat};
use std::io::{self, IsTerminal as _};
use tracing_subscriber::EnvFilter;

/// Environment variable with log filters; it beats `-v` and `-q`.
const FILTER_VARIABLE: &str = "FASTDATA_LOG";

/// Starts writing log lines; called once. `warnings_only` is for commands that show their progress themselves.
pub(super) fn start(global: &Global, warnings_only: bool) {
    let filter = match std::env::var(FILTER_VARIABLE) {
        Ok(filters) if !filters.is_empty() => EnvFilter::new(filters),
        _ => EnvFilter::new(level(global, warnings_only)),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        // Otherwise a closed stderr causes a panic.
        .log_internal_errors(false)
        .with_target(global.verbose > 0);
    match global.log_format {
        LogFormat::Json => builder.json().with_current_span(false).init(),
        LogFormat::Text => {
            let color = anstream::AutoStream::choice(&io::stderr());
            let ansi = match color {
                anstream::ColorChoice::Never => false,
                anstream::ColorChoice::Auto => io::stderr().is_terminal(),
                anstream::ColorChoice::Always | anstream::ColorChoice::AlwaysAnsi => true,
            };
            builder.with_ansi(ansi).init();
        }
    }
}

fn level(global: &Global, warnings_only: bool) -> &'static str {
    match (global.quiet, global.verbose) {
        (true, _) => "error",
        (false, 0) if warnings_only => "warn",
        (false, 0) => "warn,fastdata=info",
        (false, 1) => "info,fastdata=debug",
        (false, _) => "debug,fastdata=trace",
    }
}
