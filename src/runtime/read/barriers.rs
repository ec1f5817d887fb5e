//! Barriers: the intake sends one behind everything that it has sent, and receives the end of its epoch.

use super::decision::{Goal, Phase};
use super::intake::{Intake, TaskRoute};
use crate::record::{Offset, TopicPartition};
use crate::runtime::fault::Fault;
use crate::runtime::task::message::{Barrier, Epoch, EpochEnd, TaskMessage};
use std::sync::atomic::Ordering;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

impl Intake {
    /// Sends a barrier to every task; `ended` is the sub-topology whose inputs are at their end.
    pub(super) fn send_barrier(&mut self, commits: bool, ended: Option<u32>) -> Result<(), Fault> {
        self.epoch = Epoch { number: self.epoch.number + 1, commits };
        self.sent = false;
        self.epoch_in_flight = true;
        // An epoch without a commit leaves its changes to the next one that commits.
        self.gauges.uncommitted.store(!commits, Ordering::Relaxed);
        if commits {
            self.committed_at = Some(Instant::now());
        }
        let drain = self.options.drain && ended.is_some();
        let leaving = self.phase == Phase::Closing && self.cancel.is_cancelled();
        let mut positions = self.barrier_positions(ended);
        for (i, route) in self.routes.iter_mut().enumerate() {
            let positions = std::mem::take(&mut positions[i]);
            let (epoch, at_end) = (self.epoch, ended == Some(route.sub));
            let barrier = Barrier { epoch, drain, positions, at_end, leaving, messages_before: 0 };
            if route.queue.send_barrier(barrier).is_err() {
                return self.why_gone();
            }
        }
        Ok(())
    }

    /// Sends the last barrier of a goal. At the end of a sub-topology, `drain` first closes its windows, unless the run
    /// was stopped or the partitions were revoked.
    pub(super) fn send_final_barrier(&mut self, goal: Goal) -> Result<(), Fault> {
        let ended = match goal {
            Goal::OwnPart(sub) if !self.cancel.is_cancelled() => Some(sub),
            _ => None,
        };
        if let Some(sub) = ended.filter(|_| self.options.drain && self.phase != Phase::Closing) {
            for route in self.routes.iter_mut().filter(|r| r.sub == sub) {
                if route.queue.send(TaskMessage::Drain).is_err() {
                    return self.why_gone();
                }
            }
        }
        self.phase = Phase::Closing;
        self.send_barrier(true, ended)
    }

    /// The positions to send, by task: those of the partitions whose records have all reached their task. A bounded
    /// run reads past its end and drops the records behind it, so it sends only the end itself, once it is reached.
    fn barrier_positions(&self, ended: Option<u32>) -> Vec<Vec<(TopicPartition, Offset)>> {
        let mut by_route = vec![Vec::new(); self.routes.len()];
        if self.revoked() {
            return by_route;
        }
        match (&self.options.ends, ended) {
            (Some(ends), Some(sub)) => {
                let at_end =
                    |r: &TaskRoute| r.partitions.iter().filter_map(|at| Some((at.clone(), *ends.get(at)?))).collect();
                let routes = by_route.iter_mut().zip(&self.routes).filter(|(_, r)| r.sub == sub);
                routes.for_each(|(positions, route)| *positions = at_end(route));
            }
            (Some(_), None) => {}
            (None, _) => {
                for (at, position) in self.member.positions() {
                    if let Some(route) = self.route_of.get(&at).filter(|r| !self.buffered.contains_key(r)) {
                        by_route[*route].push((at, position));
                    }
                }
            }
        }
        by_route
    }

    /// Receives a report of the commit loop, waiting at most `wait` for it.
    pub(super) fn on_outcome(&mut self, wait: Duration) -> Result<(), Fault> {
        match self.committed.recv_timeout(wait) {
            Ok(Ok(EpochEnd { epoch, complete })) => {
                if epoch == self.epoch {
                    (self.epoch_in_flight, self.incomplete) = (false, !complete);
                }
                Ok(())
            }
            Ok(Err(fault)) => Err(fault),
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(Fault::internal("the commit loop is gone")),
        }
    }

    /// The fault that ended a task: the commit loop reports it, or ends once all tasks have.
    pub(super) fn why_gone(&mut self) -> Result<(), Fault> {
        self.routes.clear();
        loop {
            match self.committed.recv() {
                Ok(Ok(_)) => {}
                Ok(Err(fault)) => return Err(fault),
                Err(_) => return Err(Fault::internal("a task is gone")),
            }
        }
    }
}
