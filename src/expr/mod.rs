//! SQL text to compiled expressions and aggregates over batches.
//!
//! Every stage that reads a pipeline file compiles SQL here, and every operator evaluates it here. An
//! expression is compiled once ([`Expr::compile`]) and then evaluated on Arrow batches. A row that cannot
//! be evaluated is a [`crate::record::BadRow`]; the other rows of its batch keep their values.
//! [`Aggregates`] is the `select` of a window: SQL over aggregate calls whose states the runtime keeps.
//! The module never reads files, never prints, and never decodes record values.

mod aggregate;
mod balance;
mod call;
mod compile;
mod context;
mod error;
mod evaluate;
mod expand;
mod fold;
mod functions;
mod implicit;
mod inputs;
pub(crate) mod kernels;
mod like;
mod list_index;
mod locate;
mod macros;
mod names;
mod nan;
mod own;
mod parse;
mod physical;
mod resolve;
mod scope;
mod stack;
mod types;
mod walk;

#[cfg(test)]
mod tests;

pub use aggregate::Aggregates;
pub use call::AggregateCall;
pub use compile::{Expr, Predicate, constant, digest};
pub use error::ExprError;
pub use evaluate::Evaluated;
pub use functions::{Functions, TimeSource};
pub use names::resolve;
pub use scope::Scope;
