//! An instance to which the group has assigned no partition: it waits, and records that it is alive.

use crate::log::{Committer, FetchLimit, GroupEvent, Member, Transaction};
use crate::metrics::PipelineInfo;
use crate::record::RecordsBuilder;
use crate::runtime::cancel::CancelToken;
use crate::runtime::commit::instance_record::{instance_info, push_instance, resident_bytes, to_progress};
use crate::runtime::fault::Fault;
use crate::runtime::life::LIFE_TARGET;
use crate::runtime::recovery::rebuild::AssignedPartitions;
use crate::time::Clock;
use std::sync::Arc;
use std::time::Duration;

/// How long a poll of the group may take while it assigns no partitions.
const ASSIGNMENT_POLL_TIMEOUT: Duration = Duration::from_millis(100);

/// How often an instance without tasks records that it is alive, milliseconds.
const HEARTBEAT_INTERVAL_MS: i64 = 5_000;

/// This instance while it has no partition.
pub(in crate::runtime) struct Idle {
    info: PipelineInfo,
    clock: Arc<dyn Clock>,
    recorded_at: Option<i64>,
}

impl Idle {
    pub(in crate::runtime) fn new(info: PipelineInfo, clock: Arc<dyn Clock>) -> Self {
        Self { info, clock, recorded_at: None }
    }

    /// Whether the instance has waited without a partition before.
    pub(in crate::runtime) fn has_waited(&self) -> bool {
        self.recorded_at.is_some()
    }

    /// Waits until the group assigns partitions; `None` if the run is stopped first. With more members than
    /// partitions some get none; such a member calls `on_idle` and waits for others to leave.
    pub(in crate::runtime) fn await_assignment(
        &mut self,
        member: &mut dyn Member,
        committer: &mut dyn Committer,
        cancel: &CancelToken,
        on_idle: &dyn Fn(),
    ) -> Result<Option<AssignedPartitions>, Fault> {
        let mut empty = false;
        while !cancel.is_cancelled() {
            match member.poll(FetchLimit::default(), ASSIGNMENT_POLL_TIMEOUT)? {
                GroupEvent::Assigned(assigned) if !assigned.is_empty() => {
                    return Ok(Some(assigned.into_iter().collect()));
                }
                event => empty |= matches!(event, GroupEvent::Assigned(_)),
            }
            if empty {
                on_idle();
                self.record(committer);
            }
        }
        Ok(None)
    }

    /// Records at intervals that the instance is alive. A failure is no fault: nothing depends on the record.
    fn record(&mut self, committer: &mut dyn Committer) {
        let now = self.clock.now();
        if self.recorded_at.is_some_and(|at| (0..HEARTBEAT_INTERVAL_MS).contains(&now.saturating_sub(at))) {
            return;
        }
        if self.recorded_at.replace(now).is_none() {
            tracing::info!(target: LIFE_TARGET, "`{}` has no task here: other instances have all of them", self.info.name);
        }
        self.info.memory = resident_bytes();
        let mut records = RecordsBuilder::default();
        let written = push_instance(&instance_info(&self.info, now), now, &mut records).and_then(|()| {
            let state = vec![to_progress(&self.info.name, records)];
            Ok(committer.commit(&Transaction { state, ..Transaction::default() })?)
        });
        if let Err(e) = written {
            tracing::debug!("an instance without partitions could not record that it is alive: {e}");
        }
    }
}
