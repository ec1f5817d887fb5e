//! What every command receives: the global options, the printer and the shutdown request.
//!
//! Signals are caught only for commands that call [`CliContext::shutdown`]; an interrupt ends all others at once.

use super::global::Global;
use super::printer::Printer;
use super::shutdown::Shutdown;
use std::sync::OnceLock;

#[derive(Debug)]
pub(super) struct CliContext {
    global: Global,
    printer: Printer,
    shutdown: OnceLock<Shutdown>,
}

impl CliContext {
    pub(super) fn new(global: Global, printer: Printer) -> Self {
        Self { global, printer, shutdown: OnceLock::new() }
    }

    pub(super) fn global(&self) -> &Global {
        &self.global
    }

    pub(super) fn printer(&self) -> &Printer {
        &self.printer
    }

    /// From the first call on, the first SIGINT or SIGTERM requests a shutdown and the second ends the process.
    pub(super) fn shutdown(&self) -> Shutdown {
        self.shutdown.get_or_init(Shutdown::on_signals).clone()
    }
}
