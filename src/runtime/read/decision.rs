//! The phases of an intake, and what it does next. The decision is a pure function of what the intake sees, so that
//! it can be tested without a log.
//!
//! ```text
//!           goal reached, stopped, revoked          nothing buffered, no epoch in flight
//! Reading ─────────────────────────────▶ Draining ─────────────────────────────────▶ Closing
//!    ▲                                              sends the final barrier             │
//!    └───────────── the next stage of a bounded run ◀───────── its epoch is complete ───┘
//! ```
//!
//! If a task had more to hand over than a commit carries, the epoch is incomplete and the final barrier is sent again.
//! Where the run is stopped or the partitions are revoked, what is buffered is dropped and unfinished rounds are left
//! to the next owner.

use std::time::Duration;

/// How long a poll may take while nothing is in flight.
pub(super) const IDLE_POLL_TIMEOUT: Duration = Duration::from_millis(20);

/// How long a poll may take while a task's queue is full, or a commit is in flight.
pub(super) const BUSY_POLL_TIMEOUT: Duration = Duration::from_micros(500);

/// The phase of an intake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// Reads, and commits at intervals.
    #[default]
    Reading,
    /// Reads nothing more; hands over what is buffered and awaits the epoch in flight.
    Draining,
    /// Has sent the final barrier; awaits its epoch.
    Closing,
}

/// The goal of an intake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// Read until stopped.
    Endless,
    /// Read this instance's partitions of a sub-topology to their end, then close it.
    OwnPart(u32),
    /// Wait until the other instances have read their part; what arrives meanwhile is committed.
    Peers,
    /// Read nothing; commit what is left.
    CommitRest,
}

/// What an intake sees when it decides.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Situation {
    pub(super) phase: Phase,
    /// The run is stopped, or the partitions are revoked.
    pub(super) ending: bool,
    pub(super) goal_reached: bool,
    /// The goal needs no final barrier.
    pub(super) goal_is_wait: bool,
    pub(super) epoch_in_flight: bool,
    /// The last epoch did not carry everything before its barriers.
    pub(super) incomplete: bool,
    /// Batches wait for a slot in the queue of their task.
    pub(super) buffered: bool,
    /// Inputs that are merged by event time are not at their end.
    pub(super) merging: bool,
    pub(super) queues_have_capacity: bool,
    /// The last poll brought no records.
    pub(super) input_idle: bool,
    /// Records were sent to tasks since the last barrier.
    pub(super) sent: bool,
    /// A task has something to commit.
    pub(super) uncommitted: bool,
    /// `commit_every` is over since the last commit.
    pub(super) commit_due: bool,
    /// As much output and state waits for the commit as one may carry.
    pub(super) commit_large: bool,
    /// Without a commit now, others may count this instance as gone.
    pub(super) heartbeat_due: bool,
    /// Results may be sent ahead of their commit.
    pub(super) early_output: bool,
}

/// What an intake does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Poll for records, for at most this time.
    Read(Duration),
    /// Send a barrier; its epoch commits, or only sends results ahead.
    Barrier { commits: bool },
    /// Stop reading.
    Drain,
    /// Poll the group without reading, and wait for the epoch in flight, for at most this time.
    Listen(Duration),
    /// Send the final barrier.
    Close,
    /// Done with this goal.
    Finish,
}

/// Decides the next step.
pub(super) fn next_step(s: &Situation) -> Step {
    match s.phase {
        Phase::Reading if s.ending => Step::Drain,
        Phase::Reading if s.goal_reached && s.goal_is_wait => Step::Finish,
        Phase::Reading if s.goal_reached => Step::Drain,
        Phase::Reading => read_or_commit(s),
        Phase::Draining if s.epoch_in_flight => Step::Listen(BUSY_POLL_TIMEOUT),
        Phase::Draining if s.ending => Step::Close,
        // When the commit is full, tasks take no messages before a barrier.
        Phase::Draining if s.commit_large => Step::Barrier { commits: true },
        // The group is polled even while a task waits.
        Phase::Draining if s.buffered || !s.queues_have_capacity => Step::Listen(BUSY_POLL_TIMEOUT),
        Phase::Draining => Step::Close,
        Phase::Closing if s.epoch_in_flight => Step::Listen(IDLE_POLL_TIMEOUT),
        Phase::Closing if s.incomplete => Step::Close,
        Phase::Closing => Step::Finish,
    }
}

fn read_or_commit(s: &Situation) -> Step {
    if !s.epoch_in_flight {
        let commits = s.heartbeat_due || ((s.sent || s.uncommitted) && (s.commit_due || s.commit_large));
        let idle = s.input_idle && s.sent && !s.buffered && !s.merging;
        if commits || idle {
            return Step::Barrier { commits: commits || !s.early_output };
        }
    }
    Step::Read(if s.buffered || s.merging || s.epoch_in_flight {
        BUSY_POLL_TIMEOUT
    } else if s.sent {
        // If no more records are there, a barrier follows at once.
        Duration::ZERO
    } else {
        IDLE_POLL_TIMEOUT
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const READING: Situation = Situation {
        phase: Phase::Reading,
        ending: false,
        goal_reached: false,
        goal_is_wait: false,
        epoch_in_flight: false,
        incomplete: false,
        buffered: false,
        merging: false,
        queues_have_capacity: true,
        input_idle: false,
        sent: false,
        uncommitted: false,
        commit_due: false,
        commit_large: false,
        heartbeat_due: false,
        early_output: false,
    };

    #[test]
    fn an_idle_intake_waits_and_a_busy_one_polls_briefly() {
        assert_eq!(next_step(&READING), Step::Read(IDLE_POLL_TIMEOUT));
        assert_eq!(next_step(&Situation { sent: true, ..READING }), Step::Read(Duration::ZERO));
        for busy in [
            Situation { buffered: true, ..READING },
            Situation { merging: true, ..READING },
            Situation { epoch_in_flight: true, ..READING },
        ] {
            assert_eq!(next_step(&busy), Step::Read(BUSY_POLL_TIMEOUT), "{busy:?}");
        }
    }

    #[test]
    fn a_commit_comes_when_it_is_due_or_large_or_the_input_is_idle() {
        let sent = Situation { sent: true, ..READING };
        for due in [
            Situation { commit_due: true, ..sent },
            Situation { commit_large: true, ..sent },
            Situation { input_idle: true, ..sent },
            Situation { uncommitted: true, commit_due: true, ..READING },
            Situation { heartbeat_due: true, ..READING },
        ] {
            assert_eq!(next_step(&due), Step::Barrier { commits: true }, "{due:?}");
            let in_flight = Situation { epoch_in_flight: true, ..due };
            assert_eq!(next_step(&in_flight), Step::Read(BUSY_POLL_TIMEOUT), "one epoch at a time: {due:?}");
        }
        assert_eq!(next_step(&Situation { commit_due: true, ..READING }), Step::Read(IDLE_POLL_TIMEOUT));
        let idle = Situation { input_idle: true, ..sent };
        assert_eq!(next_step(&Situation { buffered: true, ..idle }), Step::Read(BUSY_POLL_TIMEOUT));
        assert_eq!(next_step(&Situation { merging: true, ..idle }), Step::Read(BUSY_POLL_TIMEOUT));
    }

    #[test]
    fn results_are_sent_ahead_only_where_no_commit_is_due() {
        let idle = Situation { input_idle: true, sent: true, early_output: true, ..READING };
        assert_eq!(next_step(&idle), Step::Barrier { commits: false });
        assert_eq!(next_step(&Situation { commit_due: true, ..idle }), Step::Barrier { commits: true });
    }

    #[test]
    fn the_end_of_a_goal_drains_and_closes() {
        for end in [
            Situation { ending: true, ..READING },
            Situation { goal_reached: true, ..READING },
            Situation { ending: true, goal_is_wait: true, goal_reached: true, ..READING },
        ] {
            assert_eq!(next_step(&end), Step::Drain, "{end:?}");
        }
        assert_eq!(next_step(&Situation { goal_reached: true, goal_is_wait: true, ..READING }), Step::Finish);
        let draining = Situation { phase: Phase::Draining, ..READING };
        assert_eq!(next_step(&draining), Step::Close);
        for wait in [
            Situation { epoch_in_flight: true, ..draining },
            Situation { buffered: true, ..draining },
            Situation { queues_have_capacity: false, ..draining },
        ] {
            assert_eq!(next_step(&wait), Step::Listen(BUSY_POLL_TIMEOUT), "{wait:?}");
        }
        let full = Situation { buffered: true, commit_large: true, ..draining };
        assert_eq!(next_step(&full), Step::Barrier { commits: true }, "the task takes nothing before it");
        assert_eq!(next_step(&Situation { ending: true, ..full }), Step::Close, "what is buffered is dropped");
        let closing = Situation { phase: Phase::Closing, ..READING };
        assert_eq!(next_step(&Situation { incomplete: true, ..closing }), Step::Close, "once more");
        assert_eq!(next_step(&Situation { epoch_in_flight: true, ..closing }), Step::Listen(IDLE_POLL_TIMEOUT));
        assert_eq!(next_step(&closing), Step::Finish);
    }
}
