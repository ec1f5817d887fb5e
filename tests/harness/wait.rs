//! Waits for a condition.
//!
//! No test sleeps for a time that it hopes is long enough. Each wait names its condition, ends as soon as the
//! condition holds, and fails with that name after [`TIMEOUT`].

use std::time::{Duration, Instant};

/// Longest wait before a test fails.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Time between two checks of a condition.
const CHECK_INTERVAL: Duration = Duration::from_millis(1);

/// Calls `check` until it returns a value.
pub fn until<T>(condition: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(start.elapsed() < TIMEOUT, "waited {TIMEOUT:?} in vain for {condition}");
        std::thread::park_timeout(CHECK_INTERVAL);
    }
}
