//! Variances, covariances, correlation and regression of floating-point numbers.
//!
//! One pass over the rows in log order, by Welford's method. A stored state is loaded into a group without rows
//! as it is: merging it with nothing by the formula for two groups would round.

use super::{column, doubles, for_selected, state_field, state_of_rows};
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, UInt64Array};
use arrow_schema::{DataType, FieldRef};
use datafusion_common::Result;
use datafusion_expr::{EmitTo, GroupsAccumulator};
use std::sync::Arc;

/// A statistic; those of two columns take the dependent one, `y`, first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::expr) enum Moment {
    VarSamp,
    VarPop,
    StddevSamp,
    StddevPop,
    CovarSamp,
    CovarPop,
    Corr,
    RegrSlope,
    RegrIntercept,
    RegrCount,
    RegrR2,
    RegrAvgX,
    RegrAvgY,
    RegrSxx,
    RegrSyy,
    RegrSxy,
}

impl Moment {
    /// That of a function's canonical name.
    pub(super) fn named(function: &str) -> Option<Self> {
        Some(match function {
            "var" => Self::VarSamp,
            "var_pop" => Self::VarPop,
            "stddev" => Self::StddevSamp,
            "stddev_pop" => Self::StddevPop,
            "covar_samp" => Self::CovarSamp,
            "covar_pop" => Self::CovarPop,
            "corr" => Self::Corr,
            "regr_slope" => Self::RegrSlope,
            "regr_intercept" => Self::RegrIntercept,
            "regr_count" => Self::RegrCount,
            "regr_r2" => Self::RegrR2,
            "regr_avgx" => Self::RegrAvgX,
            "regr_avgy" => Self::RegrAvgY,
            "regr_sxx" => Self::RegrSxx,
            "regr_syy" => Self::RegrSyy,
            "regr_sxy" => Self::RegrSxy,
            _ => return None,
        })
    }

    fn takes_pairs(self) -> bool {
        !matches!(self, Self::VarSamp | Self::VarPop | Self::StddevSamp | Self::StddevPop)
    }

    pub(super) fn data_type(self) -> DataType {
        if self == Self::RegrCount { DataType::UInt64 } else { DataType::Float64 }
    }

    pub(super) fn state_fields(self) -> Vec<FieldRef> {
        let doubles: &[&str] =
            if self.takes_pairs() { &["mean_y", "mean_x", "m2_y", "m2_x", "co_moment"] } else { &["mean", "m2"] };
        let doubles = doubles.iter().map(|name| state_field(name, DataType::Float64));
        [state_field("count", DataType::UInt64)].into_iter().chain(doubles).collect()
    }

    /// The statistic of a group, if it has one.
    pub(super) fn of(self, sums: &Moments) -> Option<f64> {
        let n = sums.count as f64;
        let from = |least: u64, value: f64| (sums.count >= least).then_some(value);
        // A line through two points or more that are not above one another.
        let line = |value: f64| (sums.count > 1 && sums.m2_x != 0.0).then_some(value);
        let slope = sums.co_moment / sums.m2_x;
        match self {
            Self::VarSamp => from(2, sums.m2_y / (n - 1.0)),
            Self::VarPop => from(1, sums.m2_y / n),
            Self::StddevSamp => from(2, (sums.m2_y / (n - 1.0)).sqrt()),
            Self::StddevPop => from(1, (sums.m2_y / n).sqrt()),
            Self::CovarSamp => from(2, sums.co_moment / (n - 1.0)),
            Self::CovarPop => from(1, sums.co_moment / n),
            Self::Corr => line(sums.co_moment / sums.m2_x.sqrt() / sums.m2_y.sqrt())
                .filter(|_| sums.m2_y != 0.0)
                .map(|r| r.clamp(-1.0, 1.0)),
            Self::RegrSlope => line(slope),
            Self::RegrIntercept => line(sums.mean_y - slope * sums.mean_x),
            Self::RegrR2 => {
                line(sums.co_moment / sums.m2_x * (sums.co_moment / sums.m2_y)).filter(|_| sums.m2_y != 0.0)
            }
            Self::RegrCount => from(0, n),
            Self::RegrAvgX => from(1, sums.mean_x),
            Self::RegrAvgY => from(1, sums.mean_y),
            Self::RegrSxx => from(1, sums.m2_x),
            Self::RegrSyy => from(1, sums.m2_y),
            Self::RegrSxy => from(1, sums.co_moment),
        }
    }
}

/// What is known of the rows of a group: their number, the means, and the sums of the products of what the values
/// differ from the means. Of one column only `y` is used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Moments {
    count: u64,
    mean_y: f64,
    mean_x: f64,
    m2_y: f64,
    m2_x: f64,
    co_moment: f64,
}

impl Moments {
    pub(super) fn add(&mut self, y: f64) {
        self.count += 1;
        let before = y - self.mean_y;
        self.mean_y += before / self.count as f64;
        self.m2_y += before * (y - self.mean_y);
    }

    fn add_pair(&mut self, y: f64, x: f64) {
        self.add(y);
        let before = x - self.mean_x;
        self.mean_x += before / self.count as f64;
        self.m2_x += before * (x - self.mean_x);
        self.co_moment += before * (y - self.mean_y);
    }

    /// Adds the rows of another group.
    fn merge(&mut self, other: &Self) {
        if self.count == 0 || other.count == 0 {
            *self = if self.count == 0 { *other } else { *self };
            return;
        }
        let (n, m) = (self.count as f64, other.count as f64);
        let (dy, dx) = (other.mean_y - self.mean_y, other.mean_x - self.mean_x);
        let weight = n * m / (n + m);
        self.count += other.count;
        self.mean_y += dy * m / (n + m);
        self.mean_x += dx * m / (n + m);
        self.m2_y += other.m2_y + dy * dy * weight;
        self.m2_x += other.m2_x + dx * dx * weight;
        self.co_moment += other.co_moment + dx * dy * weight;
    }
}

/// The accumulator of one statistic.
pub(super) struct MomentAccumulator {
    moment: Moment,
    groups: Vec<Moments>,
}

impl MomentAccumulator {
    pub(super) fn new(moment: Moment) -> Self {
        Self { moment, groups: Vec::new() }
    }
}

impl GroupsAccumulator for MomentAccumulator {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total_groups: usize,
    ) -> Result<()> {
        self.groups.resize(total_groups, Moments::default());
        let y: &Float64Array = column(values, 0)?;
        if !self.moment.takes_pairs() {
            for_selected(groups, filter, |row, group| {
                if y.is_valid(row) {
                    self.groups[group].add(y.value(row));
                }
            });
            return Ok(());
        }
        let x: &Float64Array = column(values, 1)?;
        for_selected(groups, filter, |row, group| {
            if y.is_valid(row) && x.is_valid(row) {
                self.groups[group].add_pair(y.value(row), x.value(row));
            }
        });
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let groups = emit_to.take_needed(&mut self.groups);
        if self.moment == Moment::RegrCount {
            return Ok(Arc::new(UInt64Array::from_iter_values(groups.iter().map(|g| g.count))));
        }
        Ok(doubles(groups.iter().map(|g| self.moment.of(g))))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let groups = emit_to.take_needed(&mut self.groups);
        let column =
            |of: fn(&Moments) -> f64| -> ArrayRef { Arc::new(Float64Array::from_iter_values(groups.iter().map(of))) };
        let counts: ArrayRef = Arc::new(UInt64Array::from_iter_values(groups.iter().map(|g| g.count)));
        if !self.moment.takes_pairs() {
            return Ok(vec![counts, column(|g| g.mean_y), column(|g| g.m2_y)]);
        }
        let of_y_and_x = [column(|g| g.mean_y), column(|g| g.mean_x), column(|g| g.m2_y), column(|g| g.m2_x)];
        Ok([counts].into_iter().chain(of_y_and_x).chain([column(|g| g.co_moment)]).collect())
    }

    fn merge_batch(&mut self, state: &[ArrayRef], groups: &[usize], total_groups: usize) -> Result<()> {
        self.groups.resize(total_groups, Moments::default());
        let counts: &UInt64Array = column(state, 0)?;
        let values = (1..state.len()).map(|i| column::<Float64Array>(state, i)).collect::<Result<Vec<_>>>()?;
        for (row, group) in groups.iter().enumerate() {
            let count = counts.value(row);
            let stored = match values[..] {
                [mean, m2] => Moments { count, mean_y: mean.value(row), m2_y: m2.value(row), ..Moments::default() },
                [mean_y, mean_x, m2_y, m2_x, co_moment] => Moments {
                    count,
                    mean_y: mean_y.value(row),
                    mean_x: mean_x.value(row),
                    m2_y: m2_y.value(row),
                    m2_x: m2_x.value(row),
                    co_moment: co_moment.value(row),
                },
                _ => return datafusion_common::internal_err!("a state has {} columns", state.len()),
            };
            self.groups[*group].merge(&stored);
        }
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        state_of_rows(Self::new(self.moment), values, filter)
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<Moments>()
    }
}
