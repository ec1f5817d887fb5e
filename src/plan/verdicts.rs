//! What becomes of committed state when a plan takes over from another one.

use crate::diagnostics::nearest;
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
    /// The step goes on with what a step of another name has kept, although what is listed before it was edited.
    Moved {
        /// The name that the step had.
        from: String,
        /// What was edited, as in [`Self::Mixed`].
        edited: Vec<String>,
    },
    /// There is none yet.
    New,
    /// The step would misread it; why.
    Refused(String),
    /// The step begins without state, while no step goes on with the state of this name, which means the same.
    Renamed(String),
    /// `was:` of the step names no state.
    Unknown {
        /// The name.
        state: String,
        /// What may be meant: state that no step goes on with.
        meant: Option<String>,
    },
    /// No step has it any more. It stays until it is dropped.
    Orphaned,
}

/// The verdict on each step that has state in one of two plans, by its name: that in the new plan, where it has the step,
/// else the one under which the state is kept.
#[must_use]
pub fn state_verdicts(
    was: &BTreeMap<String, StateRecord>,
    now: &BTreeMap<String, StateRecord>,
) -> BTreeMap<String, StateVerdict> {
    let unused: BTreeMap<&str, &StateRecord> =
        was.iter().filter(|(state, _)| !now.contains_key(*state)).map(|(state, was)| (state.as_str(), was)).collect();
    let mut verdicts: BTreeMap<String, StateVerdict> =
        unused.keys().map(|state| ((*state).to_owned(), StateVerdict::Orphaned)).collect();
    for (state, now) in now {
        let verdict = match was.get(state) {
            Some(was) => of_both(state, was, now),
            None => without_state(state, now, &unused),
        };
        verdicts.insert(now.step(state).to_owned(), verdict);
    }
    verdicts
}

fn of_both(state: &str, was: &StateRecord, now: &StateRecord) -> StateVerdict {
    if let Some(why) = was.identity.difference(&now.identity) {
        return StateVerdict::Refused(why);
    }
    if let Some(at) = was.left_at {
        let at = crate::time::rfc3339(at);
        return StateVerdict::Refused(format!(
            "since {at} the pipeline has run without it, so it lacks what was read since"
        ));
    }
    let (from, edited) = (was.step(state), was.edited_before(now));
    match edited {
        edited if from != now.step(state) => StateVerdict::Moved { from: from.to_owned(), edited },
        edited if edited.is_empty() => StateVerdict::Kept,
        edited => StateVerdict::Mixed(edited),
    }
}

/// The verdict on a step whose state nothing is kept of, among the states that no step goes on with.
fn without_state(state: &str, now: &StateRecord, unused: &BTreeMap<&str, &StateRecord>) -> StateVerdict {
    let fits = |was: &StateRecord| was.left_at.is_none() && was.identity.difference(&now.identity).is_none();
    let alike = || unused.iter().find(|(_, was)| fits(was)).map(|(state, _)| (*state).to_owned());
    if now.step.is_some() && !unused.is_empty() {
        // A step that was renamed twice has kept its state under its first name.
        let first = unused.iter().find(|(_, was)| was.step.as_deref() == Some(state)).map(|(first, _)| *first);
        let near = || nearest(state, unused.keys().copied());
        let meant = first.or_else(near).map(str::to_owned).or_else(alike);
        return StateVerdict::Unknown { state: state.to_owned(), meant };
    }
    alike().map_or(StateVerdict::New, StateVerdict::Renamed)
}

impl StateVerdict {
    /// Whether a run does not begin with such a step.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Renamed(_) | Self::Unknown { .. })
    }

    /// The verdict in one word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Mixed(_) => "mixed",
            Self::New => "new",
            Self::Moved { .. } => "moved",
            Self::Refused(_) | Self::Renamed(_) | Self::Unknown { .. } => "refused",
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
                write!(f, "the step goes on with its state, which holds results from {}", both(edited))
            }
            Self::Moved { from, edited } if edited.is_empty() => {
                write!(f, "the step goes on with the state of `{from}`")
            }
            Self::Moved { from, edited } => {
                write!(f, "the step goes on with the state of `{from}`, which holds results from {}", both(edited))
            }
            Self::Renamed(state) => {
                write!(f, "no step goes on with the state of `{state}`, which means the same: add `was: {state}`")
            }
            Self::Unknown { state, meant: None } => write!(f, "there is no state of `{state}`"),
            Self::Unknown { state, meant: Some(meant) } => {
                write!(f, "there is no state of `{state}`: did you mean `was: {meant}`?")
            }
            Self::New => f.write_str("the step begins without state"),
            Self::Refused(why) => f.write_str(why),
            Self::Orphaned => f.write_str("no step has this state any more; it stays until it is dropped"),
        }
    }
}

fn both(edited: &[String]) -> String {
    let list: Vec<String> = edited.iter().map(|name| format!("`{name}`")).collect();
    format!("before and after the edit of {}", list.join(", "))
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
            ("added", record("sum", "1")),
            ("back", record("scan", "1")),
        ]);
        let found = state_verdicts(&was, &now);
        let words: Vec<_> = found.iter().map(|(step, v)| format!("{step} {}", v.word())).collect();
        assert_eq!(words, ["added new", "back refused", "behind mixed", "gone orphaned", "other refused", "same kept"]);
        assert_eq!(found["behind"], StateVerdict::Mixed(vec!["f".into()]));
        assert!(found["back"].to_string().contains("since 1970-01-01T00:00:00.000Z the pipeline has run without it"));
    }

    #[test]
    fn a_renamed_step_goes_on_with_the_state_that_was_names() {
        let records = |all: Vec<(&str, StateRecord)>| all.into_iter().map(|(n, r)| (n.to_owned(), r)).collect();
        let kept_by = |step: &str, operator: &str, before: &str| StateRecord {
            step: Some(step.to_owned()),
            ..record(operator, before)
        };
        let verdict = |was: Vec<(&str, StateRecord)>, now: Vec<(&str, StateRecord)>, step: &str| {
            state_verdicts(&records(was), &records(now))[step].to_string()
        };
        let first = || vec![("first", record("scan", "1"))];
        let moved = "the step goes on with the state of `first`";
        assert_eq!(verdict(first(), vec![("first", kept_by("second", "scan", "1"))], "second"), moved);
        let edited = verdict(first(), vec![("first", kept_by("second", "scan", "2"))], "second");
        assert_eq!(edited, format!("{moved}, which holds results from before and after the edit of `f`"));
        let back = verdict(vec![("first", kept_by("second", "scan", "1"))], first(), "first");
        assert_eq!(back, "the step goes on with the state of `second`");
        let other = verdict(first(), vec![("first", kept_by("second", "window", "1"))], "second");
        assert_eq!(other, "it was a `scan` and is a `window`");
        let without = verdict(first(), vec![("second", record("scan", "2"))], "second");
        assert_eq!(without, "no step goes on with the state of `first`, which means the same: add `was: first`");
        assert_eq!(
            verdict(first(), vec![("second", record("window", "2"))], "second"),
            "the step begins without state"
        );
        let left = vec![("first", StateRecord { left_at: Some(0), ..record("scan", "1") })];
        assert_eq!(verdict(left, vec![("second", record("scan", "1"))], "second"), "the step begins without state");
        let misspelt = verdict(first(), vec![("frist", kept_by("second", "scan", "1"))], "second");
        assert_eq!(misspelt, "there is no state of `frist`: did you mean `was: first`?");
        let twice = vec![("first", kept_by("second", "scan", "1"))];
        let twice = verdict(twice, vec![("second", kept_by("third", "scan", "1"))], "third");
        assert_eq!(
            twice, "there is no state of `second`: did you mean `was: first`?",
            "state stays under its first name"
        );
        let fresh = verdict(Vec::new(), vec![("first", kept_by("second", "scan", "1"))], "second");
        assert_eq!(fresh, "the step begins without state");
    }
}
