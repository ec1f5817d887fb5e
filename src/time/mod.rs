//! Time: clocks, watermarks, window assigners and timestamps as text.
//!
//! All but [`SystemClock`] are pure values, so that lateness depends on the records alone. Times are
//! milliseconds since the Unix epoch, UTC.

mod clock;
pub(crate) mod rfc3339;
mod tumbling;
mod watermark;

pub use clock::{Clock, SystemClock, VirtualClock};
pub use rfc3339::rfc3339;
pub use tumbling::Tumbling;
pub use watermark::{NO_WATERMARK, PartitionWatermark, TaskWatermark};

/// A duration in whole milliseconds, for arithmetic on event times.
#[must_use]
pub fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
