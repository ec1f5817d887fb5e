//! A pipeline at work: threads and tasks are started, faults are recovered from, everything is joined at the end.
//!
//! It reads no signal and no clock of its own. After a fault that loses a transaction everything is rebuilt from what
//! was committed; the process survives everything but a fatal fault.
//!
//! ```text
//! intake ──(bounded)──▶ task ──(bounded)──▶ commit loop
//!    ▲                                          │
//!    └───────────── epoch complete ◀────────────┘
//! ```

use super::cancel::{CancelReason, CancelToken};
use super::fault::{
    Fault, GROUP_POLLING, STANDBY_THREAD, Supervised, catch_panic, root_fault, spawn_supervised, supervise,
};
use super::group::assignment::{Assignment, GroupHandles};
use super::group::engine::{Engine, RunOptions, StartFrom};
use super::group::idle::Idle;
use super::group::outputs;
use super::group::reset_states::reset_states;
use super::group::session::Session;
use super::group::topics;
use super::life::LIFE_TARGET;
use super::operators::models::Models;
use super::read::intake::IntakeEnd;
use super::read::model_feed::{MODELS_TOPIC, ModelFeed};
use super::recovery::rebuild::AssignedPartitions;
use super::recovery::standby::{self, OwnPartitions, Standby};
use super::recovery::state_copies::StateCopies;
use crate::log::{GroupSpec, LogError, Member};
use crate::metrics::FAILED;
use crate::plan::PipelineLayout;
use crate::time::millis;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Wait after the first fault of several in a row; each further one doubles it.
const MIN_RETRY_BACKOFF: Duration = Duration::from_millis(100);

/// A part of a run, as a fault of it names it.
const MODELS_FEED: &str = "the models feed";

/// Longest wait between two attempts. An attempt that lasted longer counts as one that worked.
const MAX_RETRY_BACKOFF: Duration = Duration::from_secs(5);

/// What a run removes before its first membership, and only then.
struct FirstStart {
    starts_over: bool,
    resets: bool,
}

/// The wait after the next fault.
struct RetryBackoff(Duration);

impl RetryBackoff {
    /// The wait after a fault; `worked` says that the attempt lasted for a while.
    fn after(&mut self, worked: bool) -> Duration {
        let wait = if worked { MIN_RETRY_BACKOFF } else { self.0 };
        self.0 = (wait * 2).min(MAX_RETRY_BACKOFF);
        wait
    }
}

impl Engine {
    /// Runs until cancelled, or to the end; called on a multi-thread Tokio runtime. After a panic it returns although
    /// parts of the run may still wait for the backplane; the caller must exit without joining them.
    ///
    /// # Errors
    /// The fault that ended the run.
    pub async fn run(&self, options: &RunOptions, cancel: &CancelToken) -> Result<(), Fault> {
        let (handle, cancel) = (tokio::runtime::Handle::current(), cancel.for_run());
        let session = Session::new(self.clone(), options.clone(), handle, cancel.clone());
        let running = tokio::task::spawn_blocking(move || catch_panic("the run", || session.run()));
        tokio::select! {
            ended = running => ended.map_err(Fault::internal)?,
            panic = cancel.panic_overdue() => {
                cancel.cancel(CancelReason::Ended);
                Err(Fault::Panic(panic))
            }
        }
    }
}

impl Session {
    /// Attempt after attempt, until one ends in good order or with a fault that only a person can mend.
    fn run(&self) -> Result<(), Fault> {
        let (plan, log) = (&self.engine.plan, &self.engine.log);
        topics::check_sources(plan, log.as_ref())?;
        let (version, instance) = (env!("CARGO_PKG_VERSION"), &self.options.instance);
        // The name of the pipeline is that of its group.
        tracing::info!(
            target: LIFE_TARGET,
            "`{}` starts on {}: fastdata {version}, instance `{instance}` of group `{}`",
            plan.name,
            log.name(),
            plan.name
        );
        self.attempts()?;
        tracing::info!(target: LIFE_TARGET, "`{}` has ended: {}", plan.name, self.cancel.why_ended());
        Ok(())
    }

    fn attempts(&self) -> Result<(), Fault> {
        let (plan, clock) = (&self.engine.plan, &self.engine.clock);
        let mut backoff = RetryBackoff(MIN_RETRY_BACKOFF);
        let mut start =
            FirstStart { starts_over: self.options.from.discards(), resets: !self.options.reset.is_empty() };
        loop {
            let started_at = clock.now();
            match self.attempt(&mut start) {
                Err(Fault::Abort(why)) if !self.cancel.is_cancelled() => {
                    self.commit_failed.store(true, Ordering::Relaxed);
                    tracing::warn!("going back to what was committed: {why}");
                    let worked = clock.now() - started_at > millis(MAX_RETRY_BACKOFF);
                    self.cancel.sleep(backoff.after(worked));
                }
                // As after a kill, the next run continues from the last commit, which loses what `delivery`
                // says and no more.
                Err(Fault::Abort(why)) => {
                    tracing::warn!("ended with what was committed before; the next run goes on from there: {why}");
                    return Ok(());
                }
                // It waited for something, and its tasks have committed nothing that could say so.
                Err(Fault::Stopped) => return self.record_end(&self.why_stopped()),
                Ok(()) => return Ok(()),
                Err(fault) => return Err(self.record_failure(topics::explain_while_running(plan, fault))),
            }
        }
    }

    /// Records why the run has failed, for `stats`. Not where the pipeline runs elsewhere, and not after a panic: other
    /// parts of the program may hang.
    fn record_failure(&self, fault: Fault) -> Fault {
        if !matches!(fault, Fault::Panic(_) | Fault::Backplane(LogError::GroupTaken { .. } | LogError::Busy(_)))
            && let Err(e) = self.record_end(&format!("{FAILED}{fault}"))
        {
            tracing::debug!("the failure of the run could not be recorded: {e}");
        }
        fault
    }

    /// One membership of the group, from joining to leaving: as many assignments as the group makes.
    fn attempt(&self, start: &mut FirstStart) -> Result<(), Fault> {
        let Engine { plan, log, clock, .. } = &self.engine;
        if start.starts_over {
            let replaced = match self.options.replace_outputs {
                true => outputs::replaceable(plan, log.as_ref(), &self.cancel)?,
                false => Vec::new(),
            };
            topics::reset(plan, log.as_ref(), &replaced, &self.cancel)?;
            start.starts_over = false;
        }
        if start.resets {
            reset_states(plan, log.as_ref(), &self.options.reset, clock.now(), &self.cancel)?;
            start.resets = false;
        }
        let layout = Arc::new(topics::prepare(plan, log.as_ref(), &self.cancel)?);
        if self.options.until_end || self.options.from == StartFrom::Latest {
            self.source_ends()?;
        }
        let cancel = self.cancel.child();
        let models = Arc::new(Models::new(plan, clock.clone(), true));
        // Before it joins: the group would wait for a member that does not poll.
        let open =
            || catch_panic(MODELS_FEED, || ModelFeed::open(log, MODELS_TOPIC, &plan.topics, models.clone(), &cancel));
        let feed = models.needed().then(open).transpose()?;
        let group = GroupSpec {
            group: plan.name.clone(),
            topics: plan.subs.iter().flat_map(|s| &s.inputs).map(|i| i.topic().clone()).collect(),
            instance: self.options.instance.clone(),
            delivery: plan.delivery,
        };
        let mut member = log.join(&group)?;
        let committer = member.committer()?;
        let copies = self.state_copies();
        std::thread::scope(|threads| {
            let feed = feed.map(|feed| {
                let token = &cancel;
                spawn_supervised(threads, MODELS_FEED, token, move || feed.follow(token))
            });
            let assignments = || self.assignments((member, committer), &cancel, &models, (layout, &copies));
            let outcome = supervise("the membership", &cancel, assignments);
            cancel.cancel(CancelReason::Ended);
            let fed = feed.map_or(Ok(()), Supervised::join);
            self.set_awaited(models.awaited());
            if outcome.is_ok() {
                // The others need not wait for the files.
                copies.save(clock.now());
            }
            // Without the feed, a step that waits for a model is stopped, because none can come any more.
            root_fault([outcome.err(), fed.err()]).map_or(Ok(()), Err)
        })
    }

    /// Copies of state, which are younger than what the log forgets.
    fn state_copies(&self) -> StateCopies {
        let max_age = self.engine.log.deletion_retention() / 2;
        StateCopies::new(self.options.state_folder.clone()).valid_for(max_age)
    }

    /// Carries out what the group assigns, until the run or the membership ends; then leaves the group.
    fn assignments(
        &self,
        mut membership: GroupHandles,
        cancel: &CancelToken,
        models: &Arc<Models>,
        (layout, copies): (Arc<PipelineLayout>, &StateCopies),
    ) -> Result<(), Fault> {
        let mut layout = Some(layout);
        let mut idle = Idle::new(self.info(), self.engine.clock.clone());
        loop {
            let assigned = match self.await_assignment(&mut idle, &mut membership, cancel, copies) {
                Ok(Some(assigned)) => assigned,
                Ok(None) => {
                    let recorded = self.record_end(self.cancel.why_ended());
                    membership.0.leave()?;
                    return recorded;
                }
                Err(fault) => return leave_after(membership.0, fault),
            };
            // What was looked up a moment ago still holds; later, topics may have grown.
            let fresh = layout.take().filter(|known| !idle.has_waited() && covers(known, &assigned));
            let cancel = cancel.child();
            let assignment = Assignment { session: self, cancel, models, copies, layout: fresh };
            match assignment.run(membership, &assigned) {
                Ok((IntakeEnd::Revoked, back)) => {
                    tracing::info!(target: LIFE_TARGET, "`{}`: the group assigns its partitions anew", self.engine.plan.name);
                    membership = back;
                }
                Ok((IntakeEnd::Done, (member, _))) => return Ok(member.leave()?),
                Err((fault, Some(member))) => return leave_after(member, fault),
                Err((fault, None)) => return Err(fault),
            }
        }
    }

    /// Waits for partitions; keeps standby copies meanwhile, where they are configured.
    fn await_assignment(
        &self,
        idle: &mut Idle,
        (member, committer): &mut GroupHandles,
        cancel: &CancelToken,
        copies: &StateCopies,
    ) -> Result<Option<AssignedPartitions>, Fault> {
        let Engine { plan, log, clock, .. } = &self.engine;
        if plan.standby == 0 {
            // Other instances have all partitions, and their state moves on.
            let wait = || idle.await_assignment(member.as_mut(), committer.as_mut(), cancel, &|| copies.clear());
            return supervise(GROUP_POLLING, cancel, wait);
        }
        let (follow, waiting) = (cancel.child(), cancel.child());
        std::thread::scope(|threads| {
            let standby = spawn_supervised(threads, STANDBY_THREAD, cancel, || {
                // Copies are kept only once it is clear that there is nothing to do.
                while !waiting.sleep(Duration::from_secs(3600)) {}
                let own = OwnPartitions::new();
                let (log, clock) = (log.as_ref(), clock.as_ref());
                standby::follow(Standby { log, plan, copies, own: &own, clock }, &follow);
                Ok(())
            });
            let on_idle = || waiting.cancel(CancelReason::Ended);
            let wait = || idle.await_assignment(member.as_mut(), committer.as_mut(), cancel, &on_idle);
            let assigned = supervise(GROUP_POLLING, cancel, wait);
            follow.cancel(CancelReason::Ended);
            waiting.cancel(CancelReason::Ended);
            // A standby thread ends with a fault only where it has panicked.
            standby.join().and(assigned)
        })
    }
}

/// Leaves the group in good order; the fault that ended the membership is what counts.
fn leave_after(member: Box<dyn Member>, fault: Fault) -> Result<(), Fault> {
    if let Err(e) = member.leave() {
        tracing::debug!("the group could not be left in good order: {e}");
    }
    Err(fault)
}

/// Whether all assigned partitions existed at the last survey of the topics.
fn covers(layout: &PipelineLayout, assigned: &AssignedPartitions) -> bool {
    let known = layout.partitions();
    assigned.keys().all(|at| known.get(&at.topic).is_none_or(|count| at.partition.0 < *count))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::diagnostics::SourceText;
    use crate::log::Log as _;
    use crate::log::embedded::EmbeddedLog;
    use crate::log::{Committer, FetchLimit, GroupEvent, LogResult};
    use crate::plan::{TopicLayout, TopicRole};
    use crate::record::{Offset, TopicPartition};
    use crate::runtime::commit::changelog_position::ChangelogPosition;
    use crate::runtime::recovery::state_copies::StateCopy;
    use crate::time::VirtualClock;
    use std::collections::BTreeMap;

    /// A member without partitions that ends the run once it is polled again.
    struct WithoutPartitions(Box<dyn Member>, CancelToken, bool);

    impl Member for WithoutPartitions {
        fn poll(&mut self, _: FetchLimit, _: Duration) -> LogResult<GroupEvent> {
            if !std::mem::replace(&mut self.2, true) {
                return Ok(GroupEvent::Assigned(Vec::new()));
            }
            self.1.cancel(CancelReason::Stop);
            Ok(GroupEvent::Idle)
        }

        fn seek(&mut self, to: &[(TopicPartition, Offset)]) -> LogResult<()> {
            self.0.seek(to)
        }

        fn positions(&self) -> Vec<(TopicPartition, Offset)> {
            self.0.positions()
        }

        fn pause(&mut self, of: &[TopicPartition], paused: bool) -> LogResult<()> {
            self.0.pause(of, paused)
        }

        fn committer(&mut self) -> LogResult<Box<dyn Committer>> {
            self.0.committer()
        }

        fn leave(self: Box<Self>) -> LogResult<()> {
            self.0.leave()
        }
    }

    /// A run over a log in a folder, with the runtime that it uses.
    fn session(log: &Arc<EmbeddedLog>, cancel: &CancelToken) -> (Session, tokio::runtime::Runtime) {
        let text = "name: p\nsource: {topic: in, schema: {a: bigint}}\nsteps:\n  - filter: a > 0\nsink: out\n";
        let source = Arc::new(SourceText { name: "p.yaml".into(), text: text.into() });
        let spec = crate::spec::parse(source, std::path::Path::new("."), &crate::spec::ProcessEnvironment).unwrap();
        let engine = Engine {
            plan: Arc::new(crate::plan::compile(&spec, &crate::expr::Functions::new()).unwrap()),
            log: log.clone(),
            clock: Arc::new(VirtualClock::at(0)),
            samples: Arc::new(|_, _| {}),
            custom: BTreeMap::new(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        (Session::new(engine, RunOptions::default(), runtime.handle().clone(), cancel.clone()), runtime)
    }

    #[test]
    fn the_wait_after_faults_doubles_from_the_least_to_the_longest() {
        let mut backoff = RetryBackoff(MIN_RETRY_BACKOFF);
        let mut waits = |worked: [bool; 8]| worked.map(|worked| backoff.after(worked).as_millis());
        assert_eq!(waits([false; 8]), [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        assert_eq!(waits([true, false, false, true, true, false, false, false])[..6], [100, 200, 400, 100, 100, 200]);
    }

    #[test]
    fn copies_of_state_are_younger_than_what_the_log_forgets() {
        let folder = tempfile::tempdir().unwrap();
        let log = Arc::new(EmbeddedLog::open(folder.path()).unwrap());
        let (session, _runtime) = session(&log, &CancelToken::default());
        let (copies, at) = (session.state_copies(), TopicPartition::new("p.s.state", 0));
        let oldest = millis(log.deletion_retention()) / 2;
        for (age, is_kept) in [(oldest, true), (oldest + 1, false)] {
            let position = ChangelogPosition::new("one", Offset(1), 0);
            copies.put(at.clone(), StateCopy { position, rows: BTreeMap::new() });
            assert_eq!(copies.take(&at, "one", age).is_some(), is_kept, "{age} ms old");
        }
    }

    #[test]
    fn an_instance_without_partitions_drops_its_copies_of_state() {
        let folder = tempfile::tempdir().unwrap();
        let log = Arc::new(EmbeddedLog::open(folder.path()).unwrap());
        let cancel = CancelToken::default();
        let (session, _runtime) = session(&log, &cancel);
        let mut member = log.join(&GroupSpec { group: "p".into(), ..GroupSpec::default() }).unwrap();
        let committer = member.committer().unwrap();
        let member: Box<dyn Member> = Box::new(WithoutPartitions(member, cancel.clone(), false));
        let (copies, at) = (StateCopies::new(None), TopicPartition::new("p.s.state", 0));
        let position = ChangelogPosition::new("one", Offset(1), 0);
        copies.put(at.clone(), StateCopy { position, rows: BTreeMap::new() });
        let mut idle = Idle::new(session.info(), session.engine.clock.clone());
        let assigned = session.await_assignment(&mut idle, &mut (member, committer), &cancel, &copies).unwrap();
        assert_eq!(assigned, None);
        assert_eq!(copies.take(&at, "one", 0), None);
    }

    #[test]
    fn a_partition_added_after_the_topics_were_looked_up_is_not_covered() {
        let source = TopicLayout { topic: "in".into(), role: TopicRole::Source, owner: "in".into(), partitions: 2 };
        let known = PipelineLayout { topics: vec![source], subs: Vec::new() };
        let assigned = |p: u32| [0, p].map(|p| (TopicPartition::new("in", p), None)).into();
        assert!(covers(&known, &assigned(1)));
        assert!(!covers(&known, &assigned(2)));
    }
}
