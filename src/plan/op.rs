//! What each operator needs to run: compiled expressions and resolved columns, one variant an operator.
//!
//! Separate from the graph so that a new operator is one variant here and one file in the runtime.
//! It holds no state and no connection.

use crate::expr::{Aggregates, Expr, Predicate};
use crate::formats::Format;
use crate::spec::{WatermarkOptions, WhenMissing};
use crate::time::Tumbling;
use arrow_schema::{Field, FieldRef, SchemaRef};
use datafusion_common::ScalarValue;
use std::sync::Arc;

/// A compiled operator.
#[derive(Clone, Debug)]
pub enum Op {
    /// See `runtime/operators/filter.rs`.
    Filter(Predicate),
    /// See `runtime/operators/project.rs`.
    Select(Projection),
    /// See `runtime/operators/project.rs`.
    Set(Projection),
    /// See `runtime/operators/project.rs`.
    Drop(Projection),
    /// See `runtime/operators/project.rs`.
    Rename(Projection),
    /// See `runtime/operators/flatten.rs`.
    Flatten(FlattenPlan),
    /// See `runtime/operators/key_by.rs`.
    KeyBy(Vec<Expr>),
    /// See `runtime/operators/branch.rs`: one port a predicate, then one for the rest where it is named.
    Branch(Vec<Predicate>),
    /// See `runtime/operators/merge.rs`.
    Merge,
    /// See `runtime/operators/scan.rs`.
    Scan(ScanPlan),
    /// See `runtime/operators/window.rs`.
    Window(WindowPlan),
    /// See `runtime/operators/score.rs`.
    Score(ScorePlan),
    /// See `runtime/operators/log.rs`.
    Log(LogPlan),
    /// See `runtime/operators/sink.rs`.
    Sink(SinkPlan),
    /// See `runtime/operators/repartition.rs`.
    Repartition(RepartitionPlan),
    /// An operator of a program that embeds the library, by its kind.
    Custom(&'static str),
}

impl Op {
    /// The key in the file, also the label in plans and statistics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Filter(_) => "filter",
            Self::Select(_) => "select",
            Self::Set(_) => "set",
            Self::Drop(_) => "drop",
            Self::Rename(_) => "rename",
            Self::Flatten(_) => "flatten",
            Self::KeyBy(_) => "key_by",
            Self::Branch(_) => "branch",
            Self::Merge => "merge",
            Self::Scan(_) => "scan",
            Self::Window(_) => "window",
            Self::Score(_) => "score",
            Self::Log(_) => "log",
            Self::Sink(_) => "sink",
            Self::Repartition(_) => "repartition",
            Self::Custom(kind) => kind,
        }
    }

    /// Whether the operator keeps state that must be committed.
    #[must_use]
    pub fn stateful(&self) -> bool {
        matches!(self, Self::Scan(_) | Self::Window(_) | Self::Custom(_))
    }
}

/// A topic that is read and decoded.
#[derive(Clone, Debug)]
pub struct SourcePlan {
    /// Its name in the file.
    pub name: String,
    /// The topic.
    pub topic: Arc<str>,
    /// How values are encoded.
    pub format: Format,
    /// The columns.
    pub schema: SchemaRef,
    /// Event time; `None`: the record's own timestamp.
    pub event_time: Option<Expr>,
    /// How the watermark moves.
    pub watermark: WatermarkOptions,
}

/// New columns from old ones.
#[derive(Clone, Debug)]
pub struct Projection {
    /// The columns that leave.
    pub schema: SchemaRef,
    /// Where each comes from.
    pub items: Vec<Item>,
}

/// Where a column comes from.
#[derive(Clone, Debug)]
pub enum Item {
    /// An input column as it is.
    Column(usize),
    /// A computed one.
    Expr(Expr),
}

/// A list column whose elements become rows.
#[derive(Clone, Debug)]
pub struct FlattenPlan {
    /// Index of the list column.
    pub column: usize,
    /// The columns that leave: the element in the place of the list.
    pub schema: SchemaRef,
}

/// A running fold.
#[derive(Clone, Debug)]
pub struct ScanPlan {
    /// The key.
    pub by: Vec<Expr>,
    /// The state columns.
    pub state: Vec<FieldRef>,
    /// Their values before the first row.
    pub init: Vec<ScalarValue>,
    /// Their values after a row, over `seen`.
    pub next: Vec<Expr>,
    /// What `next` reads: the row's columns, those of the state in their place or behind.
    pub seen: SchemaRef,
}

/// Groups by key and time.
#[derive(Clone, Debug)]
pub struct WindowPlan {
    /// Which window a row falls into.
    pub tumbling: Tumbling,
    /// The group columns.
    pub by: Vec<Expr>,
    /// Their fields.
    pub by_fields: Vec<FieldRef>,
    /// The result columns.
    pub aggregates: Aggregates,
    /// Stays open this long after its end, milliseconds.
    pub grace: i64,
    /// Closes on the wall clock after this long without newer records, milliseconds.
    pub close_after: Option<i64>,
    /// The columns that leave: `by`, `select`, `window_start`, `window_end`.
    pub schema: SchemaRef,
}

/// Scores with the model of the day.
#[derive(Clone, Debug)]
pub struct ScorePlan {
    /// Whose model.
    pub model: ModelChoice,
    /// What the model reads: field name (`None`: by order) and value.
    pub inputs: Vec<(Option<String>, Expr)>,
    /// Columns that are added, over the uniform outputs of models and then those of `own`.
    pub outputs: Vec<(FieldRef, Expr)>,
    /// Outputs of the model's own that it must have, in this form.
    pub own: Vec<Field>,
    /// What happens to records while there is no model.
    pub when_missing: WhenMissing,
    /// A null feature becomes NaN.
    pub nulls_as_nan: bool,
    /// Input columns, then (or in their place) the outputs.
    pub projection: Projection,
}

/// Whose model scores a row.
#[derive(Clone, Debug)]
pub enum ModelChoice {
    /// Always that of one data type.
    Fixed(String),
    /// That of the data type which this column names.
    By(Expr),
}

/// Prints samples.
#[derive(Clone, Debug)]
pub struct LogPlan {
    /// One row in this many.
    pub every: u64,
    /// Indices of the columns to print.
    pub columns: Vec<usize>,
}

/// Writes a topic.
#[derive(Clone, Debug)]
pub struct SinkPlan {
    /// The topic.
    pub topic: Arc<str>,
    /// The record key, where it is not that of the row.
    pub key: Option<Expr>,
    /// How values are encoded.
    pub format: Format,
    /// The columns that are written.
    pub schema: SchemaRef,
    /// Partitions to make the topic with, where it is not there.
    pub partitions: Option<u32>,
}

/// Sends rows to the tasks that own their key.
#[derive(Clone, Debug)]
pub struct RepartitionPlan {
    /// The internal topic.
    pub topic: Arc<str>,
    /// The key; empty: all rows go to the one partition.
    pub by: Vec<Expr>,
    /// The columns that travel.
    pub schema: SchemaRef,
}
