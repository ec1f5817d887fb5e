//! `select`, `set`, `drop` and `rename`. Once names are resolved, all four are the same projection.

use crate::plan::{Item, Port, Projection};
use crate::record::Batch;
use crate::runtime::task::operator::{Operator, evaluate};
use crate::runtime::task::round::Round;
use crate::runtime::{Collector, Fault};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;

/// The operator of `select`, `set`, `drop` and `rename`.
#[derive(Debug)]
pub struct ProjectOperator(pub Projection);

impl Operator for ProjectOperator {
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

/// Applies a projection whose expressions are already evaluated.
pub(super) fn project(plan: &Projection, batch: &Batch, computed: Vec<ArrayRef>) -> Result<Batch, Fault> {
    let mut computed = computed.into_iter();
    let columns = plan.items.iter().map(|item| match item {
        Item::Column(i) => Some(batch.columns.column(*i).clone()),
        Item::Expr(_) => computed.next(),
    });
    let columns = columns.collect::<Option<Vec<_>>>().ok_or_else(|| Fault::internal("a column was not computed"))?;
    Ok(batch.with_columns(record_batch(&plan.schema, columns, batch.len())?))
}

/// Builds a record batch; `rows` gives its length where there are no columns.
pub(crate) fn record_batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, Fault> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(Fault::internal)
}
