//! `now()`, `current_timestamp` and `current_date`: the time at each evaluation of a batch.
//!
//! They replace DataFusion's functions of these names, which are fixed when a query is planned: a stream's
//! query never ends. They are volatile, so that nothing folds them into a constant.

use super::TimeSource;
use crate::record::timestamp;
use arrow_schema::DataType;
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

const MILLIS_PER_DAY: i64 = 86_400_000;

/// The clock of the machine.
pub(super) fn wall_clock() -> TimeSource {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

pub(super) fn udfs(time: &TimeSource) -> [ScalarUDF; 2] {
    [false, true].map(|is_date| ScalarUDF::new_from_impl(CurrentTime::new(time.clone(), is_date)))
}

struct CurrentTime {
    time: TimeSource,
    is_date: bool,
    signature: Signature,
    aliases: Vec<String>,
}

impl CurrentTime {
    fn new(time: TimeSource, is_date: bool) -> Self {
        let alias = if is_date { "today" } else { "current_timestamp" };
        Self { time, is_date, signature: Signature::nullary(Volatility::Volatile), aliases: vec![alias.into()] }
    }
}

impl fmt::Debug for CurrentTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl PartialEq for CurrentTime {
    fn eq(&self, other: &Self) -> bool {
        self.is_date == other.is_date && Arc::ptr_eq(&self.time, &other.time)
    }
}

impl Eq for CurrentTime {}

impl Hash for CurrentTime {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.is_date.hash(state);
    }
}

impl ScalarUDFImpl for CurrentTime {
    fn name(&self) -> &str {
        if self.is_date { "current_date" } else { "now" }
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(if self.is_date { DataType::Date32 } else { timestamp() })
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let millis = (self.time)();
        Ok(ColumnarValue::Scalar(if self.is_date {
            ScalarValue::Date32(i32::try_from(millis.div_euclid(MILLIS_PER_DAY)).ok())
        } else {
            ScalarValue::TimestampMillisecond(Some(millis), Some("UTC".into()))
        }))
    }
}
