//! The readers of inputs that tasks merge by event time, in a bounded run: as few readers as possible.
//!
//! A partition of a repartition topic holds the records of many senders, and one reader reads all of them. If the
//! records of a sender fill the buffer because the task still waits for other senders, that sender moves to another
//! reader. So the buffer stays bounded, and no reader waits for a task.

use super::read_partition::{BatchSink, ReadPartition};
use crate::log::{FetchLimit, Log, Reader};
use crate::record::TopicPartition;
use crate::runtime::fault::Fault;
use crate::runtime::read::cursors::InputCursor;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Bytes of one partition that are buffered before it is paused.
const MAX_BUFFERED_BYTES_PER_PARTITION: usize = 4 << 20;

/// Bytes of all partitions of a reader together, if there are many.
const MAX_BUFFERED_BYTES_PER_READER: usize = 128 << 20;

/// Bytes of a reader beyond which it does not read on while tasks are behind.
const MAX_BYTES_AHEAD_OF_TASKS: usize = 32 << 20;

/// Bytes of one partition that are always buffered, however many share the reader.
const MIN_BUFFERED_BYTES_PER_PARTITION: usize = 512 << 10;

/// All readers of one sub-topology.
#[derive(Default)]
pub(in crate::runtime) struct MergeReaders {
    all: Vec<SharedReader>,
}

/// The inputs of a partition, and the route of their task.
type RoutedCursors = (usize, Vec<InputCursor>);

/// A reader of some partitions.
struct SharedReader {
    /// `None` where everything was read.
    reader: Option<Box<dyn Reader>>,
    partitions: BTreeMap<TopicPartition, ReadPartition>,
    max_partition_bytes: usize,
    limit: FetchLimit,
}

impl MergeReaders {
    /// One reader for each topic.
    pub(in crate::runtime) fn new(log: &dyn Log, cursors: Vec<(usize, InputCursor)>) -> Result<Self, Fault> {
        let mut topics: BTreeMap<Arc<str>, BTreeMap<TopicPartition, RoutedCursors>> = BTreeMap::new();
        for (route, cursor) in cursors {
            let partitions = topics.entry(cursor.at().topic.clone()).or_default();
            partitions.entry(cursor.at().clone()).or_insert_with(|| (route, Vec::new())).1.push(cursor);
        }
        let all = topics.into_values().map(|partitions| {
            let partition = |(at, (route, cursors)): (TopicPartition, RoutedCursors)| {
                (at.clone(), ReadPartition::new(at, route).with_cursors(cursors))
            };
            SharedReader::new(log, partitions.into_iter().map(partition).collect())
        });
        Ok(Self { all: all.collect::<Result<_, Fault>>()? })
    }

    /// Whether everything was offered.
    pub(in crate::runtime) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The partitions that they read.
    pub(in crate::runtime) fn partitions(&self) -> BTreeSet<TopicPartition> {
        self.all.iter().flat_map(|s| s.partitions.keys().cloned()).collect()
    }

    /// Offers batches to tasks with capacity and reads more if the buffers have space; returns whether anything was
    /// offered.
    pub(in crate::runtime) fn offer(&mut self, log: &dyn Log, to: &mut dyn BatchSink) -> Result<bool, Fault> {
        let mut offered = false;
        for i in 0..self.all.len() {
            offered |= self.all[i].offer(to)?;
            let ahead = self.all[i].split_off_ahead(to);
            if !ahead.is_empty() {
                self.move_to_other_readers(log, i, ahead)?;
            }
        }
        self.all.retain(|s| s.partitions.values().any(ReadPartition::has_more));
        Ok(offered)
    }

    /// Moves inputs to readers that do not read their partition yet, as few readers as possible.
    fn move_to_other_readers(
        &mut self,
        log: &dyn Log,
        from: usize,
        partitions: Vec<ReadPartition>,
    ) -> Result<(), Fault> {
        let mut passed: BTreeMap<usize, Vec<ReadPartition>> = BTreeMap::new();
        for partition in partitions {
            let same = |s: &SharedReader| s.partitions.keys().next().is_some_and(|at| at.topic == partition.at().topic);
            let free = |s: &SharedReader| s.partitions.get(partition.at()).is_none_or(|p| !p.has_more());
            let found = self.all.iter().enumerate().position(|(i, s)| i != from && same(s) && free(s));
            passed.entry(found.unwrap_or(self.all.len())).or_default().push(partition);
        }
        for (to, partitions) in passed {
            tracing::debug!("some senders of {} are far ahead: reader {to} takes them", partitions[0].at().topic);
            let mut all =
                if to < self.all.len() { std::mem::take(&mut self.all[to].partitions) } else { BTreeMap::new() };
            all.extend(partitions.into_iter().map(|p| (p.at().clone(), p)));
            let shared = SharedReader::new(log, all)?;
            if to < self.all.len() { self.all[to] = shared } else { self.all.push(shared) }
        }
        Ok(())
    }
}

impl SharedReader {
    fn new(log: &dyn Log, mut partitions: BTreeMap<TopicPartition, ReadPartition>) -> Result<Self, Fault> {
        let from: Vec<_> = partitions.values().filter_map(|p| Some((p.at().clone(), p.next()?))).collect();
        let reader = if from.is_empty() { None } else { Some(log.reader(&from)?) };
        let max_partition_bytes = (MAX_BUFFERED_BYTES_PER_READER / partitions.len().max(1))
            .clamp(MIN_BUFFERED_BYTES_PER_PARTITION, MAX_BUFFERED_BYTES_PER_PARTITION);
        partitions.values_mut().for_each(ReadPartition::start);
        let default = FetchLimit::default();
        let worthwhile = partitions.values().map(ReadPartition::worthwhile_records).max().unwrap_or(0);
        let bytes = default.bytes.min(max_partition_bytes);
        let limit = FetchLimit { records: default.records.max(worthwhile), bytes };
        Ok(Self { reader, partitions, max_partition_bytes, limit })
    }

    fn offer(&mut self, to: &mut dyn BatchSink) -> Result<bool, Fault> {
        let mut offered = false;
        for partition in self.partitions.values_mut() {
            offered |= partition.offer(to)?;
        }
        let far_ahead = self.is_far_ahead(to);
        let Some(reader) = &mut self.reader else { return Ok(offered) };
        for partition in self.partitions.values_mut() {
            partition.pause(reader.as_mut(), self.max_partition_bytes)?;
        }
        if far_ahead {
            return Ok(offered);
        }
        let mut active = self.partitions.values().filter(|p| !p.is_paused()).count();
        let mut read = 0;
        // Bounded, so that the member is polled in between, and tasks are asked again whether they keep up.
        for _ in 0..self.partitions.len() {
            if active == 0 || read >= MAX_BYTES_AHEAD_OF_TASKS {
                break;
            }
            let Some(fetched) = reader.poll(self.limit, Duration::ZERO)? else {
                // Some offsets hold no record.
                for (at, position) in reader.positions() {
                    if let Some(partition) = self.partitions.get_mut(&at) {
                        partition.advance(position);
                    }
                }
                break;
            };
            let Some(partition) = self.partitions.get_mut(&fetched.origin) else { continue };
            let was_active = !partition.is_paused();
            read += fetched.records.bytes();
            partition.take(&fetched);
            offered |= partition.offer(to)?;
            partition.pause(reader.as_mut(), self.max_partition_bytes)?;
            active = active + usize::from(!partition.is_paused()) - usize::from(was_active);
        }
        Ok(offered)
    }

    /// Whether much is buffered that tasks have no capacity for: reading on would only fill memory. It goes on once
    /// they take some of it.
    fn is_far_ahead(&self, to: &dyn BatchSink) -> bool {
        let buffered: usize = self.partitions.values().map(ReadPartition::bytes).sum();
        buffered >= MAX_BYTES_AHEAD_OF_TASKS && self.partitions.values().any(|p| p.waits_for_capacity(to))
    }

    /// Splits off the inputs that block others of their partition.
    fn split_off_ahead(&mut self, to: &dyn BatchSink) -> Vec<ReadPartition> {
        let max_bytes = self.max_partition_bytes;
        let stuck = self.partitions.values_mut().filter(|p| p.bytes() >= max_bytes && p.is_starved(to));
        stuck.map(|p| p.split_off_ahead(max_bytes)).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_sign_loss)]
mod tests {
    use super::*;
    use crate::log::{Append, Start, TopicConfig, embedded::EmbeddedLog};
    use crate::record::{Offset, RecordsBuilder};
    use crate::runtime::task::MergeInput;
    use crate::runtime::task::merge_queue::{OfferPermit, OfferedBatch};
    use proptest::prelude::*;
    use std::cell::Cell;
    use std::collections::VecDeque;

    /// A record of a sender. The code under test reads only the sender, at the sixth byte.
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

    /// The queue of a sender: offered records, with their permits.
    type SenderQueue = VecDeque<(Vec<i64>, Option<OfferPermit>)>;

    /// Tasks that process records of the sender that they wait for, and buffer those of others.
    struct Tasks {
        /// Records of each sender by partition, in the order in which they are wanted.
        order: Vec<Vec<i32>>,
        senders: usize,
        /// Offered records that are not processed, by sender, with their permits.
        waiting: Vec<Vec<SenderQueue>>,
        done: Vec<Vec<Vec<i64>>>,
        ended: usize,
        /// How often something was sent, and how often it was asked whether it may be.
        sent: usize,
        asked: Cell<usize>,
        full: bool,
    }

    impl Tasks {
        fn new(order: Vec<Vec<i32>>, senders: usize) -> Self {
            let n = order.len();
            let waiting = (0..n).map(|_| (0..senders).map(|_| Default::default()).collect()).collect();
            let done = vec![vec![Vec::new(); senders]; n];
            Self { order, senders, waiting, done, ended: 0, sent: 0, asked: Cell::new(0), full: false }
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

    impl BatchSink for Tasks {
        fn has_capacity(&self, _: usize) -> bool {
            self.asked.set(self.asked.get() + 1);
            !self.full
        }

        fn accept(&mut self, route: usize, offered: Vec<OfferedBatch>) -> Result<(), Fault> {
            self.sent += 1;
            for offer in offered {
                self.ended += usize::from(offer.last);
                if let Some(fetched) = offer.fetched {
                    assert!(fetched.offsets.last().unwrap() < &offer.position.0);
                    self.waiting[route][offer.slot].push_back((fetched.offsets.to_vec(), offer.permit));
                    assert!(self.waiting[route][offer.slot].len() <= 2, "more is offered than there is room for");
                }
            }
            Ok(())
        }
    }

    fn wanted(p: usize, sender: usize, senders: usize, next: i64) -> MergeInput {
        let at = TopicPartition::new("t", p as u32);
        MergeInput { slot: sender, at, sender: Some((sender as i32, senders as i32)), next: Offset(next) }
    }

    fn readers_of(log: &EmbeddedLog, parts: usize, senders: usize, from: impl Fn(usize, usize) -> i64) -> MergeReaders {
        let mut cursors = Vec::new();
        for p in 0..parts {
            let end = log.resolve(&TopicPartition::new("t", p as u32), Start::Latest).unwrap();
            cursors.extend((0..senders).map(|s| (p, InputCursor::new(wanted(p, s, senders, from(p, s)), end))));
        }
        MergeReaders::new(log, cursors).unwrap()
    }

    /// Offers a topic to tasks that process senders in an order of their own; returns the processed records, the number
    /// of readers, and the most buffered bytes of a partition.
    fn run(
        parts: &[Vec<i32>],
        order: &[Vec<i32>],
        senders: usize,
        bytes: usize,
        from: impl Fn(usize, usize) -> i64,
    ) -> (Tasks, usize, usize) {
        let (_folder, log) = log_of(parts, bytes);
        let mut readers = readers_of(&log, parts.len(), senders, from);
        let order = order.iter().map(|o| o.iter().rev().copied().collect()).collect();
        let mut tasks = Tasks::new(order, senders);
        let (mut max_bytes, mut held, mut quiet) = (readers.all.len(), 0, 0);
        while !readers.is_empty() {
            let offered = readers.offer(&log, &mut tasks).unwrap();
            tasks.work();
            max_bytes = max_bytes.max(readers.all.len());
            held = held.max(
                readers.all.iter().flat_map(|s| s.partitions.values()).map(ReadPartition::bytes).max().unwrap_or(0),
            );
            quiet = if offered { 0 } else { quiet + 1 };
            assert!(quiet < 10_000, "nothing goes on");
        }
        assert_eq!(tasks.ended, parts.len() * tasks.senders);
        (tasks, max_bytes, held)
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
        assert!(held < MAX_BUFFERED_BYTES_PER_PARTITION + (4 << 20) + 1000, "{held} bytes were held");
        for (p, done) in tasks.done.iter().enumerate() {
            (0..7).for_each(|s| assert_eq!(done[s], places(&parts[p], s, 0), "sender {s} of {p}"));
        }
    }

    #[test]
    fn what_is_sent_to_tasks_does_not_grow_with_the_senders() {
        const RECORDS: usize = 20_000;
        let sent_by = |senders: usize| {
            let of = (0..RECORDS).map(|i| (i % senders) as i32).collect::<Vec<_>>();
            let parts = vec![of.clone(), of];
            run(&parts, &parts, senders, 10, |_, _| 0).0.sent
        };
        let (few, many) = (sent_by(4), sent_by(200));
        assert!(many <= 3 * few, "{few} messages to tasks with 4 senders, {many} with 200");
    }

    #[test]
    fn a_step_in_which_nothing_was_read_or_released_asks_nothing_of_the_inputs() {
        let senders: Vec<i32> = (0..20_000).map(|i| i % 64).collect();
        let parts = vec![senders.clone(), senders];
        let (_folder, log) = log_of(&parts, 10);
        let mut readers = readers_of(&log, parts.len(), 64, |_, _| 0);
        let mut tasks = Tasks::new(parts.iter().map(|p| p.iter().rev().copied().collect()).collect(), 64);
        let buffered =
            |readers: &MergeReaders| readers.all[0].partitions.values().map(ReadPartition::bytes).sum::<usize>();
        let mut before = None;
        while readers.offer(&log, &mut tasks).unwrap() || before != Some(buffered(&readers)) {
            before = Some(buffered(&readers));
        }
        assert!(buffered(&readers) > 0, "tasks hold as much as they may, and there is more");
        tasks.asked.set(0);
        assert!(!readers.offer(&log, &mut tasks).unwrap());
        assert_eq!(tasks.asked.get(), 0);
        tasks.work();
        assert!(readers.offer(&log, &mut tasks).unwrap(), "what tasks release is noticed");
    }

    #[test]
    fn a_reader_does_not_run_far_ahead_of_tasks_without_capacity() {
        let parts = vec![vec![0; 40]; 22];
        let bytes = 100_000;
        let (_folder, log) = log_of(&parts, bytes);
        let mut readers = readers_of(&log, parts.len(), 1, |_, _| 0);
        let mut tasks = Tasks { full: true, ..Tasks::new(parts.clone(), 1) };
        let mut buffered = Vec::new();
        for _ in 0..5 {
            assert!(!readers.offer(&log, &mut tasks).unwrap());
            buffered.push(readers.all[0].partitions.values().map(ReadPartition::bytes).sum::<usize>());
        }
        let one_partition = parts[0].len() * bytes + MAX_BUFFERED_BYTES_PER_PARTITION;
        assert!(buffered[4] < 2 * MAX_BYTES_AHEAD_OF_TASKS + one_partition, "{buffered:?} bytes are buffered");
        assert!(buffered[4] < parts.len() * parts[0].len() * bytes, "everything is buffered");
        tasks.full = false;
        while !readers.is_empty() {
            readers.offer(&log, &mut tasks).unwrap();
            tasks.work();
        }
        assert_eq!(tasks.ended, parts.len());
    }

    #[test]
    fn senders_far_ahead_are_left_to_another_reader() {
        let ahead = |n: usize| [[0, 1].repeat(n), [2, 3].repeat(n)].concat();
        let parts = vec![ahead(25_000)];
        let order = vec![[[2, 3].repeat(25_000), [0, 1].repeat(25_000)].concat()];
        let (tasks, readers, held) = run(&parts, &order, 4, 300, |_, _| 0);
        assert_eq!(readers, 2, "both that are ahead go to the same");
        assert!(held < MAX_BUFFERED_BYTES_PER_PARTITION + (4 << 20) + 1000, "{held} bytes were held");
        (0..4).for_each(|s| assert_eq!(tasks.done[0][s], places(&parts[0], s, 0), "sender {s}"));
    }

    #[test]
    fn partitions_whose_senders_are_ahead_of_each_other_go_on() {
        let runs = |of: [i32; 3]| of.map(|s| vec![s; 10_000]).concat();
        // The sender that is far ahead in one partition is awaited in another. In the last one two are ahead.
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
    fn a_sender_without_records_is_offered_its_end() {
        let (tasks, _, _) = run(&[vec![1; 10], vec![]], &[vec![1; 10], vec![]], 3, 0, |_, _| 0);
        assert_eq!(tasks.done[0][1], (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn a_record_of_an_unknown_sender_reaches_the_decoder() {
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
