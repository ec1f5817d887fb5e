//! The list argument of `argmax` and `softmax`.
//!
//! Both accept lists of any number type, null or not. The values of a list of doubles are never copied.

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Float64Array, GenericListArray};
use arrow_cast::cast;
use arrow_schema::{DataType, Field};
use datafusion_common::{Result, plan_err};
use datafusion_expr::ColumnarValue;
use std::sync::Arc;

/// `list<double>`.
pub(super) fn list_of_doubles() -> DataType {
    DataType::List(Arc::new(Field::new("item", DataType::Float64, true)))
}

/// Checks the argument and returns the type that it is cast to.
pub(super) fn coerce(name: &str, args: &[DataType]) -> Result<Vec<DataType>> {
    let item = match args {
        [DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _)] => f.data_type(),
        [DataType::Null] => &DataType::Float64,
        [other] => return plan_err!("`{name}` takes a list of numbers, not {other}"),
        _ => return plan_err!("`{name}` takes one list of numbers, not {} arguments", args.len()),
    };
    match item.is_numeric() || item.is_null() {
        true => Ok(vec![list_of_doubles()]),
        false => plan_err!("`{name}` takes a list of numbers, not a list of {item}"),
    }
}

/// The lists of a call's argument, one per row.
pub(super) fn lists(args: &[ColumnarValue], rows: usize) -> Result<NumberLists> {
    let Some(arg) = args.first() else { return plan_err!("a list of numbers is missing") };
    let array = cast(&arg.to_array(rows)?, &list_of_doubles())?;
    Ok(NumberLists(array))
}

pub(super) struct NumberLists(ArrayRef);

impl NumberLists {
    pub(super) fn list(&self) -> &GenericListArray<i32> {
        self.0.as_list()
    }

    /// The values of all lists, back to back.
    pub(super) fn values(&self) -> &Float64Array {
        self.list().values().as_primitive::<Float64Type>()
    }

    /// The range of each row in [`Self::values`]; `None` for a null list.
    pub(super) fn rows(&self) -> impl Iterator<Item = Option<std::ops::Range<usize>>> {
        let list = self.list();
        let offsets = list.value_offsets();
        // Offsets of a list are never negative and never decrease.
        let at = move |i: usize| usize::try_from(offsets[i]).unwrap_or_default();
        (0..list.len()).map(move |i| list.is_valid(i).then(|| at(i)..at(i + 1)))
    }
}
