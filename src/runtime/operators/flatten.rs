//! `flatten: COLUMN` turns each element of a list into a row; the other columns are repeated.
//!
//! A row whose list is empty or null becomes no row and counts as filtered.

use super::project::record_batch;
use crate::plan::{FlattenPlan, Port};
use crate::record::Batch;
use crate::runtime::task::operator::Operator;
use crate::runtime::task::round::Round;
use crate::runtime::{Collector, Fault};
use arrow_array::cast::AsArray;
use arrow_array::{Array, UInt32Array};
use arrow_select::take::take;

/// The operator of `flatten`.
#[derive(Debug)]
pub struct FlattenOperator(pub FlattenPlan);

impl Operator for FlattenOperator {
    fn process(&mut self, round: Round<'_>, out: &mut Collector<'_>) -> Result<(), Fault> {
        for batch in round.single() {
            let list = batch.columns.column(self.0.column).as_list::<i32>();
            let (mut rows, mut elements, mut empty) = (Vec::new(), Vec::new(), 0);
            for row in 0..list.len() {
                let (from, to) = (list.value_offsets()[row], list.value_offsets()[row + 1]);
                if list.is_null(row) || from == to {
                    empty += 1;
                    continue;
                }
                let row = u32::try_from(row).map_err(Fault::internal)?;
                for element in from..to {
                    rows.push(row);
                    elements.push(u32::try_from(element).map_err(Fault::internal)?);
                }
            }
            out.filtered(empty);
            out.created(rows.len() - (batch.len() - empty));
            let values = take(list.values(), &UInt32Array::from(elements), None).map_err(Fault::internal)?;
            let Batch { columns, meta } = batch.take(&UInt32Array::from(rows));
            let mut arrays = columns.columns().to_vec();
            arrays[self.0.column] = values;
            let columns = record_batch(&self.0.schema, arrays, meta.len())?;
            out.emit(Port(0), Batch { columns, meta });
        }
        Ok(())
    }
}
