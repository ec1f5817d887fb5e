//! Runs a compiled expression on a batch.
//!
//! This is the hot path: only the columns that the expression names are gathered, and a batch without
//! errors costs one vectorised evaluation. If that fails, the batch is bisected until each bad row is alone
//! with its own message; the other rows keep their values.

use super::error::plain;
use super::inputs::InputColumn;
use super::stack::on_large_stack;
use super::types;
use crate::record::{BadRow, Meta};
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
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
    /// One value per row; null where the row is bad.
    pub array: ArrayRef,
    /// The rows that could not be evaluated, in row order.
    pub bad: Vec<BadRow>,
}

/// Levels of an expression that every stack has room for.
const MAX_SHALLOW_DEPTH: usize = 200;

/// How many characters of the SQL text the message of a bad row repeats.
const MAX_SQL_CHARS: usize = 80;

/// An executable expression.
#[derive(Debug)]
pub(super) struct Program {
    sql: String,
    definition: String,
    expr: Arc<dyn PhysicalExpr>,
    inputs: Vec<InputColumn>,
    /// The columns that `inputs` are gathered into.
    schema: SchemaRef,
    data_type: DataType,
    nullable: bool,
    /// The name of the column, where the expression is nothing but a column.
    column: Option<String>,
    /// Whether evaluation needs a large stack.
    is_deep: bool,
}

impl Program {
    /// Narrows an expression over a whole schema to the inputs that it uses.
    pub(super) fn new(
        sql: &str,
        expr: Arc<dyn PhysicalExpr>,
        all: &DFSchemaRef,
        all_inputs: &[InputColumn],
        data_type: DataType,
    ) -> Result<Self> {
        let nullable = expr.nullable(all.as_arrow()).unwrap_or(true);
        let uncast = |c: &&Column| all.fields().get(c.index()).is_some_and(|f| *f.data_type() == data_type);
        let column = expr.downcast_ref::<Column>().filter(uncast).map(|c| c.name().to_owned());
        let (mut used, mut inputs, mut fields) = (Vec::new(), Vec::new(), Vec::new());
        let narrowed = expr.transform_up(|part| {
            let Some(column) = part.downcast_ref::<Column>() else { return Ok(Transformed::no(part)) };
            let index = used.iter().position(|i| *i == column.index()).unwrap_or_else(|| {
                used.push(column.index());
                used.len() - 1
            });
            Ok(Transformed::yes(Arc::new(Column::new(column.name(), index)) as Arc<dyn PhysicalExpr>))
        })?;
        for i in used {
            let Some(input) = all_inputs.get(i) else {
                return Err(DataFusionError::Internal("a column outside the scope is used".into()));
            };
            inputs.push(*input);
            let field = &all.fields()[i];
            // Nullable, so that no batch is refused because its source broke a promise.
            fields.push(Field::new(field.name(), field.data_type().clone(), true));
        }
        let (schema, expr) = (Arc::new(Schema::new(fields)), narrowed.data);
        let is_deep = depth(&expr) > MAX_SHALLOW_DEPTH;
        let (sql, definition) = (sql.to_owned(), sql.to_owned());
        Ok(Self { sql, definition, expr, inputs, schema, data_type, nullable, column, is_deep })
    }

    pub(super) fn with_definition(self, definition: String) -> Self {
        Self { definition, ..self }
    }

    pub(super) fn definition(&self) -> &str {
        &self.definition
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
        if !self.is_deep {
            return self.evaluate_here(columns, meta, rows);
        }
        on_large_stack(|| self.evaluate_here(columns, meta, rows)).unwrap_or_else(|e| {
            let error = format!("no thread could be started for a deep expression: {e}");
            self.all_bad(&error, rows)
        })
    }

    fn evaluate_here(&self, columns: &[ArrayRef], meta: Option<&Meta>, rows: usize) -> Evaluated {
        let mut bad = Vec::new();
        let result = self.gather(columns, meta, rows).and_then(|batch| match self.run(&batch) {
            Err(error) if rows > 0 => {
                let mut parts = Vec::new();
                self.bisect(&batch, 0, &error, &mut parts, &mut bad);
                let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
                Ok(concat(&parts)?)
            }
            result => result,
        });
        match result {
            Ok(array) => Evaluated { array, bad },
            Err(error) => self.all_bad(&self.message(&error), rows),
        }
    }

    fn all_bad(&self, error: &str, rows: usize) -> Evaluated {
        let bad = (0..rows).map(|row| BadRow { row, error: error.to_owned() }).collect();
        Evaluated { array: new_null_array(&self.data_type, rows), bad }
    }

    fn gather(&self, columns: &[ArrayRef], meta: Option<&Meta>, rows: usize) -> Result<RecordBatch> {
        let missing = || DataFusionError::Execution("the batch lacks a column that was in scope".into());
        let arrays = self
            .inputs
            .iter()
            .map(|input| match input {
                InputColumn::Column(i) => columns.get(*i).cloned().ok_or_else(missing),
                InputColumn::Meta(column) => Ok(column.array(meta.ok_or_else(missing)?)?),
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
        let shown = match sql.char_indices().nth(MAX_SQL_CHARS) {
            Some((end, _)) => format!("{}…", &sql[..end]),
            None => sql,
        };
        format!("`{shown}`: {}", plain(error))
    }
}

fn depth(expr: &Arc<dyn PhysicalExpr>) -> usize {
    1 + expr.children().into_iter().map(depth).max().unwrap_or(0)
}
