//! What tasks that merge their inputs are given to read in a bounded run, out of as few readers as can be.
//!
//! Separate from the cursors, which know one input each. A partition of a repartition holds the records of
//! many senders, and one reader reads for all of them. Only senders that are so far ahead of others in their
//! partition that what waits of them leaves no room are left to another reader there, from then on: nothing
//! needs to be kept until the rest have come as far. It never waits.

use crate::log::{FetchLimit, Log, Reader};
use crate::record::{Fetched, Offset, TopicPartition};
use crate::runtime::fault::Fault;
use crate::runtime::read::cursors::{Cursor, Shares};
use crate::runtime::task::merge_queue::Offer;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Bytes of one partition that may wait before no more is read of it.
const MOST: usize = 4 << 20;

/// Bytes of all partitions of a reader that may wait, where there are many.
const ALL: usize = 128 << 20;

/// Least bytes of one partition that may wait.
const LEAST: usize = 512 << 10;

/// Who takes what is offered: the task of a route.
pub(in crate::runtime) trait Taker {
    /// Whether it can be given anything.
    fn room(&self, route: usize) -> bool;

    /// Takes an offer.
    fn give(&mut self, route: usize, offer: Offer) -> Result<(), Fault>;
}

/// All readers of one sub-topology.
#[derive(Default)]
pub(in crate::runtime) struct Readers {
    all: Vec<Shared>,
}

/// A reader of some partitions.
struct Shared {
    /// `None` where all that it would read was read.
    reader: Option<Box<dyn Reader>>,
    parts: BTreeMap<TopicPartition, Part>,
    /// Bytes of one partition that may wait.
    most: usize,
}

/// One partition of a reader, with those who want something of it.
struct Part {
    at: TopicPartition,
    route: usize,
    cursors: Vec<Cursor>,
    paused: bool,
}

impl Readers {
    /// One reader for each topic.
    pub(in crate::runtime) fn new(log: &dyn Log, cursors: Vec<(usize, Cursor)>) -> Result<Self, Fault> {
        let mut topics: BTreeMap<Arc<str>, BTreeMap<TopicPartition, Part>> = BTreeMap::new();
        for (route, cursor) in cursors {
            let at = cursor.at().clone();
            let parts = topics.entry(at.topic.clone()).or_default();
            parts.entry(at.clone()).or_insert_with(|| Part::new(at, route)).cursors.push(cursor);
        }
        let all = topics.into_values().map(|parts| Shared::new(log, parts));
        Ok(Self { all: all.collect::<Result<_, Fault>>()? })
    }

    /// Whether everything was offered.
    pub(in crate::runtime) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Which partitions they read.
    pub(in crate::runtime) fn partitions(&self) -> BTreeSet<TopicPartition> {
        self.all.iter().flat_map(|s| s.parts.keys().cloned()).collect()
    }

    /// Offers what there is room for and reads on where there is room for more; tells whether anything was
    /// offered.
    pub(in crate::runtime) fn turn(&mut self, log: &dyn Log, to: &mut dyn Taker) -> Result<bool, Fault> {
        let mut offered = false;
        for i in 0..self.all.len() {
            offered |= self.all[i].turn(to)?;
            let ahead = self.all[i].leave_behind(to);
            if !ahead.is_empty() {
                self.pass_on(log, i, ahead)?;
            }
        }
        self.all.retain(|s| s.parts.values().any(Part::lasts));
        Ok(offered)
    }

    /// Gives parts of a reader to others that do not read their partitions, as few as can be.
    fn pass_on(&mut self, log: &dyn Log, from: usize, parts: Vec<Part>) -> Result<(), Fault> {
        let mut passed: BTreeMap<usize, Vec<Part>> = BTreeMap::new();
        for part in parts {
            let same = |s: &Shared| s.parts.keys().next().is_some_and(|at| at.topic == part.at.topic);
            let free = |s: &Shared| s.parts.get(&part.at).is_none_or(|p| !p.lasts());
            let found = self.all.iter().enumerate().position(|(i, s)| i != from && same(s) && free(s));
            passed.entry(found.unwrap_or(self.all.len())).or_default().push(part);
        }
        for (to, parts) in passed {
            tracing::debug!("some senders of {} are far ahead: reader {to} takes them", parts[0].at.topic);
            let mut all = if to < self.all.len() { std::mem::take(&mut self.all[to].parts) } else { BTreeMap::new() };
            all.extend(parts.into_iter().map(|p| (p.at.clone(), p)));
            let shared = Shared::new(log, all)?;
            if to < self.all.len() { self.all[to] = shared } else { self.all.push(shared) }
        }
        Ok(())
    }
}

impl Shared {
    fn new(log: &dyn Log, parts: BTreeMap<TopicPartition, Part>) -> Result<Self, Fault> {
        let from: Vec<_> = parts.values().filter_map(|p| Some((p.at.clone(), p.next()?))).collect();
        let reader = if from.is_empty() { None } else { Some(log.reader(&from)?) };
        let most = (ALL / parts.len().max(1)).clamp(LEAST, MOST);
        let parts = parts.into_iter().map(|(at, p)| (at, Part { paused: p.next().is_none(), ..p })).collect();
        Ok(Self { reader, parts, most })
    }

    fn turn(&mut self, to: &mut dyn Taker) -> Result<bool, Fault> {
        let mut offered = false;
        for part in self.parts.values_mut() {
            offered |= part.offer(to)?;
        }
        let Some(reader) = &mut self.reader else { return Ok(offered) };
        for part in self.parts.values_mut() {
            part.pause(reader.as_mut(), self.most)?;
        }
        // No more at a time than lets the member be polled in between.
        for _ in 0..self.parts.len() {
            if self.parts.values().all(|p| p.paused) {
                break;
            }
            let Some(fetched) = reader.poll(FetchLimit::default(), Duration::ZERO)? else {
                // Some offsets hold no record.
                for (at, position) in reader.positions() {
                    let cursors = self.parts.get_mut(&at).into_iter().flat_map(|p| &mut p.cursors);
                    cursors.for_each(|c| c.reach(position));
                }
                break;
            };
            let Some(part) = self.parts.get_mut(&fetched.origin) else { continue };
            part.take(&fetched);
            offered |= part.offer(to)?;
            part.pause(reader.as_mut(), self.most)?;
        }
        Ok(offered)
    }

    /// Gives away those who keep others of their partition from being read on.
    fn leave_behind(&mut self, to: &dyn Taker) -> Vec<Part> {
        let most = self.most;
        let starves = |p: &Part| to.room(p.route) && p.cursors.iter().any(Cursor::starves);
        let stuck = self.parts.values_mut().filter(|p| p.bytes() >= most && starves(p));
        stuck.map(|p| p.leave_behind(most)).collect()
    }
}

impl Part {
    fn new(at: TopicPartition, route: usize) -> Self {
        Self { at, route, cursors: Vec::new(), paused: false }
    }

    /// From where on it is to be read, `None` once its end is reached.
    fn next(&self) -> Option<Offset> {
        self.cursors.iter().filter_map(Cursor::next).min()
    }

    fn lasts(&self) -> bool {
        !self.cursors.iter().all(Cursor::ended)
    }

    /// Bytes that wait.
    fn bytes(&self) -> usize {
        self.cursors.iter().map(Cursor::bytes).sum()
    }

    fn take(&mut self, fetched: &Fetched) {
        let shares = Shares::new(fetched, self.cursors.first().and_then(Cursor::senders));
        self.cursors.iter_mut().for_each(|c| c.take(&shares));
    }

    /// Stops reading it while no more is wanted, and resumes it.
    fn pause(&mut self, reader: &mut dyn Reader, most: usize) -> Result<(), Fault> {
        let paused = self.next().is_none() || self.bytes() >= most;
        if paused != self.paused {
            reader.pause(std::slice::from_ref(&self.at), paused)?;
            self.paused = paused;
        }
        Ok(())
    }

    /// Those of whom no less waits than would of each, if all were as far. Less than the most is left, and who
    /// waits for more is among those that are left.
    fn leave_behind(&mut self, most: usize) -> Self {
        let share = most / self.cursors.len().max(1);
        let cursors = self.cursors.extract_if(.., |c| c.bytes() >= share).collect();
        Self { cursors, ..Self::new(self.at.clone(), self.route) }
    }

    fn offer(&mut self, to: &mut dyn Taker) -> Result<bool, Fault> {
        let mut offered = false;
        for cursor in &mut self.cursors {
            while to.room(self.route) {
                let Some(offer) = cursor.offer() else { break };
                to.give(self.route, offer)?;
                offered = true;
            }
        }
        Ok(offered)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_sign_loss)]
mod tests {
    use super::*;
    use crate::log::{Append, Start, TopicConfig, embedded::EmbeddedLog};
    use crate::record::RecordsBuilder;
    use crate::runtime::task::Wanted;
    use proptest::prelude::*;
    use tokio::sync::OwnedSemaphorePermit;

    /// A record of a sender, as far as anybody looks here: its sender stands at the sixth byte.
    fn value(sender: i32, bytes: usize) -> Vec<u8> {
        let mut value = vec![0; 6];
        value.extend_from_slice(&(sender ^ i32::MIN).to_be_bytes());
        value.resize(10 + bytes, b'x');
        value
    }

    fn log_of(parts: &[Vec<i32>], bytes: usize) -> (tempfile::TempDir, EmbeddedLog) {
        let folder = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(folder.path()).unwrap();
        log.create_topic("t", &TopicConfig { partitions: parts.len() as u32, ..TopicConfig::default() }).unwrap();
        let mut appender = log.appender().unwrap();
        for (p, senders) in parts.iter().enumerate() {
            for senders in senders.chunks(5000) {
                let mut records = RecordsBuilder::default();
                senders.iter().for_each(|s| records.push(None, Some(&value(*s, bytes)), 0));
                let to = TopicPartition::new("t", p as u32);
                appender.append(&[Append { to, records: records.finish() }]).unwrap();
            }
        }
        (folder, log)
    }

    /// Tasks that take records of the sender that they wait for, and keep what comes of others.
    struct Tasks {
        /// Records of each sender by partition, in the order in which they are wanted.
        order: Vec<Vec<i32>>,
        senders: usize,
        /// What was offered and is not worked off: sender by sender, with what is given back.
        waiting: Vec<Vec<std::collections::VecDeque<(Vec<i64>, Option<OwnedSemaphorePermit>)>>>,
        done: Vec<Vec<Vec<i64>>>,
        ended: usize,
    }

    impl Tasks {
        fn new(order: Vec<Vec<i32>>, senders: usize) -> Self {
            let n = order.len();
            let waiting = (0..n).map(|_| (0..senders).map(|_| Default::default()).collect()).collect();
            Self { order, senders, waiting, done: vec![vec![Vec::new(); senders]; n], ended: 0 }
        }

        fn work(&mut self) {
            for (p, order) in self.order.iter_mut().enumerate() {
                while let Some(sender) = order.last().map(|s| *s as usize) {
                    let Some((offsets, _)) = self.waiting[p][sender].front_mut() else { break };
                    self.done[p][sender].push(offsets.remove(0));
                    order.pop();
                    if offsets.is_empty() {
                        self.waiting[p][sender].pop_front();
                    }
                }
            }
        }
    }

    impl Taker for Tasks {
        fn room(&self, _: usize) -> bool {
            true
        }

        fn give(&mut self, route: usize, offer: Offer) -> Result<(), Fault> {
            self.ended += usize::from(offer.last);
            if let Some(fetched) = offer.fetched {
                assert!(fetched.offsets.last().unwrap() < &offer.position.0);
                self.waiting[route][offer.slot].push_back((fetched.offsets.to_vec(), offer.permit));
                assert!(self.waiting[route][offer.slot].len() <= 2, "more is offered than there is room for");
            }
            Ok(())
        }
    }

    fn wanted(p: usize, sender: usize, senders: usize, next: i64) -> Wanted {
        let at = TopicPartition::new("t", p as u32);
        Wanted { slot: sender, at, sender: Some((sender as i32, senders as i32)), next: Offset(next) }
    }

    /// Offers all of a topic to tasks that want it in an order of theirs; returns what became of it, how many
    /// readers there were, and how much has waited in a partition.
    fn run(
        parts: &[Vec<i32>],
        order: &[Vec<i32>],
        senders: usize,
        bytes: usize,
        from: impl Fn(usize, usize) -> i64,
    ) -> (Tasks, usize, usize) {
        let (_folder, log) = log_of(parts, bytes);
        let mut cursors = Vec::new();
        for p in 0..parts.len() {
            let end = log.resolve(&TopicPartition::new("t", p as u32), Start::Latest).unwrap();
            cursors.extend((0..senders).map(|s| (p, Cursor::new(wanted(p, s, senders, from(p, s)), end))));
        }
        let mut readers = Readers::new(&log, cursors).unwrap();
        let order = order.iter().map(|o| o.iter().rev().copied().collect()).collect();
        let mut tasks = Tasks::new(order, senders);
        let (mut most, mut held, mut quiet) = (readers.all.len(), 0, 0);
        while !readers.is_empty() {
            let offered = readers.turn(&log, &mut tasks).unwrap();
            tasks.work();
            most = most.max(readers.all.len());
            let in_part = |p: &Part| p.cursors.iter().map(Cursor::bytes).sum();
            held = held.max(readers.all.iter().flat_map(|s| s.parts.values()).map(in_part).max().unwrap_or(0));
            quiet = if offered { 0 } else { quiet + 1 };
            assert!(quiet < 10_000, "nothing goes on");
        }
        assert_eq!(tasks.ended, parts.len() * tasks.senders);
        (tasks, most, held)
    }

    fn places(of: &[i32], sender: usize, from: i64) -> Vec<i64> {
        (0i64..).zip(of).filter(|(o, s)| **s as usize == sender && *o >= from).map(|(o, _)| o).collect()
    }

    #[test]
    fn one_reader_does_for_senders_that_are_even() {
        let senders: Vec<i32> = (0..50_000).map(|i| i % 7).collect();
        let parts = vec![senders.clone(), senders];
        let (tasks, readers, held) = run(&parts, &parts, 7, 300, |_, _| 0);
        assert_eq!(readers, 1);
        assert!(held < MOST + (4 << 20) + 1000, "{held} bytes were held");
        for (p, done) in tasks.done.iter().enumerate() {
            (0..7).for_each(|s| assert_eq!(done[s], places(&parts[p], s, 0), "sender {s} of {p}"));
        }
    }

    #[test]
    fn senders_far_ahead_are_left_to_another_reader() {
        let ahead = |n: usize| [[0, 1].repeat(n), [2, 3].repeat(n)].concat();
        let parts = vec![ahead(25_000)];
        let order = vec![[[2, 3].repeat(25_000), [0, 1].repeat(25_000)].concat()];
        let (tasks, readers, held) = run(&parts, &order, 4, 300, |_, _| 0);
        assert_eq!(readers, 2, "both that are ahead go to the same");
        assert!(held < MOST + (4 << 20) + 1000, "{held} bytes were held");
        (0..4).for_each(|s| assert_eq!(tasks.done[0][s], places(&parts[0], s, 0), "sender {s}"));
    }

    #[test]
    fn partitions_whose_senders_are_ahead_of_each_other_go_on() {
        let runs = |of: [i32; 3]| of.map(|s| vec![s; 10_000]).concat();
        // Who is far ahead in the one is waited for in the other; in the last one it is two, one after the other.
        let parts = [runs([0, 1, 2]), runs([1, 2, 0]), runs([2, 1, 0])];
        let order = [runs([1, 0, 2]), runs([2, 0, 1]), runs([0, 1, 2])];
        let (tasks, readers, _) = run(&parts, &order, 3, 2000, |_, _| 0);
        assert!(readers <= 3, "{readers} readers");
        for (p, done) in tasks.done.iter().enumerate() {
            (0..3).for_each(|s| assert_eq!(done[s], places(&parts[p], s, 0), "sender {s} of {p}"));
        }
    }

    #[test]
    fn a_sender_for_each_partition_leaves_the_others_to_a_second_reader() {
        // Each partition holds what one sender has sent, and one record of each other at its end.
        let parts: Vec<Vec<i32>> =
            (0..4).map(|p| [vec![p; 8_000], (0..4).filter(|s| *s != p).collect()].concat()).collect();
        let order: Vec<Vec<i32>> = parts.iter().map(|p| p.iter().rev().copied().collect()).collect();
        let (tasks, readers, _) = run(&parts, &order, 4, 2000, |_, _| 0);
        assert_eq!(readers, 2);
        for (p, done) in tasks.done.iter().enumerate() {
            (0..4).for_each(|s| assert_eq!(done[s], places(&parts[p], s, 0), "sender {s} of {p}"));
        }
    }

    #[test]
    fn who_has_no_records_is_told_the_end() {
        let (tasks, _, _) = run(&[vec![1; 10], vec![]], &[vec![1; 10], vec![]], 3, 0, |_, _| 0);
        assert_eq!(tasks.done[0][1], (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn what_nobody_has_sent_is_brought_to_the_decoder() {
        let (tasks, _, _) = run(&[vec![0, 9, 1]], &[vec![0, 0, 1]], 2, 0, |_, _| 0);
        assert_eq!(tasks.done[0], [vec![0, 1], vec![2]]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn each_record_is_offered_once_and_in_order(
            senders in 1usize..6,
            parts in prop::collection::vec(prop::collection::vec((0i32..6, 1usize..1500), 0..10), 1..4),
            shuffle in prop::collection::vec(any::<u32>(), 64),
            starts in prop::collection::vec(0i64..2000, 18),
        ) {
            let parts: Vec<Vec<i32>> = parts.iter().map(|runs| {
                runs.iter().flat_map(|(s, n)| std::iter::repeat_n(s % senders as i32, *n)).collect()
            }).collect();
            let from = |p: usize, s: usize| starts[p * 6 + s].min(parts[p].len() as i64);
            // Each task takes what it wants in an order of its own, a run of one sender at a time.
            let order: Vec<Vec<i32>> = parts.iter().enumerate().map(|(p, of)| {
                let mut left: Vec<usize> = (0..senders).map(|s| places(of, s, from(p, s)).len()).collect();
                let mut order = Vec::new();
                let mut turn = 0;
                while left.iter().any(|n| *n > 0) {
                    let pick = shuffle[turn % shuffle.len()] as usize;
                    turn += 1;
                    let s = (pick + turn / shuffle.len()) % senders;
                    let n = left[s].min(1 + pick % 5000);
                    order.extend(std::iter::repeat_n(s as i32, n));
                    left[s] -= n;
                }
                order
            }).collect();
            let (tasks, _, _) = run(&parts, &order, senders, 2000, from);
            for (p, done) in tasks.done.iter().enumerate() {
                for (s, done) in done.iter().enumerate() {
                    prop_assert_eq!(done, &places(&parts[p], s, from(p, s)));
                }
            }
        }
    }
}
