//! Waits until the queue of a consumer is not empty.
//!
//! librdkafka's own wait has a resolution of a millisecond and spins for the rest of it. This one never reads the
//! queue.

use super::context::KafkaContext;
use rdkafka::consumer::BaseConsumer;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Set when an empty queue receives something.
#[derive(Default)]
pub(super) struct QueueSignal(Arc<(Mutex<bool>, Condvar)>);

impl QueueSignal {
    /// Attaches to the queue of a consumer, which has room for one callback only.
    pub(super) fn on(client: &mut BaseConsumer<KafkaContext>) -> Self {
        let signal = Self::default();
        let setter = Self(signal.0.clone());
        client.set_nonempty_callback(move || setter.set());
        signal
    }

    /// Called under a lock of the client: it must not call the client.
    fn set(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_one();
    }

    /// Waits for the signal, at most `timeout`; returns at once if it was set since the last wait. The caller has
    /// found the queue empty since then.
    pub(super) fn wait(&self, timeout: Duration) {
        let (is_set, changed) = &*self.0;
        let is_set = is_set.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(is_set, timeout, |is_set| !*is_set);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    const TEST_TIMEOUT: Duration = Duration::from_secs(10);

    #[test]
    fn one_signal_ends_one_wait() {
        let (signal, start) = (QueueSignal::default(), Instant::now());
        signal.set();
        signal.wait(TEST_TIMEOUT);
        let setter = QueueSignal(signal.0.clone());
        let thread = std::thread::spawn(move || setter.set());
        signal.wait(TEST_TIMEOUT);
        thread.join().expect("the thread ends");
        assert!(start.elapsed() < TEST_TIMEOUT, "set before a wait and within it");
        let start = Instant::now();
        signal.wait(Duration::from_millis(2));
        assert!(start.elapsed() >= Duration::from_millis(2), "a signal is consumed by one wait");
    }
}
