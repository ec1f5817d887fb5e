//! The same rows give the same bits wherever batches are cut and states are stored; and the values are right.
#![allow(clippy::unwrap_used)]

use crate::expr::{AggregateCall, Aggregates, Functions, Scope};
use arrow_array::{Array, ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, RecordBatch};
use arrow_row::{RowConverter, SortField};
use arrow_schema::{DataType, Field, Schema};
use datafusion_expr::EmitTo;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use std::sync::Arc;

/// A row: its group, whether a filter selects it, two doubles, an integer and a decimal.
type Row = (usize, bool, Option<f64>, Option<f64>, Option<i64>, Option<i128>);

const GROUPS: usize = 3;

const CALLS: [&str; 28] = [
    "sum(n)",
    "sum(d)",
    "sum(y)",
    "avg(y)",
    "avg(d)",
    "avg(n)",
    "var(y)",
    "var_pop(y)",
    "stddev(y)",
    "stddev_pop(y)",
    "covar_samp(y, x)",
    "covar_pop(y, x)",
    "corr(y, x)",
    "regr_slope(y, x)",
    "regr_intercept(y, x)",
    "regr_r2(y, x)",
    "regr_avgx(y, x)",
    "regr_avgy(y, x)",
    "regr_sxx(y, x)",
    "regr_syy(y, x)",
    "regr_sxy(y, x)",
    "regr_count(y, x)",
    "sum(DISTINCT y)",
    "avg(DISTINCT y)",
    "var(DISTINCT y)",
    "sum(DISTINCT n)",
    "sum(DISTINCT d)",
    "avg(DISTINCT d)",
];

fn columns() -> Schema {
    Schema::new(vec![
        Field::new("y", DataType::Float64, true),
        Field::new("x", DataType::Float64, true),
        Field::new("n", DataType::Int64, true),
        Field::new("d", DataType::Decimal128(38, 2), true),
    ])
}

fn table(rows: &[Row]) -> RecordBatch {
    let decimals = Decimal128Array::from_iter(rows.iter().map(|r| r.5)).with_precision_and_scale(38, 2).unwrap();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Float64Array::from_iter(rows.iter().map(|r| r.2))),
        Arc::new(Float64Array::from_iter(rows.iter().map(|r| r.3))),
        Arc::new(Int64Array::from_iter(rows.iter().map(|r| r.4))),
        Arc::new(decimals),
    ];
    RecordBatch::try_new(Arc::new(self::columns()), columns).unwrap()
}

fn calls(sqls: &[&str]) -> Aggregates {
    let select: Vec<(&str, &str)> = sqls.iter().map(|sql| (*sql, *sql)).collect();
    let scope = Scope::without_meta(Arc::new(columns()));
    Aggregates::compile(&select, &[], &scope, &Functions::new(), &[]).unwrap()
}

/// The values of a call by group, where rows come in batches of these lengths, and the state is stored after each
/// batch that is marked.
fn fold(call: &AggregateCall, rows: &[Row], cuts: &[(usize, bool)]) -> ArrayRef {
    let mut accumulator = call.accumulator();
    let mut from = 0;
    for (length, commit) in cuts.iter().copied().chain([(rows.len(), true)]) {
        let part = &rows[from..rows.len().min(from + length)];
        from += part.len();
        let table = table(part);
        let by_name = |name: &str| table.column_by_name(name).unwrap().clone();
        let args: Vec<ArrayRef> = call
            .args()
            .iter()
            .map(|arg| match arg.column() {
                Some(name) => by_name(name),
                // An integer that is an argument of a function of doubles.
                None => arrow_cast::cast(&by_name("n"), arg.data_type()).unwrap(),
            })
            .collect();
        let groups: Vec<usize> = part.iter().map(|r| r.0).collect();
        let filter = BooleanArray::from(part.iter().map(|r| r.1).collect::<Vec<_>>());
        accumulator.update_batch(&args, &groups, Some(&filter), GROUPS).unwrap();
        if commit {
            accumulator = reload(call, accumulator.state(EmitTo::All).unwrap());
        }
    }
    accumulator.evaluate(EmitTo::All).unwrap()
}

/// A fresh accumulator with a state that was stored as bytes, one group after the other.
fn reload(call: &AggregateCall, state: Vec<ArrayRef>) -> Box<dyn datafusion_expr::GroupsAccumulator> {
    let fields = call.state_fields().iter().map(|f| SortField::new(f.data_type().clone())).collect();
    let converter = RowConverter::new(fields).unwrap();
    let rows = converter.convert_columns(&state).unwrap();
    let mut loaded = call.accumulator();
    for group in (0..GROUPS).rev() {
        let bytes = rows.row(group).data().to_vec();
        let parsed = converter.convert_rows([converter.parser().parse(&bytes)]).unwrap();
        loaded.merge_batch(&parsed, &[group], GROUPS).unwrap();
    }
    loaded
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let double = || prop_oneof![8 => -1e6..1e6f64, 1 => Just(0.1), 1 => Just(-0.0), 1 => Just(1e15)];
    let double = move || proptest::option::weighted(0.9, double());
    let integer = proptest::option::weighted(0.9, prop_oneof![any::<i64>(), -3..3i64]);
    let decimal = proptest::option::weighted(0.9, prop_oneof![-10i128.pow(37)..10i128.pow(37), -300..300i128]);
    let row = (0..GROUPS, proptest::bool::weighted(0.9), double(), double(), integer, decimal);
    proptest::collection::vec(row, 1..60)
}

proptest! {
    #[test]
    fn results_have_the_same_bits_wherever_batches_and_commits_fall(
        rows in rows(),
        cuts in proptest::collection::vec((0usize..9, any::<bool>()), 0..40),
    ) {
        let compiled = calls(&CALLS);
        prop_assert_eq!(compiled.calls().len(), CALLS.len());
        for (call, sql) in compiled.calls().iter().zip(CALLS) {
            let (whole, cut) = (fold(call, &rows, &[]), fold(call, &rows, &cuts));
            prop_assert_eq!(whole.to_data(), cut.to_data(), "{}", sql);
        }
    }

    #[test]
    fn sums_are_those_of_wider_integers(rows in rows()) {
        let compiled = calls(&["sum(n)"]);
        let sums = fold(&compiled.calls()[0], &rows, &[]);
        let found = &compiled.finish(&[], &[], &[sums])[0];
        for group in 0..GROUPS {
            let numbers: Vec<i64> = rows.iter().filter(|r| r.0 == group && r.1).filter_map(|r| r.4).collect();
            let sum: i128 = numbers.iter().map(|n| i128::from(*n)).sum();
            let expected = i64::try_from(sum).ok().filter(|_| !numbers.is_empty());
            let array = found.array.as_any().downcast_ref::<Int64Array>().unwrap();
            prop_assert_eq!(array.is_valid(group).then(|| array.value(group)), expected);
            let bad = found.bad.iter().find(|b| b.row == group).map(|b| b.error.clone());
            let error = format!("`sum(n)`: the sum {sum} is out of the range of bigint");
            prop_assert_eq!(bad, i64::try_from(sum).is_err().then_some(error));
        }
    }

    #[test]
    fn statistics_are_those_of_two_passes(values in proptest::collection::vec((-1e3..1e3f64, -1e3..1e3f64), 3..40)) {
        let rows: Vec<Row> = values.iter().map(|(y, x)| (0, true, Some(*y), Some(*x), None, None)).collect();
        let compiled = calls(&CALLS);
        let n = values.len() as f64;
        let (my, mx) = (values.iter().map(|v| v.0).sum::<f64>() / n, values.iter().map(|v| v.1).sum::<f64>() / n);
        let sum = |of: &dyn Fn(f64, f64) -> f64| values.iter().map(|(y, x)| of(y - my, x - mx)).sum::<f64>();
        let (syy, sxx, sxy) = (sum(&|y, _| y * y), sum(&|_, x| x * x), sum(&|y, x| y * x));
        for (sql, expected) in [
            ("var(y)", syy / (n - 1.0)),
            ("var_pop(y)", syy / n),
            ("stddev(y)", (syy / (n - 1.0)).sqrt()),
            ("stddev_pop(y)", (syy / n).sqrt()),
            ("covar_samp(y, x)", sxy / (n - 1.0)),
            ("covar_pop(y, x)", sxy / n),
            ("corr(y, x)", sxy / (sxx * syy).sqrt()),
            ("regr_slope(y, x)", sxy / sxx),
            ("regr_intercept(y, x)", my - sxy / sxx * mx),
            ("regr_r2(y, x)", sxy * sxy / (sxx * syy)),
            ("regr_avgx(y, x)", mx),
            ("regr_avgy(y, x)", my),
            ("regr_sxx(y, x)", sxx),
            ("regr_syy(y, x)", syy),
            ("regr_sxy(y, x)", sxy),
        ] {
            let call = &compiled.calls()[CALLS.iter().position(|c| *c == sql).unwrap()];
            let found = fold(call, &rows, &[]);
            let found = found.as_any().downcast_ref::<Float64Array>().unwrap().value(0);
            let scale = 1.0 + expected.abs() + if sql.contains("covar") || sql.contains("sxy") { sxx + syy } else { 0.0 };
            prop_assert!((found - expected).abs() <= 1e-9 * scale, "{sql}: {found}, not {expected}");
        }
    }
}

#[test]
fn statistics_of_too_few_rows_are_null() {
    let one: Vec<Row> = vec![(0, true, Some(2.0), Some(3.0), Some(1), None), (1, true, Some(2.0), None, None, None)];
    let value = |sql: &str, group: usize| {
        let found = fold(&calls(&[sql]).calls()[0], &one, &[]);
        let found = found.as_any().downcast_ref::<Float64Array>().unwrap();
        found.is_valid(group).then(|| found.value(group))
    };
    for sql in ["var(y)", "stddev(y)", "covar_samp(y, x)", "corr(y, x)", "regr_slope(y, x)", "regr_r2(y, x)"] {
        assert_eq!(value(sql, 0), None, "{sql}");
    }
    for (sql, expected) in
        [("var_pop(y)", 0.0), ("covar_pop(y, x)", 0.0), ("regr_avgx(y, x)", 3.0), ("regr_sxx(y, x)", 0.0)]
    {
        assert_eq!(value(sql, 0), Some(expected), "{sql}");
    }
    assert_eq!((value("var_pop(y)", 1), value("regr_avgy(y, x)", 1), value("var_pop(y)", 2)), (Some(0.0), None, None));
}

#[test]
fn a_sum_of_decimals_beyond_38_digits_is_an_error_of_its_group() {
    let most = 10i128.pow(38) - 1;
    let rows: Vec<Row> = [(0, most), (0, 5), (1, most), (1, 5), (1, -5)]
        .map(|(group, d)| (group, true, None, None, None, Some(d)))
        .to_vec();
    let compiled = calls(&["sum(d)"]);
    let sums = fold(&compiled.calls()[0], &rows, &[(1, true), (1, true), (2, true)]);
    let found = &compiled.finish(&[], &[], &[sums])[0];
    assert_eq!(found.array.as_any().downcast_ref::<Decimal128Array>().unwrap().value(1), most);
    let error = "`sum(d)`: the sum 1000000000000000000000000000000000000.04 is out of the range of decimal(38,2)";
    assert_eq!(found.bad.iter().map(|b| (b.row, b.error.as_str())).collect::<Vec<_>>(), [(0, error)]);
}

#[test]
fn a_mean_of_decimals_has_four_more_digits_and_is_an_error_of_its_group_where_they_do_not_fit() {
    let most = 10i128.pow(38) - 1;
    let rows: Vec<Row> = [(0, most), (1, 100), (1, 101), (1, 101), (2, -1), (2, 0), (2, 0)]
        .map(|(group, d)| (group, true, None, None, None, Some(d)))
        .to_vec();
    let compiled = calls(&["avg(d)", "avg(DISTINCT d)"]);
    let means: Vec<ArrayRef> = compiled.calls().iter().map(|c| fold(c, &rows, &[(2, true), (3, false)])).collect();
    let found = compiled.finish(&[], &[], &means);
    let decimals = |i: usize| {
        let array = found[i].array.as_any().downcast_ref::<Decimal128Array>().unwrap();
        (1..GROUPS).map(|group| array.value_as_string(group)).collect::<Vec<_>>()
    };
    assert_eq!(decimals(0), ["1.006666", "-0.003333"]);
    assert_eq!(decimals(1), ["1.005000", "-0.005000"]);
    let error = "`avg(d)`: the mean 999999999999999999999999999999999999.990000 is out of the range of decimal(38,6)";
    assert_eq!(found[0].bad.iter().map(|b| (b.row, b.error.as_str())).collect::<Vec<_>>(), [(0, error)]);
}

#[test]
fn statistics_of_pairs_take_no_distinct() {
    let scope = Scope::without_meta(Arc::new(columns()));
    let error = Aggregates::compile(&[("c", "corr(DISTINCT y, x)")], &[], &scope, &Functions::new(), &[]).unwrap_err();
    assert_eq!(error.1.message, "`corr` takes no DISTINCT");
}
