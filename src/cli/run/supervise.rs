//! Waits for the pipelines of one process, and decides what the end of one means for the others.

use crate::runtime::{CancelReason, CancelToken, Fault};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How often shutdown requests are checked and the restore bar is drawn.
const TICK_INTERVAL: Duration = Duration::from_millis(20);

/// How long pipelines have to end in good order beside one in which a part has panicked.
const END_TIMEOUT_AFTER_PANIC: Duration = Duration::from_millis(1500);

/// A pipeline by name, and how it has ended.
pub(super) type PipelineEnd = (String, Result<(), Fault>);

/// Waits until all pipelines have ended and calls `tick` in between. Of several, each failure is reported when it
/// happens, and the others go on; the first one is the outcome. A panic is a fault of the whole process: the others are
/// stopped, and left behind where that takes long.
pub(super) async fn supervise(
    running: &mut JoinSet<PipelineEnd>,
    stop: &CancelToken,
    report: impl Fn(&str, &Fault),
    mut tick: impl FnMut(),
) -> Result<(), Fault> {
    let several = running.len() > 1;
    let (mut outcome, mut deadline) = (Ok(()), None);
    loop {
        tokio::select! {
            ended = running.join_next() => {
                let Some(ended) = ended else { return outcome };
                let (name, ended) = ended.unwrap_or_else(|e| ("?".into(), Err(Fault::Panic(e.to_string()))));
                if let Err(fault) = &ended {
                    if several {
                        report(&name, fault);
                    }
                    if matches!(fault, Fault::Panic(_)) {
                        stop.cancel(CancelReason::Stop);
                        deadline.get_or_insert(Instant::now() + END_TIMEOUT_AFTER_PANIC);
                    }
                    outcome = outcome.and(ended);
                }
            }
            () = tokio::time::sleep(TICK_INTERVAL) => tick(),
        }
        if deadline.is_some_and(|at| Instant::now() >= at) && !running.is_empty() {
            tracing::error!(
                "the other pipelines have not ended in {END_TIMEOUT_AFTER_PANIC:?} and are left as after a kill"
            );
            return outcome;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two pipelines, of which one fails and the other never ends: the outcome, if there is one in time, and whether
    /// the other one was stopped.
    fn beside_one_that_never_ends(fault: Fault) -> (Option<Result<(), Fault>>, bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let (mut running, stop) = (JoinSet::new(), CancelToken::default());
            running.spawn(std::future::pending());
            running.spawn(async { ("bad".to_owned(), Err(fault)) });
            let ended = supervise(&mut running, &stop, |name, _| assert_eq!(name, "bad"), || {});
            let ended = tokio::time::timeout(END_TIMEOUT_AFTER_PANIC * 2, ended).await.ok();
            (ended, stop.is_cancelled_for(CancelReason::Stop))
        })
    }

    #[test]
    fn after_a_panic_no_pipeline_is_awaited_for_long() {
        let (ended, stopped) = beside_one_that_never_ends(Fault::Panic("a task has panicked".into()));
        let ended = ended.map(|end| end.map_err(|f| f.to_string()));
        assert_eq!((ended, stopped), (Some(Err("a task has panicked".into())), true));
    }

    #[test]
    fn a_failure_does_not_end_the_others() {
        let (ended, stopped) = beside_one_that_never_ends(Fault::Fatal("too large".into()));
        assert!(ended.is_none() && !stopped);
    }
}
