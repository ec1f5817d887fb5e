//! Runs a compiled expression on a batch.
//!
//! Separate from compiling because this is the hot path: only the columns that the expression names are
//! gathered, and a batch without faults costs one vectorised evaluation. When that fails, the batch is cut
//! in halves until each bad row stands alone with its own message; the others keep their values.

use super::error::plain;
use super::scope::MetaColumn;
use super::types;
use crate::record::{BadRow, Meta};
use arrow_array::builder::{BinaryBuilder, MapBuilder, MapFieldNames, StringBuilder};
use arrow_array::{
    Array, ArrayRef, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray, TimestampMillisecondArray,
    new_null_array,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::concat::concat;
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_common::{DFSchemaRef, DataFusionError, Result};
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::Column;
use std::sync::Arc;

/// The values of an expression for the rows of a batch.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// One value a row; null where the row is bad.
    pub array: ArrayRef,
    /// The rows that could not be evaluated, in their order.
    pub bad: Vec<BadRow>,
}

/// Where an input of an expression comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Column(usize),
    Meta(MetaColumn),
}

/// Longest part of the SQL text that a bad row's message repeats.
const SHOWN: usize = 80;

/// An executable expression.
#[derive(Debug)]
pub(super) struct Program {
    sql: String,
    expr: Arc<dyn PhysicalExpr>,
    inputs: Vec<Input>,
    schema: SchemaRef,
    data_type: DataType,
    nullable: bool,
    column: Option<String>,
}

impl Program {
    /// Narrows an expression over a whole schema to the inputs that it uses.
    pub(super) fn new(
        sql: &str,
        expr: Arc<dyn PhysicalExpr>,
        all: &DFSchemaRef,
        all_inputs: &[Input],
        data_type: DataType,
        nullable: bool,
    ) -> Result<Self> {
        let as_it_is = |c: &&Column| all.fields().get(c.index()).is_some_and(|f| *f.data_type() == data_type);
        let column = expr.downcast_ref::<Column>().filter(as_it_is).map(|c| c.name().to_owned());
        let (mut used, mut inputs, mut fields) = (Vec::new(), Vec::new(), Vec::new());
        let narrowed = expr.transform_up(|part| {
            let Some(column) = part.downcast_ref::<Column>() else { return Ok(Transformed::no(part)) };
            let place = used.iter().position(|i| *i == column.index()).unwrap_or_else(|| {
                used.push(column.index());
                used.len() - 1
            });
            Ok(Transformed::yes(Arc::new(Column::new(column.name(), place)) as Arc<dyn PhysicalExpr>))
        })?;
        for i in used {
            let Some(input) = all_inputs.get(i) else {
                return Err(DataFusionError::Internal("a column outside the scope is used".into()));
            };
            inputs.push(*input);
            let field = &all.fields()[i];
            // Nullable, so that a batch is never refused for a promise that its source did not keep.
            fields.push(Field::new(field.name(), field.data_type().clone(), true));
        }
        let schema = Arc::new(Schema::new(fields));
        Ok(Self { sql: sql.to_owned(), expr: narrowed.data, inputs, schema, data_type, nullable, column })
    }

    pub(super) fn sql(&self) -> &str {
        &self.sql
    }

    pub(super) fn data_type(&self) -> &DataType {
        &self.data_type
    }

    pub(super) fn nullable(&self) -> bool {
        self.nullable
    }

    pub(super) fn column(&self) -> Option<&str> {
        self.column.as_deref()
    }

    pub(super) fn expr(&self) -> &Arc<dyn PhysicalExpr> {
        &self.expr
    }

    pub(super) fn evaluate(&self, columns: &[ArrayRef], meta: Option<&Meta>, rows: usize) -> Evaluated {
        let mut bad = Vec::new();
        let result = self.gather(columns, meta, rows).and_then(|batch| match self.run(&batch) {
            Err(error) if rows > 0 => {
                let mut parts = Vec::new();
                self.bisect(&batch, 0, &error, &mut parts, &mut bad);
                let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
                Ok(concat(&parts)?)
            }
            whole => whole,
        });
        let array = result.unwrap_or_else(|error| {
            let error = self.message(&error);
            bad = (0..rows).map(|row| BadRow { row, error: error.clone() }).collect();
            new_null_array(&self.data_type, rows)
        });
        Evaluated { array, bad }
    }

    fn gather(&self, columns: &[ArrayRef], meta: Option<&Meta>, rows: usize) -> Result<RecordBatch> {
        let missing = || DataFusionError::Execution("the batch lacks a column that was in scope".into());
        let arrays = self
            .inputs
            .iter()
            .map(|input| match input {
                Input::Column(i) => columns.get(*i).cloned().ok_or_else(missing),
                Input::Meta(column) => meta_column(*column, meta.ok_or_else(missing)?),
            })
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)?)
    }

    fn run(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        let array = self.expr.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(types::convert(&array, &self.data_type)?)
    }

    fn bisect(
        &self,
        batch: &RecordBatch,
        first: usize,
        error: &DataFusionError,
        parts: &mut Vec<ArrayRef>,
        bad: &mut Vec<BadRow>,
    ) {
        let rows = batch.num_rows();
        if rows == 1 {
            bad.push(BadRow { row: first, error: self.message(error) });
            parts.push(new_null_array(&self.data_type, 1));
            return;
        }
        let half = rows / 2;
        for (start, len) in [(0, half), (half, rows - half)] {
            let part = batch.slice(start, len);
            match self.run(&part) {
                Ok(array) => parts.push(array),
                Err(error) => self.bisect(&part, first + start, &error, parts, bad),
            }
        }
    }

    fn message(&self, error: &DataFusionError) -> String {
        let sql = self.sql.split_whitespace().collect::<Vec<_>>().join(" ");
        let shown = match sql.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &sql[..end]),
            None => sql,
        };
        format!("`{shown}`: {}", plain(error))
    }
}

fn meta_column(column: MetaColumn, meta: &Meta) -> Result<ArrayRef> {
    let rows = meta.len();
    Ok(match column {
        MetaColumn::Key => Arc::new(meta.keys.clone()),
        MetaColumn::Topic => {
            Arc::new(StringArray::from_iter_values((0..rows).map(|row| &*meta.origins.row(row).topic)))
        }
        MetaColumn::Partition => {
            let partition = |row| i32::try_from(meta.origins.row(row).partition.0).unwrap_or(i32::MAX);
            Arc::new(Int32Array::from_iter_values((0..rows).map(partition)))
        }
        MetaColumn::Offset => Arc::new(Int64Array::new(meta.offsets.clone(), None)),
        MetaColumn::Timestamp => {
            Arc::new(TimestampMillisecondArray::new(meta.timestamps.clone(), None).with_timezone("UTC"))
        }
        MetaColumn::Headers => headers(meta)?,
    })
}

fn headers(meta: &Meta) -> Result<ArrayRef> {
    let names = MapFieldNames { entry: "entries".into(), key: "keys".into(), value: "values".into() };
    let mut maps = MapBuilder::new(Some(names), StringBuilder::new(), BinaryBuilder::new());
    for row in 0..meta.len() {
        for (name, value) in meta.headers.iter().flat_map(|h| h.row(row)) {
            maps.keys().append_value(name);
            maps.values().append_option(value);
        }
        maps.append(true)?;
    }
    Ok(Arc::new(maps.finish()))
}
