//! Logs which other instances of the group come and go.
//!
//! Whoever comes or goes causes an assignment, so they are looked up a few times after each one, in what they report of
//! themselves. Nothing waits for the thread that does it: a look may hang while brokers are away.

use super::others::OtherInstances;
use super::session::Session;
use crate::log::Log;
use crate::metrics::InstanceInfo;
use crate::runtime::cancel::CancelToken;
use crate::runtime::fault::report_panic;
use crate::runtime::life::LIFE_TARGET;
use crate::runtime::read::progress::reports;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The waits before each look. An instance without input reports every five seconds, and one that has not reported
/// during the last wait is gone.
const LOOK_INTERVALS: [Duration; 3] = [Duration::from_secs(3), Duration::from_secs(5), Duration::from_secs(12)];

/// What is known of the other instances, and where they report.
#[derive(Clone)]
pub(super) struct OthersWatch {
    log: Arc<dyn Log>,
    pipeline: String,
    instance: String,
    others: Arc<Mutex<OtherInstances>>,
}

impl OthersWatch {
    pub(super) fn new(session: &Session) -> Self {
        Self {
            log: session.engine.log.clone(),
            pipeline: session.engine.plan.name.clone(),
            instance: session.options.instance.clone(),
            others: session.others.clone(),
        }
    }

    /// Looks at them a few times on a thread of its own, until that is cancelled.
    pub(super) fn start(self, cancel: CancelToken) {
        let look = move || {
            let watched = report_panic("the look at other instances", &cancel, || {
                self.watch(&cancel);
                Ok(())
            });
            if let Err(fault) = watched {
                tracing::debug!("{fault}");
            }
        };
        if let Err(e) = std::thread::Builder::new().name("others".into()).spawn(look) {
            tracing::debug!("the other instances are not looked up: {e}");
        }
    }

    fn watch(&self, cancel: &CancelToken) {
        for (look, wait) in (1..).zip(LOOK_INTERVALS) {
            if cancel.sleep(wait) {
                return;
            }
            match reports(self.log.as_ref(), &self.pipeline, cancel) {
                Ok(reports) if !cancel.is_cancelled() => self.note(&reports.instances, look == LOOK_INTERVALS.len()),
                Ok(_) => return,
                Err(e) => tracing::debug!("the other instances could not be looked up: {e}"),
            }
        }
    }

    /// Logs who has come and gone.
    pub(super) fn note(&self, instances: &BTreeMap<String, InstanceInfo>, is_last: bool) {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        for line in others.update(instances, &self.instance, is_last) {
            tracing::info!(target: LIFE_TARGET, "`{}`: {line}", self.pipeline);
        }
    }
}
