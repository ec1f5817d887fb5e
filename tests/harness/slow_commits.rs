//! Commits over a slow connection, and what each of them carried.

use fastdata::log::{CommitTimeout, Committer, LogError, LogResult, Transaction};
use fastdata::record::{Offset, TopicPartition};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Commits over a connection with a limited rate, and what they carried.
#[derive(Debug, Default)]
pub struct SlowCommits {
    /// `None`: commits are not slowed.
    pub bytes_per_second: Option<u64>,
    /// A commit that takes longer is undone after this time.
    pub timeout: Duration,
    pub commits: Mutex<Vec<SlowCommit>>,
    pub undone: AtomicU32,
}

/// What a commit carried: its bytes, and the number of records of each partition.
#[derive(Clone, Debug)]
pub struct SlowCommit {
    pub bytes: usize,
    pub records: BTreeMap<TopicPartition, usize>,
}

/// Blocks as a slow connection does.
fn take_time(time: Duration) {
    let start = Instant::now();
    while let Some(left) = time.checked_sub(start.elapsed()) {
        std::thread::park_timeout(left);
    }
}

impl SlowCommits {
    pub fn timeout(&self) -> Option<CommitTimeout> {
        self.bytes_per_second.map(|_| CommitTimeout { after: self.timeout, setting: "timeout" })
    }

    pub fn commit(&self, committer: &mut dyn Committer, transaction: &Transaction) -> LogResult<Vec<Option<Offset>>> {
        let bytes = transaction.bytes();
        if let Some(rate) = self.bytes_per_second {
            let takes = Duration::from_secs_f64(bytes as f64 / rate as f64);
            take_time(takes.min(self.timeout));
            if takes > self.timeout {
                self.undone.fetch_add(1, Ordering::Relaxed);
                return Err(LogError::Undone { group: "p".into(), why: "it took too long".into() });
            }
        }
        let firsts = committer.commit(transaction)?;
        let mut records = BTreeMap::new();
        let appends = transaction.results.iter().chain(&transaction.state);
        appends.for_each(|a| *records.entry(a.to.clone()).or_default() += a.records.len());
        self.commits.lock().unwrap().push(SlowCommit { bytes, records });
        Ok(firsts)
    }
}
