//! One producer, with transactions (begin, send, offsets, commit, abort) or without (send, await all
//! acknowledgements).
//!
//! A producer whose transaction has an unknown outcome is discarded. A refused record fails its transaction; a
//! transaction is never committed in part.

use super::closing::ClosesInTime;
use super::cluster::{Cluster, RETRY_TIMEOUT};
use super::context::{DeliveryReports, KafkaProducerContext, delivery_tag};
use super::errors;
use super::generation::LiveGeneration;
use super::sending::{RecordSender, WriteError, poll_deliveries};
use super::timed_call::call_within;
use super::write_mode::WriteMode;
use crate::faults::{self, FailPoint};
use crate::log::{Append, LogError};
use rdkafka::TopicPartitionList;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseProducer, Producer};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long one request of a transaction may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Offsets, and the group generation that they are committed under.
pub(super) type GroupOffsets = (TopicPartitionList, Arc<LiveGeneration>);

/// Writes through a producer that is created on first use.
pub(super) struct KafkaWriter {
    sender: RecordSender,
    producer: Option<ClosesInTime<Arc<BaseProducer<KafkaProducerContext>>>>,
    /// The limit on a batch that the producer was created with.
    max_batch_bytes: usize,
    /// Partition counts of the topics written to.
    partition_counts: HashMap<Arc<str>, u32>,
    /// Records sent early; the next write awaits them.
    early_records: usize,
}

/// The append number of records sent early, whose offsets are not needed.
const EARLY_APPEND: usize = usize::MAX >> 16;

fn record_count(appends: &[&Append]) -> usize {
    appends.iter().map(|a| a.records.len()).sum()
}

impl KafkaWriter {
    pub(super) fn new(cluster: &Arc<Cluster>, mode: WriteMode) -> Self {
        // Long enough for the coordinator to have ended any open transaction.
        let retry_timeout = RETRY_TIMEOUT.max(cluster.settings.transaction_timeout() * 2);
        Self {
            sender: RecordSender { cluster: cluster.clone(), mode, retry_timeout },
            producer: None,
            max_batch_bytes: usize::MAX,
            partition_counts: HashMap::new(),
            early_records: 0,
        }
    }

    pub(super) fn mode(&self) -> &WriteMode {
        &self.sender.mode
    }

    /// Whether records were sent early.
    pub(super) fn has_early_records(&self) -> bool {
        self.early_records > 0
    }

    /// Queues records in the client without waiting; without transactions only. A write that fails loses them, so
    /// the caller must read their inputs again.
    pub(super) fn send_early(&mut self, appends: &[&Append]) -> Result<(), WriteError> {
        self.check_topics(appends).map_err(WriteError::Failed)?;
        if self.early_records == 0 {
            self.begin()?;
        }
        let Some(producer) = &self.producer else { return Ok(()) };
        let transaction = producer.context().deliveries().transaction;
        let queued = self.enqueue_all(producer, appends, |_| delivery_tag(transaction, EARLY_APPEND));
        producer.poll(Duration::ZERO);
        let queued = queued.and_then(|()| self.sender.check_deliveries(producer));
        match queued {
            Ok(()) => self.early_records += record_count(appends),
            Err(_) => self.discard(),
        }
        queued
    }

    /// Discards the producer and the cached partition counts.
    fn discard(&mut self) {
        (self.producer, self.early_records) = (None, 0);
        self.partition_counts.clear();
    }

    /// Writes everything or nothing; without transactions, awaits everything including what was sent early. Returns
    /// the first offset of each append.
    pub(super) fn write(
        &mut self,
        appends: &[&Append],
        offsets: Option<GroupOffsets>,
    ) -> Result<Vec<Option<i64>>, WriteError> {
        self.check_topics(appends).map_err(WriteError::Failed)?;
        if self.early_records == 0 {
            self.begin()?;
        }
        let sent = self.send(appends, offsets);
        let Some(producer) = &self.producer else { return Ok(Vec::new()) };
        let done = match sent {
            Ok(()) if self.sender.mode.is_transactional() => self.commit(producer),
            sent => sent,
        };
        match done {
            Ok(()) => {
                self.early_records = 0;
                Ok(std::mem::take(&mut producer.context().deliveries().first_offsets))
            }
            Err(error) => {
                // Aborts now, so that readers need not wait for the coordinator's timeout. The producer is
                // discarded even then: what it still has in flight must not reach the next transaction. Where
                // another thread still uses it, the next producer of the same id aborts instead.
                let shared = Arc::strong_count(producer) > 1;
                if self.sender.mode.is_transactional() && !shared && !matches!(error, WriteError::Indeterminate { .. })
                {
                    abort(producer);
                }
                self.discard();
                Err(error)
            }
        }
    }

    /// Fails on topics and partitions that do not exist, before anything is sent: a producer would wait for them to
    /// appear.
    fn check_topics(&mut self, appends: &[&Append]) -> Result<(), LogError> {
        for append in appends {
            let topic = &append.to.topic;
            let count = match self.partition_counts.get(topic) {
                Some(count) if append.to.partition.0 < *count => continue,
                _ => self
                    .sender
                    .cluster
                    .partition_count(topic)?
                    .ok_or_else(|| self.sender.cluster.unknown_topic(topic))?,
            };
            self.partition_counts.insert(topic.clone(), count);
            if append.to.partition.0 >= count {
                return Err(LogError::UnknownPartition { at: append.to.clone(), count });
            }
        }
        Ok(())
    }

    /// Creates the producer, or replaces it if the batch limit has become lower. A new producer first ends the
    /// transaction that was left open under its id.
    fn open_producer(&mut self) -> Result<(), WriteError> {
        let max_batch_bytes = self.sender.cluster.batch_limit.bytes();
        if self.producer.is_none() || max_batch_bytes < self.max_batch_bytes {
            self.producer = None;
            let config = self.sender.cluster.settings.for_producer(&self.sender.mode, max_batch_bytes);
            let created = config.create_with_context(KafkaProducerContext::default());
            let producer: BaseProducer<KafkaProducerContext> =
                created.map_err(|e: KafkaError| WriteError::Failed(self.sender.cluster.settings.property_error(&e)))?;
            let producer = ClosesInTime::new(Arc::new(producer));
            if self.sender.mode.is_transactional() {
                self.retry("taking over transactions", &producer, |p| p.init_transactions(REQUEST_TIMEOUT))?;
            }
            self.producer = Some(producer);
            self.max_batch_bytes = max_batch_bytes;
        }
        Ok(())
    }

    /// Replaces the producer, which ends the transaction that was left open under this id, by commit or abort.
    pub(super) fn take_over(&mut self) -> Result<(), LogError> {
        self.producer = None;
        self.open_producer().map_err(|error| match error {
            WriteError::Failed(e) | WriteError::Indeterminate { error: e, .. } => e,
            WriteError::Fenced(why) => LogError::Busy(why),
        })
    }

    fn begin(&mut self) -> Result<(), WriteError> {
        self.open_producer()?;
        let Some(producer) = &self.producer else { return Ok(()) };
        {
            let mut deliveries = producer.context().deliveries();
            let transaction = deliveries.transaction.wrapping_add(1);
            *deliveries = DeliveryReports { transaction, ..DeliveryReports::default() };
        }
        if !self.sender.mode.is_transactional() {
            return Ok(());
        }
        producer.begin_transaction().map_err(|e| {
            let code = errors::error_code(&e);
            self.producer = None;
            self.sender.write_error("beginning a transaction", code)
        })
    }

    /// Retries a request until its answer is final.
    fn retry(
        &self,
        action: &str,
        producer: &BaseProducer<KafkaProducerContext>,
        request: impl Fn(&BaseProducer<KafkaProducerContext>) -> Result<(), KafkaError>,
    ) -> Result<(), WriteError> {
        let start = Instant::now();
        loop {
            let Err(e) = request(producer) else { return Ok(()) };
            poll_deliveries(producer);
            if !is_retriable(&e) || start.elapsed() > self.sender.retry_timeout {
                return Err(self.sender.write_error(action, errors::error_code(&e)));
            }
        }
    }

    fn enqueue_all(
        &self,
        producer: &BaseProducer<KafkaProducerContext>,
        appends: &[&Append],
        tag: impl Fn(usize) -> usize,
    ) -> Result<(), WriteError> {
        for (number, append) in appends.iter().enumerate() {
            for row in 0..append.records.len() {
                self.sender.enqueue(producer, tag(number), append, row)?;
            }
        }
        Ok(())
    }

    fn send(&self, appends: &[&Append], offsets: Option<GroupOffsets>) -> Result<(), WriteError> {
        let Some(producer) = &self.producer else { return Ok(()) };
        let transaction = {
            let mut deliveries = producer.context().deliveries();
            deliveries.first_offsets = vec![None; appends.len()];
            deliveries.transaction
        };
        self.enqueue_all(producer, appends, |number| delivery_tag(transaction, number))?;
        let start = Instant::now();
        while producer.in_flight_count() > 0 {
            poll_deliveries(producer);
            self.sender.check_deliveries(producer)?;
            if start.elapsed() > self.sender.retry_timeout {
                return Err(WriteError::Failed(self.sender.error("writing records", Code::MessageTimedOut)));
            }
        }
        self.sender.check_deliveries(producer)?;
        // An empty queue is not enough: only acknowledged records may be committed.
        let acknowledged = producer.context().deliveries().acknowledged;
        let sent = self.early_records + record_count(appends);
        if acknowledged != sent {
            let brokers = self.sender.cluster.brokers();
            // The delivery reports only say that the records were purged.
            if let Some(topic) = producer.context().client.events().denied_topic.take() {
                let action = format!("writing to `{topic}`");
                let fault = errors::log_error_for(brokers, &action, Code::TopicAuthorizationFailed, "Write");
                return Err(WriteError::Failed(fault));
            }
            if let Some((code, _)) = producer.client().fatal_error() {
                return Err(self.sender.write_error("writing records", code));
            }
            let text = format!(
                "Kafka at {brokers} has confirmed {acknowledged} of {sent} records{}",
                self.sender.mode.id_label()
            );
            return Err(WriteError::Failed(LogError::Busy(text)));
        }
        faults::fail_point(FailPoint::AfterProduce);
        match offsets {
            Some(offsets) if offsets.0.count() > 0 => self.send_offsets(producer, offsets)?,
            _ => {}
        }
        faults::fail_point(FailPoint::AfterOffsets);
        Ok(())
    }

    /// Sends offsets, on a thread of its own: where the group coordinator goes away at this moment, librdkafka forgets
    /// the request together with its time limit (its issues 5456 and 5511), and the call may never return. The
    /// producer is then left to that thread, and the next one of the same id aborts the open transaction before
    /// everything is written again.
    fn send_offsets(
        &self,
        producer: &Arc<BaseProducer<KafkaProducerContext>>,
        (list, generation): GroupOffsets,
    ) -> Result<(), WriteError> {
        const ACTION: &str = "committing offsets";
        let (start, list) = (Instant::now(), Arc::new(list));
        loop {
            let (producer_of_call, list, generation) = (producer.clone(), list.clone(), generation.clone());
            let send =
                move || producer_of_call.send_offsets_to_transaction(&list, generation.metadata(), REQUEST_TIMEOUT);
            let sent = call_within("kafka-offsets", REQUEST_TIMEOUT * 2, send).map_err(|e| {
                WriteError::Failed(LogError::Busy(format!("{ACTION}: no thread could be started: {e}")))
            })?;
            match sent {
                None => return Err(WriteError::Failed(self.sender.error(ACTION, Code::RequestTimedOut))),
                Some(Ok(())) => return Ok(()),
                Some(Err(e)) if is_retriable(&e) && start.elapsed() <= self.sender.retry_timeout => {
                    poll_deliveries(producer)
                }
                Some(Err(e)) => return Err(self.sender.write_error(ACTION, errors::error_code(&e))),
            }
        }
    }

    fn commit(&self, producer: &BaseProducer<KafkaProducerContext>) -> Result<(), WriteError> {
        faults::fail_point(FailPoint::BeforeCommit);
        let start = Instant::now();
        loop {
            let Err(e) = producer.commit_transaction(REQUEST_TIMEOUT) else {
                faults::fail_point(FailPoint::AfterCommit);
                return Ok(());
            };
            let code = errors::error_code(&e);
            if matches!(&e, KafkaError::Transaction(t) if t.txn_requires_abort()) {
                return Err(self.sender.write_error("committing", code));
            }
            if !is_retriable(&e) || start.elapsed() > self.sender.retry_timeout {
                let first_offsets = producer.context().deliveries().first_offsets.clone();
                return Err(WriteError::Indeterminate { error: self.sender.error("committing", code), first_offsets });
            }
            poll_deliveries(producer);
        }
    }
}

fn is_retriable(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(e) => {
            !e.is_fatal() && !e.txn_requires_abort() && (e.is_retriable() || errors::is_transient(e.code()))
        }
        other => errors::is_transient(errors::error_code(other)),
    }
}

/// Aborts the open transaction. If that fails, nothing of it becomes visible either: the coordinator aborts it, or
/// the next producer of this id does.
fn abort(producer: &BaseProducer<KafkaProducerContext>) {
    if let Err(e) = producer.abort_transaction(REQUEST_TIMEOUT) {
        tracing::debug!("aborting a transaction: {e}");
    }
}
