//! Waiting for a condition.
//!
//! Separate so that no test sleeps for a time that it hopes is enough: each wait names what it waits for,
//! ends as soon as that is so, and fails with its name where it never is.

use std::time::{Duration, Instant};

/// Longest wait before a test gives up.
const LIMIT: Duration = Duration::from_secs(60);

/// Looks again until `look` finds something.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < LIMIT, "waited {LIMIT:?} in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}
