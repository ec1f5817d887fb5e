//! Turns a panic inside the tensor library into an error.
//!
//! Separate because a model is data from outside: the library asserts, indexes and unwraps while it
//! reads, optimises and runs a graph, and a crafted or merely unusual model reaches such a place. A
//! stream must outlive that. What is called here shares nothing mutable with the rest of the process,
//! so a half-done call leaves nothing broken behind. It is never used around our own logic.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f`; a panic inside becomes `Err` with its message, without a word on standard error.
pub(crate) fn guarded<T>(f: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                before(info);
            }
        }));
    });
    let outer = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(f));
    GUARDED.set(outer);
    result.unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("unknown fault");
        Err(format!("the tensor library gave up: {}", first_line(text)))
    })
}

/// The outermost and the innermost cause of an error, on one line.
pub(crate) fn causes(error: &tract_onnx::prelude::TractError) -> String {
    let outer = first_line(&error.to_string());
    let inner = first_line(&error.root_cause().to_string());
    if inner == outer { outer } else { format!("{outer}: {inner}") }
}

/// Messages of the library can hold whole graphs; a person needs the start of the first line.
fn first_line(text: &str) -> String {
    const LONGEST: usize = 240;
    let line = text.lines().next().unwrap_or_default();
    let mut short: String = line.chars().take(LONGEST).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_the_thread_goes_on() {
        let result: Result<(), _> = guarded(|| panic!("index {} of {}", 3, 2));
        assert_eq!(result, Err("the tensor library gave up: index 3 of 2".into()));
        assert_eq!(guarded(|| Ok(1)), Ok(1));
        assert!(!GUARDED.get());
    }
}
