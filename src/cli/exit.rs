//! The exit codes, and the mapping from errors to them.
//!
//! 0 is success; 1 a failure at run time, or something is missing that may come by itself; 2 invalid input: arguments,
//! environment, files; 130 a second interrupt. Commands return errors and
//! never exit. The type of an error decides the code, never its text.

use super::global::LogFormat;
use super::printer::{Printer, Severity, StdoutClosed};
use crate::diagnostics::Report;
use crate::log::LogError;
use crate::models::ModelError;
use crate::spec::ReadError;
use std::process::ExitCode;
use thiserror::Error;

const FAILED: u8 = 1;
const USER_ERROR: u8 = 2;
const INTERRUPTED: i32 = 130;

/// The user's input cannot be used.
#[derive(Debug, Error)]
#[error("{message}")]
pub(super) struct UserError {
    message: String,
    hint: Option<String>,
}

impl UserError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }
}

/// The command has failed and has printed why.
#[derive(Debug, Error)]
#[error("failed")]
pub(super) struct FailureReported;

/// Files or settings are invalid, and their errors have been printed.
#[derive(Debug, Error)]
#[error("invalid input")]
pub(super) struct InvalidInputReported;

/// Prints clap's message: the requested help or version, or an error of the arguments.
pub(super) fn report_arguments(error: &clap::Error, format: LogFormat) -> ExitCode {
    if error.use_stderr() && format == LogFormat::Json {
        let text = error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
        Printer::new(false, format).message(Severity::Error, text, None);
    } else {
        // A pipe that is closed before the help is read is no error.
        let _ = error.print();
    }
    if error.use_stderr() { ExitCode::from(USER_ERROR) } else { ExitCode::SUCCESS }
}

/// Prints the error, if any, and returns the exit code.
pub(super) fn report(outcome: anyhow::Result<()>, printer: &Printer) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    if StdoutClosed::is_cause_of(&error) {
        return ExitCode::SUCCESS;
    }
    if !error.is::<FailureReported>() && !error.is::<InvalidInputReported>() {
        show(&error, printer);
    }
    ExitCode::from(if is_user_error(&error) { USER_ERROR } else { FAILED })
}

/// Ends the process after a second interrupt.
pub(super) fn interrupted() -> ! {
    std::process::exit(INTERRUPTED)
}

/// Prints an error with its hint.
pub(super) fn show(error: &anyhow::Error, printer: &Printer) {
    match report_in(error) {
        Some(report) => printer.report(Severity::Error, report),
        None => printer.message(Severity::Error, &format!("{error:#}"), hint(error)),
    }
}

/// What to do about an error.
fn hint(error: &anyhow::Error) -> Option<&str> {
    error.chain().find_map(|e| e.downcast_ref::<UserError>()).and_then(|w| w.hint.as_deref())
}

/// The report about a file, which has locations and hints of its own.
fn report_in(error: &anyhow::Error) -> Option<&Report> {
    match error.downcast_ref::<ReadError>() {
        Some(ReadError::Report(report)) => Some(report),
        Some(ReadError::Io { .. }) => None,
        None => error.downcast_ref(),
    }
}

fn is_user_error(error: &anyhow::Error) -> bool {
    error.is::<UserError>()
        || error.is::<InvalidInputReported>()
        || report_in(error).is_some()
        || error.is::<ReadError>()
        || error.downcast_ref::<LogError>().is_some_and(is_user_log_error)
        || error.downcast_ref::<ModelError>().is_some_and(|e| !matches!(e, ModelError::Evaluation { .. }))
}

fn is_user_log_error(error: &LogError) -> bool {
    use LogError as E;
    match error {
        E::TopicExists(_)
        | E::InvalidTopic(_)
        | E::InvalidSettings(_)
        | E::UnknownPartition { .. }
        | E::OffsetOutOfRange { .. } => true,
        // Another program may create it yet.
        E::UnknownTopic { .. }
        | E::NoLog(_)
        | E::TopicReplaced { .. }
        | E::GroupTaken { .. }
        | E::Fenced { .. }
        | E::Undone { .. }
        | E::TooLarge { .. }
        | E::Corrupt(_)
        | E::Unusable(_)
        | E::Denied(_)
        | E::Busy(_) => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_type_of_an_error_decides_its_code() {
        let topic = LogError::UnknownTopic { topic: "rwa".into(), known: vec!["raw".into()] };
        assert!(!is_user_error(&topic.into()));
        assert!(is_user_error(&LogError::TopicExists("raw".into()).into()));
        assert!(is_user_error(&UserError::new("no").into()));
        assert!(!is_user_error(&LogError::Unusable("no room".into()).into()));
        assert!(!is_user_error(&anyhow::anyhow!("the user's input is wrong")));
    }

    #[test]
    fn context_keeps_the_hint_of_an_error() {
        use anyhow::Context as _;
        let error = Err::<(), _>(UserError::new("no").hint("yes")).context("seeding").unwrap_err();
        assert_eq!((format!("{error:#}").as_str(), hint(&error)), ("seeding: no", Some("yes")));
        assert!(is_user_error(&error));
    }
}
