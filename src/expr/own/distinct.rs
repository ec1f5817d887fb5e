//! `sum`, `avg`, variance and deviation of the DISTINCT values of a column.
//!
//! The values of a group are kept in ascending order and folded in it, so that the result does not depend on the
//! order in which they came. Numbers of each type are kept as integers of 128 bits that sort like them.

use super::moments::{Moment, Moments};
use super::sum::{SumType, widen_integers};
use super::{column, doubles, for_selected, state_of_rows};
use arrow_array::builder::{Decimal128Builder, ListBuilder};
use arrow_array::{Array, ArrayRef, BooleanArray, Decimal128Array, Decimal256Array, Float64Array, ListArray};
use arrow_buffer::i256;
use arrow_schema::{DataType, Field};
use datafusion_common::Result;
use datafusion_expr::{EmitTo, Expr, GroupsAccumulator};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A fold over the distinct values of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::expr) enum DistinctFold {
    /// The exact sum of integers or decimals, or the mean of decimals.
    Sum(SumType),
    /// The sum of doubles.
    FloatSum,
    /// The mean of doubles.
    FloatMean,
    /// A statistic of doubles.
    Moment(Moment),
}

impl DistinctFold {
    pub(super) fn of(function: &str, moment: Option<Moment>, arg: &DataType, result: &DataType) -> Option<Self> {
        match (function, arg) {
            ("sum", DataType::Float64) => Some(Self::FloatSum),
            ("sum", _) => SumType::of(arg, result).map(Self::Sum),
            ("avg", DataType::Float64) => Some(Self::FloatMean),
            ("avg", _) => SumType::of_mean(arg, result).map(Self::Sum),
            _ => moment.map(Self::Moment),
        }
    }

    pub(super) fn data_type(&self) -> DataType {
        match self {
            Self::Sum(sum) => sum.wide(),
            Self::FloatSum | Self::FloatMean | Self::Moment(_) => DataType::Float64,
        }
    }

    pub(super) fn finish(&self, results: Expr) -> Expr {
        match self {
            Self::Sum(sum) => sum.narrow(results),
            Self::FloatSum | Self::FloatMean | Self::Moment(_) => results,
        }
    }

    /// The double that a group of doubles folds to.
    fn fold_doubles(&self, values: &BTreeSet<i128>) -> Option<f64> {
        let values = values.iter().map(|v| to_double(*v));
        if let Self::Moment(moment) = self {
            let mut moments = Moments::default();
            values.for_each(|v| moments.add(v));
            return moment.of(&moments);
        }
        let (count, sum) = values.fold((0u64, 0.0), |(count, sum), v| (count + 1, sum + v));
        let mean = *self == Self::FloatMean;
        (count > 0).then_some(if mean { sum / count as f64 } else { sum })
    }
}

fn item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Decimal128(38, 0), true))
}

/// A list of the values.
pub(super) fn state_type() -> DataType {
    DataType::List(item())
}

/// An integer that sorts like the double. Zeros are one value, and so are all NaNs.
fn from_double(value: f64) -> i128 {
    let value = if value.is_nan() { f64::NAN } else { value + 0.0 };
    let bits = value.to_bits().cast_signed();
    i128::from(bits ^ (((bits >> 63).cast_unsigned() >> 1).cast_signed()))
}

fn to_double(ordered: i128) -> f64 {
    // Only what `from_double` made is passed, and that has 64 bits.
    let bits = i64::try_from(ordered).unwrap_or_default();
    f64::from_bits((bits ^ (((bits >> 63).cast_unsigned() >> 1).cast_signed())).cast_unsigned())
}

fn ordered(values: &ArrayRef) -> Result<Decimal128Array> {
    match values.data_type() {
        DataType::Float64 => Ok(column::<Float64Array>(std::slice::from_ref(values), 0)?.unary(from_double)),
        DataType::Decimal128(..) => Ok(column::<Decimal128Array>(std::slice::from_ref(values), 0)?.clone()),
        _ => widen_integers(values),
    }
}

/// The accumulator.
pub(super) struct DistinctAccumulator {
    fold: DistinctFold,
    groups: Vec<BTreeSet<i128>>,
}

impl DistinctAccumulator {
    pub(super) fn new(fold: DistinctFold) -> Self {
        Self { fold, groups: Vec::new() }
    }
}

impl GroupsAccumulator for DistinctAccumulator {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total_groups: usize,
    ) -> Result<()> {
        self.groups.resize(total_groups, BTreeSet::new());
        let Some(values) = values.first() else { return datafusion_common::exec_err!("an argument is missing") };
        let values = ordered(values)?;
        for_selected(groups, filter, |row, group| {
            if values.is_valid(row) {
                self.groups[group].insert(values.value(row));
            }
        });
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let groups = emit_to.take_needed(&mut self.groups);
        let DistinctFold::Sum(sum) = &self.fold else {
            return Ok(doubles(groups.iter().map(|values| self.fold.fold_doubles(values))));
        };
        let of = |values: &BTreeSet<i128>| {
            let total = values.iter().fold(i256::ZERO, |s, v| s.wrapping_add(i256::from_i128(*v)));
            sum.of_values(total, values.len() as u64)
        };
        let sums = groups.iter().map(|values| (!values.is_empty()).then(|| of(values)));
        Ok(match sum.wide() {
            wide @ DataType::Decimal256(..) => Arc::new(sums.collect::<Decimal256Array>().with_data_type(wide)),
            // Fewer than 2^64 integers of 64 bits have a sum of fewer than 128 bits.
            _ => {
                Arc::new(sums.map(|sum| sum.map(i256::as_i128)).collect::<Decimal128Array>().with_data_type(sum.wide()))
            }
        })
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let items = Decimal128Builder::new().with_data_type(item().data_type().clone());
        let mut lists = ListBuilder::new(items).with_field(item());
        for values in emit_to.take_needed(&mut self.groups) {
            values.into_iter().for_each(|v| lists.values().append_value(v));
            lists.append(true);
        }
        Ok(vec![Arc::new(lists.finish())])
    }

    fn merge_batch(&mut self, state: &[ArrayRef], groups: &[usize], total_groups: usize) -> Result<()> {
        self.groups.resize(total_groups, BTreeSet::new());
        let lists: &ListArray = column(state, 0)?;
        for (list, group) in lists.iter().zip(groups) {
            let Some(list) = list else { continue };
            let values: &Decimal128Array = column(std::slice::from_ref(&list), 0)?;
            self.groups[*group].extend(values.iter().flatten());
        }
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        state_of_rows(Self::new(self.fold.clone()), values, filter)
    }

    fn size(&self) -> usize {
        self.groups.iter().map(|g| g.len() * size_of::<i128>()).sum()
    }
}
