//! The syntax tree of a pipeline file: what was written, with its places, and nothing derived.
//!
//! Separate from reading (`lower`) and from meaning (`plan`). Every text that a later stage may complain
//! about keeps its span. One variant of [`Operator`] per operator; the compiler lists what a new one needs.

use super::kafka::Kafka;
use crate::diagnostics::{SourceText, Span, Spanned};
pub use crate::log::Delivery;
use arrow_schema::SchemaRef;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A text with a place, such as a column or a step's name.
pub type Name = Spanned<String>;

/// SQL as it stands in the file. `exact` says that byte `i` of the text is byte `span.start + i` of the
/// file, so that an error inside can be pointed at (not so for escaped, folded or substituted scalars).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sql {
    /// The SQL text.
    pub text: String,
    /// Where it stands.
    pub span: Span,
    /// Whether places inside the text are places in the file.
    pub exact: bool,
}

impl Sql {
    /// The place in the file of a range of bytes of the text.
    #[must_use]
    pub fn locate(&self, within: Option<std::ops::Range<usize>>) -> Span {
        match within {
            Some(r) if self.exact => Span::new(self.span.start + r.start, self.span.start + r.end),
            _ => self.span,
        }
    }
}

/// A name and the SQL that gives its value, in the order of the file.
pub type Assignments = Vec<(Name, Sql)>;

/// A whole pipeline file.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The text that all spans point into.
    pub source: Arc<SourceText>,
    /// Folder against which relative paths are read.
    pub base: PathBuf,
    /// Application id: group, transactional ids, state, stats.
    pub name: Name,
    /// Sources by name, in the order of the file.
    pub sources: Vec<Source>,
    /// Steps in the order of the file.
    pub steps: Vec<Step>,
    /// Sinks in the order of the file.
    pub sinks: Vec<Sink>,
    /// What a reader may see after a fault.
    pub delivery: Delivery,
    /// Longest time between commits.
    pub commit_every: Duration,
    /// What happens to records that cannot be handled.
    pub errors: ErrorPolicy,
    /// Where state lives.
    pub state: StateOptions,
    /// SQL macros of this file.
    pub functions: Vec<Function>,
    /// Connection to Kafka, where the file names one.
    pub kafka: Option<Kafka>,
}

/// A source topic.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name: the topic's, unless the file gives one.
    pub name: Name,
    /// The topic to read.
    pub topic: Name,
    /// The column that the record key repeats.
    pub key: Option<Name>,
    /// How values are encoded.
    pub format: Spanned<FormatOptions>,
    /// Columns; `None` for `text` and `bytes`, which have one column `value`.
    pub schema: Option<Schema>,
    /// Event time: a column or SQL; default the record's own timestamp.
    pub timestamp: Option<Sql>,
    /// How far behind the newest event time the watermark stays.
    pub watermark: WatermarkOptions,
    /// Where the source stands.
    pub span: Span,
}

/// Columns of a source.
#[derive(Clone, Debug)]
pub struct Schema {
    /// The columns.
    pub columns: SchemaRef,
    /// Where each column's name stands, in order.
    pub names: Vec<Span>,
}

/// How bytes become columns and back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormatOptions {
    /// One JSON object a record.
    Json {
        /// Unknown fields are errors.
        strict: bool,
    },
    /// One line of separated values a record.
    Csv {
        /// Between values.
        delimiter: u8,
    },
    /// The value as one string column `value`.
    Text,
    /// The value as one bytes column `value`.
    Bytes,
}

/// How the watermark of a source moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatermarkOptions {
    /// Stays this far behind the greatest event time read.
    pub delay: Duration,
    /// A partition without records for this long no longer holds the watermark back.
    pub idle: Option<Duration>,
    /// A record further than this in the future is an error record.
    pub max_ahead: Option<Duration>,
}

/// One step of the pipeline.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its name: as written, else `OPERATOR-N` with the step's number from 1.
    pub name: Name,
    /// Inputs: as written in `from:` (or the list of `merge`), else the step before or the only source.
    pub from: Vec<From>,
    /// What it does.
    pub operator: Operator,
    /// Where the operator's key stands.
    pub span: Span,
}

/// A reference to a source or a step, or to an extra output of a step (`a.late`, `a.BRANCH`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct From {
    /// The source or step.
    pub name: String,
    /// The extra output, where one is named.
    pub output: Option<String>,
    /// Where the reference stands (of an implied one: the step that implies it).
    pub span: Span,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Operator {
    /// Keeps the rows for which the condition is true.
    Filter(Sql),
    /// Replaces all columns.
    Select(Assignments),
    /// Adds or replaces some columns.
    Set(Assignments),
    /// Removes columns.
    Drop(Vec<Name>),
    /// Renames columns: old name, new name.
    Rename(Vec<(Name, Name)>),
    /// Turns each element of a list column into a row.
    Flatten(Flatten),
    /// Makes the record key from columns (one as it is, several as a JSON array).
    KeyBy(Vec<Name>),
    /// Splits by the first predicate that is true; `else` names the output of the rest, which is
    /// otherwise filtered.
    Branch {
        /// Output names and conditions.
        outputs: Assignments,
        /// The output of what matches none.
        rest: Option<Name>,
    },
    /// Joins several inputs with the same columns into one, in log order.
    Merge(Vec<From>),
    /// A running fold.
    Scan(Scan),
    /// Groups by key and time.
    Window(Window),
    /// Scores with the model of the day.
    Score(Score),
    /// Prints samples.
    Log(LogSamples),
}

impl Operator {
    /// The key in the file, also the type in plans and metrics.
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
            Self::Branch { .. } => "branch",
            Self::Merge(_) => "merge",
            Self::Scan(_) => "scan",
            Self::Window(_) => "window",
            Self::Score(_) => "score",
            Self::Log(_) => "log",
        }
    }
}

/// `flatten: COLUMN` or `flatten: {column: COLUMN, as: NAME}`.
#[derive(Clone, Debug)]
pub struct Flatten {
    /// The list column.
    pub column: Name,
    /// Name of the element column; default the list column's.
    pub r#as: Option<Name>,
}

/// `scan: {by: [..], init: {col: SQL}, next: {col: SQL}}`: state columns start as `init` and become
/// `next` at each row; `next` sees the row's columns and the state columns by their names (state wins).
/// The rows leave with the state columns added.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The key of the fold; empty: one fold a partition.
    pub by: Vec<Name>,
    /// Constant SQL for the value before the first row.
    pub init: Assignments,
    /// The value after each row.
    pub next: Assignments,
}

/// `window: {tumbling: 1m, by: [..], select: {..}, grace: 10s, emit: final, offset: 0s, close_after: 30s}`.
#[derive(Clone, Debug)]
pub struct Window {
    /// Which windows a row falls into.
    pub kind: WindowKind,
    /// Where the size of the window stands.
    pub span: Span,
    /// Group columns.
    pub by: Vec<Name>,
    /// Result columns: SQL over aggregates.
    pub select: Assignments,
    /// Stays open this long after its end.
    pub grace: Duration,
    /// When results leave.
    pub emit: Emit,
    /// Closes on the wall clock when no newer record comes.
    pub close_after: Option<Duration>,
}

/// Which windows a row falls into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowKind {
    /// Windows of one size, side by side, from the epoch plus `offset`.
    Tumbling {
        /// Length of each.
        size: Duration,
        /// Moves the starts.
        offset: Duration,
    },
}

/// When a window's result leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Emit {
    /// Once, when the window closes.
    #[default]
    Final,
}

/// `score: {model: NAME | {by: COLUMN}, inputs: [..] | {field: SQL}, outputs: {col: SQL}, when_missing: wait, nulls: nan}`.
#[derive(Clone, Debug)]
pub struct Score {
    /// The data type served.
    pub model: ModelRef,
    /// What the model reads: its field or tensor name (`None`: by order), and SQL.
    pub inputs: Vec<(Option<Name>, Sql)>,
    /// Columns to add: SQL over the model's outputs; empty: `prediction`.
    pub outputs: Assignments,
    /// What happens to records while there is no model.
    pub when_missing: WhenMissing,
    /// A null feature becomes NaN instead of making a bad record.
    pub nulls_as_nan: bool,
}

/// Which data type a row is scored with.
#[derive(Clone, Debug)]
pub enum ModelRef {
    /// Always this one.
    Fixed(Name),
    /// The one that this column names.
    By(Name),
}

/// What happens to records while there is no model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenMissing {
    /// Holds the input and says so.
    #[default]
    Wait,
    /// Drops the record, counted as filtered.
    Drop,
    /// Makes it a dead letter.
    DeadLetter,
    /// Output columns are null.
    Null,
}

/// `log` or `log: {every: 100, columns: [..]}`.
#[derive(Clone, Debug)]
pub struct LogSamples {
    /// Prints one row in this many.
    pub every: u64,
    /// Only these columns; empty: all.
    pub columns: Vec<Name>,
}

/// A sink topic.
#[derive(Clone, Debug)]
pub struct Sink {
    /// Input; default the last step.
    pub from: From,
    /// The topic to write.
    pub topic: Name,
    /// The column that becomes the record key.
    pub key: Option<Name>,
    /// How values are encoded.
    pub format: Spanned<FormatOptions>,
    /// Partitions to make the topic with, where it is not there.
    pub partitions: Option<u32>,
    /// Where the sink stands.
    pub span: Span,
}

/// What happens to records that cannot be handled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorPolicy {
    /// They go to the topic `NAME.dead`.
    #[default]
    DeadLetter,
    /// The first one stops the run.
    Stop,
    /// They are counted.
    Drop,
}

/// `state: {store: memory, memory_limit: 1GiB}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateOptions {
    /// Client queues, windows, tables and models together, in bytes.
    pub memory_limit: Option<u64>,
    /// Further instances that keep a copy of the state of each task.
    pub standby: u32,
}

/// A macro: `name(a, b): SQL`.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name.
    pub name: Name,
    /// Its parameters.
    pub parameters: Vec<String>,
    /// Its body.
    pub body: Sql,
}
