//! The columns that an expression may name: those of the batch and the meta columns of its records.
//!
//! A scope is built once per step and shared by all its expressions. It never holds data.

use super::ExprError;
use super::inputs::{InputColumn, MetaColumn};
use super::names::{NameMatch, ambiguous, find, unknown};
use arrow_schema::{FieldRef, Fields, Schema, SchemaRef};
use datafusion_common::{DFSchema, DFSchemaRef};
use std::collections::HashSet;
use std::sync::Arc;

/// The columns in scope; cheap to clone.
#[derive(Clone, Debug)]
pub struct Scope(Arc<ScopeColumns>);

#[derive(Debug)]
struct ScopeColumns {
    columns: SchemaRef,
    /// The columns that can be named, meta columns included.
    all: DFSchemaRef,
    /// Where the value of each column of `all` comes from.
    inputs: Vec<InputColumn>,
}

impl Scope {
    /// The columns of a batch and the meta columns; a column hides a meta column of the same name.
    #[must_use]
    pub fn new(columns: SchemaRef) -> Self {
        Self::build(columns, &MetaColumn::VARIANTS)
    }

    /// Only the columns of a batch, for rows that come from no single record, such as results of aggregates.
    #[must_use]
    pub fn without_meta(columns: SchemaRef) -> Self {
        Self::build(columns, &[])
    }

    fn build(columns: SchemaRef, meta: &[MetaColumn]) -> Self {
        let mut seen = HashSet::new();
        let (mut fields, mut inputs) = (Vec::new(), Vec::new());
        let own = columns.fields().iter().enumerate().map(|(i, f)| (f.clone(), InputColumn::Column(i)));
        for (field, input) in own.chain(meta.iter().map(|m| (m.field(), InputColumn::Meta(*m)))) {
            // Of two columns with one name only the first can be named.
            if seen.insert(field.name().clone()) {
                fields.push(field);
                inputs.push(input);
            }
        }
        Self(Arc::new(ScopeColumns { all: plan_schema(fields), columns, inputs }))
    }

    /// The columns of the batch, without the meta columns.
    #[must_use]
    pub fn columns(&self) -> &SchemaRef {
        &self.0.columns
    }

    pub(super) fn all(&self) -> &DFSchemaRef {
        &self.0.all
    }

    pub(super) fn inputs(&self) -> &[InputColumn] {
        &self.0.inputs
    }

    pub(super) fn find(&self, name: &str, quoted: bool) -> NameMatch {
        find(name, quoted, &self.names())
    }

    pub(super) fn lookup(&self, name: &str, quoted: bool) -> Result<&FieldRef, ExprError> {
        match self.find(name, quoted) {
            NameMatch::One(i) => Ok(&self.0.all.fields()[i]),
            NameMatch::None => Err(unknown(name, &self.names())),
            NameMatch::Many(fits) => Err(ambiguous(name, &fits)),
        }
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.0.all.fields().iter().map(|f| f.name().as_str()).collect()
    }
}

/// A schema for planning, of fields with distinct names.
pub(super) fn plan_schema(fields: Vec<FieldRef>) -> DFSchemaRef {
    let schema = Schema::new(Fields::from(fields));
    Arc::new(DFSchema::try_from(schema).expect("distinct names are all that a planning schema requires"))
}
