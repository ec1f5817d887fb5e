//! `select`, `set`, `drop` and `rename`: new columns from old ones.
//!
//! One file for four keys, as all four are the same projection once names are resolved.

use crate::plan::{Item, Port, Projection};
use crate::record::Batch;
use crate::runtime::task::operator::{Operator, evaluate};
use crate::runtime::task::round::Round;
use crate::runtime::{Collector, Fault};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;

/// The operator of `select`, `set`, `drop` and `rename`.
#[derive(Debug)]
pub struct Project(pub Projection);

impl Operator for Project {
    fn process(&mut self, round: Round<'_>, out: &mut Collector<'_>) -> Result<(), Fault> {
        let exprs: Vec<_> =
            self.0.items.iter().filter_map(|i| if let Item::Expr(e) = i { Some(e) } else { None }).collect();
        for batch in round.single() {
            let (batch, computed) = evaluate(&exprs, batch, out);
            let projected = project(&self.0, &batch, computed)?;
            out.emit(Port(0), projected);
        }
        Ok(())
    }
}

/// The columns of a projection, where its expressions were evaluated before.
pub(super) fn project(plan: &Projection, batch: &Batch, computed: Vec<ArrayRef>) -> Result<Batch, Fault> {
    let mut computed = computed.into_iter();
    let columns = plan.items.iter().map(|item| match item {
        Item::Column(i) => Some(batch.columns.column(*i).clone()),
        Item::Expr(_) => computed.next(),
    });
    let columns = columns.collect::<Option<Vec<_>>>().ok_or_else(|| Fault::internal("a column was not computed"))?;
    Ok(batch.with_columns(columns_of(&plan.schema, columns, batch.len())?))
}

/// Columns put together, also where there are none.
pub(crate) fn columns_of(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, Fault> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(Fault::internal)
}
