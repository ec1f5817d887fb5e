//! Sets up the log lines on stderr, as text or as JSON, and the messages about panics.
//!
//! They show nothing that `${…}` brought into a pipeline file, and no control characters of texts from outside.

use super::global::{Global, LogFormat};
use super::status_line;
use crate::diagnostics::{Secrets, escaped, mask, visible};
use crate::runtime::LIFE_TARGET;
use crate::time::{Clock as _, SystemClock, rfc3339};
use serde_json::{Map, Value, json};
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal as _, Stderr, Write};
use tracing_subscriber::EnvFilter;

/// Environment variable with log filters; it beats `-v` and `-q`.
pub(super) const FILTER_VARIABLE: &str = "FASTDATA_LOG";

/// How much a command says itself, so that its log need not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommandTalk {
    /// Nothing.
    None,
    /// It ends with a summary for a person.
    Summary,
    /// It shows its progress.
    Progress,
}

/// Starts writing log lines; called once.
pub(super) fn start(global: &Global, talk: CommandTalk) {
    let filter = match std::env::var(FILTER_VARIABLE) {
        Ok(filters) if !filters.is_empty() => EnvFilter::new(filters),
        _ => EnvFilter::new(level(global, talk)),
    };
    let format = global.log_format;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || LogWriter { format, stderr: io::stderr() })
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

fn level(global: &Global, talk: CommandTalk) -> String {
    match (global.quiet, global.verbose, talk) {
        (true, ..) => "error".into(),
        (false, 0, CommandTalk::Progress) => "warn".into(),
        // Programs read the lines of JSON, and have no use for less of them.
        (false, 0, CommandTalk::Summary) if global.log_format == LogFormat::Text => {
            format!("warn,fastdata=info,{LIFE_TARGET}=warn")
        }
        (false, 0, CommandTalk::None | CommandTalk::Summary) => "warn,fastdata=info".into(),
        (false, 1, _) => "info,fastdata=debug".into(),
        (false, ..) => "debug,fastdata=trace".into(),
    }
}

/// Writes a line of JSON to stderr, in the form of the log lines.
pub(super) fn write_json<'f>(level: &str, fields: impl IntoIterator<Item = (&'f str, Value)>) {
    // A closed stderr is no failure.
    let _ = io::stderr().write_all(json_line(level, fields).as_bytes());
}

fn json_line<'f>(level: &str, fields: impl IntoIterator<Item = (&'f str, Value)>) -> String {
    let fields: Map<String, Value> = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    escaped(&format!("{}\n", json!({"timestamp": rfc3339(SystemClock.now()), "level": level, "fields": fields})))
}

/// From now on a panic is reported like any other error: without secrets, and as JSON where stderr is JSON.
pub(super) fn report_panics(format: LogFormat) {
    std::panic::set_hook(Box::new(move |info| {
        let thread = std::thread::current();
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let text = info.payload_as_str().unwrap_or("no message");
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
        let report = panic_report(format, thread.name().unwrap_or("<unnamed>"), &place, text, backtrace);
        let _ = status_line::above(|| io::stderr().write_all(report.as_bytes()));
    }));
}

fn panic_report(format: LogFormat, thread: &str, place: &str, text: &str, backtrace: Option<String>) -> String {
    let text = mask(text);
    if format == LogFormat::Json {
        let backtrace = backtrace.map(|b| ("backtrace", b.into()));
        let fields = [("message", format!("panic: {text}").into()), ("thread", thread.into()), ("place", place.into())];
        return json_line("ERROR", fields.into_iter().chain(backtrace));
    }
    let backtrace = backtrace.unwrap_or_default();
    visible(&format!("thread '{thread}' panicked at {place}:\n{text}\n{backtrace}")).into_owned()
}

/// Stderr for the lines of one event, which arrive in one piece.
struct LogWriter {
    format: LogFormat,
    stderr: Stderr,
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let masked = masked(&text, self.format);
        status_line::above(|| self.stderr.write_all(masked.as_bytes())).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stderr.flush()
    }
}

/// A log line without secrets.
fn masked(line: &str, format: LogFormat) -> String {
    let secrets = Secrets::known();
    // What is shown instead of a secret may hold quotes, so JSON is masked before it is written as JSON.
    match (format, serde_json::from_str::<Value>(line)) {
        (LogFormat::Json, Ok(mut event)) => {
            mask_values(&mut event, &secrets);
            escaped(&format!("{event}\n"))
        }
        (LogFormat::Json, Err(_)) | (LogFormat::Text, _) => shown(&secrets.mask(line)),
    }
}

/// The beginning of the colours with which the formatter writes; it escapes this character in what comes from outside.
const COLOR: char = '\u{1b}';

/// A line without the control characters of texts from outside.
fn shown(line: &str) -> String {
    let mut pieces = line.split(COLOR);
    let first = visible(pieces.next().unwrap_or_default()).into_owned();
    pieces.fold(first, |line, piece| line + "\u{1b}" + &visible(piece))
}

pub(super) fn mask_values(value: &mut Value, secrets: &Secrets) {
    match value {
        Value::String(text) => *text = secrets.mask(text).into_owned(),
        Value::Array(items) => items.iter_mut().for_each(|item| mask_values(item, secrets)),
        // Also the names: those of a summary are topics.
        Value::Object(fields) => {
            let masked = std::mem::take(fields).into_iter().map(|(name, mut field)| {
                mask_values(&mut field, secrets);
                (secrets.mask(&name).into_owned(), field)
            });
            *fields = masked.collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_reported_in_the_format_of_stderr() {
        let report = |format| panic_report(format, "task 1", "src/a.rs:1:2", "index \u{1b} out of\nbounds", None);
        assert_eq!(report(LogFormat::Text), "thread 'task 1' panicked at src/a.rs:1:2:\nindex ␛ out of\nbounds\n");
        let line = report(LogFormat::Json);
        let event: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line.lines().count(), 1);
        assert_eq!((&event["level"], &event["fields"]["thread"]), (&json!("ERROR"), &json!("task 1")));
        assert_eq!(event["fields"]["message"], json!("panic: index \u{1b} out of\nbounds"));
    }

    #[test]
    fn log_lines_keep_their_colours_and_no_other_control_characters() {
        let line = "\u{1b}[2m2026\u{1b}[0m message\r\u{9b}\n";
        assert_eq!(masked(line, LogFormat::Text), "\u{1b}[2m2026\u{1b}[0m message␍\u{fffd}\n");
        assert_eq!(masked("{\"a\":\"\u{9b}\"}\n", LogFormat::Json), "{\"a\":\"\\u009b\"}\n");
    }
}
