//! Standby copies: the state of tasks that other instances run, kept up to date here, so that taking one of
//! them over needs no long reading.
//!
//! Separate from tasks: a copy has no operators and commits nothing. Which partitions an instance stands by
//! for follows from those that it has: the next ones after them, as many again for each copy that is wanted,
//! so that nobody needs to agree with anybody.

use super::copies::{Copies, Copy, Mark};
use super::fault::Fault;
use crate::log::{FetchLimit, Log, Start, partitions, topic};
use crate::plan::Physical;
use crate::record::TopicPartition;
use arrow_array::Array;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long to wait for changes before it is looked whether to end.
const PATIENCE: Duration = Duration::from_millis(100);

/// The partitions of each sub-topology's tasks that are this instance's.
pub(super) type Own = BTreeMap<u32, BTreeSet<u32>>;

/// The partitions to stand by for, of `count`, with so many copies wanted of each.
fn wanted(copies: u32, count: u32, own: &BTreeSet<u32>) -> BTreeSet<u32> {
    // Who has nothing to do can stand by for all.
    let Some(last) = own.last() else { return (0..count).collect() };
    let some = u32::try_from(own.len()).unwrap_or(u32::MAX).saturating_mul(copies).min(count);
    (1..=some).map(|i| (last + i) % count).filter(|p| !own.contains(p)).collect()
}

/// Keeps copies until it is over.
pub(super) fn follow(log: &dyn Log, plan: &Physical, copies: &Copies, own: &Own, now: i64, over: &AtomicBool) {
    if let Err(fault) = keep(log, plan, copies, own, now, over) {
        tracing::warn!("standby copies are not kept up to date until the group assigns partitions anew: {fault}");
    }
}

fn keep(log: &dyn Log, plan: &Physical, copies: &Copies, own: &Own, now: i64, over: &AtomicBool) -> Result<(), Fault> {
    let mut held: BTreeMap<TopicPartition, Copy> = BTreeMap::new();
    for sub in &plan.subs {
        for node in sub.nodes.iter().filter(|n| n.op.stateful()) {
            let info = topic(log, &plan.state_topic(&node.name))?;
            let count = u32::try_from(info.partitions.len()).unwrap_or(u32::MAX);
            let stand_by = wanted(plan.standby, count, own.get(&sub.id.0).unwrap_or(&BTreeSet::new()));
            for at in partitions(&info).into_iter().filter(|at| stand_by.contains(&at.partition.0)) {
                let bounds = info.partitions[at.partition.0 as usize];
                let known = copies.take(&at, &info.id, now);
                let copy = known.filter(|c| (bounds.earliest..=bounds.end).contains(&c.mark.next));
                let fresh = || Copy { mark: Mark::new(&info.id, bounds.earliest), rows: BTreeMap::new() };
                held.insert(at, copy.unwrap_or_else(fresh));
            }
        }
    }
    copies.forget();
    let outcome = read(log, &mut held, over);
    held.into_iter().for_each(|(at, copy)| copies.put(at, copy));
    outcome
}

fn read(log: &dyn Log, held: &mut BTreeMap<TopicPartition, Copy>, over: &AtomicBool) -> Result<(), Fault> {
    if held.is_empty() {
        return Ok(());
    }
    let mut starts = Vec::new();
    for (at, copy) in &*held {
        starts.push((at.clone(), log.resolve(at, Start::At(copy.mark.next))?));
    }
    let mut reader = log.reader(&starts)?;
    while !over.load(Ordering::Relaxed) {
        if let Some(fetched) = reader.poll(FetchLimit::default(), PATIENCE)?
            && let Some(copy) = held.get_mut(&*fetched.origin)
        {
            let records = &fetched.records;
            for row in (0..records.len()).filter(|r| records.keys.is_valid(*r)) {
                let key = records.keys.value(row).to_vec();
                match records.values.is_valid(row) {
                    true => drop(copy.rows.insert(key, records.values.value(row).to_vec())),
                    false => drop(copy.rows.remove(&key)),
                }
            }
        }
        for (at, next) in reader.positions() {
            if let Some(copy) = held.get_mut(&at) {
                copy.mark.next = copy.mark.next.max(next);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(copies: u32, count: u32, own: &[u32]) -> Vec<u32> {
        wanted(copies, count, &own.iter().copied().collect()).into_iter().collect()
    }

    #[test]
    fn each_partition_has_as_many_copies_as_are_wanted() {
        assert_eq!(next(1, 6, &[0, 1]), [2, 3]);
        assert_eq!(next(1, 6, &[2, 3]), [4, 5]);
        assert_eq!(next(1, 6, &[4, 5]), [0, 1]);
        assert_eq!(next(2, 6, &[4, 5]), [0, 1, 2, 3]);
        assert_eq!(next(9, 6, &[4, 5]), [0, 1, 2, 3]);
        assert_eq!(next(1, 3, &[0, 1, 2]), [0u32; 0]);
        assert_eq!(next(1, 3, &[]), [0, 1, 2]);
    }
}
