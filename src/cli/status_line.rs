//! One line at the bottom of the terminal that shows how a command goes on. It makes way for everything else that is
//! written to stderr, and comes back when it is shown again.
//!
//! Only a command that has asked the printer whether stderr shows progress may show it.

use super::table::cut;
use crate::diagnostics::visible_line;
use std::io::{self, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// The width where the terminal does not tell it.
const DEFAULT_COLUMNS: u16 = 80;

/// Goes to the beginning of the line and erases it.
const ERASE: &str = "\r\u{1b}[2K";

/// What the line shows; empty while it is not there.
static SHOWN: Mutex<String> = Mutex::new(String::new());

/// Shows a text, cut to the width of the terminal.
pub(super) fn show(text: &str) {
    let told = ratatui::crossterm::terminal::size().map_or(0, |(columns, _)| columns);
    let columns = if told == 0 { DEFAULT_COLUMNS } else { told };
    let text = cut(&visible_line(text), usize::from(columns).saturating_sub(1));
    let mut shown = lock();
    if *shown != text {
        write(&format!("{ERASE}{text}"));
        *shown = text;
    }
}

/// Removes the line.
pub(super) fn clear() {
    erase(&mut lock());
}

/// Writes to stderr in the place of the line.
pub(super) fn above<T>(write: impl FnOnce() -> T) -> T {
    let mut shown = match SHOWN.try_lock() {
        Ok(shown) => shown,
        Err(TryLockError::Poisoned(e)) => e.into_inner(),
        // A panic while the line is written reports itself from the thread that holds it.
        Err(TryLockError::WouldBlock) if std::thread::panicking() => return write(),
        Err(TryLockError::WouldBlock) => lock(),
    };
    erase(&mut shown);
    write()
}

fn erase(shown: &mut String) {
    if !shown.is_empty() {
        write(ERASE);
        shown.clear();
    }
}

fn lock() -> MutexGuard<'static, String> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write(text: &str) {
    // A closed stderr is no failure.
    let _ = io::stderr().write_all(text.as_bytes());
}
