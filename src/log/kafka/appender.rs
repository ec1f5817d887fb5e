//! Appending outside any group: each call is a transaction of its own.
//!
//! Separate from the committer because nobody else can say what became of a call: an answer that was lost
//! is found again by looking at what was written. A call never writes twice.

use super::control::{Control, PATIENCE};
use super::producer::{Failed, Mode, Writer};
use super::reader::KafkaReader;
use crate::log::{Append, Appender, FetchLimit, LogError, LogResult, Reader};
use crate::record::{Offset, TopicPartition};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a call is made again after it was surely undone.
const ATTEMPTS: u32 = 3;

/// A writer with an id that nobody else has.
pub(super) struct KafkaAppender {
    control: Arc<Control>,
    writer: Writer,
}

impl KafkaAppender {
    pub(super) fn new(control: &Arc<Control>) -> Self {
        let mode = Mode::Transactions(format!("fastdata-append-{}", super::unique()));
        Self { control: control.clone(), writer: Writer::new(control, mode) }
    }

    /// Whether an append whose commit was not answered is there. The producer that takes over has ended the
    /// transaction; what the log then shows at its first offset is how.
    fn settled(&mut self, appends: &[Append], firsts: &[Option<i64>]) -> LogResult<bool> {
        self.writer.take_over()?;
        let Some((at, first)) = appends.iter().zip(firsts).find_map(|(a, f)| Some((&a.to, (*f)?))) else {
            return Err(LogError::Unusable(
                "it is not known whether the last records were written: Kafka has not said where; look with `fastdata tail`".into(),
            ));
        };
        visible(&self.control, at, first)
    }
}

/// Whether a committed record is at an offset.
fn visible(control: &Arc<Control>, at: &TopicPartition, offset: i64) -> LogResult<bool> {
    let mut reader = KafkaReader::new(control, &[(at.clone(), Offset(offset))])?;
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
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
            self.control.require(&at)?;
            return Ok(self.control.bounds(&at)?.into_iter().map(|(_, end)| Offset(end)).collect());
        }
        let mut attempt = 1;
        let firsts = loop {
            match self.writer.write(appends, None) {
                Ok(firsts) => break firsts,
                Err(Failed::Refused(e)) => return Err(e),
                // Nobody else has this id: the coordinator has given the transaction up.
                Err(Failed::Superseded(why)) if attempt == ATTEMPTS => return Err(LogError::Busy(why)),
                Err(Failed::Superseded(_)) => attempt += 1,
                Err(Failed::Unknown { error, firsts }) => {
                    if self.settled(appends, &firsts)? {
                        break firsts;
                    }
                    if attempt == ATTEMPTS {
                        return Err(error);
                    }
                    attempt += 1;
                }
            }
        };
        let lowest = firsts.iter().flatten().min().copied().unwrap_or_default();
        Ok(firsts.into_iter().map(|f| Offset(f.unwrap_or(lowest))).collect())
    }
}
