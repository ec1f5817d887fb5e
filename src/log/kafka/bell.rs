//! Waiting for the queue of a consumer.
//!
//! Separate because the client's own waits are in whole milliseconds: for what is left of one it asks again
//! and again, which costs a processor. It never looks into the queue.

use super::context::Context;
use rdkafka::consumer::BaseConsumer;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Rings when a queue that was empty is so no longer.
#[derive(Default)]
pub(super) struct Bell(Arc<(Mutex<bool>, Condvar)>);

impl Bell {
    /// A bell on the queue of a consumer, which has no other.
    pub(super) fn on(client: &mut BaseConsumer<Context>) -> Self {
        let bell = Self::default();
        let rope = Self(bell.0.clone());
        client.set_nonempty_callback(move || rope.ring());
        bell
    }

    /// Called under a lock of the client: it must not call the client.
    fn ring(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_one();
    }

    /// Waits until it rings, unless it has rung since the last wait. The queue must have been found empty
    /// since then.
    pub(super) fn wait(&self, longest: Duration) {
        let (rung, told) = &*self.0;
        let rung = rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = told.wait_timeout_while(rung, longest, |rung| !*rung);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn a_ring_ends_one_wait() {
        let (bell, start) = (Bell::default(), Instant::now());
        bell.ring();
        bell.wait(LONG);
        let rope = Bell(bell.0.clone());
        let ringer = std::thread::spawn(move || rope.ring());
        bell.wait(LONG);
        ringer.join().expect("it rings");
        assert!(start.elapsed() < LONG, "rung before a wait and within it");
        let start = Instant::now();
        bell.wait(Duration::from_millis(2));
        assert!(start.elapsed() >= Duration::from_millis(2), "what was heard is not heard again");
    }
}
