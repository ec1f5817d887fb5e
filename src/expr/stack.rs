//! Runs work on a deep expression on a thread with a large stack.
//!
//! Everything that walks a syntax tree recurses, and how much stack a level takes depends on the build profile.
//! Evaluating an expression takes little for each level, so only a deep one needs such a thread.

use super::ExprError;
use std::{io, thread};

/// Texts of up to this many bytes are compiled on the caller's stack: they cannot be deep.
const MAX_INLINE_BYTES: usize = 64;
/// Texts of up to this many bytes need no more than [`STACK_BYTES`].
const MAX_SHORT_BYTES: usize = 4096;
const STACK_BYTES: usize = 64 << 20;
const LARGE_STACK_BYTES: usize = 256 << 20;

/// Runs `work` on a stack that is large enough for an expression of `sql_len` bytes.
pub(super) fn with_large_stack<T: Send, E: From<ExprError> + Send>(
    sql_len: usize,
    work: impl FnOnce() -> Result<T, E> + Send,
) -> Result<T, E> {
    if sql_len <= MAX_INLINE_BYTES {
        return work();
    }
    let bytes = if sql_len <= MAX_SHORT_BYTES { STACK_BYTES } else { LARGE_STACK_BYTES };
    match on_stack_of(bytes, work) {
        Ok(Ok(result)) => result,
        _ => Err(ExprError::new("this expression could not be compiled: no thread could be started for it").into()),
    }
}

/// Runs `work`, which compiles nothing, on a large stack. A panic in it is a panic of the caller.
pub(super) fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    on_stack_of(STACK_BYTES, work).map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

fn on_stack_of<T: Send>(bytes: usize, work: impl FnOnce() -> T + Send) -> io::Result<thread::Result<T>> {
    let builder = thread::Builder::new().stack_size(bytes);
    thread::scope(|scope| builder.spawn_scoped(scope, work).map(thread::ScopedJoinHandle::join))
}
