//! Wines, thousands a second, until told to stop.
//!
//! Separate because it has a thread of its own, as the world has that fills a real topic.

use crate::cli::seed::Partitions;
use crate::generate::Generate;
use crate::generate::wine::Wine;
use crate::log::{self, Log};
use crate::record::RecordsBuilder;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Records written at once, and how often: slow enough to be watched.
const BATCH: usize = 250;
const EVERY: Duration = Duration::from_millis(50);

/// A thread that fills a topic.
pub(super) struct Feeder {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Feeder {
    pub(super) fn start(log: Arc<dyn Log>, topic: &str) -> anyhow::Result<Self> {
        let topic = log::topic(&*log, topic)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::Builder::new().name("feeder".into()).spawn(move || {
            let mut appender = log.appender()?;
            let (mut wines, mut partitions) = (Wine::new(1), Partitions::new(&topic));
            let mut batch = RecordsBuilder::default();
            while !stopped.load(Ordering::Relaxed) {
                wines.fill(BATCH, &mut batch);
                appender.append(&partitions.split(&batch.finish()))?;
                std::thread::park_timeout(EVERY);
            }
            Ok(())
        })?;
        Ok(Self { stop, thread })
    }

    /// Asks it to stop.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
    }

    /// Whether nothing more will come.
    pub(super) fn finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Stops it and tells what went wrong.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        self.stop();
        self.thread.join().map_err(|_| anyhow::anyhow!("the thread that makes wines has panicked"))?
    }
}
