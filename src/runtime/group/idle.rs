//! An instance to which the group has assigned no partition: it waits, and reports that it is there.

use super::assignment::Given;
use super::engine::Stop;
use crate::log::{Committer, FetchLimit, GroupEvent, Member, Transaction};
use crate::metrics::PipelineInfo;
use crate::record::RecordsBuilder;
use crate::runtime::Fault;
use crate::runtime::commit::commit_loop::resident;
use crate::runtime::commit::instance_record::{instance, push, to_progress};
use crate::time::Clock;
use std::sync::Arc;
use std::time::Duration;

/// How long a poll of the group may take while it assigns no partitions.
const ASSIGNMENT_POLL_TIMEOUT: Duration = Duration::from_millis(100);

/// How often an instance without tasks says that it is there, milliseconds.
const EVERY: i64 = 5_000;

/// This instance while the group has no partition for it.
pub(in crate::runtime) struct Idle {
    info: PipelineInfo,
    clock: Arc<dyn Clock>,
    said_at: Option<i64>,
}

impl Idle {
    /// One that has said nothing yet.
    pub(in crate::runtime) fn new(info: PipelineInfo, clock: Arc<dyn Clock>) -> Self {
        Self { info, clock, said_at: None }
    }

    /// Whether it has ever waited without a partition.
    pub(in crate::runtime) fn waited(&self) -> bool {
        self.said_at.is_some()
    }

    /// What the group gives this member; `None` where the run is told to stop first. Where there are more
    /// members than partitions that may be nothing: then it is idle, which is told again and again, and waits
    /// for others to leave.
    pub(in crate::runtime) fn given(
        &mut self,
        member: &mut dyn Member,
        committer: &mut dyn Committer,
        stop: &Stop,
        idle: &dyn Fn(),
    ) -> Result<Option<Given>, Fault> {
        let mut empty = false;
        while !stop.asked() {
            match member.poll(FetchLimit::default(), ASSIGNMENT_POLL_TIMEOUT)? {
                GroupEvent::Assigned(given) if !given.is_empty() => return Ok(Some(given)),
                event => empty |= matches!(event, GroupEvent::Assigned(_)),
            }
            if empty {
                idle();
                self.say(committer);
            }
        }
        Ok(None)
    }

    /// Says that it is there, now and then.
    fn say(&mut self, committer: &mut dyn Committer) {
        let now = self.clock.now();
        if self.said_at.is_none_or(|at| now.saturating_sub(at) >= EVERY) {
            self.said_at = Some(now);
            self.tell(committer, now);
        }
    }

    /// Not to be heard is worth no fault: nothing depends on it.
    fn tell(&mut self, committer: &mut dyn Committer, now: i64) {
        self.info.memory = resident();
        let mut records = RecordsBuilder::default();
        let said = push(&instance(&self.info, now), now, &mut records).and_then(|()| {
            let appends = vec![to_progress(&self.info, records)];
            Ok(committer.commit(&Transaction { flush_points: Vec::new(), appends, offsets: Vec::new() })?)
        });
        if let Err(e) = said {
            tracing::debug!("an instance without partitions could not say that it is there: {e}");
        }
    }
}
