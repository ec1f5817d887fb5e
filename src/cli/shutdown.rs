//! SIGINT and SIGTERM: the first asks to stop in good order, the second ends the process with 130.
//!
//! Separate because the library never reads signals: it is given a flag to watch. Signals have a thread
//! of their own, so that a command may block for as long as it likes.

use super::exit;
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;
use tokio::sync::watch;

/// How soon a blocking command notices the wish to stop.
const TICK: Duration = Duration::from_millis(50);

/// The wish to stop; never taken back.
#[derive(Clone, Debug)]
pub(super) struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Catches signals from now on.
    pub(super) fn on_signals() -> Self {
        let (wish, watched) = watch::channel(false);
        let caught = std::thread::Builder::new().name("signals".into()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            match runtime {
                Ok(runtime) => runtime.block_on(listen(&wish)),
                Err(e) => tracing::warn!("signals are not caught, so an interrupt ends the process at once: {e}"),
            }
        });
        if let Err(e) = caught {
            tracing::warn!("signals are not caught, so an interrupt ends the process at once: {e}");
        }
        Self(watched)
    }

    /// Whether it was asked to stop.
    pub(super) fn requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits, but not longer than until it is asked to stop.
    pub(super) fn sleep(&self, time: Duration) {
        let mut left = time;
        while !left.is_zero() && !self.requested() {
            let nap = left.min(TICK);
            std::thread::sleep(nap);
            left -= nap;
        }
    }

    /// Reads on a thread of its own, so that a reader who waits for input can still be stopped.
    pub(super) fn interruptible(&self, mut source: impl Read + Send + 'static) -> Interruptible {
        // One chunk on its way and one being read are enough to keep both sides busy.
        let (to, from) = sync_channel(1);
        std::thread::spawn(move || {
            loop {
                let mut chunk = vec![0; 64 << 10];
                let read = source.read(&mut chunk).map(|n| {
                    chunk.truncate(n);
                    chunk
                });
                let last = !matches!(&read, Ok(chunk) if !chunk.is_empty());
                if to.send(read).is_err() || last {
                    return;
                }
            }
        });
        Interruptible { from, chunk: Vec::new(), at: 0, shutdown: self.clone() }
    }
}

#[cfg(unix)]
async fn listen(wish: &watch::Sender<bool>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (interrupt, terminate) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut interrupt), Ok(mut terminate)) = (interrupt, terminate) else {
        tracing::warn!("signals are not caught, so an interrupt ends the process at once");
        return;
    };
    loop {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        asked(wish);
    }
}

#[cfg(not(unix))]
async fn listen(wish: &watch::Sender<bool>) {
    while tokio::signal::ctrl_c().await.is_ok() {
        asked(wish);
    }
}

fn asked(wish: &watch::Sender<bool>) {
    if wish.send_replace(true) {
        exit::interrupted();
    }
}

/// A reader that fails with [`Stopped`] once it was asked to stop.
#[derive(Debug)]
pub(super) struct Interruptible {
    from: Receiver<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
    at: usize,
    shutdown: Shutdown,
}

/// Reading ended because the person asked for it; what was read last may be half a record.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub(super) struct Stopped;

impl Stopped {
    /// Whether it is why reading ended.
    pub(super) fn is_why(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|e| e.is::<Self>())
    }
}

impl Read for Interruptible {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.chunk.len() {
            if self.shutdown.requested() {
                return Err(io::Error::other(Stopped));
            }
            match self.from.recv_timeout(TICK) {
                Ok(chunk) => (self.chunk, self.at) = (chunk?, 0),
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
            if self.chunk.is_empty() {
                return Ok(0);
            }
        }
        let n = into.len().min(self.chunk.len() - self.at);
        into[..n].copy_from_slice(&self.chunk[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn shutdown(requested: bool) -> (watch::Sender<bool>, Shutdown) {
        let (wish, watched) = watch::channel(requested);
        (wish, Shutdown(watched))
    }

    #[test]
    fn all_that_is_read_comes_through() {
        let (_wish, shutdown) = shutdown(false);
        let text = vec![b'x'; 200_000];
        let mut read = Vec::new();
        shutdown.interruptible(io::Cursor::new(text.clone())).read_to_end(&mut read).unwrap();
        assert_eq!(read, text);
    }

    #[test]
    fn a_reader_who_waits_for_ever_is_stopped_by_the_wish() {
        struct Never;
        impl Read for Never {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                std::thread::park();
                Ok(0)
            }
        }
        let (wish, shutdown) = shutdown(false);
        let mut reader = shutdown.interruptible(Never);
        wish.send_replace(true);
        assert!(Stopped::is_why(&reader.read(&mut [0]).unwrap_err()));
    }
}
