//! Writes wines to a topic on a thread of its own until it is stopped.

use crate::cli::seed::Partitioner;
use crate::generate::Generate;
use crate::generate::wine::Wine;
use crate::log::{self, Log};
use crate::record::RecordsBuilder;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const BATCH_RECORDS: usize = 250;
/// Slow enough that a person can watch.
const BATCH_INTERVAL: Duration = Duration::from_millis(50);

pub(super) struct Feeder {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Feeder {
    pub(super) fn start(log: Arc<dyn Log>, topic: &str) -> anyhow::Result<Self> {
        let topic = log::topic(&*log, topic)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stop_requested = stop.clone();
        let thread = std::thread::Builder::new().name("feeder".into()).spawn(move || {
            let mut appender = log.appender()?;
            let (mut wines, mut partitioner) = (Wine::new(1), Partitioner::new(&topic));
            let mut batch = RecordsBuilder::default();
            while !stop_requested.load(Ordering::Relaxed) {
                wines.fill(BATCH_RECORDS, &mut batch);
                appender.append(&partitioner.split(&batch.finish()))?;
                std::thread::park_timeout(BATCH_INTERVAL);
            }
            Ok(())
        })?;
        Ok(Self { stop, thread })
    }

    /// Requests the end without waiting for it.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
    }

    /// Whether the thread has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Stops the thread and returns its error.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        self.stop();
        self.thread.join().map_err(|_| anyhow::anyhow!("the thread that writes wines has panicked"))?
    }
}
