//! Turns a panic inside the tensor library into an error.
//!
//! A model is untrusted data. The library asserts, indexes and unwraps while it reads, optimises and runs a
//! graph, so a crafted or unusual model can make it panic, and a stream must survive that. Guarded calls share
//! no mutable state with the rest of the process, so unwinding leaves nothing inconsistent. The guard is never
//! used around fastdata's own logic.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f`; a panic becomes `Err` with its message, and the panic hook prints nothing.
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
            .unwrap_or("unknown cause");
        Err(format!("the tensor library panicked: {}", first_line(text)))
    })
}

/// The outermost and the innermost cause of an error on one line.
pub(crate) fn causes(error: &tract_onnx::prelude::TractError) -> String {
    let outer = first_line(&error.to_string());
    let inner = first_line(&error.root_cause().to_string());
    if inner == outer { outer } else { format!("{outer}: {inner}") }
}

/// The start of the first line: messages of the library can contain whole graphs.
fn first_line(text: &str) -> String {
    const MAX_MESSAGE_CHARS: usize = 240;
    let line = text.lines().next().unwrap_or_default();
    let mut short: String = line.chars().take(MAX_MESSAGE_CHARS).collect();
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
        assert_eq!(result, Err("the tensor library panicked: index 3 of 2".into()));
        assert_eq!(guarded(|| Ok(1)), Ok(1));
        assert!(!GUARDED.get());
    }
}
