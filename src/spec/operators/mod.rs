//! The operators of the language, one descriptor each. Reading and validation use nothing else.
//!
//! A new operator is one more descriptor and its line in [`operators!`]. Nothing else in `spec` names an
//! operator, so nothing else can forget one.

mod columns;
mod log;
mod routing;
mod scan;
mod score;
mod window;

use super::ast::{Name, OperatorSpec};
use super::field_type::{ASSIGNMENTS, FieldDef, FieldType, NAMES, field, reserved};
use super::lower::Lowering;
use super::node::Node;

/// The properties of an operator that do not depend on its parameters.
pub(crate) struct Descriptor {
    /// Its key in a step: keyword, value and documentation.
    pub(super) field: FieldDef,
    /// Reads the value of the key; reports what is wrong with it and returns `None` then.
    pub(super) lower: fn(&mut Lowering<'_>, &Node) -> Option<OperatorSpec>,
    pub(super) inputs: InputCount,
    pub(super) outputs: Outputs,
    pub(crate) columns: OutputColumns,
    /// Whether it keeps state that is committed and restored.
    pub(crate) stateful: bool,
    /// Whether it has an effect even if no step or sink reads its output.
    pub(super) side_effect: bool,
}

/// How many inputs an operator takes.
pub(super) enum InputCount {
    /// Its `from`, or the step before it.
    One,
    /// At least two, in `from` or as the value of its key, which the function reads.
    Several(fn(&mut Lowering<'_>, &Node) -> Option<Vec<Name>>),
}

/// Which outputs an operator has.
pub(super) enum Outputs {
    /// The main output, which carries the name of the step.
    Main,
    /// The main output and extra ones with these names.
    MainAnd(&'static [&'static str]),
    /// No main output, only those that the file names.
    Named(fn(&OperatorSpec) -> Vec<&Name>),
}

/// The output columns of an operator, as far as its parameters alone determine them. They replace the columns
/// of a step that cannot be resolved, so that the steps downstream are checked too.
pub(crate) enum OutputColumns {
    /// The columns of the input.
    Kept,
    /// The columns of the input, and those that the function names.
    Added(fn(&OperatorSpec) -> Vec<&str>),
    /// Known only once the step is resolved.
    Resolved,
}

impl Descriptor {
    /// The key in the file, and the label in plans and statistics.
    pub(crate) const fn keyword(&self) -> &'static str {
        self.field.name
    }

    /// The descriptor of a keyword.
    pub(super) fn find(keyword: &str) -> Option<&'static Self> {
        OPERATORS.iter().find(|d| d.keyword() == keyword).copied()
    }
}

impl Outputs {
    /// The names of the outputs other than the main one.
    pub(super) fn extra<'a>(&self, operator: &'a OperatorSpec) -> Vec<&'a str> {
        match self {
            Self::Main => Vec::new(),
            Self::MainAnd(names) => names.to_vec(),
            Self::Named(names) => names(operator).into_iter().map(|n| n.value.as_str()).collect(),
        }
    }
}

/// From one list both the table of descriptors and the descriptor of each variant, so that the compiler
/// refuses a variant without a descriptor.
macro_rules! operators {
    ($($variant:ident => $descriptor:ident),* $(,)?) => {
        /// All operators, in the order in which hints name them.
        pub(super) const OPERATORS: &[&Descriptor] = &[$(&$descriptor),*];

        impl OperatorSpec {
            /// The key in the file, and the label in plans and statistics.
            #[must_use]
            pub fn keyword(&self) -> &'static str {
                self.descriptor().keyword()
            }

            pub(crate) fn descriptor(&self) -> &'static Descriptor {
                match self {
                    $(Self::$variant { .. } => &$descriptor,)*
                }
            }
        }
    };
}

operators! {
    Filter => FILTER,
    Select => SELECT,
    Set => SET,
    Drop => DROP,
    Rename => RENAME,
    Flatten => FLATTEN,
    KeyBy => KEY_BY,
    Branch => BRANCH,
    Merge => MERGE,
    Scan => SCAN,
    Window => WINDOW,
    Score => SCORE,
    Log => LOG,
}

/// Fields of a step that later versions support.
pub(super) const RESERVED: &[FieldDef] =
    &[reserved("dedup"), reserved("aggregate"), reserved("join"), reserved("sql"), reserved("changes")];

pub(crate) const FILTER: Descriptor = Descriptor {
    field: field("filter", FieldType::Sql, "keeps the rows for which the condition is true"),
    lower: |l, node| Some(OperatorSpec::Filter(l.sql(node)?)),
    inputs: InputCount::One,
    outputs: Outputs::Main,
    columns: OutputColumns::Kept,
    stateful: false,
    side_effect: false,
};

pub(crate) const SELECT: Descriptor = Descriptor {
    field: field("select", FieldType::AnyOf(&[ASSIGNMENTS, FieldType::List(&FieldType::Text)]), "replaces all columns"),
    lower: |l, node| Some(OperatorSpec::Select(columns::select(l, node)?)),
    inputs: InputCount::One,
    outputs: Outputs::Main,
    columns: OutputColumns::Resolved,
    stateful: false,
    side_effect: false,
};

pub(crate) const SET: Descriptor = Descriptor {
    field: field("set", ASSIGNMENTS, "adds or replaces some columns"),
    lower: |l, node| Some(OperatorSpec::Set(l.assignments(node, "a map of `COLUMN: SQL`")?)),
    inputs: InputCount::One,
    outputs: Outputs::Main,
    columns: OutputColumns::Added(columns::set_columns),
    stateful: false,
    side_effect: false,
};

pub(crate) const DROP: Descriptor = Descriptor {
    field: field("drop", NAMES, "removes columns"),
    lower: |l, node| Some(OperatorSpec::Drop(l.columns(node, "a column")?)),
    inputs: InputCount::One,
    outputs: Outputs::Main,
    columns: OutputColumns::Resolved,
    stateful: false,
    side_effect: false,
};

pub(crate) const RENAME: Descriptor = Descriptor {
    field: field("rename", FieldType::Map(&FieldType::Text), "renames columns: `OLD: NEW`"),
    lower: |l, node| Some(OperatorSpec::Rename(columns::rename(l, node)?)),
    inputs: InputCount::One,
    outputs: Outputs::Main,
    columns: OutputColumns::Resolved,
    stateful: false,
    side_effect: false,
};

pub(crate) const FLATTEN: Descriptor = Descriptor {
    field: field("flatten", columns::FLATTEN_TYPE, "turns each element of a list column into a row"),
    lower: |l, node| Some(OperatorSpec::Flatten(columns::flatten(l, node)?)),
    inputs: InputCount::One,
    outputs: Outputs::Main,
    columns: OutputColumns::Resolved,
    stateful: false,
    side_effect: false,
};

pub(crate) const KEY_BY: Descriptor = Descriptor {
    field: field("key_by", NAMES, "makes the record key from columns"),
    lower: |l, node| Some(OperatorSpec::KeyBy(l.columns(node, "a column")?)),
    inputs: InputCount::One,
    outputs: Outputs::Main,
    columns: OutputColumns::Kept,
    stateful: false,
    side_effect: false,
};

pub(crate) const BRANCH: Descriptor = Descriptor {
    field: field(
        "branch",
        ASSIGNMENTS,
        "splits by the first condition that is true: `OUTPUT: SQL`; `else: OUTPUT` names the rest",
    ),
    lower: routing::branch,
    inputs: InputCount::One,
    outputs: Outputs::Named(routing::branch_outputs),
    columns: OutputColumns::Resolved,
    stateful: false,
    side_effect: false,
};

pub(crate) const MERGE: Descriptor = Descriptor {
    field: field(
        "merge",
        FieldType::AnyOf(&[FieldType::List(&FieldType::Text), FieldType::Boolean]),
        "joins several inputs with the same columns into one",
    ),
    lower: |_, _| Some(OperatorSpec::Merge),
    inputs: InputCount::Several(routing::merge_inputs),
    outputs: Outputs::Main,
    columns: OutputColumns::Resolved,
    stateful: false,
    side_effect: false,
};

pub(crate) const SCAN: Descriptor = Descriptor {
    field: field("scan", FieldType::Object(&scan::FIELDS), "a running fold"),
    lower: |l, node| Some(OperatorSpec::Scan(scan::lower(l, node)?)),
    inputs: InputCount::One,
    outputs: Outputs::Main,
    columns: OutputColumns::Resolved,
    stateful: true,
    side_effect: false,
};

pub(crate) const WINDOW: Descriptor = Descriptor {
    field: field("window", FieldType::Object(&window::FIELDS), "groups by key and time"),
    lower: |l, node| Some(OperatorSpec::Window(window::lower(l, node)?)),
    inputs: InputCount::One,
    outputs: Outputs::MainAnd(&["late"]),
    columns: OutputColumns::Resolved,
    stateful: true,
    side_effect: false,
};

pub(crate) const SCORE: Descriptor = Descriptor {
    field: field("score", FieldType::Object(&score::FIELDS), "scores with the model of the day"),
    lower: |l, node| Some(OperatorSpec::Score(score::lower(l, node)?)),
    inputs: InputCount::One,
    outputs: Outputs::Main,
    columns: OutputColumns::Added(score::columns),
    stateful: false,
    side_effect: false,
};

pub(crate) const LOG: Descriptor = Descriptor {
    field: field("log", log::TYPE, "prints samples of the records"),
    lower: |l, node| Some(OperatorSpec::Log(log::lower(l, node)?)),
    inputs: InputCount::One,
    outputs: Outputs::Main,
    columns: OutputColumns::Kept,
    stateful: false,
    side_effect: true,
};
