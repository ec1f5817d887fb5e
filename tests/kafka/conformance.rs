//! Kafka passes the same conformance suite as the embedded log.

use super::broker::{self, Cluster};
use fastdata::log::Log;
use fastdata::log::conformance::{self, Fixture};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Cases that run concurrently: each mostly waits for the broker.
const CONCURRENT_CASES: usize = 4;

struct KafkaFixture<'a> {
    cluster: &'a Cluster,
    prefix: String,
}

impl Fixture for KafkaFixture<'_> {
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
    assert!(!suite.is_empty(), "no case of the suite has `{only}` in its name");
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..CONCURRENT_CASES {
            scope.spawn(|| {
                while let Some(case) = suite.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let start = std::time::Instant::now();
                    let outcome = (case.run)(&KafkaFixture { cluster, prefix: cluster.name("case") });
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
