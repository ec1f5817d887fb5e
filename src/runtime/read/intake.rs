//! The intake: one thread that polls the backplane, feeds the tasks, and sets the barriers.
//!
//! Separate because a consumer must be polled without a pause: a task whose queue is full gets its
//! partitions paused, never a slower poll. It decides when to commit; it never commits.

use crate::faults::{self, Place};
use crate::log::{FetchLimit, GroupEvent, Log, Member};
use crate::record::{Fetched, Offset, TopicPartition};
use crate::runtime::fault::Fault;
use crate::runtime::operators::models::Models;
use crate::runtime::read::readers::Readers;
use crate::runtime::read::stages::Stretch;
use crate::runtime::task::Wanted;
use crate::runtime::task::gauges::Gauges;
use crate::runtime::task::message::{Committed, Epoch};
use crate::runtime::task::message::{Message, room};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Sender;

/// Bytes of outputs and of state that wait before a commit is asked for ahead of its time.
const WAITING: usize = 16 << 20;

/// Bytes that may be on their way, from what was read to what waits for the commit: beyond it nothing more
/// is read. What a slow sink cannot take stays where it is.
const MOST: usize = 2 * WAITING;

/// How often tasks are told that time passes.
const TICK: Duration = Duration::from_millis(100);

/// How often a run without input says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// How long a poll may take while nothing is under way.
pub(in crate::runtime) const PATIENCE: Duration = Duration::from_millis(20);

/// How long a poll may take while a task's queue is full, or a commit is under way.
pub(in crate::runtime) const BRIEF: Duration = Duration::from_micros(500);

/// One task, as the intake sees it.
pub(in crate::runtime) struct Route {
    pub(in crate::runtime) sub: u32,
    pub(in crate::runtime) to: Sender<Message>,
    /// Those of its partitions that are there.
    pub(in crate::runtime) owned: Vec<TopicPartition>,
    /// The inputs of a task that merges them; they have readers of their own, the member reads none.
    pub(in crate::runtime) wanted: Vec<Wanted>,
}

/// The intake of one member.
pub(in crate::runtime) struct Intake {
    pub(in crate::runtime) log: Arc<dyn Log>,
    pub(in crate::runtime) member: Box<dyn Member>,
    pub(in crate::runtime) routes: Vec<Route>,
    pub(in crate::runtime) committed: Receiver<Committed>,
    pub(in crate::runtime) gauges: Arc<Gauges>,
    pub(in crate::runtime) models: Arc<Models>,
    pub(in crate::runtime) stop: Arc<AtomicBool>,
    pub(in crate::runtime) commit_every: Duration,
    /// Results may be sent ahead of their commit.
    pub(in crate::runtime) ahead: bool,
    /// The name of the group.
    pub(in crate::runtime) group: String,
    /// The sub-topologies, those that feed others first.
    pub(in crate::runtime) course: Vec<Stretch>,
    pub(in crate::runtime) drain: bool,
    pub(in crate::runtime) flow: Flow,
}

/// How reading ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runtime) enum Ending {
    /// It was told to stop, or has come to the end.
    Done,
    /// The group hands out its partitions anew; everything that was read is committed.
    Revoked,
}

/// How a turn ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::runtime) enum Turn {
    Done,
    /// The group takes the partitions back; what was read of them can still be committed.
    Revoked,
}

/// What is under way.
#[derive(Default)]
pub(in crate::runtime) struct Flow {
    /// All that was read is being worked off.
    pub(in crate::runtime) settling: bool,
    /// It reads up to an end.
    bounded: bool,
    /// Up to where, in a bounded run.
    pub(in crate::runtime) ends: BTreeMap<TopicPartition, Offset>,
    pub(in crate::runtime) by_partition: BTreeMap<TopicPartition, usize>,
    /// Read but not yet taken by a full queue.
    pub(in crate::runtime) held: BTreeMap<usize, (Fetched, Instant)>,
    /// Of inputs that are merged, up to their end.
    pub(in crate::runtime) readers: Readers,
    pub(in crate::runtime) next: BTreeMap<TopicPartition, Offset>,
    /// Something was sent since the last barrier.
    pub(in crate::runtime) dirty: bool,
    epoch: Epoch,
    /// The epoch that is being committed.
    pub(in crate::runtime) under_way: bool,
    barrier_at: Option<Instant>,
    begun_at: Option<Instant>,
    tick_at: Option<Instant>,
}

impl Intake {
    /// Reads until told to stop; or, with `ends`, until all that was there at start is done. The member
    /// comes back, as it may leave only after the last commit.
    pub(in crate::runtime) fn run(
        mut self,
        starts: &[(TopicPartition, Offset)],
        ends: Option<BTreeMap<TopicPartition, Offset>>,
    ) -> (Result<Ending, Fault>, Box<dyn Member>) {
        let outcome = match self.read(starts, ends) {
            Ok(()) if self.revoked() => Ok(Ending::Revoked),
            Ok(()) => Ok(Ending::Done),
            // A task that waited for a model was broken off: what it had begun is begun anew by whoever has
            // its partition next.
            Err(Fault::Stopped) if self.revoked() && !self.stopping() => Ok(Ending::Revoked),
            Err(fault) => Err(fault),
        };
        (outcome, self.member)
    }

    fn read(
        &mut self,
        starts: &[(TopicPartition, Offset)],
        ends: Option<BTreeMap<TopicPartition, Offset>>,
    ) -> Result<(), Fault> {
        for (i, route) in self.routes.iter().enumerate() {
            self.flow.by_partition.extend(route.owned.iter().map(|p| (p.clone(), i)));
        }
        for (at, offset) in starts {
            // Only a seek finds that what was committed is of a topic that has been made anew.
            self.member.seek(at, *offset)?;
            let merged = |route: &usize| !self.routes[*route].wanted.is_empty();
            if self.flow.by_partition.get(at).is_some_and(merged) {
                self.member.pause(std::slice::from_ref(at), true)?;
            }
            self.flow.next.insert(at.clone(), *offset);
        }
        self.flow.bounded = ends.is_some();
        self.flow.begun_at = Some(Instant::now());
        match ends {
            Some(ends) => self.to_the_end(ends),
            None => self.until_stopped(),
        }
    }

    fn until_stopped(&mut self) -> Result<(), Fault> {
        while !self.stopping() && self.turn()? != Turn::Revoked {}
        self.settle(None)
    }

    /// Whether the partitions are no longer this member's.
    pub(in crate::runtime) fn revoked(&self) -> bool {
        self.gauges.revoked.load(Ordering::Relaxed)
    }

    pub(in crate::runtime) fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// One poll and what follows from it.
    pub(in crate::runtime) fn turn(&mut self) -> Result<Turn, Fault> {
        self.hand_over()?;
        let offered = self.offer()?;
        let wait = if offered {
            Duration::ZERO
        } else if !self.flow.held.is_empty() || !self.flow.readers.is_empty() || self.flow.under_way {
            BRIEF
        } else if self.flow.dirty {
            Duration::ZERO
        } else {
            PATIENCE
        };
        let quiet = match self.member.poll(FetchLimit::default(), wait)? {
            GroupEvent::Records(fetched) => {
                self.take(fetched)?;
                false
            }
            GroupEvent::Idle => true,
            GroupEvent::Revoked(_) => {
                self.give_back();
                return Ok(Turn::Revoked);
            }
            GroupEvent::Assigned(_) => return Err(Fault::internal("partitions were given that nobody had taken")),
        };
        self.hear(Duration::ZERO)?;
        self.tick();
        let active = self.flow.dirty || self.gauges.active.load(Ordering::Relaxed);
        let due = self.flow.barrier_at.is_none_or(|at| at.elapsed() >= self.commit_every);
        let [waiting, held] = [&self.gauges.waiting, &self.gauges.held].map(|g| g.load(Ordering::Relaxed));
        let full = waiting + held > WAITING;
        let dry = quiet && self.flow.dirty && self.flow.held.is_empty() && self.flow.readers.is_empty();
        let spoken = self.flow.barrier_at.or(self.flow.begun_at);
        let silent = spoken.is_some_and(|at| at.elapsed() >= HEARTBEAT);
        let whole = silent || (active && (due || full));
        if !self.flow.under_way && (whole || dry) {
            self.barrier(whole || !self.ahead, false, None)?;
        }
        Ok(Turn::Done)
    }

    /// The group takes the partitions back: nothing more is read of them, and nobody waits for a model.
    pub(in crate::runtime) fn give_back(&self) {
        faults::pass(Place::InRevoke);
        self.models.interrupt(true);
        self.gauges.revoked.store(true, Ordering::Relaxed);
    }

    /// Gives records to their task, or holds them and pauses its partitions.
    fn take(&mut self, mut fetched: Fetched) -> Result<(), Fault> {
        let at = (*fetched.origin).clone();
        let last = fetched.offsets.last().copied().unwrap_or(-1);
        self.flow.next.insert(at.clone(), Offset(last + 1));
        faults::pass(Place::AfterPoll);
        faults::spoil(&mut fetched);
        if let Some(end) = self.flow.ends.get(&at) {
            let within = fetched.offsets.partition_point(|o| *o < end.0);
            if within == 0 {
                return Ok(());
            }
            fetched.offsets = fetched.offsets.slice(0, within);
            fetched.records = fetched.records.slice(0, within);
        }
        let Some(route) = self.flow.by_partition.get(&at).copied() else {
            return Err(Fault::internal(format!("no task reads {at}")));
        };
        self.flow.held.insert(route, (fetched, Instant::now()));
        self.hand_over()?;
        if self.flow.held.contains_key(&route) {
            self.member.pause(&self.routes[route].owned, true)?;
        }
        Ok(())
    }

    pub(in crate::runtime) fn hand_over(&mut self) -> Result<(), Fault> {
        for (route, (fetched, at)) in std::mem::take(&mut self.flow.held) {
            if !self.room(route) {
                self.flow.held.insert(route, (fetched, at));
                continue;
            }
            let bytes = fetched.records.bytes();
            // There is room, so it fails only where the task is gone.
            if self.routes[route].to.try_send(Message::Data(fetched, at)).is_err() {
                return self.why();
            }
            self.gauges.queued.fetch_add(bytes, Ordering::Relaxed);
            self.flow.dirty = true;
            if !self.revoked() && !self.flow.settling {
                self.member.pause(&self.routes[route].owned, false)?;
            }
        }
        Ok(())
    }

    /// Whether a task can be given another batch.
    pub(in crate::runtime) fn room(&self, route: usize) -> bool {
        let (queued, waiting) = (&self.gauges.queued, &self.gauges.waiting);
        // What is held when nothing more is read is the last: it must not wait for a commit that waits for it.
        let last = self.flow.settling;
        room(&self.routes[route].to)
            && (last || queued.load(Ordering::Relaxed) + waiting.load(Ordering::Relaxed) < MOST)
    }

    fn tick(&mut self) {
        if self.flow.tick_at.is_none_or(|at| at.elapsed() >= TICK) {
            self.flow.tick_at = Some(Instant::now());
            // A task with a full queue has enough to do; it hears of time with the next tick.
            self.routes.iter().filter(|r| room(&r.to)).for_each(|r| drop(r.to.try_send(Message::Tick)));
        }
    }

    /// Sends a barrier behind everything that was sent.
    pub(in crate::runtime) fn barrier(&mut self, whole: bool, drain: bool, ended: Option<u32>) -> Result<(), Fault> {
        self.flow.epoch = Epoch { number: self.flow.epoch.number + 1, whole };
        self.flow.dirty = false;
        self.flow.under_way = true;
        // What is left behind waits for the next that is whole.
        self.gauges.active.store(!whole, Ordering::Relaxed);
        if whole {
            self.flow.barrier_at = Some(Instant::now());
        }
        let epoch = self.flow.epoch;
        let looked = self.looked(ended);
        for (i, route) in self.routes.iter().enumerate() {
            let own = |(at, _): &&(TopicPartition, Offset)| self.flow.by_partition.get(at) == Some(&i);
            let looked = looked.iter().filter(own).cloned().collect();
            if route.to.blocking_send(Message::Barrier { epoch, drain, looked, ended: ended.is_some() }).is_err() {
                return self.why();
            }
        }
        Ok(())
    }

    /// How far each partition was looked at, where all that was read of it has reached its task. In a bounded
    /// run what lies behind the end is read and left, so that only the end itself can be told, once it is
    /// reached.
    fn looked(&self, ended: Option<u32>) -> Vec<(TopicPartition, Offset)> {
        if ended.is_some() && !self.revoked() {
            let owned = self.routes.iter().filter(|r| Some(r.sub) == ended).flat_map(|r| &r.owned);
            return owned.filter_map(|at| Some((at.clone(), *self.flow.ends.get(at)?))).collect();
        }
        let positions = if self.revoked() || self.flow.bounded { Vec::new() } else { self.member.positions() };
        let taken = |at: &TopicPartition| {
            self.flow.by_partition.get(at).is_some_and(|route| !self.flow.held.contains_key(route))
        };
        positions.into_iter().filter(|(at, _)| taken(at)).collect()
    }

    pub(in crate::runtime) fn tell_all(
        &mut self,
        which: impl Fn(&Route) -> bool,
        message: impl Fn() -> Message,
    ) -> Result<(), Fault> {
        for route in self.routes.iter().filter(|r| which(r)) {
            if route.to.blocking_send(message()).is_err() {
                return self.why();
            }
        }
        Ok(())
    }

    /// Hears what became of the epoch under way.
    pub(in crate::runtime) fn hear(&mut self, wait: Duration) -> Result<(), Fault> {
        match self.committed.recv_timeout(wait) {
            Ok(Ok(epoch)) => {
                self.flow.under_way &= epoch != self.flow.epoch;
                Ok(())
            }
            Ok(Err(fault)) => Err(fault),
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(Fault::internal("the committer is gone")),
        }
    }

    /// Why a task is gone: the committer has heard it, or ends once all tasks have.
    pub(in crate::runtime) fn why(&mut self) -> Result<(), Fault> {
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::diagnostics::SourceText;
    use crate::log::{GroupSpec, embedded::EmbeddedLog};
    use crate::time::VirtualClock;

    #[test]
    fn a_commit_that_is_under_way_at_the_end_of_a_bounded_run_is_heard() {
        let text = "name: p\nsource: {topic: in, schema: {a: bigint}}\nsteps:\n  - filter: a > 0\nsink: out\n";
        let source = Arc::new(SourceText { name: "p.yaml".into(), text: text.into() });
        let spec = crate::spec::parse(source, std::path::Path::new("."), &crate::spec::ProcessEnvironment).unwrap();
        let plan = crate::plan::compile(&spec, &crate::expr::Functions::new()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(folder.path()).unwrap();
        let member = log.join(&GroupSpec { group: "p".into(), ..GroupSpec::default() }).unwrap();
        let (done, committed) = std::sync::mpsc::sync_channel(1);
        done.send(Err(Fault::Abort("lost".into()))).unwrap();
        let intake = Intake {
            log: Arc::new(log),
            member,
            routes: Vec::new(),
            committed,
            gauges: Arc::default(),
            models: Arc::new(Models::new(&plan, Arc::new(VirtualClock::at(0)), false)),
            stop: Arc::default(),
            commit_every: Duration::from_secs(1),
            ahead: false,
            group: "p".into(),
            course: Vec::new(),
            drain: false,
            flow: Flow { under_way: true, ..Flow::default() },
        };
        let (ended, _) = intake.run(&[], Some(BTreeMap::new()));
        assert!(matches!(&ended, Err(Fault::Abort(why)) if why == "lost"), "{ended:?}");
    }
}
