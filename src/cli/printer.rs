//! The only place that writes to the terminal: stdout is data, stderr is talk.
//!
//! Separate so that colour, quiet and closed pipes are decided once. Data is written as it is, without
//! colour. Failing to talk is not an error; a reader of our data that went away ends the command well.

use anstyle::{AnsiColor, Style};
use std::fmt;
use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write};

/// The reader of stdout is gone.
#[derive(Debug, thiserror::Error)]
#[error("stdout was closed by its reader")]
pub(super) struct Closed;

impl Closed {
    /// Whether it is what ended a command.
    pub(super) fn is_why(error: &anyhow::Error) -> bool {
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

    /// Where a command writes its data; buffered, so it must be flushed where a reader waits for it.
    pub(super) fn data(&self) -> Data {
        Data(BufWriter::with_capacity(64 << 10, io::stdout()))
    }

    /// Writes a text as data.
    pub(super) fn print(&self, text: impl fmt::Display) -> anyhow::Result<()> {
        let mut data = self.data();
        data.write_all(text.to_string().as_bytes())?;
        Ok(data.flush()?)
    }

    /// Tells the person something; silent with `--quiet`.
    pub(super) fn talk(&self, text: impl fmt::Display) {
        if !self.quiet {
            let _ = writeln!(anstream::stderr(), "{text}");
        }
    }

    /// Tells the person of something that may not be what they want.
    pub(super) fn warn(&self, text: impl fmt::Display) {
        self.error(&format!("warning: {text}\n"));
    }

    /// Prints the lines of an error message, with colour where it is wanted.
    pub(super) fn error(&self, text: &str) {
        let lines: String = text.lines().map(|line| painted(line) + "\n").collect();
        let _ = anstream::stderr().write_all(lines.as_bytes());
    }

    /// Whether moving pictures make sense on stderr.
    pub(super) fn is_lively(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// Whether a person is there to be asked.
    pub(super) fn is_attended(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }
}

fn painted(line: &str) -> String {
    const HEADS: [(&str, AnsiColor); 3] =
        [("error:", AnsiColor::Red), ("warning:", AnsiColor::Yellow), ("hint:", AnsiColor::Cyan)];
    for (head, color) in HEADS {
        if let Some(rest) = line.strip_prefix(head) {
            let style = Style::new().bold().fg_color(Some(color.into()));
            return format!("{style}{head}{style:#}{rest}");
        }
    }
    line.to_owned()
}

/// Stdout, for data only.
#[derive(Debug)]
pub(super) struct Data(BufWriter<Stdout>);

impl Write for Data {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(closed)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(closed)
    }
}

fn closed(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => io::Error::new(io::ErrorKind::BrokenPipe, Closed),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_stdout_closing_ends_a_command_well() {
        let ours = closed(io::ErrorKind::BrokenPipe.into());
        assert!(Closed::is_why(&ours.into()));
        assert!(!Closed::is_why(&io::Error::from(io::ErrorKind::BrokenPipe).into()));
    }

    #[test]
    fn heads_are_painted_and_bodies_are_not() {
        assert!(painted("error: x").starts_with('\u{1b}'));
        assert_eq!(painted("  --> p.yaml:1:1"), "  --> p.yaml:1:1");
    }
}
