//! A pipeline at work: threads and tasks started, faults answered, everything joined at the end.
//!
//! Separate because this is the only place where the parts know of each other. It reads no signal and no
//! clock of its own. After a fault that loses a transaction everything is built anew from what was
//! committed; the process survives everything but a fatal fault.
//!
//! ```text
//! intake ──(bounded)──▶ task ──(bounded)──▶ committer
//!    ▲                                          │
//!    └────────────── epoch committed ◀──────────┘
//! ```

use crate::log::{Committer, GroupSpec, Member};
use crate::record::{Offset, TopicPartition};
use crate::runtime::fault::Fault;
use crate::runtime::group::assignment::{Assignment, Given};
use crate::runtime::group::engine::{Engine, RunOptions, StartFrom, Stop};
use crate::runtime::group::idle::Idle;
use crate::runtime::group::topics;
use crate::runtime::operators::build::Partitions;
use crate::runtime::operators::models::Models;
use crate::runtime::read::intake::Ending;
use crate::runtime::read::model_feed::{MODELS_TOPIC, ModelFeed};
use crate::runtime::recovery::standby;
use crate::runtime::recovery::state_copies::Copies;
use crate::time::millis;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How often it is looked whether to stop while the group hands out no partitions.
pub(in crate::runtime) const JOIN: Duration = Duration::from_millis(100);

/// How often it is looked whether to stop while the run is at work.
const LOOK: Duration = Duration::from_millis(20);

/// Wait after the first fault of several in a row; each further one doubles it.
const BACKOFF: Duration = Duration::from_millis(100);

/// Longest wait between two attempts.
const SELDOM: Duration = Duration::from_secs(5);

impl Engine {
    /// Runs until stopped, or to the end; called on a multi-thread Tokio runtime.
    ///
    /// # Errors
    /// The fault that ended the run.
    pub async fn run(&self, options: &RunOptions, stop: &Stop) -> Result<(), Fault> {
        let engine = self.clone();
        let (options, stop) = (options.clone(), stop.clone());
        let handle = tokio::runtime::Handle::current();
        let run = move || {
            topics::sources(&engine.plan, engine.log.as_ref())?;
            let since = engine.clock.now();
            let mut wait = BACKOFF;
            let (latest, mut forgotten) = (OnceLock::new(), options.from == StartFrom::Committed);
            loop {
                let begun = engine.clock.now();
                match engine.attempt(&options, &latest, &mut forgotten, since, &stop, &handle) {
                    Err(Fault::Abort(why)) if !stop.asked() => {
                        tracing::warn!("going back to what was committed: {why}");
                        // One that had worked for a while is no sign that the next will fail.
                        let worked = engine.clock.now() - begun > millis(SELDOM);
                        wait = if worked { BACKOFF } else { (wait * 2).min(SELDOM) };
                        pause(wait, &stop);
                    }
                    // As after a kill, somebody goes on from what was committed, which loses what `delivery`
                    // says and no more.
                    Err(Fault::Abort(why)) => {
                        tracing::warn!("ended with what was committed before; the next run goes on from there: {why}");
                        return Ok(());
                    }
                    Err(Fault::Stopped) => return Ok(()),
                    other => return other.map_err(|fault| topics::while_running(&engine.plan, fault)),
                }
            }
        };
        tokio::task::spawn_blocking(run).await.map_err(Fault::internal)?
    }

    /// One membership of the group, from joining to leaving: as many rounds as the group hands out partitions.
    fn attempt(
        &self,
        options: &RunOptions,
        latest: &OnceLock<BTreeMap<TopicPartition, Offset>>,
        forgotten: &mut bool,
        since: i64,
        stop: &Stop,
        handle: &tokio::runtime::Handle,
    ) -> Result<(), Fault> {
        let (plan, log) = (&self.plan, self.log.as_ref());
        // Beside being asked, the run ends when its models can no longer be followed.
        let (asked, stop) = (stop, &Stop::default());
        if !*forgotten {
            topics::forget(plan, log, asked.as_flag())?;
            *forgotten = true;
        }
        let mut there = Some(topics::prepare(plan, log, asked.as_flag())?);
        let inputs: Vec<Arc<str>> = plan.subs.iter().flat_map(|s| &s.inputs).map(|i| i.topic().clone()).collect();
        let group = GroupSpec {
            group: plan.name.clone(),
            topics: inputs,
            instance: options.instance.clone(),
            delivery: plan.delivery,
        };
        // Before it joins: the group would wait for a member that reads and does not listen.
        let models = Arc::new(Models::new(plan, self.clock.clone(), true));
        let open = || ModelFeed::open(&self.log, MODELS_TOPIC, models.clone(), asked.as_flag());
        let feed = models.needed().then(open).transpose()?;
        let mut member = log.join(&group)?;
        let mut committer = member.committer()?;
        let copies = Copies::new(options.state_folder.clone());
        std::thread::scope(|threads| {
            let feed = feed.map(|feed| {
                threads.spawn(move || {
                    let _ends = Ends(stop);
                    feed.follow()
                })
            });
            forward(asked, stop);
            let watch = threads.spawn({
                let models = models.clone();
                move || watch(asked, stop, &models)
            });
            let mut idle = Idle::new(self.info(options, since), self.clock.clone());
            let mut outcome = loop {
                let given = match self.given(&mut idle, member.as_mut(), committer.as_mut(), stop, &copies) {
                    Ok(Some(given)) => given,
                    Ok(None) => {
                        self.say_ended(options, since);
                        break Ok(());
                    }
                    Err(fault) => break Err(fault),
                };
                let ended;
                // What was found a moment ago need not be looked at again; later, topics may have grown.
                let there = there.take().filter(|there| !idle.waited() && knows(there, &given));
                let (engine, models, copies) = (self, &models, &copies);
                let assignment =
                    Assignment { engine, options, latest, since, stop, asked, handle, models, copies, there };
                (ended, member, committer) = assignment.run(member, committer, given);
                match ended {
                    Ok(Ending::Revoked) => {}
                    Ok(Ending::Done) => break Ok(()),
                    Err(fault) => break Err(fault),
                }
            };
            models.stop();
            let watched = watch.join().is_ok();
            let fed = feed.map_or(Ok(Ok(())), std::thread::ScopedJoinHandle::join);
            let left = member.leave();
            // A step that waited for a model was stopped because none can come any more.
            if matches!((&outcome, &fed), (Err(Fault::Stopped), Err(_) | Ok(Err(_)))) {
                outcome = Ok(());
            }
            outcome?;
            left?;
            // The others need not wait for it.
            copies.save(self.clock.now());
            match fed {
                Ok(fed) if watched => fed,
                _ => Err(Fault::internal("a thread of the run has panicked")),
            }
        })
    }

    /// Waits for partitions; keeps copies of the state of others meanwhile, where that is wanted.
    fn given(
        &self,
        waits: &mut Idle,
        member: &mut dyn Member,
        committer: &mut dyn Committer,
        stop: &Stop,
        copies: &Copies,
    ) -> Result<Option<Given>, Fault> {
        let (idle, over) = (AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|threads| {
            if self.plan.standby > 0 {
                threads.spawn(|| {
                    while !idle.load(Ordering::Relaxed) && !over.load(Ordering::Relaxed) {
                        std::thread::park_timeout(JOIN);
                    }
                    standby::follow(
                        self.log.as_ref(),
                        &self.plan,
                        copies,
                        &standby::Own::new(),
                        self.clock.as_ref(),
                        &over,
                    );
                });
            }
            let waiting = || match self.plan.standby {
                // Others have all partitions now.
                0 => copies.forget(),
                _ => idle.store(true, Ordering::Relaxed),
            };
            let given = waits.given(member, committer, stop, &waiting);
            over.store(true, Ordering::Relaxed);
            given
        })
    }
}

/// Whether all partitions that were given were there when the topics were looked at.
fn knows(there: &Partitions, given: &Given) -> bool {
    given.iter().all(|(at, _)| there.get(&at.topic).is_none_or(|count| at.partition.0 < *count))
}

/// Waits, but not longer than until the run is told to stop.
fn pause(time: Duration, stop: &Stop) {
    let mut left = time;
    while !left.is_zero() && !stop.asked() {
        let nap = left.min(JOIN);
        std::thread::park_timeout(nap);
        left -= nap;
    }
}

/// Ends the run with the thread that has it, even where that panics.
struct Ends<'a>(&'a Stop);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Ends one attempt where the whole run is asked to stop.
fn forward(asked: &Stop, stop: &Stop) {
    if asked.asked() {
        stop.stop();
    }
}

/// Hears that the run is asked to stop; then wakes steps that wait for a model.
fn watch(asked: &Stop, stop: &Stop, models: &Models) {
    while !models.stopped() {
        forward(asked, stop);
        if stop.asked() {
            models.stop();
        }
        std::thread::park_timeout(LOOK);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::diagnostics::SourceText;
    use crate::log::Log as _;
    use crate::log::embedded::EmbeddedLog;
    use crate::log::{FetchLimit, GroupEvent, LogResult};
    use crate::record::{Offset, TopicPartition};
    use crate::runtime::commit::changelog_position::Mark;
    use crate::runtime::recovery::state_copies::Copy;
    use crate::time::VirtualClock;

    /// A member without partitions that ends the run once it is polled again.
    struct Spare(Box<dyn Member>, Stop, bool);

    impl Member for Spare {
        fn poll(&mut self, _: FetchLimit, _: Duration) -> LogResult<GroupEvent> {
            if !std::mem::replace(&mut self.2, true) {
                return Ok(GroupEvent::Assigned(Vec::new()));
            }
            self.1.stop();
            Ok(GroupEvent::Idle)
        }

        fn seek(&mut self, at: &TopicPartition, to: Offset) -> LogResult<()> {
            self.0.seek(at, to)
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

    #[test]
    fn an_instance_without_partitions_forgets_the_state_of_others() {
        let text = "name: p\nsource: {topic: in, schema: {a: bigint}}\nsteps:\n  - filter: a > 0\nsink: out\n";
        let source = Arc::new(SourceText { name: "p.yaml".into(), text: text.into() });
        let spec = crate::spec::parse(source, std::path::Path::new("."), &crate::spec::ProcessEnvironment).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let log = Arc::new(EmbeddedLog::open(folder.path()).unwrap());
        let engine = Engine {
            plan: Arc::new(crate::plan::compile(&spec, &crate::expr::Functions::new()).unwrap()),
            log: log.clone(),
            clock: Arc::new(VirtualClock::at(0)),
            samples: Arc::new(|_, _| {}),
            custom: BTreeMap::new(),
        };
        let stop = Stop::default();
        let mut member = log.join(&GroupSpec { group: "p".into(), ..GroupSpec::default() }).unwrap();
        let mut committer = member.committer().unwrap();
        let mut member = Spare(member, stop.clone(), false);
        let (copies, at) = (Copies::new(None), TopicPartition::new("p.s.state", 0));
        copies.put(at.clone(), Copy { mark: Mark::new("one", Offset(1), 0), rows: BTreeMap::new() });
        let mut idle = Idle::new(engine.info(&RunOptions::default(), 0), engine.clock.clone());
        let given = engine.given(&mut idle, &mut member, committer.as_mut(), &stop, &copies).unwrap();
        assert_eq!(given, None);
        assert_eq!(copies.take(&at, "one", 0), None);
    }

    #[test]
    fn a_partition_that_came_after_the_topics_were_looked_at_is_not_known() {
        let there = Partitions::from([("in".into(), 2)]);
        let given = |p: u32| vec![(TopicPartition::new("in", 0), None), (TopicPartition::new("in", p), None)];
        assert!(knows(&there, &given(1)));
        assert!(!knows(&there, &given(2)));
    }
}
