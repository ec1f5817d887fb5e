//! Runs the compilation of a deep expression on a thread with a large stack.
//!
//! Everything that walks a syntax tree recurses, and how much stack a level takes depends on the build
//! profile. Evaluating a compiled expression needs no large stack.

use super::ExprError;

/// Texts of up to this many bytes are compiled on the caller's stack: they cannot be deep.
const MAX_INLINE_BYTES: usize = 64;
const STACK_BYTES: usize = 64 << 20;

/// Runs `work` on a stack that is large enough for an expression of `sql_len` bytes.
pub(super) fn with_large_stack<T: Send, E: From<ExprError> + Send>(
    sql_len: usize,
    work: impl FnOnce() -> Result<T, E> + Send,
) -> Result<T, E> {
    if sql_len <= MAX_INLINE_BYTES {
        return work();
    }
    let builder = std::thread::Builder::new().stack_size(STACK_BYTES);
    std::thread::scope(|scope| match builder.spawn_scoped(scope, work).map(|thread| thread.join()) {
        Ok(Ok(result)) => result,
        _ => Err(ExprError::new("this expression could not be compiled: no thread could be started for it").into()),
    })
}
