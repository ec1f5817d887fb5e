//! Logs which other instances of the group come and go.
//!
//! Whoever comes or goes causes an assignment, so they are looked up a few times after each one, in what they report of
//! themselves.

use super::session::Session;
use crate::metrics::InstanceInfo;
use crate::runtime::cancel::CancelToken;
use crate::runtime::life::LIFE_TARGET;
use crate::runtime::read::progress::reports;
use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

/// The waits before each look. An instance without input reports every five seconds, and one that has not reported
/// during the last wait is gone.
const LOOK_INTERVALS: [Duration; 3] = [Duration::from_secs(3), Duration::from_secs(5), Duration::from_secs(12)];

/// Looks at the other instances until it is cancelled, a few times.
pub(super) fn watch(session: &Session, cancel: &CancelToken) {
    for (look, wait) in (1..).zip(LOOK_INTERVALS) {
        if cancel.sleep(wait) {
            return;
        }
        match reports(session.engine.log.as_ref(), &session.engine.plan.name, cancel) {
            Ok(reports) => note(session, &reports.instances, look == LOOK_INTERVALS.len()),
            Err(e) => tracing::debug!("the other instances could not be looked up: {e}"),
        }
    }
}

/// Logs who has come and gone.
pub(super) fn note(session: &Session, instances: &BTreeMap<String, InstanceInfo>, is_last: bool) {
    let mut others = session.others.lock().unwrap_or_else(PoisonError::into_inner);
    for line in others.update(instances, &session.options.instance, is_last) {
        tracing::info!(target: LIFE_TARGET, "`{}`: {line}", session.engine.plan.name);
    }
}
