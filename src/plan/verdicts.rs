//! What becomes of committed state when a plan takes over from another one.

use crate::metrics::StateRecord;
use std::collections::BTreeMap;
use std::fmt;

/// What becomes of the state of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateVerdict {
    /// The step goes on with it.
    Kept,
    /// The step goes on with it, although these sources and steps before it were edited: it holds the results of both.
    Mixed(Vec<String>),
    /// There is none yet.
    New,
    /// The step would misread it; why.
    Refused(String),
    /// No step has it any more. It stays until it is dropped.
    Orphaned,
}

/// The verdict on each step that has state in one of two plans, by name.
#[must_use]
pub fn state_verdicts(
    was: &BTreeMap<String, StateRecord>,
    now: &BTreeMap<String, StateRecord>,
) -> BTreeMap<String, StateVerdict> {
    let verdict = |step: &String| match (was.get(step), now.get(step)) {
        (Some(was), Some(now)) => of_both(was, now),
        (Some(_), None) => StateVerdict::Orphaned,
        (None, _) => StateVerdict::New,
    };
    was.keys().chain(now.keys()).map(|step| (step.clone(), verdict(step))).collect()
}

fn of_both(was: &StateRecord, now: &StateRecord) -> StateVerdict {
    if let Some(why) = was.identity.difference(&now.identity) {
        return StateVerdict::Refused(why);
    }
    if let Some(at) = was.left_at {
        let at = crate::time::rfc3339(at);
        return StateVerdict::Refused(format!(
            "since {at} the pipeline has run without it, so it lacks what was read since"
        ));
    }
    match was.edited_before(now) {
        edited if edited.is_empty() => StateVerdict::Kept,
        edited => StateVerdict::Mixed(edited),
    }
}

impl StateVerdict {
    /// The verdict in one word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Mixed(_) => "mixed",
            Self::New => "new",
            Self::Refused(_) => "refused",
            Self::Orphaned => "orphaned",
        }
    }
}

/// What it means for the step.
impl fmt::Display for StateVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept => f.write_str("the step goes on with its state"),
            Self::Mixed(edited) => {
                let list: Vec<String> = edited.iter().map(|name| format!("`{name}`")).collect();
                write!(
                    f,
                    "the step goes on with its state, which holds results from before and after the edit of {}",
                    list.join(", ")
                )
            }
            Self::New => f.write_str("the step begins without state"),
            Self::Refused(why) => f.write_str(why),
            Self::Orphaned => f.write_str("no step has this state any more; it stays until it is dropped"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::StateIdentity;

    fn record(operator: &str, before: &str) -> StateRecord {
        StateRecord {
            identity: StateIdentity { operator: operator.into(), ..StateIdentity::default() },
            before: [("f".to_owned(), before.to_owned())].into(),
            ..StateRecord::default()
        }
    }

    #[test]
    fn each_step_of_either_plan_has_a_verdict() {
        let records = |all: Vec<(&str, StateRecord)>| all.into_iter().map(|(n, r)| (n.to_owned(), r)).collect();
        let was = records(vec![
            ("same", record("scan", "1")),
            ("behind", record("scan", "1")),
            ("other", record("scan", "1")),
            ("gone", record("scan", "1")),
            ("back", StateRecord { left_at: Some(0), ..record("scan", "1") }),
        ]);
        let now = records(vec![
            ("same", record("scan", "1")),
            ("behind", record("scan", "2")),
            ("other", record("window", "1")),
            ("added", record("scan", "1")),
            ("back", record("scan", "1")),
        ]);
        let found = state_verdicts(&was, &now);
        let words: Vec<_> = found.iter().map(|(step, v)| format!("{step} {}", v.word())).collect();
        assert_eq!(words, ["added new", "back refused", "behind mixed", "gone orphaned", "other refused", "same kept"]);
        assert_eq!(found["behind"], StateVerdict::Mixed(vec!["f".into()]));
        assert!(found["back"].to_string().contains("since 1970-01-01T00:00:00.000Z the pipeline has run without it"));
    }
}
