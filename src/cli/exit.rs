//! The exit codes, and the one place where an error becomes one.
//!
//! 0 done; 1 failed while running; 2 the user's input is wrong; 130 interrupted twice. Commands return
//! errors and never exit; what kind an error is follows from its type, never from its text.

use super::printer::{Closed, Printer};
use crate::diagnostics::Report;
use crate::log::LogError;
use crate::models::ModelError;
use crate::spec::ReadError;
use std::process::ExitCode;
use thiserror::Error;

const FAILED: u8 = 1;
const WRONG_INPUT: u8 = 2;
const INTERRUPTED: i32 = 130;

/// Something that the user wrote cannot be used.
#[derive(Debug, Error)]
#[error("{message}")]
pub(super) struct WrongInput {
    message: String,
    hint: Option<String>,
}

impl WrongInput {
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

/// A command that has said all there is to say, and failed.
#[derive(Debug, Error)]
#[error("failed")]
pub(super) struct Failed;

/// Files whose faults have been printed.
#[derive(Debug, Error)]
#[error("the files are wrong")]
pub(super) struct WrongFiles;

/// Prints what clap has to say: help and version are answers, all else is wrong input.
pub(super) fn arguments(said: &clap::Error) -> ExitCode {
    // A pipe that is closed before the help is read is no error.
    let _ = said.print();
    if said.use_stderr() { ExitCode::from(WRONG_INPUT) } else { ExitCode::SUCCESS }
}

/// Prints the error, where there is one, and gives the code of the process.
pub(super) fn report(outcome: anyhow::Result<()>, printer: &Printer) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    if Closed::is_why(&error) {
        return ExitCode::SUCCESS;
    }
    if !error.is::<Failed>() && !error.is::<WrongFiles>() {
        printer.error(&text(&error));
    }
    ExitCode::from(if is_wrong_input(&error) { WRONG_INPUT } else { FAILED })
}

/// Ends the process because it was asked to twice.
pub(super) fn interrupted() -> ! {
    std::process::exit(INTERRUPTED)
}

pub(super) fn text(error: &anyhow::Error) -> String {
    if let Some(report) = report_in(error) {
        return report.to_string();
    }
    let mut text = format!("error: {error:#}\n");
    if let Some(hint) = error.chain().find_map(|e| e.downcast_ref::<WrongInput>()).and_then(|w| w.hint.as_ref()) {
        text.push_str(&format!("hint: {hint}\n"));
    }
    text
}

/// Findings in a file that the user wrote speak for themselves.
fn report_in(error: &anyhow::Error) -> Option<&Report> {
    match error.downcast_ref::<ReadError>() {
        Some(ReadError::Report(report)) => Some(report),
        Some(ReadError::Io { .. }) => None,
        None => error.downcast_ref(),
    }
}

fn is_wrong_input(error: &anyhow::Error) -> bool {
    error.is::<WrongInput>()
        || error.is::<WrongFiles>()
        || report_in(error).is_some()
        || error.is::<ReadError>()
        || error.downcast_ref::<LogError>().is_some_and(is_wrong_name)
        || error.downcast_ref::<ModelError>().is_some_and(|e| !matches!(e, ModelError::Evaluation { .. }))
}

fn is_wrong_name(error: &LogError) -> bool {
    use LogError as E;
    match error {
        E::UnknownTopic { .. }
        | E::TopicExists(_)
        | E::InvalidTopic(_)
        | E::UnknownPartition { .. }
        | E::OffsetOutOfRange { .. } => true,
        E::TopicReplaced { .. }
        | E::GroupTaken { .. }
        | E::Fenced { .. }
        | E::Undone { .. }
        | E::TooLarge { .. }
        | E::Corrupt(_)
        | E::Unusable(_)
        | E::Busy(_) => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_an_error_decides_not_its_text() {
        let topic = LogError::UnknownTopic { topic: "rwa".into(), known: vec!["raw".into()] };
        assert!(is_wrong_input(&topic.into()));
        assert!(is_wrong_input(&WrongInput::new("no").into()));
        assert!(!is_wrong_input(&LogError::Unusable("no room".into()).into()));
        assert!(!is_wrong_input(&anyhow::anyhow!("the user's input is wrong")));
    }

    #[test]
    fn a_hint_follows_its_error_through_context() {
        use anyhow::Context as _;
        let error = Err::<(), _>(WrongInput::new("no").hint("yes")).context("seeding").unwrap_err();
        assert_eq!(text(&error), "error: seeding: no\nhint: yes\n");
        assert!(is_wrong_input(&error));
    }
}
