//! Tumbling windows: windows of one size without overlap, aligned to the epoch plus an offset.

/// Assigns times to tumbling windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tumbling {
    /// Length in milliseconds, at least 1.
    pub size: i64,
    /// Shift of every start in milliseconds.
    pub offset: i64,
}

impl Tumbling {
    /// The start of the window that contains `time`.
    #[must_use]
    pub fn start(&self, time: i64) -> i64 {
        let shifted = time.saturating_sub(self.offset);
        time.saturating_sub(shifted.rem_euclid(self.size))
    }

    /// The end of the window that contains `time`; the end itself belongs to the next window.
    #[must_use]
    pub fn end(&self, time: i64) -> i64 {
        self.start(time).saturating_add(self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Walks from the epoch window by window until one contains the time.
        #[test]
        fn the_window_contains_its_time(time in -5_000i64..5_000, size in 1i64..700, offset in -900i64..900) {
            let mut start = offset;
            while start > time { start -= size; }
            while start + size <= time { start += size; }
            let w = Tumbling { size, offset };
            prop_assert_eq!((w.start(time), w.end(time)), (start, start + size));
        }
    }
}
