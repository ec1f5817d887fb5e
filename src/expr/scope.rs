//! The columns that an expression may name: those of the batch and the meta columns of its records.
//!
//! Separate because a scope is made once per step and shared by all its expressions. It never holds data.

use super::names::{Found, ambiguous, find, unknown};
use super::{ExprError, evaluate::Input};
use crate::record::timestamp;
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use datafusion_common::{DFSchema, DFSchemaRef};
use std::collections::HashSet;
use std::sync::Arc;

/// A value that every record has beside its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MetaColumn {
    Key,
    Topic,
    Partition,
    Offset,
    Timestamp,
    Headers,
}

impl MetaColumn {
    const ALL: [Self; 6] = [Self::Key, Self::Topic, Self::Partition, Self::Offset, Self::Timestamp, Self::Headers];

    fn name(self) -> &'static str {
        match self {
            Self::Key => "_key",
            Self::Topic => "_topic",
            Self::Partition => "_partition",
            Self::Offset => "_offset",
            Self::Timestamp => "_timestamp",
            Self::Headers => "_headers",
        }
    }

    fn field(self) -> FieldRef {
        let (data_type, nullable) = match self {
            Self::Key => (DataType::Binary, true),
            Self::Topic => (DataType::Utf8, false),
            Self::Partition => (DataType::Int32, false),
            Self::Offset => (DataType::Int64, false),
            Self::Timestamp => (timestamp(), false),
            Self::Headers => (super::types::map_of(DataType::Binary), false),
        };
        Arc::new(Field::new(self.name(), data_type, nullable))
    }
}

/// Whether the name is that of a meta column.
pub(super) fn is_meta(name: &str) -> bool {
    MetaColumn::ALL.iter().any(|m| m.name() == name)
}

/// The columns in scope; cheap to clone.
#[derive(Clone, Debug)]
pub struct Scope(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    columns: SchemaRef,
    all: DFSchemaRef,
    inputs: Vec<Input>,
}

impl Scope {
    /// The columns of a batch and the meta columns; a column of the same name hides a meta column.
    #[must_use]
    pub fn new(columns: SchemaRef) -> Self {
        Self::build(columns, &MetaColumn::ALL)
    }

    /// Only the columns, as for results of aggregates, which come from no one record.
    #[must_use]
    pub fn without_meta(columns: SchemaRef) -> Self {
        Self::build(columns, &[])
    }

    fn build(columns: SchemaRef, meta: &[MetaColumn]) -> Self {
        let mut seen = HashSet::new();
        let (mut fields, mut inputs) = (Vec::new(), Vec::new());
        let own = columns.fields().iter().enumerate().map(|(i, f)| (f.clone(), Input::Column(i)));
        for (field, input) in own.chain(meta.iter().map(|m| (m.field(), Input::Meta(*m)))) {
            // Of two columns with one name only the first can be named.
            if seen.insert(field.name().clone()) {
                fields.push(field);
                inputs.push(input);
            }
        }
        Self(Arc::new(Inner { all: plan_schema(fields), columns, inputs }))
    }

    /// The columns of the batch, without the meta columns.
    #[must_use]
    pub fn columns(&self) -> &SchemaRef {
        &self.0.columns
    }

    pub(super) fn all(&self) -> &DFSchemaRef {
        &self.0.all
    }

    pub(super) fn inputs(&self) -> &[Input] {
        &self.0.inputs
    }

    pub(super) fn find(&self, name: &str, quoted: bool) -> Found {
        find(name, quoted, &self.names())
    }

    pub(super) fn lookup(&self, name: &str, quoted: bool) -> Result<&FieldRef, ExprError> {
        match self.find(name, quoted) {
            Found::One(i) => Ok(&self.0.all.fields()[i]),
            Found::None => Err(unknown(name, &self.names())),
            Found::Many(fits) => Err(ambiguous(name, &fits)),
        }
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.0.all.fields().iter().map(|f| f.name().as_str()).collect()
    }
}

/// A schema for planning; the names must differ.
pub(super) fn plan_schema(fields: Vec<FieldRef>) -> DFSchemaRef {
    let schema = Schema::new(Fields::from(fields));
    Arc::new(DFSchema::try_from(schema).expect("the names differ, which is all that is asked"))
}
