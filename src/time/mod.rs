//! Event time: clocks, watermarks and windows, as pure values.
//!
//! Separate because what is late must not depend on how the program is run: nothing here reads a wall
//! clock except [`SystemClock`], and nothing knows of batches' cuts. Times are milliseconds since the
//! Unix epoch, UTC.

mod clock;
mod tumbling;
mod watermark;

pub use clock::{Clock, SystemClock, VirtualClock};
pub use tumbling::Tumbling;
pub use watermark::{NO_WATERMARK, PartitionWatermark, TaskWatermark};

/// A duration in whole milliseconds, for arithmetic on event times.
#[must_use]
pub fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// An event time as people write it: RFC 3339 in UTC with milliseconds.
#[must_use]
pub fn rfc3339(millis: i64) -> String {
    chrono::DateTime::from_timestamp_millis(millis)
        .map_or_else(|| millis.to_string(), |t| t.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}
