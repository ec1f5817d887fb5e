//! The first records of a topic, over all its partitions in the order of their timestamps.

use crate::log::{FetchLimit, Log, LogError, TopicInfo, partitions};
use crate::record::{Fetched, Offset, Records, TopicPartition};
use crate::runtime::fault::Fault;
use std::sync::Arc;
use std::time::Duration;

/// Longest time of one poll, and polls in a row without progress after which the topic counts as stuck (30 s).
const POLL_TIMEOUT: Duration = Duration::from_millis(200);
const MAX_IDLE_POLLS: u32 = 150;

/// The oldest records of a partition, as far as they were read.
struct PartitionHead {
    at: TopicPartition,
    end: Offset,
    parts: Vec<Fetched>,
}

impl PartitionHead {
    fn wants_more(&self, rows: usize, next: Offset) -> bool {
        next < self.end && self.parts.iter().map(|part| part.offsets.len()).sum::<usize>() < rows
    }

    /// Its records as one batch.
    fn joined(self) -> Fetched {
        let offsets: Vec<i64> = self.parts.iter().flat_map(|part| part.offsets.iter().copied()).collect();
        let records = Records::concat(self.parts.into_iter().map(|part| part.records).collect());
        Fetched { origin: Arc::new(self.at), offsets: offsets.into(), records }
    }
}

/// Reads up to `rows` records. Each partition gives its oldest ones.
pub(super) fn first_records(log: &dyn Log, topic: &TopicInfo, rows: usize) -> Result<Vec<Fetched>, Fault> {
    let heads: Vec<Fetched> = read_heads(log, topic, rows)?.into_iter().map(PartitionHead::joined).collect();
    let taken = taken(&heads, rows);
    let slice = |(head, n): (&Fetched, usize)| Fetched {
        origin: head.origin.clone(),
        offsets: head.offsets.slice(0, n),
        records: head.records.slice(0, n),
    };
    Ok(heads.iter().zip(taken).map(slice).collect())
}

/// Reads at least `rows` records of each partition, or all. Partitions without records are left out.
fn read_heads(log: &dyn Log, topic: &TopicInfo, rows: usize) -> Result<Vec<PartitionHead>, Fault> {
    let filled =
        partitions(topic).into_iter().zip(&topic.partitions).filter(|(_, bounds)| bounds.earliest < bounds.end);
    let (mut heads, mut starts) = (Vec::new(), Vec::new());
    for (at, bounds) in filled {
        starts.push((at.clone(), bounds.earliest));
        heads.push(PartitionHead { at, end: bounds.end, parts: Vec::new() });
    }
    if heads.is_empty() {
        return Ok(heads);
    }
    let mut reader = log.reader(&starts)?;
    let limit = FetchLimit { records: rows, ..FetchLimit::default() };
    let (mut before, mut idle_polls) = (starts, 0);
    loop {
        let positions = reader.positions();
        let next =
            |at: &TopicPartition| positions.iter().find(|(of, _)| of == at).map_or(Offset(i64::MAX), |(_, n)| *n);
        let Some(wanting) = heads.iter().find(|head| head.wants_more(rows, next(&head.at))) else { break };
        idle_polls = if positions == before { idle_polls + 1 } else { 0 };
        if idle_polls > MAX_IDLE_POLLS {
            let (at, next) = (&wanting.at, next(&wanting.at));
            return Err(Fault::Backplane(LogError::Busy(format!(
                "`{at}` cannot be read from offset {next} on: a broker is away, or a transaction is open there; try again later"
            ))));
        }
        before = positions;
        let Some(fetched) = reader.poll(limit, POLL_TIMEOUT)? else { continue };
        let positions = reader.positions();
        for head in heads.iter_mut().filter(|head| head.at == *fetched.origin) {
            head.parts.push(fetched.clone());
            let next = positions.iter().find(|(of, _)| *of == head.at).map_or(head.end, |(_, next)| *next);
            if !head.wants_more(rows, next) {
                reader.pause(std::slice::from_ref(&head.at), true)?;
            }
        }
    }
    heads.retain(|head| !head.parts.is_empty());
    Ok(heads)
}

/// How many records of each partition are among the first `rows`: always the one with the least timestamp comes next.
fn taken(heads: &[Fetched], rows: usize) -> Vec<usize> {
    let mut taken = vec![0; heads.len()];
    for _ in 0..rows {
        let next = heads.iter().zip(&taken).enumerate().filter(|(_, (head, n))| **n < head.offsets.len());
        let Some((least, _)) = next.min_by_key(|(_, (head, n))| head.records.timestamps[**n]) else { break };
        taken[least] += 1;
    }
    taken
}
