//! Closes a client within bounded time.
//!
//! librdkafka waits for the coordinator when a client is destroyed, without a limit of its own.

use super::timed_call::call_within;
use std::ops::Deref;
use std::time::Duration;

/// How long closing a client may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Owns a client, or a share of one, and closes it when it is dropped.
pub(super) struct ClosesInTime<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> ClosesInTime<T> {
    pub(super) fn new(client: T) -> Self {
        Self(Some(client))
    }
}

impl<T: Send + 'static> Deref for ClosesInTime<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("invariant: the client is taken only by `drop`")
    }
}

impl<T: Send + 'static> Drop for ClosesInTime<T> {
    fn drop(&mut self) {
        if let Some(client) = self.0.take()
            && !close_within(client, CLOSE_TIMEOUT)
        {
            tracing::warn!("a connection to Kafka is not closed after {CLOSE_TIMEOUT:?}; going on without it");
        }
    }
}

/// Drops a client; false if that took longer than `timeout`.
fn close_within<T: Send + 'static>(client: T, timeout: Duration) -> bool {
    match call_within("kafka-close", timeout, move || drop(client)) {
        Ok(closed) => closed.is_some(),
        // No thread could be started: the client was dropped on this one, together with the call.
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    /// A client that closes after a time.
    struct Slow(Duration, Arc<AtomicBool>);

    impl Drop for Slow {
        fn drop(&mut self) {
            std::thread::park_timeout(self.0);
            self.1.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_client_that_does_not_close_is_left_behind() {
        let (start, closed) = (Instant::now(), Arc::<AtomicBool>::default());
        assert!(!close_within(Slow(Duration::from_secs(20), closed.clone()), Duration::from_millis(50)));
        assert!(start.elapsed() < Duration::from_secs(10) && !closed.load(Ordering::Relaxed));
    }

    /// Reports the name of the thread that closes it.
    struct ThreadName(std::sync::mpsc::Sender<Option<String>>);

    impl Drop for ThreadName {
        fn drop(&mut self) {
            drop(self.0.send(std::thread::current().name().map(str::to_owned)));
        }
    }

    #[test]
    fn a_client_is_closed_on_a_thread_that_can_be_left_behind() {
        let (name, thread) = std::sync::mpsc::channel();
        drop(ClosesInTime::new(ThreadName(name)));
        assert_eq!(thread.recv(), Ok(Some("kafka-close".to_owned())));
    }

    #[test]
    fn a_client_that_closes_is_waited_for() {
        let closed = Arc::<AtomicBool>::default();
        drop(ClosesInTime::new(Slow(Duration::from_millis(20), closed.clone())));
        assert!(closed.load(Ordering::Relaxed));
    }
}
