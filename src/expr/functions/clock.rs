//! `now()`, `current_timestamp` and `current_date`: the time at each evaluation of a batch.
//!
//! Separate from DataFusion's functions of these names, which are fixed when a query is planned; a stream's
//! query never ends. They are volatile, so nothing folds them into a constant.

use super::Clock;
use crate::record::timestamp;
use arrow_schema::DataType;
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

const DAY: i64 = 86_400_000;

/// The clock of the machine.
pub(super) fn wall() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

pub(super) fn udfs(clock: &Clock) -> [ScalarUDF; 2] {
    [false, true].map(|date| ScalarUDF::new_from_impl(Now::new(clock.clone(), date)))
}

struct Now {
    clock: Clock,
    date: bool,
    signature: Signature,
    aliases: Vec<String>,
}

impl Now {
    fn new(clock: Clock, date: bool) -> Self {
        let alias = if date { "today" } else { "current_timestamp" };
        Self { clock, date, signature: Signature::nullary(Volatility::Volatile), aliases: vec![alias.into()] }
    }
}

impl fmt::Debug for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl PartialEq for Now {
    fn eq(&self, other: &Self) -> bool {
        self.date == other.date && Arc::ptr_eq(&self.clock, &other.clock)
    }
}

impl Eq for Now {}

impl Hash for Now {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.date.hash(state);
    }
}

impl ScalarUDFImpl for Now {
    fn name(&self) -> &str {
        if self.date { "current_date" } else { "now" }
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(if self.date { DataType::Date32 } else { timestamp() })
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let millis = (self.clock)();
        Ok(ColumnarValue::Scalar(if self.date {
            ScalarValue::Date32(i32::try_from(millis.div_euclid(DAY)).ok())
        } else {
            ScalarValue::TimestampMillisecond(Some(millis), Some("UTC".into()))
        }))
    }
}
