//! What each operator needs to run: compiled expressions and resolved columns, one variant per operator.

use crate::expr::{AggregateCall, Aggregates, Expr, Predicate, digest};
use crate::formats::Format;
use crate::metrics::{StateColumn, StateIdentity};
use crate::record::type_name;
use crate::spec::operators::{self, Descriptor};
use crate::spec::{Tombstones, WatermarkOptions, WhenMissing};
use crate::time::Tumbling;
use arrow_schema::{DataType, Field, FieldRef, SchemaRef};
use datafusion_common::ScalarValue;
use sha2::{Digest, Sha256};
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
    /// See `runtime/operators/branch.rs`: one port per predicate, then one for the rest if it has a name.
    Branch(Vec<Predicate>),
    /// See `runtime/operators/merge.rs`.
    Merge,
    /// See `runtime/operators/scan.rs`.
    Scan(ScanPlan),
    /// See `runtime/operators/window/`.
    Window(WindowPlan),
    /// See `runtime/operators/score/`.
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
    /// The keyword of a step's operator, and the label in plans and statistics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.traits().0
    }

    /// Whether the operator keeps state that is committed and restored.
    #[must_use]
    pub fn stateful(&self) -> bool {
        self.traits().1
    }

    fn traits(&self) -> (&'static str, bool) {
        let of = |d: &Descriptor| (d.keyword(), d.stateful);
        match self {
            Self::Filter(_) => of(&operators::FILTER),
            Self::Select(_) => of(&operators::SELECT),
            Self::Set(_) => of(&operators::SET),
            Self::Drop(_) => of(&operators::DROP),
            Self::Rename(_) => of(&operators::RENAME),
            Self::Flatten(_) => of(&operators::FLATTEN),
            Self::KeyBy(_) => of(&operators::KEY_BY),
            Self::Branch(_) => of(&operators::BRANCH),
            Self::Merge => of(&operators::MERGE),
            Self::Scan(_) => of(&operators::SCAN),
            Self::Window(_) => of(&operators::WINDOW),
            Self::Score(_) => of(&operators::SCORE),
            Self::Log(_) => of(&operators::LOG),
            Self::Sink(_) => ("sink", false),
            Self::Repartition(_) => ("repartition", false),
            Self::Custom(kind) => (kind, true),
        }
    }

    /// What the bytes of an operator's state mean; `None` where it has none.
    #[must_use]
    pub fn identity(&self) -> Option<StateIdentity> {
        let of = |by: &[Expr], values: Vec<StateColumn>, windows: Option<String>| StateIdentity {
            operator: self.kind().to_owned(),
            by: by.iter().map(|e| column(text(e), e.data_type())).collect(),
            values,
            windows,
        };
        match self {
            Self::Scan(s) => {
                let values = s.state.iter().zip(&s.init).zip(&s.next);
                let value = |((field, init), next): ((&FieldRef, &ScalarValue), &Expr)| {
                    column(
                        &format!("{} = {} from {}", field.name(), next.definition(), initial(init)),
                        field.data_type(),
                    )
                };
                Some(of(&s.by, values.map(value).collect(), None))
            }
            Self::Window(w) => {
                let call = |call: &AggregateCall| {
                    let types: Vec<String> = call.state_fields().iter().map(|f| f.data_type().to_string()).collect();
                    StateColumn { sql: call.definition().to_owned(), data_type: types.join(", ") }
                };
                Some(of(&w.by, w.aggregates.calls().iter().map(call).collect(), Some(windows(w))))
            }
            Self::Custom(_) => Some(of(&[], Vec::new(), None)),
            Self::Filter(_)
            | Self::Select(_)
            | Self::Set(_)
            | Self::Drop(_)
            | Self::Rename(_)
            | Self::Flatten(_)
            | Self::KeyBy(_)
            | Self::Branch(_)
            | Self::Merge
            | Self::Score(_)
            | Self::Log(_)
            | Self::Sink(_)
            | Self::Repartition(_) => None,
        }
    }

    /// The parameters of an operator, as far as they decide what leaves it.
    pub(super) fn definition(&self) -> String {
        match self {
            Self::Filter(condition) => condition.definition().to_owned(),
            Self::Select(p) | Self::Set(p) | Self::Drop(p) | Self::Rename(p) => projection(p),
            Self::Flatten(f) => format!("{} as {:?}", f.column, f.schema.fields()),
            Self::KeyBy(by) => texts(by),
            Self::Branch(conditions) => conditions.iter().map(|c| c.definition()).collect::<Vec<_>>().join(" | "),
            Self::Scan(s) => format!("{:?} {:?}", self.identity(), s.seen.fields()),
            Self::Window(w) => {
                let (columns, results) = (w.schema.fields(), w.aggregates.definitions());
                format!("{:?} {} {:?} {columns:?} {results:?}", self.identity(), w.grace, w.close_after)
            }
            Self::Custom(kind) => (*kind).to_owned(),
            Self::Score(s) => {
                let model = match &s.model {
                    ModelChoice::Fixed(data_type) => format!("model {data_type}"),
                    ModelChoice::By(column) => format!("model by {}", text(column)),
                };
                let inputs: Vec<String> = s.inputs.iter().map(|(name, e)| format!("{name:?} {}", text(e))).collect();
                let outputs: Vec<String> = s.outputs.iter().map(|(f, e)| format!("{} {}", f.name(), text(e))).collect();
                format!("{model} {inputs:?} {outputs:?} {:?} {}", s.when_missing, s.nulls_as_nan)
            }
            Self::Sink(s) => format!("{} {:?}", s.topic, s.format),
            Self::Repartition(r) => sqls(&r.by),
            Self::Merge | Self::Log(_) => String::new(),
        }
    }

    /// Its parameters in a few words, for people; empty if there is nothing to add to the name.
    pub(super) fn summary(&self) -> String {
        match self {
            Self::Filter(p) => p.sql().to_owned(),
            Self::Select(_) | Self::Set(_) | Self::Drop(_) | Self::Rename(_) | Self::Merge | Self::Custom(_) => {
                String::new()
            }
            Self::Flatten(f) => f.schema.field(f.column).name().clone(),
            Self::KeyBy(by) => sqls(by),
            Self::Branch(predicates) => predicates.iter().map(|p| p.sql()).collect::<Vec<_>>().join(" | "),
            Self::Scan(s) => format!("by [{}]", sqls(&s.by)),
            Self::Window(w) => {
                let size = duration(w.tumbling.size);
                format!("tumbling {size} by [{}], grace {}", sqls(&w.by), duration(w.grace))
            }
            Self::Score(s) => match &s.model {
                ModelChoice::Fixed(data_type) => format!("model `{data_type}`"),
                ModelChoice::By(column) => format!("model by {}", sqls(std::slice::from_ref(column))),
            },
            Self::Log(l) => format!("every {}", l.every),
            Self::Sink(s) => format!("topic {}", s.topic),
            Self::Repartition(r) => format!("topic {} by [{}]", r.topic, sqls(&r.by)),
        }
    }
}

fn duration(millis: i64) -> String {
    humantime::format_duration(std::time::Duration::from_millis(millis.unsigned_abs())).to_string()
}

/// The first value of a fold. Text may come from outside the file, so a digest stands for it.
fn initial(value: &ScalarValue) -> String {
    match value.data_type() {
        DataType::Utf8 | DataType::Binary if !value.is_null() => digest(&value.to_string()),
        _ => value.to_string(),
    }
}

fn column(sql: &str, data_type: &DataType) -> StateColumn {
    StateColumn { sql: sql.to_owned(), data_type: type_name(data_type) }
}

fn windows(plan: &WindowPlan) -> String {
    let millis = |ms: i64| humantime::format_duration(std::time::Duration::from_millis(ms.unsigned_abs())).to_string();
    let size = format!("tumbling {}", millis(plan.tumbling.size));
    if plan.tumbling.offset == 0 { size } else { format!("{size} from {}", millis(plan.tumbling.offset)) }
}

fn text(expr: &Expr) -> &str {
    expr.column().unwrap_or_else(|| expr.definition())
}

fn texts(exprs: &[Expr]) -> String {
    exprs.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn projection(plan: &Projection) -> String {
    let item = |(field, item): (&FieldRef, &Item)| match item {
        Item::Column(column) => format!("{} = column {column}", field.name()),
        Item::Expr(expr) => format!("{} = {}", field.name(), text(expr)),
    };
    plan.schema.fields().iter().zip(&plan.items).map(item).collect::<Vec<_>>().join(", ")
}

/// Expressions as a list; columns by their names.
pub(super) fn sqls(exprs: &[Expr]) -> String {
    exprs.iter().map(|e| e.column().unwrap_or_else(|| e.sql())).collect::<Vec<_>>().join(", ")
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
    /// How the watermark advances.
    pub watermark: WatermarkOptions,
    /// What becomes of records with a null value.
    pub tombstones: Tombstones,
}

/// New columns from old ones.
#[derive(Clone, Debug)]
pub struct Projection {
    /// The output columns.
    pub schema: SchemaRef,
    /// The source of each.
    pub items: Vec<Item>,
}

/// The source of an output column.
#[derive(Clone, Debug)]
pub enum Item {
    /// The input column of this index.
    Column(usize),
    /// An expression over the input.
    Expr(Expr),
}

/// A list column whose elements become rows.
#[derive(Clone, Debug)]
pub struct FlattenPlan {
    /// Index of the list column.
    pub column: usize,
    /// The output columns: the element in the place of the list.
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
    /// The columns that `next` reads, and the output columns: those of the row, and those of the state in
    /// their place or after them.
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
    /// How long a window stays open after its end, in milliseconds.
    pub grace: i64,
    /// A window closes after this long on the wall clock without newer records, in milliseconds.
    pub close_after: Option<i64>,
    /// The output columns: `by`, `select`, `window_start`, `window_end`.
    pub schema: SchemaRef,
}

/// Scores rows with the current model.
#[derive(Clone, Debug)]
pub struct ScorePlan {
    /// Which model.
    pub model: ModelChoice,
    /// The inputs of the model: field name (`None` by order) and value.
    pub inputs: Vec<(Option<String>, Expr)>,
    /// The columns to add, over the outputs that every model has and then those of `own`.
    pub outputs: Vec<(FieldRef, Expr)>,
    /// Outputs that not every model has. A version serves this step only if it has them, with these types.
    pub own: Vec<Field>,
    /// What happens to rows while there is no model.
    pub when_missing: WhenMissing,
    /// Whether a null feature becomes NaN.
    pub nulls_as_nan: bool,
    /// The output columns: those of the input, and `outputs` in their place or after them.
    pub projection: Projection,
}

/// Which model scores a row.
#[derive(Clone, Debug)]
pub enum ModelChoice {
    /// The one of this data type.
    Fixed(String),
    /// The one of the data type in this column.
    By(Expr),
}

/// Prints samples of the rows.
#[derive(Clone, Debug)]
pub struct LogPlan {
    /// Prints one row of this many.
    pub every: u64,
    /// The indices of the columns to print.
    pub columns: Vec<usize>,
}

/// Writes a topic.
#[derive(Clone, Debug)]
pub struct SinkPlan {
    /// The topic.
    pub topic: Arc<str>,
    /// The record key, if it is not that of the row.
    pub key: Option<Expr>,
    /// How values are encoded.
    pub format: Format,
    /// The columns to write.
    pub schema: SchemaRef,
    /// The number of partitions if the run creates the topic.
    pub partitions: Option<u32>,
}

/// The rows of a repartition topic by their columns and the key that they are sent by. Rows of another identity were
/// sent by an earlier version of the file and cannot be read as these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowsId(pub u32);

impl RowsId {
    pub(super) fn of(key: &[String], schema: &SchemaRef) -> Self {
        let columns: Vec<String> =
            schema.fields().iter().map(|f| format!("{} {}", f.name(), type_name(f.data_type()))).collect();
        let digest = Sha256::digest(format!("{key:?} {columns:?}"));
        // What fits beside the kind of a record in a number that is not negative.
        Self(u32::from_be_bytes([0, digest[0], digest[1], digest[2]]) >> 1)
    }
}

/// Sends each row to the task that owns its key.
#[derive(Clone, Debug)]
pub struct RepartitionPlan {
    /// The internal topic.
    pub topic: Arc<str>,
    /// The key; empty if all rows go to one partition.
    pub by: Vec<Expr>,
    /// The columns of the rows.
    pub schema: SchemaRef,
    /// Which rows these are: see [`RowsId`].
    pub rows: RowsId,
}
