//! `sum` of integers and decimals and `avg` of decimals, in types that no number of rows overflows.
//!
//! Only the result of a group is compared with the range of its type, when it leaves. So whether it is in error
//! depends on the rows alone, not on their order, and a sum that was out of range on its way is right.

use super::{column, for_selected, state_field, state_of_rows};
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Decimal128Type, Decimal256Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, ArrowNativeTypeOp, BooleanArray, Decimal256Array, PrimitiveArray, UInt64Array};
use arrow_buffer::i256;
use arrow_cast::cast;
use arrow_schema::{DataType, FieldRef};
use datafusion_common::{DataFusionError, Result, exec_err};
use datafusion_expr::expr::ScalarFunction;
use datafusion_expr::{
    ColumnarValue, EmitTo, Expr, GroupsAccumulator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::sync::Arc;

/// The types of a sum or a mean.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::expr) struct SumType {
    /// The type of the result.
    result: DataType,
    /// For a mean, how many more digits after the point it has than what is summed.
    mean_digits: Option<u32>,
}

impl SumType {
    /// That of a sum of these arguments, unless it is a sum of floating-point numbers.
    pub(super) fn of(arg: &DataType, result: &DataType) -> Option<Self> {
        let exact = match arg {
            DataType::Int64 | DataType::UInt64 | DataType::Duration(_) => true,
            DataType::Decimal128(..) => matches!(result, DataType::Decimal128(..)),
            _ => false,
        };
        exact.then(|| Self { result: result.clone(), mean_digits: None })
    }

    /// That of a mean of these arguments, if they are decimals or durations.
    pub(super) fn of_mean(arg: &DataType, result: &DataType) -> Option<Self> {
        let mean_digits = match (arg, result) {
            (DataType::Decimal128(_, summed), DataType::Decimal128(_, scale)) => u32::try_from(scale - summed).ok()?,
            (DataType::Duration(_), DataType::Duration(_)) => 0,
            _ => return None,
        };
        Some(Self { result: result.clone(), mean_digits: Some(mean_digits) })
    }

    /// The type of the accumulator's results: 10^19 integers of 64 bits fit, and more decimals of 38 digits.
    pub(super) fn wide(&self) -> DataType {
        match self.result {
            DataType::Decimal128(_, scale) => DataType::Decimal256(76, scale),
            _ if self.mean_digits.is_some() => DataType::Decimal256(76, 0),
            _ => DataType::Decimal128(38, 0),
        }
    }

    pub(super) fn state_fields(&self) -> Vec<FieldRef> {
        let count = self.mean_digits.map(|_| state_field("count", DataType::UInt64));
        [state_field("sum", self.wide())].into_iter().chain(count).collect()
    }

    /// The mean of a sum, cut after the last digit; the sum itself where no mean is asked for.
    pub(super) fn of_values(&self, sum: i256, count: u64) -> i256 {
        match self.mean_digits {
            // At most 58 digits and 4 more: within the 76 of the type.
            Some(digits) => sum
                .wrapping_mul(i256::from_i128(10).wrapping_pow(digits))
                .wrapping_div(i256::from_i128(i128::from(count))),
            None => sum,
        }
    }

    pub(super) fn accumulator(&self) -> Box<dyn GroupsAccumulator> {
        let wide = self.wide();
        match &wide {
            DataType::Decimal256(..) if self.mean_digits.is_some() => Box::new(WideMean::new(self.clone())),
            DataType::Decimal256(..) => Box::new(WideSum::<Decimal256Type>::new(widen, wide)),
            _ => Box::new(WideSum::<Decimal128Type>::new(widen_integers, wide)),
        }
    }

    /// The sums as values of the result's type.
    pub(super) fn narrow(&self, sums: Expr) -> Expr {
        let signature = Signature::exact(vec![self.wide()], Volatility::Immutable);
        let udf = ScalarUDF::new_from_impl(SumInRange { sum: self.clone(), signature });
        Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(udf), vec![sums]))
    }
}

/// Integers or durations as integers of 128 bits.
pub(super) fn widen_integers(values: &ArrayRef) -> Result<PrimitiveArray<Decimal128Type>> {
    Ok(match values.data_type() {
        DataType::Int64 => values.as_primitive::<Int64Type>().unary(i128::from),
        DataType::UInt64 => values.as_primitive::<UInt64Type>().unary(i128::from),
        _ => cast(values, &DataType::Int64)?.as_primitive::<Int64Type>().unary(i128::from),
    })
}

/// Decimals or durations as integers of 256 bits.
fn widen(values: &ArrayRef) -> Result<PrimitiveArray<Decimal256Type>> {
    Ok(match values.data_type() {
        DataType::Decimal128(..) => values.as_primitive::<Decimal128Type>().unary(i256::from_i128),
        _ => widen_integers(values)?.unary(i256::from_i128),
    })
}

/// The accumulator: one sum a group, null without values.
pub(super) struct WideSum<T: ArrowPrimitiveType> {
    widen: fn(&ArrayRef) -> Result<PrimitiveArray<T>>,
    wide: DataType,
    sums: Vec<T::Native>,
    has_values: Vec<bool>,
}

impl<T: ArrowPrimitiveType> WideSum<T> {
    fn new(widen: fn(&ArrayRef) -> Result<PrimitiveArray<T>>, wide: DataType) -> Self {
        Self { widen, wide, sums: Vec::new(), has_values: Vec::new() }
    }

    fn add(
        &mut self,
        values: &PrimitiveArray<T>,
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total_groups: usize,
    ) {
        self.sums.resize(total_groups, T::Native::ZERO);
        self.has_values.resize(total_groups, false);
        for_selected(groups, filter, |row, group| {
            if values.is_valid(row) {
                self.sums[group] = self.sums[group].add_wrapping(values.value(row));
                self.has_values[group] = true;
            }
        });
    }
}

impl<T: ArrowPrimitiveType> GroupsAccumulator for WideSum<T> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total_groups: usize,
    ) -> Result<()> {
        let Some(values) = values.first() else { return exec_err!("`sum` takes one argument") };
        let wide = (self.widen)(values)?;
        self.add(&wide, groups, filter, total_groups);
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sums = emit_to.take_needed(&mut self.sums).into_iter();
        let sums =
            sums.zip(emit_to.take_needed(&mut self.has_values)).map(|(sum, has_values)| has_values.then_some(sum));
        Ok(Arc::new(sums.collect::<PrimitiveArray<T>>().with_data_type(self.wide.clone())))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(emit_to)?])
    }

    fn merge_batch(&mut self, state: &[ArrayRef], groups: &[usize], total_groups: usize) -> Result<()> {
        self.add(column(state, 0)?, groups, None, total_groups);
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        state_of_rows(Self::new(self.widen, self.wide.clone()), values, filter)
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<T::Native>() + self.has_values.capacity()
    }
}

/// The accumulator of a mean: a sum and a count.
pub(super) struct WideMean {
    mean: SumType,
    sums: WideSum<Decimal256Type>,
    counts: Vec<u64>,
}

impl WideMean {
    fn new(mean: SumType) -> Self {
        let sums = WideSum::new(widen, mean.wide());
        Self { mean, sums, counts: Vec::new() }
    }
}

impl GroupsAccumulator for WideMean {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total_groups: usize,
    ) -> Result<()> {
        self.sums.update_batch(values, groups, filter, total_groups)?;
        self.counts.resize(total_groups, 0);
        for_selected(groups, filter, |row, group| self.counts[group] += u64::from(values[0].is_valid(row)));
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sums = self.sums.evaluate(emit_to)?;
        let groups = sums.as_primitive::<Decimal256Type>().iter().zip(emit_to.take_needed(&mut self.counts));
        let means = groups.map(|(sum, count)| sum.map(|sum| self.mean.of_values(sum, count)));
        Ok(Arc::new(means.collect::<Decimal256Array>().with_data_type(self.mean.wide())))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let counts = UInt64Array::from(emit_to.take_needed(&mut self.counts));
        Ok(vec![self.sums.evaluate(emit_to)?, Arc::new(counts)])
    }

    fn merge_batch(&mut self, state: &[ArrayRef], groups: &[usize], total_groups: usize) -> Result<()> {
        self.sums.merge_batch(state, groups, total_groups)?;
        self.counts.resize(total_groups, 0);
        let counts: &UInt64Array = column(state, 1)?;
        for_selected(groups, None, |row, group| self.counts[group] += counts.value(row));
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        state_of_rows(Self::new(self.mean.clone()), values, filter)
    }

    fn size(&self) -> usize {
        self.sums.size() + self.counts.capacity() * size_of::<u64>()
    }
}

/// Sums in the wide type as values of the result's type.
#[derive(Debug, PartialEq, Eq, Hash)]
struct SumInRange {
    sum: SumType,
    signature: Signature,
}

impl ScalarUDFImpl for SumInRange {
    fn name(&self) -> &str {
        "sum_in_range"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.sum.result.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(sums) = args.args.first() else { return exec_err!("a sum is missing") };
        Ok(ColumnarValue::Array(self.sum.in_range(&sums.to_array(args.number_rows)?)?))
    }
}

impl SumType {
    fn in_range(&self, sums: &ArrayRef) -> Result<ArrayRef> {
        let wide = match sums.data_type() {
            DataType::Decimal256(..) => sums.as_primitive::<Decimal256Type>().clone(),
            _ => sums.as_primitive::<Decimal128Type>().unary(i256::from_i128),
        };
        Ok(match &self.result {
            DataType::Decimal128(precision, _) => {
                let limit = i256::from_i128(10).wrapping_pow(u32::from(*precision));
                let narrow = |v: i256| v.to_i128().filter(|_| v.wrapping_abs() < limit);
                Arc::new(self.each::<Decimal128Type>(&wide, narrow)?.with_data_type(self.result.clone()))
            }
            DataType::UInt64 => {
                Arc::new(self.each::<UInt64Type>(&wide, |v| v.to_i128().and_then(|v| u64::try_from(v).ok()))?)
            }
            _ => {
                let narrow = |v: i256| v.to_i128().and_then(|v| i64::try_from(v).ok());
                cast(&self.each::<Int64Type>(&wide, narrow)?, &self.result)?
            }
        })
    }

    fn each<T: ArrowPrimitiveType>(
        &self,
        wide: &Decimal256Array,
        narrow: impl Fn(i256) -> Option<T::Native>,
    ) -> Result<PrimitiveArray<T>> {
        wide.try_unary(|value| narrow(value).ok_or_else(|| self.out_of_range(value)))
    }

    fn out_of_range(&self, value: i256) -> DataFusionError {
        let scale = if let DataType::Decimal128(_, scale) = self.result { scale } else { 0 };
        let text =
            Decimal256Array::from_value(value, 1).with_data_type(DataType::Decimal256(76, scale)).value_as_string(0);
        let what = if self.mean_digits.is_some() { "mean" } else { "sum" };
        let range = crate::record::type_name(&self.result);
        DataFusionError::Execution(format!("the {what} {text} is out of the range of {range}"))
    }
}
