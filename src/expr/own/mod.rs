//! Aggregates that DataFusion computes too, but not as a stream needs them.
//!
//! Its integer sums wrap, and a mean of decimals that is out of range is an error of the whole run. Its variances,
//! covariances and correlations change their last bits where a state is stored and loaded, and it adds distinct
//! floating-point values in the order of a hash. Here sums are exact, and everything else is one fold whose state is
//! loaded as it was stored. So a result depends neither on where batches are cut nor on where commits fall.

mod distinct;
mod moments;
mod sum;
#[cfg(test)]
mod tests;

use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array};
use arrow_schema::{DataType, Field, FieldRef};
use datafusion_common::{DataFusionError, Result};
use datafusion_expr::{Expr, GroupsAccumulator};
use distinct::DistinctFold;
use moments::Moment;
use std::sync::Arc;
use sum::SumType;

/// An aggregate that is computed here.
#[derive(Clone, Debug)]
pub(super) enum OwnAggregate {
    /// An exact sum of integers or decimals, or mean of decimals.
    Sum(SumType),
    /// A statistic of one or two floating-point columns.
    Moment(Moment),
    /// A fold over the distinct values, in ascending order.
    Distinct(DistinctFold),
}

impl OwnAggregate {
    /// The one that replaces a function of DataFusion; `result` is that function's type.
    ///
    /// # Errors
    /// If the function takes no DISTINCT.
    pub(super) fn replacing(
        function: &str,
        distinct: bool,
        args: &[&DataType],
        result: &DataType,
    ) -> Result<Option<Self>> {
        let Some(first) = args.first() else { return Ok(None) };
        let moment = Moment::named(function);
        if !distinct {
            let sum = match function {
                "sum" => SumType::of(first, result),
                "avg" => SumType::of_mean(first, result),
                _ => None,
            };
            return Ok(sum.map(Self::Sum).or(moment.map(Self::Moment)));
        }
        if args.len() > 1 && moment.is_some() {
            return Err(DataFusionError::Plan(format!("`{function}` takes no DISTINCT")));
        }
        Ok(DistinctFold::of(function, moment, first, result).map(Self::Distinct))
    }

    pub(super) fn accumulator(&self) -> Box<dyn GroupsAccumulator> {
        match self {
            Self::Sum(sum) => sum.accumulator(),
            Self::Moment(moment) => Box::new(moments::MomentAccumulator::new(*moment)),
            Self::Distinct(fold) => Box::new(distinct::DistinctAccumulator::new(fold.clone())),
        }
    }

    /// The columns of the accumulator's state.
    pub(super) fn state_fields(&self) -> Vec<FieldRef> {
        match self {
            Self::Sum(sum) => sum.state_fields(),
            Self::Moment(moment) => moment.state_fields(),
            Self::Distinct(_) => vec![state_field("values", distinct::state_type())],
        }
    }

    /// The type of the accumulator's results.
    pub(super) fn data_type(&self) -> DataType {
        match self {
            Self::Sum(sum) => sum.wide(),
            Self::Moment(moment) => moment.data_type(),
            Self::Distinct(fold) => fold.data_type(),
        }
    }

    /// Makes the accumulator's results those of the function: a sum that is outside of its type's range is an
    /// error of its row.
    pub(super) fn finish(&self, results: Expr) -> Expr {
        match self {
            Self::Sum(sum) => sum.narrow(results),
            Self::Moment(_) => results,
            Self::Distinct(fold) => fold.finish(results),
        }
    }
}

fn state_field(name: &str, data_type: DataType) -> FieldRef {
    Arc::new(Field::new(name, data_type, true))
}

/// Calls `add` with each row that the filter selects, and its group.
fn for_selected(groups: &[usize], filter: Option<&BooleanArray>, mut add: impl FnMut(usize, usize)) {
    match filter {
        None => groups.iter().enumerate().for_each(|(row, group)| add(row, *group)),
        Some(filter) => {
            let selected = |row: usize| filter.is_valid(row) && filter.value(row);
            groups.iter().enumerate().filter(|(row, _)| selected(*row)).for_each(|(row, group)| add(row, *group));
        }
    }
}

/// The state of each row alone, as an accumulator of the same kind gives it.
fn state_of_rows(
    mut accumulator: impl GroupsAccumulator,
    values: &[ArrayRef],
    filter: Option<&BooleanArray>,
) -> Result<Vec<ArrayRef>> {
    let rows = values.first().map_or(0, |v| v.len());
    accumulator.update_batch(values, &(0..rows).collect::<Vec<_>>(), filter, rows)?;
    accumulator.state(datafusion_expr::EmitTo::All)
}

/// The column of an argument or a state.
fn column<T: Array + 'static>(columns: &[ArrayRef], i: usize) -> Result<&T> {
    let found = columns.get(i).and_then(|c| c.as_any().downcast_ref::<T>());
    found.ok_or_else(|| DataFusionError::Internal(format!("column {i} of an aggregate is missing or of another type")))
}

/// Doubles, where NaN is null: a number without a value.
fn doubles(values: impl Iterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(values.map(|v| v.filter(|v| !v.is_nan())).collect::<Float64Array>())
}
