//! Room for recursion: deep expressions are parsed and planned on a thread with a large stack.
//!
//! Separate because everything that walks a syntax tree recurses, and how much stack a level takes depends
//! on how the program was built. Evaluating compiled expressions needs no such room.

use super::ExprError;

/// Texts up to this long are handled where they are: they cannot be deep.
const SHORT: usize = 64;
const STACK: usize = 64 << 20;

/// Does the work, with room for an expression of `len` bytes.
pub(super) fn roomy<T: Send, E: From<ExprError> + Send>(
    len: usize,
    work: impl FnOnce() -> Result<T, E> + Send,
) -> Result<T, E> {
    if len <= SHORT {
        return work();
    }
    let builder = std::thread::Builder::new().stack_size(STACK);
    std::thread::scope(|scope| match builder.spawn_scoped(scope, work).map(|thread| thread.join()) {
        Ok(Ok(result)) => result,
        _ => Err(ExprError::new("this expression could not be compiled: no thread could be started for it").into()),
    })
}
