//! What every command is given: the global options, the printer, and the wish to stop.
//!
//! Separate so that a command's signature stays the same when a global option comes. Signals are caught
//! only for commands that ask for [`Context::shutdown`]: all others end at once when interrupted.

use super::global::Global;
use super::printer::Printer;
use super::shutdown::Shutdown;
use std::sync::OnceLock;

#[derive(Debug)]
pub(super) struct Context {
    global: Global,
    printer: Printer,
    shutdown: OnceLock<Shutdown>,
}

impl Context {
    pub(super) fn new(global: Global, printer: Printer) -> Self {
        Self { global, printer, shutdown: OnceLock::new() }
    }

    pub(super) fn global(&self) -> &Global {
        &self.global
    }

    pub(super) fn printer(&self) -> &Printer {
        &self.printer
    }

    /// From here on the first SIGINT or SIGTERM is a wish, and the second ends the process.
    pub(super) fn shutdown(&self) -> Shutdown {
        self.shutdown.get_or_init(Shutdown::on_signals).clone()
    }
}
