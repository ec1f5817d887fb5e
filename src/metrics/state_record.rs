//! What the bytes of a step's state mean, as a record of the progress topic: one for each step with state.
//!
//! A run reads state only where its own step means the same by it; whatever is compared here decides that, so
//! everything that changes how bytes are read or what they stand for belongs into a [`StateIdentity`].

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The prefix of the keys of these records; the name under which the state is kept follows.
pub(super) const STATE_KEY_PREFIX: &str = "state/";

/// The version of the records that this program writes, and the greatest that it reads.
pub const STATE_VERSION: u32 = 1;

/// The key of the record of the state that is kept under a name: the first name of its step.
#[must_use]
pub fn state_key(state: &str) -> String {
    format!("{STATE_KEY_PREFIX}{state}")
}

/// A column of a key or of a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateColumn {
    /// What it is computed by.
    pub sql: String,
    /// Its type, or those of its parts.
    #[serde(rename = "type")]
    pub data_type: String,
}

/// What the bytes of a state mean. Two steps with equal identities may read each other's state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateIdentity {
    /// The keyword of the operator, or the kind of a custom one.
    pub operator: String,
    /// The columns of the key.
    pub by: Vec<StateColumn>,
    /// The columns of the value.
    pub values: Vec<StateColumn>,
    /// Which windows the key names, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub windows: Option<String>,
}

/// The state of one step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateRecord {
    /// The version of this record.
    pub version: u32,
    /// What its bytes mean.
    pub identity: StateIdentity,
    /// A digest of the definition of everything that its rows have passed, by name of source or step.
    pub before: BTreeMap<String, String>,
    /// The step that keeps it, where that has another name by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Since when no run has kept it up to date, epoch milliseconds: the pipeline had no such step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_at: Option<i64>,
}

impl StateIdentity {
    /// Why a step with the identity `now` cannot read this state; `None` where it can.
    #[must_use]
    pub fn difference(&self, now: &Self) -> Option<String> {
        if self.operator != now.operator {
            return Some(format!("it was a `{}` and is a `{}`", self.operator, now.operator));
        }
        if self.windows != now.windows {
            let text = |windows: &Option<String>| windows.clone().unwrap_or_else(|| "none".into());
            return Some(format!("its windows were `{}` and are `{}`", text(&self.windows), text(&now.windows)));
        }
        let by = |columns: &[StateColumn]| match columns {
            [] => "not grouped".to_owned(),
            _ => format!("grouped by {}", list(columns)),
        };
        let of_values = |columns: &[StateColumn]| list(columns);
        columns_differ(&self.by, &now.by)
            .map(|types| types.unwrap_or_else(|| format!("it was {} and is {}", by(&self.by), by(&now.by))))
            .or_else(|| {
                columns_differ(&self.values, &now.values).map(|types| {
                    types.unwrap_or_else(|| {
                        format!("it kept {} and keeps {}", of_values(&self.values), of_values(&now.values))
                    })
                })
            })
    }
}

fn list(columns: &[StateColumn]) -> String {
    columns.iter().map(|c| format!("`{}`", c.sql)).collect::<Vec<_>>().join(", ")
}

/// Whether columns differ; where only a type does, in words.
fn columns_differ(was: &[StateColumn], now: &[StateColumn]) -> Option<Option<String>> {
    if was == now {
        return None;
    }
    if !was.iter().map(|c| &c.sql).eq(now.iter().map(|c| &c.sql)) {
        return Some(None);
    }
    let differing = was.iter().zip(now).find(|(was, now)| was != now);
    Some(differing.map(|(was, now)| format!("`{}` was {} and is {}", was.sql, was.data_type, now.data_type)))
}

impl StateRecord {
    /// The step that keeps this state, which is kept under the name `state`.
    #[must_use]
    pub fn step<'a>(&'a self, state: &'a str) -> &'a str {
        self.step.as_deref().unwrap_or(state)
    }

    /// The sources and steps before the step that were defined otherwise, added or removed.
    #[must_use]
    pub fn edited_before(&self, now: &Self) -> Vec<String> {
        let names = self.before.keys().chain(now.before.keys().filter(|name| !self.before.contains_key(*name)));
        names.filter(|name| self.before.get(*name) != now.before.get(*name)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(sql: &str, data_type: &str) -> StateColumn {
        StateColumn { sql: sql.into(), data_type: data_type.into() }
    }

    fn window() -> StateIdentity {
        StateIdentity {
            operator: "window".into(),
            by: vec![column("country", "string")],
            values: vec![column("count(*)", "bigint"), column("sum(v)", "double")],
            windows: Some("tumbling 1m".into()),
        }
    }

    #[test]
    fn a_difference_names_what_was_and_what_is() {
        let of = |edit: fn(&mut StateIdentity)| {
            let mut now = window();
            edit(&mut now);
            window().difference(&now)
        };
        assert_eq!(of(|_| ()), None);
        let words = |edit| of(edit).expect("they differ");
        assert_eq!(words(|i| i.operator = "scan".into()), "it was a `window` and is a `scan`");
        assert_eq!(
            words(|i| i.windows = Some("tumbling 5m".into())),
            "its windows were `tumbling 1m` and are `tumbling 5m`"
        );
        assert_eq!(
            words(|i| i.by = vec![column("customer", "string")]),
            "it was grouped by `country` and is grouped by `customer`"
        );
        assert_eq!(words(|i| i.by.clear()), "it was grouped by `country` and is not grouped");
        assert_eq!(words(|i| i.by[0].data_type = "bigint".into()), "`country` was string and is bigint");
        assert_eq!(words(|i| i.values.reverse()), "it kept `count(*)`, `sum(v)` and keeps `sum(v)`, `count(*)`");
        assert_eq!(words(|i| i.values[1].data_type = "bigint".into()), "`sum(v)` was double and is bigint");
    }

    #[test]
    fn what_was_edited_before_a_step_is_listed_once_each() {
        let record = |before: &[(&str, &str)]| StateRecord {
            before: before.iter().map(|(n, d)| ((*n).into(), (*d).into())).collect(),
            ..StateRecord::default()
        };
        let was = record(&[("a", "1"), ("b", "1"), ("c", "1")]);
        assert_eq!(was.edited_before(&record(&[("a", "1"), ("b", "2"), ("d", "1")])), ["b", "c", "d"]);
    }
}
