//! Runs a pipeline on a thread of its own, on any log, so that a test can act while it runs.

use super::scenario::FIXED_NOW_MS;
use super::wait;
use fastdata::log::Log;
use fastdata::plan::Physical;
use fastdata::runtime::operators::build::Factory;
use fastdata::runtime::{CancelReason, CancelToken, Engine, Fault, LostInput, RunOptions, StartFrom};
use fastdata::time::VirtualClock;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;

/// A run to be started on a thread of its own.
pub struct Setup {
    pub plan: Arc<Physical>,
    pub log: Arc<dyn Log>,
    pub custom: BTreeMap<&'static str, Factory>,
    pub stop: CancelToken,
    pub from: StartFrom,
    pub lost_input: LostInput,
    /// Steps that begin without their state.
    pub reset: Vec<String>,
    pub until_end: bool,
    /// Closes every window at the end.
    pub drain: bool,
}

impl Setup {
    /// An unbounded run from the committed positions.
    pub fn new(plan: Arc<Physical>, log: Arc<dyn Log>) -> Self {
        Self {
            plan,
            log,
            custom: BTreeMap::new(),
            stop: CancelToken::default(),
            from: StartFrom::Committed,
            lost_input: LostInput::Stop,
            reset: Vec::new(),
            until_end: false,
            drain: false,
        }
    }

    pub fn start(self) -> Run {
        let Self { plan, log, custom, stop, from, lost_input, reset, until_end, drain } = self;
        let engine =
            Engine { plan, log, clock: Arc::new(VirtualClock::at(FIXED_NOW_MS)), samples: Arc::new(|_, _| {}), custom };
        let options =
            RunOptions { until_end, drain, from, lost_input, reset, instance: "test".into(), ..RunOptions::default() };
        let requested = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
            let outcome = runtime.block_on(engine.run(&options, &requested));
            // After a panic a part of the run may still wait for the backplane.
            runtime.shutdown_background();
            outcome
        });
        Run { stop, thread }
    }
}

/// Runs to the end of the input without a fault.
pub fn run_to_end(plan: Arc<Physical>, log: Arc<dyn Log>) {
    Setup { until_end: true, ..Setup::new(plan, log) }.start().join().unwrap();
}

/// A run on a thread of its own.
pub struct Run {
    pub stop: CancelToken,
    pub thread: JoinHandle<Result<(), Fault>>,
}

impl Run {
    /// The outcome of a run that must end without a request.
    pub fn join(self) -> Result<(), Fault> {
        wait::until("the run to end", || self.thread.is_finished().then_some(()));
        self.thread.join().unwrap()
    }

    /// The outcome of a run that is asked to stop.
    pub fn stop_and_join(self) -> Result<(), Fault> {
        self.stop.cancel(CancelReason::Stop);
        self.join()
    }
}
