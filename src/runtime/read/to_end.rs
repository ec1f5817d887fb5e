//! Reads a partition to where it ends at the start of the call.

use crate::log::{FetchLimit, Log, Reader, Start};
use crate::record::{Fetched, Offset, TopicPartition};
use crate::runtime::Fault;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long to wait for records that must be there before it is looked whether to give up.
const PATIENCE: Duration = Duration::from_millis(200);

/// After so many waits in a row in which nothing came, it is said what is waited for; and after so many, what
/// to do.
const LONG: u32 = 15;
const TOO_LONG: u32 = 300;

/// Reads one partition from its beginning to where it ends now, unless that is given up.
///
/// # Errors
/// Faults of the backplane, those of `each`, and [`Fault::Stopped`] where it was given up.
pub(crate) fn read_all(
    log: &dyn Log,
    at: &TopicPartition,
    given_up: &AtomicBool,
    each: impl FnMut(&Fetched) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let (from, end) = (log.resolve(at, Start::Earliest)?, log.resolve(at, Start::Latest)?);
    read_to(log.reader(&[(at.clone(), from)])?.as_mut(), end, given_up, each)
}

/// Reads on to an end. That may take as long as a broker is away, or a transaction is left open.
pub(in crate::runtime) fn read_to(
    reader: &mut dyn Reader,
    end: Offset,
    given_up: &AtomicBool,
    mut each: impl FnMut(&Fetched) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let (mut last, mut quiet) = (None, 0);
    while let Some((at, next)) = reader.positions().into_iter().find(|(_, next)| *next < end) {
        if given_up.load(Ordering::Relaxed) {
            return Err(Fault::Stopped);
        }
        // Nothing may come where records were compacted away: then only the position moves.
        quiet = if last == Some(next) { quiet + 1 } else { 0 };
        last = Some(next);
        if quiet == LONG {
            tracing::info!(
                "waiting for offset {next} of `{at}`, which is to be read up to {end}: a broker is away, or a transaction in it is not decided yet"
            );
        }
        if quiet == TOO_LONG {
            tracing::warn!(
                "still waiting for offset {next} of `{at}`, which is to be read up to {end}; if all brokers are there, Kafka has left a transaction without an end: find it with `kafka-transactions.sh find-hanging`, and end it with `kafka-transactions.sh abort`"
            );
        }
        if let Some(fetched) = reader.poll(FetchLimit::default(), PATIENCE)? {
            each(&fetched)?;
        }
    }
    Ok(())
}
