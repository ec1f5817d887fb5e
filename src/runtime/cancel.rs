//! Cancellation: a token that carries its reasons to everything below it.
//!
//! A run has one token, each membership of the group a child of it, each assignment a child of that. Cancelling a
//! token cancels all tokens below it, at once and for good, and wakes the threads that wait on them. The tokens of a
//! run also share the report of a panic, which ends the run even if some part of it does not end.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How long a run may take to end in good order after a panic: some parts may wait for a backplane that is away.
const PANIC_TIMEOUT: Duration = Duration::from_secs(3);

/// Why a token is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelReason {
    /// The run was asked to end in good order: what was read is processed and committed.
    Stop,
    /// The group has revoked the partitions: what was read is committed if no task is waiting.
    Revoked,
    /// Another part of the run has ended, in good order or not.
    Ended,
}

/// A token that is cancelled once, from any thread. Clones are the same token.
#[derive(Clone, Default)]
pub struct CancelToken(Arc<TokenNode>);

#[derive(Default)]
struct TokenNode {
    cancelled: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
    panic: Arc<PanicReport>,
}

/// The first panic of a run.
#[derive(Default)]
struct PanicReport {
    message: OnceLock<String>,
    /// The run has not ended in good order within [`PANIC_TIMEOUT`].
    overdue: Notify,
}

#[derive(Default)]
struct State {
    /// Each reason once, the first one first.
    reasons: Vec<CancelReason>,
    children: Vec<Weak<TokenNode>>,
    wakers: Vec<Arc<dyn Fn() + Send + Sync>>,
}

impl TokenNode {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cancel(&self, reason: CancelReason) {
        let mut state = self.state();
        if state.reasons.contains(&reason) {
            return;
        }
        state.reasons.push(reason);
        self.cancelled.store(true, Ordering::Release);
        self.changed.notify_all();
        let (children, wakers) = (state.children.clone(), state.wakers.clone());
        // Wakers take locks of their own, so they run without this one.
        drop(state);
        wakers.iter().for_each(|wake| wake());
        children.iter().filter_map(Weak::upgrade).for_each(|child| child.cancel(reason));
    }
}

impl CancelToken {
    /// A token below this one: cancelled with it, and on its own.
    #[must_use]
    pub fn child(&self) -> Self {
        self.attach(TokenNode { panic: self.0.panic.clone(), ..TokenNode::default() })
    }

    /// The token of a run: a child with a panic report of its own.
    pub(super) fn for_run(&self) -> Self {
        self.attach(TokenNode::default())
    }

    fn attach(&self, child: TokenNode) -> Self {
        let child = Self(Arc::new(child));
        let mut state = self.0.state();
        state.children.retain(|c| c.strong_count() > 0);
        state.children.push(Arc::downgrade(&child.0));
        let reasons = state.reasons.clone();
        drop(state);
        reasons.into_iter().for_each(|reason| child.cancel(reason));
        child
    }

    /// Cancels this token and all below it.
    pub fn cancel(&self, reason: CancelReason) {
        self.0.cancel(reason);
    }

    /// Reports that a part of the run has panicked.
    pub(super) fn report_panic(&self, message: String) {
        let panic = self.0.panic.clone();
        if panic.message.set(message).is_ok() {
            let overdue = panic.clone();
            let waiting = std::thread::Builder::new().name("panic".into()).spawn(move || {
                Self::default().sleep(PANIC_TIMEOUT);
                overdue.overdue.notify_one();
            });
            // If no thread can be started, the run cannot end in good order either.
            if waiting.is_err() {
                panic.overdue.notify_one();
            }
        }
    }

    /// Waits until [`PANIC_TIMEOUT`] after a panic of the run; returns its message.
    pub(super) async fn panic_overdue(&self) -> String {
        self.0.panic.overdue.notified().await;
        self.0.panic.message.get().cloned().unwrap_or_default()
    }

    /// Whether it was cancelled, for any reason.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// Whether it was cancelled for this reason, perhaps among others.
    #[must_use]
    pub fn is_cancelled_for(&self, reason: CancelReason) -> bool {
        self.is_cancelled() && self.0.state().reasons.contains(&reason)
    }

    /// Why a run that has not failed ends, in the words of `stats`.
    #[must_use]
    pub fn why_ended(&self) -> &'static str {
        if self.is_cancelled_for(CancelReason::Stop) { "stopped" } else { "reached the end" }
    }

    /// The flag that a cancellation sets, for calls of a backplane that can be abandoned.
    #[must_use]
    pub fn flag(&self) -> &AtomicBool {
        &self.0.cancelled
    }

    /// Sleeps for a time, or until it is cancelled; returns whether it was.
    pub fn sleep(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut state = self.0.state();
        while state.reasons.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Calls `wake` on each new reason; at once if it is cancelled already.
    pub fn on_cancel(&self, wake: impl Fn() + Send + Sync + 'static) {
        let mut state = self.0.state();
        if state.reasons.is_empty() {
            state.wakers.push(Arc::new(wake));
        } else {
            drop(state);
            wake();
        }
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelToken").field(&self.0.state().reasons).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn a_reason_travels_down_and_not_up() {
        let run = CancelToken::default();
        let assignment = run.child();
        assignment.cancel(CancelReason::Revoked);
        assert!(assignment.is_cancelled_for(CancelReason::Revoked) && !run.is_cancelled());
        run.cancel(CancelReason::Stop);
        assert!(assignment.is_cancelled_for(CancelReason::Stop), "a second reason arrives too");
        assert!(!assignment.is_cancelled_for(CancelReason::Ended));
        assert!(run.child().is_cancelled_for(CancelReason::Stop), "a late child is born cancelled");
    }

    #[test]
    fn sleepers_and_wakers_are_woken_by_whatever_cancels() {
        let run = CancelToken::default();
        let woken = Arc::new(AtomicUsize::new(0));
        let sleeper = run.child();
        let count = woken.clone();
        sleeper.on_cancel(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let sleeping = {
            let sleeper = sleeper.clone();
            std::thread::spawn(move || sleeper.sleep(Duration::from_secs(60)))
        };
        run.cancel(CancelReason::Ended);
        assert!(sleeping.join().expect("no panic"));
        sleeper.on_cancel({
            let count = woken.clone();
            move || {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        assert_eq!(woken.load(Ordering::Relaxed), 2);
        assert!(!CancelToken::default().sleep(Duration::from_millis(1)));
    }
}
