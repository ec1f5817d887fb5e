//! Writes to stdout and stderr: data goes to stdout, messages go to stderr.
//!
//! Data is written as it is, without colour. If the reader of stdout goes away, the command ends successfully.
//! A failure to write a message is ignored.

use anstyle::{AnsiColor, Style};
use std::fmt;
use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write};

/// The reader of stdout has closed it.
#[derive(Debug, thiserror::Error)]
#[error("stdout was closed by its reader")]
pub(super) struct StdoutClosed;

impl StdoutClosed {
    /// Whether it is the cause of an error.
    pub(super) fn is_cause_of(error: &anyhow::Error) -> bool {
        error.chain().filter_map(|e| e.downcast_ref::<io::Error>()).any(|e| e.get_ref().is_some_and(|e| e.is::<Self>()))
    }
}

#[derive(Debug)]
pub(super) struct Printer {
    quiet: bool,
}

impl Printer {
    pub(super) fn new(quiet: bool) -> Self {
        Self { quiet }
    }

    /// A buffered writer of data; flush it when a reader waits for the data.
    pub(super) fn stdout(&self) -> DataWriter {
        DataWriter(BufWriter::with_capacity(64 << 10, io::stdout()))
    }

    /// Writes a text to stdout.
    pub(super) fn print(&self, text: impl fmt::Display) -> anyhow::Result<()> {
        let mut data = self.stdout();
        data.write_all(text.to_string().as_bytes())?;
        Ok(data.flush()?)
    }

    /// Writes a message to stderr, unless `--quiet` is set.
    pub(super) fn info(&self, text: impl fmt::Display) {
        if !self.quiet {
            let _ = writeln!(anstream::stderr(), "{text}");
        }
    }

    /// Writes a warning to stderr.
    pub(super) fn warn(&self, text: impl fmt::Display) {
        self.error(&format!("warning: {text}\n"));
    }

    /// Writes the lines of an error message to stderr, with colour if enabled.
    pub(super) fn error(&self, text: &str) {
        let lines: String = text.lines().map(|line| paint(line) + "\n").collect();
        let _ = anstream::stderr().write_all(lines.as_bytes());
    }

    /// Whether stderr shows progress bars.
    pub(super) fn shows_progress(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// Whether a person types the input and reads the messages.
    pub(super) fn is_interactive(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }
}

fn paint(line: &str) -> String {
    const PREFIXES: [(&str, AnsiColor); 3] =
        [("error:", AnsiColor::Red), ("warning:", AnsiColor::Yellow), ("hint:", AnsiColor::Cyan)];
    for (prefix, color) in PREFIXES {
        if let Some(rest) = line.strip_prefix(prefix) {
            let style = Style::new().bold().fg_color(Some(color.into()));
            return format!("{style}{prefix}{style:#}{rest}");
        }
    }
    line.to_owned()
}

/// Stdout.
#[derive(Debug)]
pub(super) struct DataWriter(BufWriter<Stdout>);

impl Write for DataWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(mark_closed)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(mark_closed)
    }
}

fn mark_closed(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => io::Error::new(io::ErrorKind::BrokenPipe, StdoutClosed),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_closed_stdout_is_a_success() {
        let ours = mark_closed(io::ErrorKind::BrokenPipe.into());
        assert!(StdoutClosed::is_cause_of(&ours.into()));
        assert!(!StdoutClosed::is_cause_of(&io::Error::from(io::ErrorKind::BrokenPipe).into()));
    }

    #[test]
    fn only_prefixes_are_painted() {
        assert!(paint("error: x").starts_with('\u{1b}'));
        assert_eq!(paint("  --> p.yaml:1:1"), "  --> p.yaml:1:1");
    }
}
