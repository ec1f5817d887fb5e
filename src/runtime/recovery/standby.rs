//! Standby copies: the state of tasks that other instances run, kept up to date here, so that taking one over
//! needs no long restore.
//!
//! A copy has no operators and commits nothing. The partitions that an instance copies follow from those that it owns:
//! the next ones after them, as many again for each configured copy. So instances need not coordinate.

use crate::log::{FetchLimit, Log, Recovery, Start, partitions, topic};
use crate::plan::Physical;
use crate::record::{Fetched, Offset, TopicPartition};
use crate::runtime::cancel::CancelToken;
use crate::runtime::commit::changelog_position::ChangelogPosition;
use crate::runtime::fault::Fault;
use crate::runtime::recovery::state_copies::{StateCopies, StateCopy};
use crate::state::StateEntries;
use crate::time::Clock;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long one poll may take.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);

/// Time between two requests for the ends of the changelogs, milliseconds.
const END_REFRESH_INTERVAL_MS: i64 = 60_000;

/// Wait before copies that could not be followed are followed again.
const RETRY_BACKOFF: Duration = Duration::from_secs(1);

/// After this time without a fault, the next one is reported again, milliseconds.
const KEPT_WELL_MS: i64 = 60_000;

/// The partitions of each sub-topology's tasks that are this instance's.
pub(in crate::runtime) type OwnPartitions = BTreeMap<u32, BTreeSet<u32>>;

/// Which of `count` partitions to keep copies of, if each is to have `copies`.
fn standby_partitions(copies: u32, count: u32, own: &BTreeSet<u32>) -> BTreeSet<u32> {
    // An instance without partitions can keep copies of all.
    let Some(last) = own.last() else { return (0..count).collect() };
    let some = u32::try_from(own.len()).unwrap_or(u32::MAX).saturating_mul(copies).min(count);
    (1..=some).map(|i| (last + i) % count).filter(|p| !own.contains(p)).collect()
}

/// What standby copies are kept of, and where.
#[derive(Clone, Copy)]
pub(in crate::runtime) struct Standby<'a> {
    pub(in crate::runtime) log: &'a dyn Log,
    pub(in crate::runtime) plan: &'a Physical,
    pub(in crate::runtime) copies: &'a StateCopies,
    pub(in crate::runtime) own: &'a OwnPartitions,
    pub(in crate::runtime) clock: &'a dyn Clock,
}

/// Keeps copies until it is cancelled.
pub(in crate::runtime) fn follow(standby: Standby<'_>, cancel: &CancelToken) {
    follow_with(RETRY_BACKOFF, standby.clock, cancel, || keep(standby, cancel));
}

/// Keeps copies again and again. While the backplane is away it retries, so that the copies are late and not given up.
fn follow_with(
    backoff: Duration,
    clock: &dyn Clock,
    cancel: &CancelToken,
    mut keep: impl FnMut() -> Result<FollowEnd, Fault>,
) {
    let mut warned = false;
    while !cancel.is_cancelled() {
        let started_at = clock.now();
        let kept = keep();
        warned &= clock.now().saturating_sub(started_at) < KEPT_WELL_MS;
        match kept {
            Ok(FollowEnd::Cancelled) => return,
            Ok(FollowEnd::Stale) => tracing::debug!("a standby copy is too old and is rebuilt"),
            Err(Fault::Abort(why)) => {
                if !std::mem::replace(&mut warned, true) {
                    tracing::warn!("standby copies are not kept up to date, which is retried: {why}");
                }
                cancel.sleep(backoff);
            }
            Err(fault) => {
                let until = "until the group assigns partitions anew";
                return tracing::warn!("standby copies are not kept up to date {until}: {fault}");
            }
        }
    }
}

/// Why copies are no longer followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FollowEnd {
    Cancelled,
    /// One has fallen so far behind that it may have missed deletions.
    Stale,
}

fn keep(standby: Standby<'_>, cancel: &CancelToken) -> Result<FollowEnd, Fault> {
    let Standby { log, copies, clock, .. } = standby;
    let mut followed = BTreeMap::new();
    let outcome = begin(standby, &mut followed).and_then(|()| read(log, &mut followed, clock, cancel));
    followed.into_iter().for_each(|(at, copy)| copies.put(at, copy));
    outcome
}

/// Takes the copies to follow, and drops the others.
fn begin(standby: Standby<'_>, followed: &mut BTreeMap<TopicPartition, StateCopy>) -> Result<(), Fault> {
    let Standby { log, plan, copies, own, clock } = standby;
    let now = clock.now();
    for sub in &plan.subs {
        for node in sub.nodes.iter().filter(|n| n.op.stateful()) {
            let info = topic(log, &plan.state_topic(&node.name))?;
            let count = u32::try_from(info.partitions.len()).unwrap_or(u32::MAX);
            let stand_by = standby_partitions(plan.standby, count, own.get(&sub.id.0).unwrap_or(&BTreeSet::new()));
            for at in partitions(&info).into_iter().filter(|at| stand_by.contains(&at.partition.0)) {
                let bounds = info.partitions[at.partition.0 as usize];
                let kept = copies.take(&at, &info.id, now);
                let copy = kept.filter(|c| (bounds.earliest..=bounds.end).contains(&c.position.next));
                let fresh = || StateCopy {
                    position: ChangelogPosition::new(&info.id, bounds.earliest, now),
                    rows: BTreeMap::new(),
                };
                followed.insert(at, copy.unwrap_or_else(fresh));
            }
        }
    }
    copies.clear();
    Ok(())
}

fn read(
    log: &dyn Log,
    followed: &mut BTreeMap<TopicPartition, StateCopy>,
    clock: &dyn Clock,
    cancel: &CancelToken,
) -> Result<FollowEnd, Fault> {
    if followed.is_empty() {
        return Ok(FollowEnd::Cancelled);
    }
    let mut starts = Vec::new();
    for (at, copy) in &*followed {
        starts.push((at.clone(), log.resolve(at, Start::At(copy.position.next))?));
    }
    let mut reader = log.reader(&starts)?;
    let (mut ends, mut ends_read_at) = (BTreeMap::new(), None);
    while !cancel.is_cancelled() {
        let now = clock.now();
        let refresh = ends_read_at.is_none_or(|at| now.saturating_sub(at) >= END_REFRESH_INTERVAL_MS);
        if refresh {
            // Checked before more is read: an instance that was suspended may have missed deletions that are gone.
            if !followed.values().all(|copy| copy.position.is_fresh(now)) {
                return Ok(FollowEnd::Stale);
            }
            (ends, ends_read_at) = (current_ends(log, followed)?, Some(now));
        }
        let fetched = reader.poll(FetchLimit::default(), POLL_TIMEOUT)?;
        if let Some(fetched) = &fetched
            && let Some(copy) = followed.get_mut(&*fetched.origin)
        {
            apply(&mut copy.rows, fetched);
        }
        // The positions of all partitions cost a pass over all copies, so they are not read after every batch.
        let positions = match fetched.filter(|f| !refresh && !f.offsets.is_empty()) {
            Some(fetched) => vec![((*fetched.origin).clone(), Offset(fetched.offsets[fetched.offsets.len() - 1] + 1))],
            None => reader.positions(),
        };
        for (at, next) in positions {
            if let Some(copy) = followed.get_mut(&at) {
                copy.position.next = copy.position.next.max(next);
                if let (Some(end), Some(ends_read_at)) = (ends.get(&at), ends_read_at)
                    && copy.position.next >= *end
                {
                    copy.position.at = ends_read_at;
                }
            }
        }
    }
    Ok(FollowEnd::Cancelled)
}

fn apply(rows: &mut StateEntries, changes: &Fetched) {
    for record in changes.keyed() {
        match record.value {
            Some(value) => drop(rows.insert(record.key.to_vec(), value.to_vec())),
            None => drop(rows.remove(record.key)),
        }
    }
}

/// The current ends of the changelogs. Topics for which the backplane is busy are left out; the next request retries.
fn current_ends(
    log: &dyn Log,
    of: &BTreeMap<TopicPartition, StateCopy>,
) -> Result<BTreeMap<TopicPartition, Offset>, Fault> {
    let names: BTreeSet<&str> = of.keys().map(|at| &*at.topic).collect();
    let mut ends = BTreeMap::new();
    for name in names {
        match topic(log, name) {
            Ok(info) => ends.extend(partitions(&info).into_iter().zip(info.partitions.iter().map(|p| p.end))),
            Err(e) if e.recovery() == Recovery::Retry => tracing::debug!("{e}"),
            Err(e) => return Err(e.into()),
        }
    }
    Ok(ends)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::log::embedded::EmbeddedLog;
    use crate::log::{Append, TopicConfig};
    use crate::record::RecordsBuilder;
    use crate::runtime::cancel::CancelReason;
    use crate::time::VirtualClock;
    use std::sync::atomic::{AtomicI64, Ordering};

    const HOUR: i64 = 60 * 60 * 1_000;

    /// A clock that advances with each reading and then cancels the token.
    struct LeapingClock {
        clock: VirtualClock,
        by: i64,
        asked: AtomicI64,
        cancel: CancelToken,
    }

    impl Clock for LeapingClock {
        fn now(&self) -> i64 {
            let asked = self.asked.fetch_add(1, Ordering::Relaxed);
            if asked > 0 {
                self.cancel.cancel(CancelReason::Ended);
            }
            self.clock.now() + asked * self.by
        }
    }

    #[test]
    fn a_copy_is_as_old_as_the_end_that_it_has_reached_and_rebuilt_where_that_is_too_old() {
        let folder = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(folder.path()).unwrap();
        log.create_topic("s", &TopicConfig { partitions: 1, compacted: true, ..TopicConfig::default() }).unwrap();
        let at = TopicPartition::new("s", 0);
        let mut records = RecordsBuilder::default();
        records.push(Some(b"k"), Some(b"v"), 0);
        log.appender().unwrap().append(&[Append { to: at.clone(), records: records.finish() }]).unwrap();
        let read = |from: i64, by: i64| {
            let cancel = CancelToken::default();
            let clock =
                LeapingClock { clock: VirtualClock::at(100 * HOUR), by, asked: 0.into(), cancel: cancel.clone() };
            let copy = StateCopy { position: ChangelogPosition::new("id", Offset(0), from), rows: BTreeMap::new() };
            let mut followed = BTreeMap::from([(at.clone(), copy)]);
            let ended = super::read(&log, &mut followed, &clock, &cancel).unwrap();
            let StateCopy { position, rows } = followed.remove(&at).unwrap();
            (ended, position.next.0, position.at / HOUR, rows.len())
        };
        assert_eq!(read(90 * HOUR, 0), (FollowEnd::Cancelled, 1, 100, 1), "it is current");
        assert_eq!(read(80 * HOUR, 0), (FollowEnd::Stale, 0, 80, 0), "too old from the start");
        assert_eq!(read(90 * HOUR, 13 * HOUR), (FollowEnd::Stale, 1, 100, 1), "asleep for long after it was current");
    }

    #[test]
    fn copies_are_followed_again_after_a_fault_that_passes() {
        let cancel = CancelToken::default();
        let followed = |faults: Vec<Fault>| {
            let (mut faults, mut calls) = (faults.into_iter(), 0);
            follow_with(Duration::ZERO, &VirtualClock::at(0), &cancel, || {
                calls += 1;
                faults.next().map_or(Ok(FollowEnd::Cancelled), Err)
            });
            calls
        };
        let away = || Fault::Abort("the broker is away".into());
        assert_eq!(followed(vec![away(), away()]), 3);
        assert_eq!(followed(vec![away(), Fault::Fatal("it was cut".into()), away()]), 2, "a person must help");
    }

    fn next(copies: u32, count: u32, own: &[u32]) -> Vec<u32> {
        standby_partitions(copies, count, &own.iter().copied().collect()).into_iter().collect()
    }

    #[test]
    fn each_partition_has_as_many_copies_as_configured() {
        assert_eq!(next(1, 6, &[0, 1]), [2, 3]);
        assert_eq!(next(1, 6, &[2, 3]), [4, 5]);
        assert_eq!(next(1, 6, &[4, 5]), [0, 1]);
        assert_eq!(next(2, 6, &[4, 5]), [0, 1, 2, 3]);
        assert_eq!(next(9, 6, &[4, 5]), [0, 1, 2, 3]);
        assert_eq!(next(1, 3, &[0, 1, 2]), [0u32; 0]);
        assert_eq!(next(1, 3, &[]), [0, 1, 2]);
    }
}
