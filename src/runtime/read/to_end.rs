//! Reads a partition to where it ends at the start of the call.

use crate::log::{FetchLimit, Log, Reader, Start};
use crate::record::{Fetched, Offset, TopicPartition};
use crate::runtime::cancel::CancelToken;
use crate::runtime::fault::Fault;
use std::time::Duration;

/// Longest time of one poll, after which the token is checked again.
const POLL_TIMEOUT: Duration = Duration::from_millis(200);

/// Polls in a row without progress after which the log says what is awaited (3 s), and after which it says what to
/// do (1 min).
const SLOW_POLLS: u32 = 15;
const STUCK_POLLS: u32 = 300;

/// Reads one partition from its beginning to where it ends now, unless that is cancelled.
///
/// # Errors
/// Faults of the backplane, those of `each`, and [`Fault::Stopped`] where it was cancelled.
pub(in crate::runtime) fn read_all(
    log: &dyn Log,
    at: &TopicPartition,
    cancel: &CancelToken,
    each: impl FnMut(&Fetched) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let (from, end) = (log.resolve(at, Start::Earliest)?, log.resolve(at, Start::Latest)?);
    read_to(log.reader(&[(at.clone(), from)])?.as_mut(), end, cancel, each)
}

/// Reads to an end offset. This waits while a broker is away or a transaction is open.
pub(in crate::runtime) fn read_to(
    reader: &mut dyn Reader,
    end: Offset,
    cancel: &CancelToken,
    mut each: impl FnMut(&Fetched) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let (mut last, mut polls) = (None, 0);
    while let Some((at, next)) = reader.positions().into_iter().find(|(_, next)| *next < end) {
        if cancel.is_cancelled() {
            return Err(Fault::Stopped);
        }
        // Where records were compacted away a poll returns nothing, and only the position moves.
        polls = if last == Some(next) { polls + 1 } else { 0 };
        last = Some(next);
        if polls == SLOW_POLLS {
            tracing::info!(
                "waiting for offset {next} of `{at}`, which is to be read up to {end}: a broker is away, or a transaction in it is still open"
            );
        }
        if polls == STUCK_POLLS {
            tracing::warn!(
                "still waiting for offset {next} of `{at}`, which is to be read up to {end}; if all brokers are up, Kafka has left a transaction without an end: find it with `kafka-transactions.sh find-hanging`, and end it with `kafka-transactions.sh abort`"
            );
        }
        if let Some(fetched) = reader.poll(FetchLimit::default(), POLL_TIMEOUT)? {
            each(&fetched)?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::log::LogResult;
    use std::io::{Read as _, Seek as _};
    use std::sync::Arc;

    const END: Offset = Offset(5);

    /// A reader that returns nothing, and stands still until it has waited for a time.
    struct SilentReader {
        silence: Duration,
        waited: Duration,
    }

    impl Reader for SilentReader {
        fn poll(&mut self, _: FetchLimit, wait: Duration) -> LogResult<Option<Fetched>> {
            self.waited += wait;
            Ok(None)
        }

        fn positions(&self) -> Vec<(TopicPartition, Offset)> {
            vec![(TopicPartition::new("t", 0), if self.waited < self.silence { Offset(3) } else { END })]
        }

        fn pause(&mut self, _: &[TopicPartition], _: bool) -> LogResult<()> {
            Ok(())
        }
    }

    /// What is logged while a reader is silent.
    fn logged(silence: Duration) -> String {
        let mut file = tempfile::tempfile().unwrap();
        let writer = Arc::new(file.try_clone().unwrap());
        let subscriber = tracing_subscriber::fmt().with_writer(writer).with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, || {
            let mut reader = SilentReader { silence, waited: Duration::ZERO };
            read_to(&mut reader, END, &CancelToken::default(), |_| Ok(())).unwrap();
        });
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_read_that_waits_says_for_what_and_after_a_minute_what_to_do() {
        let (waits, stuck) = ("waiting for offset 3 of `t/0`, which is to be read up to 5", "find-hanging");
        let count = |text: &str| (text.matches(waits).count(), text.matches(stuck).count());
        assert_eq!(count(&logged(Duration::from_secs(2))), (0, 0));
        assert_eq!(count(&logged(Duration::from_secs(59))), (1, 0));
        assert_eq!(count(&logged(Duration::from_secs(180))), (2, 1));
    }
}
