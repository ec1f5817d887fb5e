//! Kafka is held to the same words as the embedded log.
//!
//! Separate because it is the one test that says whether a pipeline may move from one to the other.

use super::broker::{self, Cluster};
use fastdata::log::Log;
use fastdata::log::conformance::{self, Fixture};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// How many cases run at once: each mostly waits for the broker.
const AT_ONCE: usize = 4;

struct OnKafka<'a> {
    cluster: &'a Cluster,
    prefix: String,
}

impl Fixture for OnKafka<'_> {
    fn open(&self) -> Box<dyn Log> {
        Box::new(self.cluster.connect())
    }

    fn prefix(&self) -> String {
        self.prefix.clone()
    }

    fn dense(&self) -> bool {
        false
    }

    fn exclusive(&self) -> bool {
        false
    }
}

#[test]
fn kafka_conforms() {
    let Some(cluster) = broker::shared() else { return };
    let only = std::env::var("FASTDATA_CASE").unwrap_or_default();
    let mut suite = conformance::suite();
    suite.retain(|case| case.name.contains(&only));
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = suite.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let start = std::time::Instant::now();
                    let outcome = (case.run)(&OnKafka { cluster, prefix: cluster.name("case") });
                    eprintln!(
                        "{:>6} ms  {}  {}",
                        start.elapsed().as_millis(),
                        if outcome.is_ok() { "ok    " } else { "FAILED" },
                        case.name
                    );
                    if let Err(e) = outcome {
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{}: {e}", case.name));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(failed.is_empty(), "{failed:#?}");
}
