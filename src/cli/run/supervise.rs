//! Waits for the pipelines of one process, and decides what the end of one means for the others.

use crate::runtime::{CancelReason, CancelToken, Fault};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How often shutdown requests are checked and the restore bar is drawn.
const TICK_INTERVAL: Duration = Duration::from_millis(20);

/// How long pipelines have to end in good order beside one in which a part has panicked.
const END_TIMEOUT_AFTER_PANIC: Duration = Duration::from_millis(1500);

/// Waits until all pipelines have ended and calls `tick` in between. The first failure stops the others in an
/// orderly way, and is the outcome; after a panic they are left behind where they take long.
pub(super) async fn supervise(
    running: &mut JoinSet<Result<(), Fault>>,
    stop: &CancelToken,
    mut tick: impl FnMut(),
) -> Result<(), Fault> {
    let (mut outcome, mut deadline) = (Ok(()), None);
    loop {
        tokio::select! {
            ended = running.join_next() => {
                let Some(ended) = ended else { return outcome };
                let ended = ended.unwrap_or_else(|e| Err(Fault::Panic(e.to_string())));
                if let Err(fault) = &ended {
                    stop.cancel(CancelReason::Stop);
                    // Those may take a while to end in good order, and the fault must be known before.
                    if !running.is_empty() {
                        tracing::error!("a pipeline has failed, so the others are stopped: {fault}");
                    }
                    if matches!(fault, Fault::Panic(_)) {
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

    /// The outcome of two pipelines, of which one fails and the other never ends.
    fn beside_one_that_never_ends(fault: Fault) -> Option<Result<(), Fault>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let (mut running, stop) = (JoinSet::new(), CancelToken::default());
            running.spawn(std::future::pending());
            running.spawn(async { Err(fault) });
            let ended = supervise(&mut running, &stop, || {});
            let ended = tokio::time::timeout(END_TIMEOUT_AFTER_PANIC * 2, ended).await.ok();
            assert!(stop.is_cancelled_for(CancelReason::Stop));
            ended
        })
    }

    #[test]
    fn after_a_panic_no_pipeline_is_awaited_for_long() {
        let ended = beside_one_that_never_ends(Fault::Panic("a task has panicked".into()));
        assert_eq!(ended.map(|end| end.map_err(|f| f.to_string())), Some(Err("a task has panicked".into())));
        assert!(beside_one_that_never_ends(Fault::Fatal("too large".into())).is_none(), "others end in good order");
    }
}
