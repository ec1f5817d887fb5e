//! Calls of librdkafka that may never return, each on a thread of its own.
//!
//! A call that takes too long is left to its thread, which may run until the process ends. A panic in a call is
//! raised again in the caller at once.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// Makes a call; `None` if it has not returned in time.
///
/// # Errors
/// If no thread could be started; the call is then dropped on this thread.
pub(super) fn call_within<T: Send + 'static>(
    thread: &str,
    timeout: Duration,
    call: impl FnOnce() -> T + Send + 'static,
) -> io::Result<Option<T>> {
    let (done, outcome) = sync_channel(1);
    // The receiver is gone if this took too long. What the call has captured is dropped before the outcome is sent.
    let calling = std::thread::Builder::new().name(thread.into()).spawn(move || drop(done.send(call())))?;
    match outcome.recv_timeout(timeout) {
        Ok(outcome) => Ok(Some(outcome)),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => match calling.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            // Not reached: a value that was sent before the thread ended would have been received.
            Ok(()) => Ok(None),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    const TEST_TIMEOUT: Duration = Duration::from_secs(10);

    #[test]
    fn a_call_that_does_not_return_is_left_behind() {
        let start = Instant::now();
        let left = call_within("test", Duration::from_millis(50), || std::thread::park_timeout(TEST_TIMEOUT * 2));
        assert!(matches!(left, Ok(None)) && start.elapsed() < TEST_TIMEOUT, "{left:?} after {:?}", start.elapsed());
    }

    #[test]
    fn a_panic_in_a_call_goes_on_in_the_caller() {
        let start = Instant::now();
        let panic = std::panic::catch_unwind(|| call_within("test", TEST_TIMEOUT, || panic!("why")).map(drop));
        let panic = panic.expect_err("the panic goes on");
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"why"));
        assert!(start.elapsed() < TEST_TIMEOUT, "nobody waits for a call that has panicked");
    }

    #[test]
    fn the_outcome_of_a_call_is_returned() {
        assert!(matches!(call_within("test", TEST_TIMEOUT, || 7), Ok(Some(7))));
    }
}
