//! Polls the group while tasks are rebuilt, as it may revoke the partitions meanwhile.

use crate::log::{FetchLimit, GroupEvent, Member};
use crate::runtime::cancel::CancelToken;
use crate::runtime::fault::Fault;
use crate::runtime::read::intake::IntakeEnd;
use std::time::Duration;

/// How long the group is polled at a time.
const POLL_TIMEOUT: Duration = Duration::from_millis(2);

/// Polls the group until tasks are built; returns an end if the group revokes the partitions or the run is stopped.
pub(super) fn poll_until(
    member: &mut dyn Member,
    cancel: &CancelToken,
    is_built: impl Fn() -> bool,
) -> Result<Option<IntakeEnd>, Fault> {
    while !is_built() {
        match member.poll(FetchLimit::default(), POLL_TIMEOUT)? {
            GroupEvent::Revoked(_) => return Ok(Some(IntakeEnd::Revoked)),
            GroupEvent::Idle if cancel.is_cancelled() => return Ok(Some(IntakeEnd::Done)),
            GroupEvent::Idle => {}
            event => return Err(Fault::internal(format!("{event:?} while tasks are being rebuilt"))),
        }
    }
    // Tasks whose rebuild a stop has interrupted may have only a part of their state: they must not run.
    Ok(cancel.is_cancelled().then_some(IntakeEnd::Done))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::log::embedded::EmbeddedLog;
    use crate::log::{GroupSpec, Log as _};
    use crate::runtime::cancel::CancelReason;

    #[test]
    fn tasks_that_a_stop_leaves_half_restored_do_not_work() {
        let folder = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(folder.path()).unwrap();
        let mut member = log.join(&GroupSpec { group: "p".into(), ..GroupSpec::default() }).unwrap();
        let cancel = CancelToken::default();
        assert_eq!(poll_until(member.as_mut(), &cancel, || true).unwrap(), None);
        // The restore sees the stop before the group is polled again.
        let is_built = || {
            cancel.cancel(CancelReason::Stop);
            true
        };
        assert_eq!(poll_until(member.as_mut(), &cancel, is_built).unwrap(), Some(IntakeEnd::Done));
    }
}
