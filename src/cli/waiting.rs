//! `--wait`: waits at the start for what other processes bring: brokers, topics, the log itself.

use super::context::CliContext;
use crate::log::LogError;
use std::time::{Duration, Instant};

/// How often it looks again.
const WAIT_INTERVAL: Duration = Duration::from_millis(200);

/// The value of `--wait`: none, for ever, or for a time.
pub(super) type WaitLimit = Option<Option<Duration>>;

/// Waits for what another process will create.
pub(super) struct Waiting<'a> {
    context: &'a CliContext,
    /// What is awaited where there is no log yet.
    wanted: String,
    /// With `--wait`: until when, if that is limited.
    until: Option<Option<Instant>>,
    /// What was said to be awaited.
    said: Option<String>,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(wait: WaitLimit, wanted: String, context: &'a CliContext) -> Self {
        let until = wait.map(|limit| limit.map(|limit| Instant::now() + limit));
        Self { context, wanted, until, said: None }
    }

    /// Whether there is a `--wait`.
    pub(super) fn is_wanted(&self) -> bool {
        self.until.is_some()
    }

    /// What `find` finds; `None` after an interrupt. Where nothing is to be waited for, its error.
    pub(super) fn until_found<T>(&mut self, mut find: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<Option<T>> {
        let shutdown = self.context.shutdown();
        while !shutdown.is_requested() {
            let error = match find() {
                Ok(found) => return Ok(Some(found)),
                Err(error) => error,
            };
            let awaited = match error.downcast_ref() {
                Some(LogError::UnknownTopic { topic, .. }) => format!("the topic `{topic}`"),
                Some(LogError::NoLog(_)) => self.wanted.clone(),
                Some(LogError::Busy(why)) => format!("the brokers: {why}"),
                _ => return Err(error),
            };
            match self.until {
                Some(until) if until.is_none_or(|until| Instant::now() < until) => {}
                _ => return Err(error),
            }
            if self.said.as_ref() != Some(&awaited) {
                self.context.printer().info(format_args!("waiting for {awaited}"));
                self.said = Some(awaited);
            }
            shutdown.sleep(WAIT_INTERVAL);
        }
        Ok(None)
    }
}
