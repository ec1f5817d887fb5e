//! Mistakes in committing: transactions are split, skipped or repeated, and offsets are off by one.

use super::appends::{TopicKind, mistaken_append};
use super::lookups::end;
use super::mistake::{Mistake, Planted};
use super::transactions::{Part, commit_in_parts, part};
use crate::log::{Appender, CommitTimeout, Committer, EarlyOutput, Log, LogError, LogResult, Transaction};
use crate::record::{Offset, TopicPartition};
use std::sync::Arc;

/// A committer that makes a mistake.
pub(super) struct MistakenCommitter {
    pub(super) committer: Box<dyn Committer>,
    pub(super) log: Arc<dyn Log>,
    /// Appends outside the group; created when the mistake first needs it.
    pub(super) appender: Option<Box<dyn Appender>>,
    pub(super) group: String,
    pub(super) planted: Arc<Planted>,
}

impl MistakenCommitter {
    fn kind(&self, topic: &str) -> TopicKind {
        TopicKind::of(&self.group, topic)
    }

    /// The parts in which the mistake commits a transaction, in order.
    fn parts(&self, of: &Transaction) -> Vec<Part> {
        let all = || part(of, |_| true);
        let of_kind = |kind: TopicKind| part(of, move |a| self.kind(&a.to.topic) == kind);
        let except = |kind: TopicKind| part(of, move |a| self.kind(&a.to.topic) != kind);
        let none = || part(of, |_| false);
        match self.planted.mistake() {
            Mistake::OffsetsFirst => vec![none().with_offsets(of), all()],
            Mistake::OffsetsAfter => vec![all(), none().with_offsets(of)],
            Mistake::StateApart => vec![except(TopicKind::Changelog).with_offsets(of), of_kind(TopicKind::Changelog)],
            Mistake::ResultsFirst => vec![of_kind(TopicKind::Results), except(TopicKind::Results).with_offsets(of)],
            Mistake::ResultsAfter => vec![except(TopicKind::Results).with_offsets(of), of_kind(TopicKind::Results)],
            Mistake::IgnoreAbort if self.is_before_end(of) && self.planted.one_in(3, Mistake::IgnoreAbort) => {
                Vec::new()
            }
            _ => vec![all().with_offsets(of)],
        }
    }

    /// Whether a topic is an input, not one of the pipeline's own topics.
    fn is_input(&self, topic: &str) -> bool {
        !topic.strip_prefix(&*self.group).is_some_and(|rest| rest.starts_with('.'))
    }

    /// Whether a position is before the end of its partition. A mistake at the end would stay hidden, because no
    /// commit follows it, or would keep the group from ever reaching the end.
    fn is_position_before_end(&self, at: &TopicPartition, next: Offset) -> bool {
        next > Offset(0) && end(&*self.log, at).is_some_and(|end| next < end)
    }

    /// Whether a transaction has positions of inputs, all of them before the ends of their partitions.
    fn is_before_end(&self, transaction: &Transaction) -> bool {
        let mut inputs = transaction.offsets.iter().filter(|(at, _)| self.is_input(&at.topic)).peekable();
        inputs.peek().is_some() && inputs.all(|(at, next)| self.is_position_before_end(at, *next))
    }

    /// Moves the positions of inputs by one record.
    fn move_offsets(&self, transaction: &mut Transaction) {
        let by = match self.planted.mistake() {
            Mistake::OffsetTooFar => 1,
            Mistake::OffsetTooShort => -1,
            _ => return,
        };
        for (at, next) in &mut transaction.offsets {
            if self.is_input(&at.topic) && self.is_position_before_end(at, *next) {
                next.0 += by;
            }
        }
    }

    /// Writes outside the group, and ignores a refused commit of the offsets.
    fn commit_unfenced(&mut self, transaction: &Transaction) -> LogResult<Vec<Option<Offset>>> {
        let appender = match &mut self.appender {
            Some(appender) => appender,
            None => self.appender.insert(self.log.appender()?),
        };
        let all = transaction.results.iter().chain(&transaction.state);
        let appends: Vec<_> = all.filter(|a| !a.records.is_empty()).cloned().collect();
        appender.append(&appends)?;
        let offsets = Transaction { offsets: transaction.offsets.clone(), ..Transaction::default() };
        if let Err(e) = self.committer.commit(&offsets) {
            tracing::debug!("{e}");
        }
        Ok(vec![None; transaction.state.len()])
    }
}

impl Committer for MistakenCommitter {
    fn commit(&mut self, transaction: &Transaction) -> LogResult<Vec<Option<Offset>>> {
        let mut transaction = transaction.clone();
        self.move_offsets(&mut transaction);
        for append in transaction.results.iter_mut().chain(&mut transaction.state) {
            let kind = TopicKind::of(&self.group, &append.to.topic);
            mistaken_append(&self.planted, &*self.log, kind, append);
        }
        if self.planted.is(Mistake::Unfenced) {
            return self.commit_unfenced(&transaction);
        }
        let parts = self.parts(&transaction);
        let first_offsets = commit_in_parts(transaction.state.len(), &parts, |t| self.committer.commit(t))?;
        if self.planted.is(Mistake::RetryCommitted)
            && self.is_before_end(&transaction)
            && self.planted.one_in(3, Mistake::RetryCommitted)
        {
            return Err(LogError::Busy("a commit that succeeded counts as failed".into()));
        }
        Ok(first_offsets)
    }

    fn timeout(&self) -> Option<CommitTimeout> {
        self.committer.timeout()
    }

    fn early_output(&mut self) -> Option<&mut dyn EarlyOutput> {
        self.committer.early_output()
    }
}
