//! Where log lines go: stderr, as text or as JSON.
//!
//! Separate because the library only emits events; whether and how they are seen is the program's choice.

use super::global::{Global, LogFormat};
use std::io::{self, IsTerminal as _};
use tracing_subscriber::EnvFilter;

/// The variable with filters that go beyond `-v` and `-q`.
const VARIABLE: &str = "FASTDATA_LOG";

/// Starts writing log lines; called once. `lively` commands tell their own story, and leave only warnings.
pub(super) fn start(global: &Global, lively: bool) {
    let filter = match std::env::var(VARIABLE) {
        Ok(filters) if !filters.is_empty() => EnvFilter::new(filters),
        _ => EnvFilter::new(level(global, lively)),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        // A closed stderr must not become a panic.
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

fn level(global: &Global, lively: bool) -> &'static str {
    match (global.quiet, global.verbose) {
        (true, _) => "error",
        (false, 0) if lively => "warn",
        (false, 0) => "warn,fastdata=info",
        (false, 1) => "info,fastdata=debug",
        (false, _) => "debug,fastdata=trace",
    }
}
