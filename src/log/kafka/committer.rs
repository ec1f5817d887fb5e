//! The committing half of a member: outputs, state, counters and positions in one Kafka transaction.
//!
//! Separate because exactly-once is this file. A transaction carries the membership of the seat that its
//! records were read under; the group refuses it once it has decided again. No transaction is without
//! positions as long as there is one to send.
//!
//! With less than exactly-once there is no transaction: records first and then positions, or positions
//! first and then records, which are never sent again.
//!
//! The transactional id is the pipeline's name with the lowest partition of the seat. Ranges are handed out
//! without gaps and in one order for all topics, so no two members of one decision have the same lowest
//! partition; a member of the next decision that has it begins by ending what the one before left open; and
//! after a restart the ids are the same again. Who has no partition has an id of its own.

use super::context::Context;
use super::control::{AGAIN, Control, PATIENCE, raw};
use super::errors;
use super::producer::{Failed, Mode, Writer};
use crate::faults::{self, Mistake};
use crate::log::{Append, Committer, Delivery, EarlyOutput, LogError, LogResult, Recovery, Transaction};
use crate::record::{Offset, TopicPartition};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerGroupMetadata};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::{Offset as Raw, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// What a member holds between two decisions of its group.
pub(super) struct Seat {
    metadata: Arc<ConsumerGroupMetadata>,
    /// The identity of the topic of each partition.
    ids: BTreeMap<TopicPartition, String>,
    /// Positions as last committed.
    known: Mutex<BTreeMap<TopicPartition, Offset>>,
    slot: String,
}

impl Seat {
    pub(super) fn new(
        metadata: ConsumerGroupMetadata,
        told: &[(TopicPartition, Option<Offset>)],
        known: &[&(TopicPartition, Option<Offset>)],
        id: impl Fn(&str) -> String,
    ) -> Self {
        let ids = told.iter().map(|(at, _)| (at.clone(), id(&at.topic))).collect();
        let known = known.iter().filter_map(|(at, offset)| Some((at.clone(), (*offset)?))).collect();
        let lowest = told.iter().map(|(at, _)| at.partition.0).min();
        let slot = lowest.map_or_else(super::unique, |p| p.to_string());
        Self { metadata: Arc::new(metadata), ids, known: Mutex::new(known), slot }
    }
}

/// Where the two halves of a member meet: the one sits down and rises, the other commits while it sits.
#[derive(Default)]
pub(super) struct Desk(Mutex<Option<Arc<Seat>>>);

impl Desk {
    fn seat(&self) -> Option<Arc<Seat>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn seated(&self) -> bool {
        self.seat().is_some()
    }

    pub(super) fn sit(&self, seat: Seat) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(seat));
    }

    pub(super) fn rise(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// How long a member without transactions takes for granted that it is one: less than a group takes to give up
/// one that is silent.
const TRUST: Duration = Duration::from_secs(1);

/// What is being done where positions move outside transactions.
const MOVING: &str = "committing positions";

/// The answer to a request for positions to be moved, once it is there, and when that was asked for.
pub(super) type Moving = Receiver<Result<Instant, Code>>;

/// The owner of the transactions of one member.
pub(super) struct KafkaCommitter {
    pub(super) group: String,
    pub(super) delivery: Delivery,
    pub(super) control: Arc<Control>,
    pub(super) desk: Arc<Desk>,
    /// The member itself, which moves positions where there are no transactions; gone once it has left.
    pub(super) member: Weak<BaseConsumer<Context>>,
    pub(super) writer: Option<Writer>,
    /// What became of positions that are on their way.
    pub(super) moving: Option<Moving>,
    /// When it was asked for that positions be moved, outside transactions, and they were.
    pub(super) heard: Option<Instant>,
}

impl KafkaCommitter {
    fn undone(&self, why: impl Into<String>) -> LogError {
        LogError::Undone { group: self.group.clone(), why: why.into() }
    }

    fn seat(&self) -> LogResult<Arc<Seat>> {
        self.desk.seat().ok_or_else(|| self.undone("the group has taken back the partitions of this instance"))
    }

    fn writer(&mut self, mode: Mode) -> &mut Writer {
        drop(self.writer.take_if(|writer| *writer.mode() != mode));
        self.writer.get_or_insert_with(|| Writer::new(&self.control, mode))
    }

    /// The positions to send, each with the identity of its topic. Where a transaction has none, one that
    /// is known is sent again: without any, the group would not be asked whether this is still a member.
    fn positions(&self, seat: &Seat, offsets: &[(TopicPartition, Offset)]) -> LogResult<TopicPartitionList> {
        let known = seat.known.lock().unwrap_or_else(PoisonError::into_inner);
        let again: Vec<_> = match offsets.is_empty() {
            true => known.iter().next().map(|(at, offset)| (at.clone(), *offset)).into_iter().collect(),
            false => Vec::new(),
        };
        let mut list = TopicPartitionList::new();
        for (at, next) in offsets.iter().chain(&again) {
            let Some(id) = seat.ids.get(at) else {
                return Err(self.undone(format!("`{at}` was given to another instance")));
            };
            let mut element = list.add_partition(&at.topic, raw(at.partition));
            element.set_metadata(id);
            let set = element.set_offset(Raw::Offset(next.0));
            set.map_err(|e| {
                errors::fault(self.control.brokers(), &format!("committing {next} for `{at}`"), errors::code(&e))
            })?;
        }
        Ok(list)
    }

    /// A failure with records that were sent ahead: what of it could be done again must be read again.
    fn gone(&self, error: LogError) -> LogError {
        if error.recovery() == Recovery::Retry { self.undone(error.to_string()) } else { error }
    }

    /// Writes, in a transaction together with positions where there are some.
    fn write(
        &mut self,
        mode: Mode,
        appends: &[Append],
        positions: Option<(TopicPartitionList, Arc<ConsumerGroupMetadata>)>,
    ) -> LogResult<Vec<Option<Offset>>> {
        let writer = self.writer(mode);
        let ahead = writer.is_ahead();
        let written = writer.write(appends, positions);
        match written {
            Ok(firsts) => Ok(firsts.into_iter().map(|first| first.map(Offset)).collect()),
            Err(Failed::Refused(e)) if ahead => Err(self.gone(e)),
            Err(Failed::Refused(e)) => Err(e),
            // A producer of the same id or a newer decision of the group: the group will say which.
            Err(Failed::Superseded(why)) => {
                self.writer = None;
                Err(self.undone(why))
            }
            // The next producer of this id ends what is open, and the positions then tell which way it went.
            Err(Failed::Unknown { error, .. }) => {
                self.writer = None;
                Err(self.undone(format!("it is not known whether it was committed: {error}")))
            }
        }
    }

    /// Writes part after part, each once all before it has arrived: state that forgets a result is not there
    /// before the result is.
    fn write_in_turn(&mut self, transaction: &Transaction) -> LogResult<Vec<Option<Offset>>> {
        let (mut firsts, mut start) = (Vec::with_capacity(transaction.appends.len()), 0);
        for end in transaction.flush_points.iter().copied().chain([transaction.appends.len()]) {
            let ahead = self.writer.as_ref().is_some_and(Writer::is_ahead);
            if let Some(part) = transaction.appends.get(start..end).filter(|part| ahead || !part.is_empty()) {
                firsts.extend(self.write(Mode::AtLeastOnce, part, None)?);
            }
            start = end;
        }
        Ok(firsts)
    }

    /// Makes sure that this is still a member, where that has not been heard for a while: one that was asleep
    /// would write state over that of whoever has its partitions now.
    fn still_a_member(&mut self, seat: &Seat) -> LogResult<()> {
        if self.heard.is_some_and(|at| at.elapsed() < TRUST) {
            return Ok(());
        }
        self.moved()?;
        let positions = self.positions(seat, &[])?;
        self.move_on(positions)?;
        self.moved()
    }

    /// Begins to move the positions of the group, outside any transaction. On a thread of its own, as the
    /// client sets the request no limit.
    fn move_on(&mut self, positions: TopicPartitionList) -> LogResult<()> {
        let Some(member) = self.member.upgrade() else { return Err(self.undone("this instance has left the group")) };
        if positions.count() == 0 {
            return Ok(());
        }
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let moving = move || {
            let start = Instant::now();
            let moved = loop {
                let asked = Instant::now();
                match member.commit(&positions, CommitMode::Sync).map_err(|e| errors::code(&e)) {
                    Err(code) if errors::passes(code) && start.elapsed() <= PATIENCE => {
                        std::thread::park_timeout(AGAIN)
                    }
                    moved => break moved.map(|()| asked),
                }
            };
            // Nobody waits any more where it took too long.
            let _ = tell.send(moved);
        };
        let spawned = std::thread::Builder::new().name("kafka-positions".into()).spawn(moving);
        spawned.map_err(|e| LogError::Busy(format!("{MOVING}: no thread could be started: {e}")))?;
        self.moving = Some(told);
        Ok(())
    }

    /// Waits until positions that were begun to be moved are.
    fn moved(&mut self) -> LogResult<()> {
        let Some(told) = self.moving.take() else { return Ok(()) };
        let moved = told.recv_timeout(PATIENCE * 2).unwrap_or(Err(Code::RequestTimedOut));
        // Of the time when it was asked: between the answer and this the process may have been asleep.
        self.heard = moved.ok();
        match moved {
            Ok(_) => Ok(()),
            Err(code) if errors::superseded(code) || errors::passes(code) => {
                Err(self.undone(format!("{MOVING}: {}", errors::words(code))))
            }
            Err(code) => Err(errors::fault(self.control.brokers(), MOVING, code)),
        }
    }
}

impl Committer for KafkaCommitter {
    fn commit(&mut self, transaction: &Transaction) -> LogResult<Vec<Option<Offset>>> {
        let seat = self.seat()?;
        let positions = self.positions(&seat, &transaction.offsets)?;
        let written = match self.delivery {
            Delivery::ExactlyOnce if faults::planted(Mistake::OffsetsFirst) => {
                self.move_on(positions)?;
                self.moved()?;
                self.write(Mode::Transactions(format!("{}-{}", self.group, seat.slot)), &transaction.appends, None)?
            }
            Delivery::ExactlyOnce if faults::planted(Mistake::OffsetsAfter) => {
                let mode = Mode::Transactions(format!("{}-{}", self.group, seat.slot));
                let written = self.write(mode, &transaction.appends, None)?;
                self.move_on(positions)?;
                self.moved()?;
                written
            }
            Delivery::ExactlyOnce if faults::planted(Mistake::Unfenced) => {
                let mode = Mode::Transactions(format!("{}-{}", self.group, std::process::id()));
                let written = self.write(mode, &transaction.appends, None)?;
                drop(self.move_on(positions).and_then(|()| self.moved()));
                written
            }
            Delivery::ExactlyOnce => {
                let id = format!("{}-{}", self.group, seat.slot);
                self.write(Mode::Transactions(id), &transaction.appends, Some((positions, seat.metadata.clone())))?
            }
            Delivery::AtLeastOnce => {
                // While the next records are on their way, the positions of these move.
                self.still_a_member(&seat)?;
                let written = self.write_in_turn(transaction)?;
                self.moved()?;
                self.move_on(positions)?;
                written
            }
            Delivery::AtMostOnce => {
                self.move_on(positions)?;
                self.moved()?;
                // Tried again, what has arrived would be there twice.
                self.write(Mode::AtMostOnce, &transaction.appends, None).map_err(|e| match e {
                    LogError::Busy(why) => self.undone(why),
                    e => e,
                })?
            }
        };
        let mut known = seat.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(transaction.offsets.iter().cloned());
        Ok(written)
    }

    fn early_output(&mut self) -> Option<&mut dyn EarlyOutput> {
        if self.delivery == Delivery::AtLeastOnce { Some(self) } else { None }
    }

    fn await_acks(&mut self) -> LogResult<()> {
        self.moved()
    }
}

impl EarlyOutput for KafkaCommitter {
    fn send(&mut self, results: &[Append]) -> LogResult<()> {
        let seat = self.seat()?;
        self.still_a_member(&seat)?;
        match self.writer(Mode::AtLeastOnce).send_ahead(results) {
            Ok(()) => Ok(()),
            Err(Failed::Refused(e) | Failed::Unknown { error: e, .. }) => Err(self.gone(e)),
            Err(Failed::Superseded(why)) => Err(self.undone(why)),
        }
    }
}
