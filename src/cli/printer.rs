//! Writes to stdout and stderr: data goes to stdout, messages go to stderr.
//!
//! Records are written as they are, without colour; texts and messages without control characters, which may come from
//! outside. Messages show nothing that `${…}` brought into a pipeline file. If the reader of stdout goes away, the
//! command ends successfully.
//! A failure to write a message is ignored.

use super::global::LogFormat;
use super::{logs, status_line};
use crate::diagnostics::{Report, Secrets, escaped, mask, visible};
use anstyle::{AnsiColor, Style};
use serde_json::Value;
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

/// How bad a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    Info,
    Warning,
    Error,
}

impl Severity {
    /// The beginning of a message for a person.
    fn prefix(self) -> &'static str {
        match self {
            Self::Info => "",
            Self::Warning => "warning: ",
            Self::Error => "error: ",
        }
    }

    /// The level of a log line.
    fn level(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warning => "WARN",
            Self::Error => "ERROR",
        }
    }
}

#[derive(Debug)]
pub(super) struct Printer {
    quiet: bool,
    format: LogFormat,
}

impl Printer {
    pub(super) fn new(quiet: bool, format: LogFormat) -> Self {
        Self { quiet, format }
    }

    /// A buffered writer of data; flush it when a reader waits for the data.
    pub(super) fn stdout(&self) -> DataWriter {
        DataWriter(BufWriter::with_capacity(64 << 10, io::stdout()))
    }

    /// Writes a text to stdout, without control characters.
    pub(super) fn print(&self, text: impl fmt::Display) -> anyhow::Result<()> {
        self.print_raw(&visible(&text.to_string()))
    }

    /// Writes lines of JSON to stdout; control characters in them are escaped.
    pub(super) fn print_json(&self, lines: impl fmt::Display) -> anyhow::Result<()> {
        self.print_raw(&escaped(&lines.to_string()))
    }

    /// Writes a text to stdout whose pieces from outside have no control characters, but which has colours.
    pub(super) fn print_styled(&self, text: &str) -> anyhow::Result<()> {
        self.print_raw(text)
    }

    fn print_raw(&self, text: &str) -> anyhow::Result<()> {
        let mut data = self.stdout();
        data.write_all(text.as_bytes())?;
        Ok(data.flush()?)
    }

    /// Writes what a pipeline file says, such as a plan, to stdout: without what `${…}` brought in.
    pub(super) fn print_plan(&self, text: &str) -> anyhow::Result<()> {
        self.print(mask(text))
    }

    /// Writes a message to stderr, unless `--quiet` is set.
    pub(super) fn info(&self, text: impl fmt::Display) {
        if !self.quiet {
            self.message(Severity::Info, &text.to_string(), None);
        }
    }

    /// Writes a warning to stderr, unless `--quiet` is set.
    pub(super) fn warn(&self, text: impl fmt::Display) {
        self.talk(Severity::Warning, &text.to_string(), None);
    }

    /// Writes a message to stderr, with what to do, unless `--quiet` is set.
    pub(super) fn talk(&self, severity: Severity, message: &str, hint: Option<&str>) {
        if !self.quiet {
            self.message(severity, message, hint);
        }
    }

    /// Says on stderr what has happened, unless `--quiet` is set: a text for people, fields for programs.
    pub(super) fn event(&self, text: &str, fields: Vec<(&'static str, Value)>) {
        match self.format {
            _ if self.quiet => {}
            LogFormat::Json => {
                let secrets = Secrets::known();
                let masked = fields.into_iter().map(|(name, mut value)| {
                    logs::mask_values(&mut value, &secrets);
                    (name, value)
                });
                logs::write_json(Severity::Info.level(), masked);
            }
            LogFormat::Text => self.message(Severity::Info, text, None),
        }
    }

    /// Writes a message to stderr, with what to do, without secrets and control characters.
    pub(super) fn message(&self, severity: Severity, message: &str, hint: Option<&str>) {
        let (message, hint) = (mask(message), hint.map(mask));
        if self.format == LogFormat::Json {
            let hint = hint.map(|hint| ("hint", hint.into()));
            return logs::write_json(severity.level(), [("message", message.into())].into_iter().chain(hint));
        }
        let hint = hint.map_or_else(String::new, |hint| format!("hint: {hint}\n"));
        write_text(&format!("{}{message}\n{hint}", severity.prefix()));
    }

    /// Writes the messages of a report to stderr. They are masked where the report words them: the excerpts show the file
    /// as it is.
    pub(super) fn report(&self, severity: Severity, report: &Report) {
        if self.format == LogFormat::Json {
            for found in report.messages() {
                let place = found.place.map(|(line, column)| [("line", line.into()), ("column", column.into())]);
                let hint = found.hint.map(|hint| ("hint", hint.into()));
                let fields = [("message", found.message.into()), ("file", report.source.name.clone().into())];
                logs::write_json(severity.level(), fields.into_iter().chain(place.into_iter().flatten()).chain(hint));
            }
            return;
        }
        let text = report.to_string();
        let lines = text.lines().map(|line| match line.strip_prefix(Severity::Error.prefix()) {
            Some(message) => format!("{}{message}\n", severity.prefix()),
            None => format!("{line}\n"),
        });
        write_text(&lines.collect::<String>());
    }

    /// Whether stderr shows progress bars.
    pub(super) fn shows_progress(&self) -> bool {
        !self.quiet && self.format == LogFormat::Text && io::stderr().is_terminal()
    }

    /// Whether a person types the input and reads the messages.
    pub(super) fn is_interactive(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }
}

/// Writes lines to stderr, with colour if enabled.
fn write_text(text: &str) {
    let lines: String = visible(text).lines().map(|line| paint(line) + "\n").collect();
    let _ = status_line::above(|| anstream::stderr().write_all(lines.as_bytes()));
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
