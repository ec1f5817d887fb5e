//! One producer: begin, send, positions, commit, abort; without transactions only send, until all has
//! arrived.
//!
//! Separate because a producer that does not know what became of its transaction is thrown away, and only
//! here is it known which results are such. A record that is refused fails its transaction; of a transaction
//! nothing is ever left half sent.

use super::context::{Deliveries, ProducerSide, ticket};
use super::control::Control;
use super::errors::{self, words};
use super::sending::hear;
use crate::faults::{self, Mistake, Place};
use crate::log::{Append, LogError};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseProducer, Producer};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long one request of a transaction may take.
const REQUEST: Duration = Duration::from_secs(5);

/// How long a step of a transaction is tried again while the cluster is busy. Longer than the life of an
/// open transaction, so that the coordinator has decided by then.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// How what is written becomes visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// All at once, in transactions under this id.
    Transactions(String),
    /// As it arrives; each record is sent until it has arrived.
    AtLeastOnce,
    /// As it arrives; no record is sent a second time.
    AtMostOnce,
}

/// How a transaction ends where it does not succeed.
pub(super) enum Failed {
    /// Nothing of it is or will be visible; without transactions, a part of it may be.
    Refused(LogError),
    /// Nothing of it will be visible: somebody else goes on in this place.
    Superseded(String),
    /// It is not known; the first offsets of what was written can tell.
    Unknown { error: LogError, firsts: Vec<Option<i64>> },
}

/// Positions, and the membership that they are sent under.
pub(super) type Positions = (TopicPartitionList, Arc<ConsumerGroupMetadata>);

/// A producer, made when it is first needed.
pub(super) struct Writer {
    pub(super) control: Arc<Control>,
    mode: Mode,
    producer: Option<Arc<BaseProducer<ProducerSide>>>,
    /// Partitions of the topics written to.
    counts: HashMap<Arc<str>, u32>,
    /// Records that were sent ahead of the next write, which waits for them.
    ahead: usize,
}

/// What records that are sent ahead are numbered with: where they are is not asked.
const AHEAD: usize = usize::MAX >> 16;

fn rows(appends: &[Append]) -> usize {
    appends.iter().map(|a| a.records.len()).sum()
}

impl Writer {
    pub(super) fn new(control: &Arc<Control>, mode: Mode) -> Self {
        Self { control: control.clone(), mode, producer: None, counts: HashMap::new(), ahead: 0 }
    }

    pub(super) fn mode(&self) -> &Mode {
        &self.mode
    }

    fn transacts(&self) -> bool {
        matches!(self.mode, Mode::Transactions(_))
    }

    /// Under which id, for messages.
    pub(super) fn under(&self) -> String {
        match &self.mode {
            Mode::Transactions(id) => format!(" (transactional id `{id}`)"),
            Mode::AtLeastOnce | Mode::AtMostOnce => String::new(),
        }
    }

    pub(super) fn fault(&self, doing: &str, code: Code) -> LogError {
        errors::fault(self.control.brokers(), &format!("{doing}{}", self.under()), code)
    }

    /// Whether records were sent ahead.
    pub(super) fn is_ahead(&self) -> bool {
        self.ahead > 0
    }

    /// Gives records to the client, which sends them while the caller goes on; without transactions only. They
    /// are lost to a write that fails: it cannot be made again.
    pub(super) fn send_ahead(&mut self, appends: &[Append]) -> Result<(), Failed> {
        self.check(appends).map_err(Failed::Refused)?;
        if self.ahead == 0 {
            self.begin()?;
        }
        let Some(producer) = &self.producer else { return Ok(()) };
        let transaction = producer.context().deliveries().transaction;
        let given = self.give(producer, appends, |_| ticket(transaction, AHEAD));
        producer.poll(Duration::ZERO);
        let given = given.and_then(|()| self.delivered(producer));
        match given {
            Ok(()) => self.ahead += rows(appends),
            Err(_) => self.give_up(),
        }
        given
    }

    /// Begins anew with another producer, and looks again at what there is.
    fn give_up(&mut self) {
        (self.producer, self.ahead) = (None, 0);
        self.counts.clear();
    }

    /// All or nothing, or without transactions all in the end, what was sent ahead too; the first offset of
    /// each append.
    pub(super) fn write(
        &mut self,
        appends: &[Append],
        positions: Option<Positions>,
    ) -> Result<Vec<Option<i64>>, Failed> {
        self.check(appends).map_err(Failed::Refused)?;
        if self.ahead == 0 {
            self.begin()?;
        }
        let sent = self.send(appends, positions);
        let Some(producer) = &self.producer else { return Ok(Vec::new()) };
        let done = match sent {
            Ok(()) if self.transacts() => self.commit(producer),
            sent => sent,
        };
        match done {
            Ok(()) => {
                self.ahead = 0;
                Ok(std::mem::take(&mut producer.context().deliveries().firsts))
            }
            Err(failed) => {
                // Undone now, so that readers need not wait for the coordinator to give it up. Even then the
                // producer is not used again: what it still has under way must not meet the next transaction.
                // Where a call on it still hangs, that is left to the next one of the same id.
                let held = Arc::strong_count(producer) > 1;
                if self.transacts() && !held && !matches!(failed, Failed::Unknown { .. }) {
                    abort(producer);
                }
                self.give_up();
                Err(failed)
            }
        }
    }

    /// Names what is not there before anything is begun: a producer would only wait for it to appear.
    fn check(&mut self, appends: &[Append]) -> Result<(), LogError> {
        for append in appends {
            let topic = &append.to.topic;
            let count = match self.counts.get(topic) {
                Some(count) if append.to.partition.0 < *count => continue,
                _ => self.control.partitions(topic)?.ok_or_else(|| self.control.unknown(topic))?,
            };
            self.counts.insert(topic.clone(), count);
            if append.to.partition.0 >= count {
                return Err(LogError::UnknownPartition { at: append.to.clone(), count });
            }
        }
        Ok(())
    }

    /// Makes the producer where there is none. Its first act is to end what was left open under its id.
    fn open(&mut self) -> Result<(), Failed> {
        if self.producer.is_none() {
            let config = self.control.settings.producer(&self.mode);
            let made = config.create_with_context(ProducerSide::default());
            let producer: BaseProducer<ProducerSide> =
                made.map_err(|e: KafkaError| Failed::Refused(self.control.settings.refused(&e)))?;
            if self.transacts() {
                self.again("taking over transactions", &producer, |p| p.init_transactions(REQUEST))?;
            }
            self.producer = Some(Arc::new(producer));
        }
        Ok(())
    }

    /// Ends what was left open under this id, one way or the other.
    pub(super) fn take_over(&mut self) -> Result<(), LogError> {
        self.producer = None;
        self.open().map_err(|failed| match failed {
            Failed::Refused(e) | Failed::Unknown { error: e, .. } => e,
            Failed::Superseded(why) => LogError::Busy(why),
        })
    }

    fn begin(&mut self) -> Result<(), Failed> {
        self.open()?;
        let Some(producer) = &self.producer else { return Ok(()) };
        {
            let mut deliveries = producer.context().deliveries();
            let transaction = deliveries.transaction.wrapping_add(1);
            *deliveries = Deliveries { transaction, ..Deliveries::default() };
        }
        if !self.transacts() {
            return Ok(());
        }
        producer.begin_transaction().map_err(|e| {
            let code = errors::code(&e);
            self.producer = None;
            self.failed("beginning a transaction", code)
        })
    }

    pub(super) fn failed(&self, doing: &str, code: Code) -> Failed {
        if errors::superseded(code) {
            Failed::Superseded(format!("{doing}: {}", words(code)))
        } else {
            Failed::Refused(self.fault(doing, code))
        }
    }

    /// The same for a client that is done for: of every record it says only that, and knows why.
    pub(super) fn failed_for_good(&self, producer: &BaseProducer<ProducerSide>, doing: &str, code: Code) -> Failed {
        let known = (code == Code::Fatal).then(|| producer.client().fatal_error()).flatten();
        self.failed(doing, known.map_or(code, |(code, _)| code))
    }

    /// Makes a request until it is answered for good.
    fn again(
        &self,
        doing: &str,
        producer: &BaseProducer<ProducerSide>,
        request: impl Fn(&BaseProducer<ProducerSide>) -> Result<(), KafkaError>,
    ) -> Result<(), Failed> {
        let start = Instant::now();
        loop {
            let Err(e) = request(producer) else { return Ok(()) };
            hear(producer);
            if !retriable(&e) || start.elapsed() > PATIENCE {
                return Err(self.failed(doing, errors::code(&e)));
            }
        }
    }

    fn give(
        &self,
        producer: &BaseProducer<ProducerSide>,
        appends: &[Append],
        ticket: impl Fn(usize) -> usize,
    ) -> Result<(), Failed> {
        for (number, append) in appends.iter().enumerate() {
            for row in 0..append.records.len() {
                self.send_one(producer, ticket(number), append, row)?;
            }
        }
        Ok(())
    }

    fn send(&self, appends: &[Append], positions: Option<Positions>) -> Result<(), Failed> {
        let Some(producer) = &self.producer else { return Ok(()) };
        let transaction = {
            let mut deliveries = producer.context().deliveries();
            deliveries.firsts = vec![None; appends.len()];
            deliveries.transaction
        };
        self.give(producer, appends, |number| ticket(transaction, number))?;
        if faults::one_in(20, Mistake::SendTwice) {
            self.give(producer, appends, |number| ticket(transaction.wrapping_sub(1), number))?;
        }
        let start = Instant::now();
        while producer.in_flight_count() > 0 {
            hear(producer);
            self.delivered(producer)?;
            if start.elapsed() > PATIENCE {
                return Err(Failed::Refused(self.fault("writing records", Code::MessageTimedOut)));
            }
        }
        self.delivered(producer)?;
        // The client being done is not enough: only records that have arrived may be committed.
        let arrived = producer.context().deliveries().arrived;
        let sent = self.ahead + rows(appends);
        if arrived != sent {
            let brokers = self.control.brokers();
            // The records themselves only say that they were thrown away.
            if let Some(topic) = producer.context().client.heard().denied.take() {
                let doing = format!("writing to `{topic}`");
                let fault = errors::fault_with(brokers, &doing, Code::TopicAuthorizationFailed, "Write");
                return Err(Failed::Refused(fault));
            }
            let text = format!("Kafka at {brokers} has confirmed {arrived} of {sent} records{}", self.under());
            return Err(Failed::Refused(LogError::Busy(text)));
        }
        faults::pass(Place::AfterProduce);
        match positions {
            Some(positions) if positions.0.count() > 0 => self.send_positions(producer, positions)?,
            _ => {}
        }
        faults::pass(Place::AfterOffsets);
        Ok(())
    }

    /// On a thread of its own: where the group's coordinator goes away at this moment, librdkafka forgets the
    /// request together with its time limit (its issues 5456 and 5511), and the call may never come back.
    /// Then the producer is left to that thread, and the next one of the same id takes its place: it undoes
    /// what is open, before it all is written again.
    fn send_positions(
        &self,
        producer: &Arc<BaseProducer<ProducerSide>>,
        (list, member): Positions,
    ) -> Result<(), Failed> {
        const DOING: &str = "committing positions";
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let sending = producer.clone();
        let spawned = std::thread::Builder::new().name("kafka-positions".into()).spawn(move || {
            let start = Instant::now();
            let sent = loop {
                match sending.send_offsets_to_transaction(&list, &member, REQUEST) {
                    Err(e) if retriable(&e) && start.elapsed() <= PATIENCE => hear(&sending),
                    sent => break sent,
                }
                drop(tell.send(None));
            };
            drop(sending);
            // Nobody waits any more where it took too long.
            drop(tell.send(Some(sent)));
        });
        if let Err(e) = spawned {
            return Err(Failed::Refused(LogError::Busy(format!("{DOING}: no thread could be started: {e}"))));
        }
        loop {
            match told.recv_timeout(REQUEST * 2) {
                Ok(None) => {}
                Ok(Some(sent)) => return sent.map_err(|e| self.failed(DOING, errors::code(&e))),
                Err(_) => return Err(Failed::Refused(self.fault(DOING, Code::RequestTimedOut))),
            }
        }
    }

    fn commit(&self, producer: &BaseProducer<ProducerSide>) -> Result<(), Failed> {
        if faults::one_in(20, Mistake::IgnoreAbort) {
            abort(producer);
            return Ok(());
        }
        faults::pass(Place::BeforeCommit);
        let start = Instant::now();
        loop {
            let Err(e) = producer.commit_transaction(REQUEST) else {
                faults::pass(Place::AfterCommit);
                return Ok(());
            };
            let code = errors::code(&e);
            if matches!(&e, KafkaError::Transaction(t) if t.txn_requires_abort()) {
                return Err(self.failed("committing", code));
            }
            if !retriable(&e) || start.elapsed() > PATIENCE {
                let firsts = producer.context().deliveries().firsts.clone();
                return Err(Failed::Unknown { error: self.fault("committing", code), firsts });
            }
            hear(producer);
        }
    }
}

fn retriable(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(e) => {
            !e.is_fatal() && !e.txn_requires_abort() && (e.is_retriable() || errors::passes(e.code()))
        }
        other => errors::passes(errors::code(other)),
    }
}

/// Undoes what is open. Nothing of it becomes visible where this fails either: without a commit the
/// coordinator undoes it, and so does the next producer of this id.
fn abort(producer: &BaseProducer<ProducerSide>) {
    if let Err(e) = producer.abort_transaction(REQUEST) {
        tracing::debug!("undoing a transaction: {e}");
    }
}
