//! Appending outside any group: each call is one transaction.
//!
//! If a commit gets no answer, the appender reads its outcome back from the log: the caller has no other way to learn
//! it. A call never writes twice.

use super::cluster::{Cluster, RETRY_TIMEOUT};
use super::producer::KafkaWriter;
use super::reader::KafkaReader;
use super::sending::WriteError;
use super::write_mode::WriteMode;
use crate::log::{Append, Appender, FetchLimit, LogError, LogResult, Reader};
use crate::record::{Offset, TopicPartition};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Attempts of a call whose transactions are aborted.
const MAX_ATTEMPTS: u32 = 3;

/// An appender with a transactional id of its own.
pub(super) struct KafkaAppender {
    cluster: Arc<Cluster>,
    writer: KafkaWriter,
}

impl KafkaAppender {
    pub(super) fn new(cluster: &Arc<Cluster>) -> Self {
        let mode = WriteMode::Transactions(format!("fastdata-append-{}", super::unique_suffix()));
        Self { cluster: cluster.clone(), writer: KafkaWriter::new(cluster, mode) }
    }

    /// Whether an append whose commit was not answered was committed. The producer that takes over the
    /// transactional id ends the transaction first; then a visible record at its first offset means committed.
    fn was_committed(&mut self, appends: &[Append], first_offsets: &[Option<i64>]) -> LogResult<bool> {
        self.writer.take_over()?;
        let Some((at, first)) = appends.iter().zip(first_offsets).find_map(|(a, f)| Some((&a.to, (*f)?))) else {
            return Err(LogError::Unusable(
                "it is not known whether the last records were written: Kafka has not reported their offsets; look with `fastdata tail`".into(),
            ));
        };
        has_committed_record(&self.cluster, at, first)
    }
}

/// Whether there is a committed record at an offset.
fn has_committed_record(cluster: &Arc<Cluster>, at: &TopicPartition, offset: i64) -> LogResult<bool> {
    let mut reader = KafkaReader::new(cluster, &[(at.clone(), Offset(offset))])?;
    let start = Instant::now();
    while start.elapsed() < RETRY_TIMEOUT {
        if let Some(fetched) = reader.poll(FetchLimit { records: 1, bytes: 0 }, Duration::from_secs(1))? {
            return Ok(fetched.offsets.first() == Some(&offset));
        }
        if reader.positions().iter().any(|(_, next)| next.0 > offset) {
            return Ok(false);
        }
    }
    Err(LogError::Busy(format!("it is not known yet whether the records at `{at}` from {offset} on are committed")))
}

impl Appender for KafkaAppender {
    fn append(&mut self, appends: &[Append]) -> LogResult<Vec<Offset>> {
        if appends.iter().all(|a| a.records.is_empty()) {
            let at: Vec<TopicPartition> = appends.iter().map(|a| a.to.clone()).collect();
            self.cluster.require_partitions(&at)?;
            return Ok(self.cluster.bounds(&at)?.into_iter().map(|(_, end)| Offset(end)).collect());
        }
        let (all, mut attempt) = (appends.iter().collect::<Vec<_>>(), 1);
        let first_offsets = loop {
            match self.writer.write(&all, None) {
                Ok(first_offsets) => break first_offsets,
                Err(WriteError::Failed(e)) => return Err(e),
                // Nobody else has this id: the coordinator has aborted the transaction.
                Err(WriteError::Fenced(why)) if attempt == MAX_ATTEMPTS => return Err(LogError::Busy(why)),
                Err(WriteError::Fenced(_)) => attempt += 1,
                Err(WriteError::Indeterminate { error, first_offsets }) => {
                    if self.was_committed(appends, &first_offsets)? {
                        break first_offsets;
                    }
                    if attempt == MAX_ATTEMPTS {
                        return Err(error);
                    }
                    attempt += 1;
                }
            }
        };
        let lowest = first_offsets.iter().flatten().min().copied().unwrap_or_default();
        Ok(first_offsets.into_iter().map(|f| Offset(f.unwrap_or(lowest))).collect())
    }
}
