//! The newest results of the windows, as lines of text.

use crate::cli::read_topic;
use crate::log::{self, Log};
use arrow_array::Array as _;
use serde_json::Value;

/// The results of the newest windows, oldest first.
pub(super) fn newest(log: &dyn Log, topic: &str, count: usize) -> anyhow::Result<String> {
    let mut lines: Vec<String> = Vec::new();
    read_topic::read_all(log, &log::topic(log, topic)?, |fetched| {
        let values = &fetched.records.values;
        for row in (0..values.len()).filter(|r| values.is_valid(*r)) {
            lines.push(line(&serde_json::from_slice(values.value(row))?));
        }
        Ok(())
    })?;
    // A line starts with its minute.
    lines.sort();
    let first = lines.len().saturating_sub(count);
    Ok(lines.into_iter().skip(first).collect())
}

fn line(result: &Value) -> String {
    let number = |name: &str| result[name].as_f64().unwrap_or(f64::NAN);
    let minute = result["window_start"].as_str().and_then(|t| t.get(..16)).unwrap_or_default();
    let (grade, wines, alcohol) = (number("quality"), number("wines"), number("mean_alcohol"));
    format!("  {minute}  grade {grade}  {wines:>4} wines  mean alcohol {alcohol:.2}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_a_line() {
        let result = serde_json::json!({"quality": 2.0, "wines": 174, "mean_alcohol": 11.652_2, "window_start": "2026-01-01T00:43:00.000Z"});
        assert_eq!(line(&result), "  2026-01-01T00:43  grade 2   174 wines  mean alcohol 11.65\n");
    }
}
