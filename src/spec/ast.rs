//! The syntax tree of a pipeline file: what the file says, with spans, and nothing derived from it.
//!
//! Every text that a later stage may report keeps its span. [`OperatorSpec`] has one variant per operator.

use super::kafka::Kafka;
use super::substitution::{self, Substitution};
use crate::diagnostics::{SourceText, Span, Spanned};
use crate::formats::Format;
pub use crate::log::Delivery;
use arrow_schema::SchemaRef;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A text with its span, such as the name of a column or step.
pub type Name = Spanned<String>;

/// SQL and where it is in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sql {
    /// The SQL text.
    pub text: String,
    /// Its span in the file.
    pub span: Span,
    /// Whether byte `i` of the text is byte `span.start + i` of the file, so that an error inside the text can
    /// be located. It is not for escaped, folded or substituted texts.
    pub exact: bool,
    /// What `${…}` brought into the text; no message shows it.
    pub substitutions: Vec<Substitution>,
}

impl Sql {
    /// The span in the file of a range of bytes of the text.
    #[must_use]
    pub fn locate(&self, within: Option<std::ops::Range<usize>>) -> Span {
        match within {
            Some(r) if self.exact => Span::new(self.span.start + r.start, self.span.start + r.end),
            _ => self.span,
        }
    }

    /// A message about the text that shows nothing of what `${…}` brought into it.
    #[must_use]
    pub fn hide(&self, message: &str) -> String {
        substitution::hide(message, &self.text, &self.substitutions)
    }

    /// Whether a part of the text came from `${…}`.
    #[must_use]
    pub fn is_substituted(&self, part: Option<&std::ops::Range<usize>>) -> bool {
        part.is_some_and(|part| substitution::touches(&self.substitutions, part))
    }
}

/// Names and the SQL of their values, in the order of the file.
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
    pub sources: Vec<SourceSpec>,
    /// Steps in the order of the file.
    pub steps: Vec<StepSpec>,
    /// Sinks in the order of the file.
    pub sinks: Vec<SinkSpec>,
    /// The delivery guarantee.
    pub delivery: Delivery,
    /// Maximum time between commits.
    pub commit_every: Duration,
    /// What happens to bad records.
    pub errors: ErrorPolicy,
    /// Where state lives.
    pub state: StateOptions,
    /// SQL macros of this file.
    pub functions: Vec<FunctionSpec>,
    /// Connection to Kafka, if the file has one.
    pub kafka: Option<Kafka>,
}

/// A source topic.
#[derive(Clone, Debug)]
pub struct SourceSpec {
    /// Its name, by default that of the topic.
    pub name: Name,
    /// The topic to read.
    pub topic: Name,
    /// The column that equals the record key.
    pub key: Option<Name>,
    /// How values are encoded.
    pub format: Spanned<Format>,
    /// Columns; `None` for `text` and `bytes`, which have one column `value`.
    pub schema: Option<SchemaSpec>,
    /// Event time: a column or SQL; by default the timestamp of the record.
    pub timestamp: Option<Sql>,
    /// How the watermark advances.
    pub watermark: WatermarkOptions,
    /// What becomes of records with a null value.
    pub tombstones: Tombstones,
    /// Where it is in the file.
    pub span: Span,
}

/// What becomes of a record with a null value, which in a source that is no table deletes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tombstones {
    /// It counts as filtered and moves no watermark.
    #[default]
    Skip,
    /// It is a row of nulls.
    Keep,
    /// It becomes a dead letter.
    DeadLetter,
}

/// Columns of a source.
#[derive(Clone, Debug)]
pub struct SchemaSpec {
    /// The columns.
    pub columns: SchemaRef,
    /// The span of the name of each column, in order.
    pub names: Vec<Span>,
}

/// How the watermark of a source advances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatermarkOptions {
    /// How far it stays behind the greatest event time read.
    pub delay: Duration,
    /// After this long without records a partition no longer holds the watermark back.
    pub idle: Option<Duration>,
    /// A record further than this in the future is a bad record; `None`: no time is too far.
    pub max_ahead: Option<Duration>,
}

impl WatermarkOptions {
    /// One record beyond it would make late all that follow.
    const DEFAULT_MAX_AHEAD: Duration = Duration::from_secs(86_400);
}

impl Default for WatermarkOptions {
    fn default() -> Self {
        Self { delay: Duration::ZERO, idle: None, max_ahead: Some(Self::DEFAULT_MAX_AHEAD) }
    }
}

/// One step of the pipeline.
#[derive(Clone, Debug)]
pub struct StepSpec {
    /// Its name, by default `OPERATOR-N` with the number of the step from 1.
    pub name: Name,
    /// InputCount: those of `from:` or of the list of `merge`, by default the step before or the only source.
    pub from: Vec<InputRef>,
    /// `was:`, the first name of a renamed step, under which its state is kept.
    pub was: Option<Name>,
    /// What it does.
    pub operator: OperatorSpec,
    /// The span of the operator's key.
    pub span: Span,
}

/// A reference to a source or a step, or to an extra output of a step (`a.late`, `a.BRANCH`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputRef {
    /// The source or step.
    pub name: String,
    /// The extra output, if it names one.
    pub output: Option<String>,
    /// Its span; that of the step or sink if it is implied.
    pub span: Span,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum OperatorSpec {
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
    Flatten(FlattenSpec),
    /// Makes the record key from columns (one as it is, several as a JSON array).
    KeyBy(Vec<Name>),
    /// Sends each row to the output of the first condition that is true.
    Branch {
        /// Output names and conditions.
        outputs: Assignments,
        /// The output of rows for which none is true; `None` filters them.
        rest: Option<Name>,
    },
    /// Unites several inputs that have the same columns.
    Merge,
    /// A running fold.
    Scan(ScanSpec),
    /// Groups by key and time.
    Window(WindowSpec),
    /// Scores rows with the current model.
    Score(ScoreSpec),
    /// Prints samples of the rows.
    Log(LogSpec),
}

/// `flatten: COLUMN` or `flatten: {column: COLUMN, as: NAME}`.
#[derive(Clone, Debug)]
pub struct FlattenSpec {
    /// The list column.
    pub column: Name,
    /// The name of the element column, by default that of the list column.
    pub r#as: Option<Name>,
}

/// `scan: {by: [..], init: {col: SQL}, next: {col: SQL}}`: state columns start as `init` and become `next` at
/// each row. `next` reads the columns of the row and the state columns; of equal names it reads the state.
/// The output rows have the state columns added.
#[derive(Clone, Debug)]
pub struct ScanSpec {
    /// The key of the fold; empty for one fold per partition.
    pub by: Vec<Name>,
    /// The values before the first row: constant SQL.
    pub init: Assignments,
    /// The values after each row.
    pub next: Assignments,
}

/// `window: {tumbling: 1m, by: [..], select: {..}, grace: 10s, emit: final, offset: 0s, close_after: 30s}`.
#[derive(Clone, Debug)]
pub struct WindowSpec {
    /// Which windows a row falls into.
    pub kind: WindowKind,
    /// The span of the window's size.
    pub span: Span,
    /// Group columns.
    pub by: Vec<Name>,
    /// Result columns: SQL over aggregates.
    pub select: Assignments,
    /// How long the window stays open after its end.
    pub grace: Duration,
    /// When results are emitted.
    pub emit: Emit,
    /// The window closes after this long on the wall clock without newer records.
    pub close_after: Option<Duration>,
}

/// Which windows a row falls into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowKind {
    /// Adjacent windows of one size, from the epoch plus `offset`.
    Tumbling {
        /// The length of each.
        size: Duration,
        /// Shifts the starts.
        offset: Duration,
    },
}

/// When the result of a window is emitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Emit {
    /// Once, when the window closes.
    #[default]
    Final,
}

/// `score: {model: NAME | {by: COLUMN}, inputs: [..] | {field: SQL}, outputs: {col: SQL}, when_missing: wait, nulls: nan}`.
#[derive(Clone, Debug)]
pub struct ScoreSpec {
    /// The data type of the model.
    pub model: ModelRef,
    /// The inputs of the model: field or tensor name (`None` by order), and SQL.
    pub inputs: Vec<(Option<Name>, Sql)>,
    /// Columns to add: SQL over the outputs of the model; empty for `prediction`.
    pub outputs: Assignments,
    /// What happens to rows while there is no model.
    pub when_missing: WhenMissing,
    /// Whether a null feature becomes NaN; otherwise the record is bad.
    pub nulls_as_nan: bool,
}

/// Which model scores a row.
#[derive(Clone, Debug)]
pub enum ModelRef {
    /// The one of this data type.
    Fixed(Name),
    /// The one of the data type in this column.
    By(Name),
}

/// What happens to rows while there is no model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenMissing {
    /// They wait, and the input with them.
    #[default]
    Wait,
    /// They are dropped and counted as filtered.
    Drop,
    /// They become dead letters.
    DeadLetter,
    /// Their output columns are null.
    Null,
}

/// `log` or `log: {every: 100, columns: [..]}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSpec {
    /// Prints one row of this many.
    pub every: u64,
    /// The columns to print; empty for all.
    pub columns: Vec<Name>,
}

impl Default for LogSpec {
    fn default() -> Self {
        Self { every: 1, columns: Vec::new() }
    }
}

/// A sink topic.
#[derive(Clone, Debug)]
pub struct SinkSpec {
    /// Its input, by default the last step.
    pub from: InputRef,
    /// The topic to write.
    pub topic: Name,
    /// The column that becomes the record key.
    pub key: Option<Name>,
    /// How values are encoded.
    pub format: Spanned<Format>,
    /// The number of partitions if the run creates the topic.
    pub partitions: Option<u32>,
    /// Where it is in the file.
    pub span: Span,
}

/// What happens to records that cannot be decoded, evaluated or encoded.
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
    /// The bound on client queues, windows, tables and models together, in bytes.
    pub memory_limit: Option<u64>,
    /// How many more instances keep a copy of the state of each task.
    pub standby: u32,
}

/// A macro: `name(a, b): SQL`.
#[derive(Clone, Debug)]
pub struct FunctionSpec {
    /// Its name.
    pub name: Name,
    /// Its parameters.
    pub parameters: Vec<String>,
    /// Its body.
    pub body: Sql,
}
