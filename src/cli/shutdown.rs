//! SIGINT, SIGTERM and SIGHUP: the first requests an orderly shutdown, the second ends the process with exit code 130.
//!
//! A thread of its own catches signals, so a command may block.

use super::exit;
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often a blocked command checks for a shutdown request.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// How often a blocked command runs its check.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// A check that runs while a command is blocked; its error ends the command.
pub(super) type BlockedCheck = Box<dyn Fn() -> io::Result<()> + Send>;

/// Whether a shutdown has been requested; a request is final.
#[derive(Clone, Debug)]
pub(super) struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Catches signals from this call on.
    pub(super) fn on_signals() -> Self {
        let (sender, receiver) = watch::channel(false);
        let (caught, waiting) = sync_channel(1);
        let spawned = std::thread::Builder::new().name("signals".into()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            match runtime {
                Ok(runtime) => runtime.block_on(listen(&sender, &caught)),
                Err(e) => tracing::warn!("signals are not caught, so an interrupt ends the process at once: {e}"),
            }
        });
        match spawned {
            // Waits for the handlers: until they are installed, a signal ends the process. A closed channel means that
            // signals are not caught.
            Ok(_) => drop(waiting.recv()),
            Err(e) => tracing::warn!("signals are not caught, so an interrupt ends the process at once: {e}"),
        }
        Self(receiver)
    }

    pub(super) fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Sleeps for `time`, or until a shutdown is requested.
    pub(super) fn sleep(&self, time: Duration) {
        let mut left = time;
        while !left.is_zero() && !self.is_requested() {
            let step = left.min(POLL_INTERVAL);
            std::thread::sleep(step);
            left -= step;
        }
    }

    /// Reads `source` on a thread of its own, so that a shutdown request ends a read that waits for input.
    pub(super) fn interruptible(&self, mut source: impl Read + Send + 'static) -> InterruptibleReader {
        // One chunk in the channel and one being read keep both sides busy.
        let (sender, receiver) = sync_channel(1);
        std::thread::spawn(move || {
            loop {
                let mut chunk = vec![0; 64 << 10];
                let read = source.read(&mut chunk).map(|n| {
                    chunk.truncate(n);
                    chunk
                });
                let last = !matches!(&read, Ok(chunk) if !chunk.is_empty());
                if sender.send(read).is_err() || last {
                    return;
                }
            }
        });
        let shutdown = self.clone();
        InterruptibleReader { receiver, chunk: Vec::new(), position: 0, shutdown, check: Box::new(|| Ok(())) }
    }
}

#[cfg(unix)]
async fn listen(sender: &watch::Sender<bool>, caught: &SyncSender<()>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (interrupt, terminate) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut interrupt), Ok(mut terminate)) = (interrupt, terminate) else {
        tracing::warn!("signals are not caught, so an interrupt ends the process at once");
        // When this thread ends the channel closes, and `on_signals` no longer waits.
        return;
    };
    let _ = caught.try_send(());
    // Under `nohup` it is ignored, and stays so.
    let mut hangup = if ignores_hangup() { None } else { signal(SignalKind::hangup()).ok() };
    loop {
        let hung_up = async {
            match &mut hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {}, _ = hung_up => {} }
        on_signal(sender);
    }
}

/// Whether the process was started with SIGHUP ignored. Where the system does not say, it was not.
#[cfg(unix)]
fn ignores_hangup() -> bool {
    is_hangup_ignored(&std::fs::read_to_string("/proc/self/status").unwrap_or_default())
}

#[cfg(unix)]
fn is_hangup_ignored(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 != 0)
}

#[cfg(not(unix))]
async fn listen(sender: &watch::Sender<bool>, caught: &SyncSender<()>) {
    let _ = caught.try_send(());
    while tokio::signal::ctrl_c().await.is_ok() {
        on_signal(sender);
    }
}

fn on_signal(sender: &watch::Sender<bool>) {
    if sender.send_replace(true) {
        exit::interrupted();
    }
}

/// A reader that fails with [`Interrupted`] after a shutdown request.
pub(super) struct InterruptibleReader {
    receiver: Receiver<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
    position: usize,
    shutdown: Shutdown,
    check: BlockedCheck,
}

impl InterruptibleReader {
    /// Runs a check every [`CHECK_INTERVAL`] while a read waits.
    pub(super) fn checking(self, check: BlockedCheck) -> Self {
        Self { check, ..self }
    }
}

/// A shutdown request ended the read; the last bytes may be half a record.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub(super) struct Interrupted;

impl Interrupted {
    /// Whether it is the cause of an error.
    pub(super) fn is_cause_of(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|e| e.is::<Self>())
    }
}

impl Read for InterruptibleReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut checked_at = Instant::now();
        while self.position == self.chunk.len() {
            if self.shutdown.is_requested() {
                return Err(io::Error::other(Interrupted));
            }
            match self.receiver.recv_timeout(POLL_INTERVAL) {
                Ok(chunk) => (self.chunk, self.position) = (chunk?, 0),
                Err(RecvTimeoutError::Timeout) if checked_at.elapsed() >= CHECK_INTERVAL => {
                    (self.check)()?;
                    checked_at = Instant::now();
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
            if self.chunk.is_empty() {
                return Ok(0);
            }
        }
        let n = into.len().min(self.chunk.len() - self.position);
        into[..n].copy_from_slice(&self.chunk[self.position..self.position + n]);
        self.position += n;
        Ok(n)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_hangup_is_ignored_where_the_process_was_started_so() {
        assert!(is_hangup_ignored("SigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n"));
        assert!(!is_hangup_ignored("SigIgn:\t0000000000001000\n"));
        assert!(!is_hangup_ignored(""));
    }

    fn shutdown(requested: bool) -> (watch::Sender<bool>, Shutdown) {
        let (sender, receiver) = watch::channel(requested);
        (sender, Shutdown(receiver))
    }

    #[test]
    fn every_byte_is_read() {
        let (_sender, shutdown) = shutdown(false);
        let text = vec![b'x'; 200_000];
        let mut read = Vec::new();
        shutdown.interruptible(io::Cursor::new(text.clone())).read_to_end(&mut read).unwrap();
        assert_eq!(read, text);
    }

    #[test]
    fn a_shutdown_request_ends_a_read_that_waits() {
        struct Never;
        impl Read for Never {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                std::thread::park();
                Ok(0)
            }
        }
        let (sender, shutdown) = shutdown(false);
        let mut reader = shutdown.interruptible(Never);
        sender.send_replace(true);
        assert!(Interrupted::is_cause_of(&reader.read(&mut [0]).unwrap_err()));
    }
}
