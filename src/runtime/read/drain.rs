//! The end of a stretch of work: all that was read is worked off and committed before anything else is read.
//!
//! Separate from the intake's turns because here nothing more is read, and yet the group must be heard: tasks
//! may wait long, for a model for instance.

use crate::log::{FetchLimit, GroupEvent};
use crate::runtime::fault::Fault;
use crate::runtime::read::intake::{BRIEF, Intake, PATIENCE};
use crate::runtime::task::message::{Message, room};
use std::time::Duration;

impl Intake {
    /// Commits all that is under way; then, where a sub-topology has come to its end, closes it, unless the
    /// group takes its partitions back before. Meanwhile nothing more is read, and the group is heard.
    pub(in crate::runtime) fn settle(&mut self, ended: Option<u32>) -> Result<(), Fault> {
        self.flow.settling = true;
        self.pause_all(true)?;
        // Nor may a task that waits, and has no room for what it is told next, keep the group from being heard.
        while self.flow.under_way || !self.flow.held.is_empty() || !self.routes.iter().all(|r| room(&r.to)) {
            self.hand_over()?;
            self.listen(BRIEF)?;
        }
        let ended = ended.filter(|_| !self.revoked());
        let drain = self.drain && ended.is_some();
        if drain {
            self.tell_all(|r| Some(r.sub) == ended, || Message::Drain)?;
        }
        self.barrier(true, drain, ended)?;
        while self.flow.under_way {
            self.listen(PATIENCE)?;
        }
        self.flow.settling = false;
        self.pause_all(false)
    }

    /// Stops or resumes what the member reads for tasks.
    fn pause_all(&mut self, paused: bool) -> Result<(), Fault> {
        if self.revoked() {
            return Ok(());
        }
        for route in self.routes.iter().filter(|r| r.wanted.is_empty()) {
            self.member.pause(&route.owned, paused)?;
        }
        Ok(())
    }

    /// Hears what became of the epoch under way, and what the group has decided: it must not wait for a task
    /// that waits. After it has taken the partitions back, the next poll would be the answer.
    fn listen(&mut self, wait: Duration) -> Result<(), Fault> {
        self.hear(wait)?;
        if self.revoked() {
            return Ok(());
        }
        match self.member.poll(FetchLimit::default(), Duration::ZERO)? {
            GroupEvent::Idle => {}
            GroupEvent::Revoked(_) => self.give_back(),
            event => return Err(Fault::internal(format!("{event:?} while nothing is read"))),
        }
        Ok(())
    }
}
