//! The other instances of a group: which of them come and which go.
//!
//! An instance is at work if it reports again: its clock may differ from the one of this machine.

use crate::metrics::InstanceInfo;
use std::collections::BTreeMap;

/// What is known of the other instances.
#[derive(Debug, Default)]
pub(in crate::runtime) struct OtherInstances {
    /// By name; `None` before the first look.
    known: Option<BTreeMap<String, OtherInstance>>,
}

#[derive(Debug)]
struct OtherInstance {
    reported_at: i64,
    at_work: bool,
}

impl OtherInstances {
    /// Takes in what the instances report of themselves, and returns a line for each that has come or gone. `is_last`
    /// says that one without a report since the last look is gone.
    pub(in crate::runtime) fn update(
        &mut self,
        instances: &BTreeMap<String, InstanceInfo>,
        own: &str,
        is_last: bool,
    ) -> Vec<String> {
        let is_first = self.known.is_none();
        let known = self.known.get_or_insert_default();
        let mut lines = Vec::new();
        for (name, info) in instances.iter().filter(|(name, _)| *name != own) {
            let is_new = !is_first && !known.contains_key(name);
            let other =
                known.entry(name.clone()).or_insert(OtherInstance { reported_at: info.reported_at, at_work: false });
            let has_reported = is_new || other.reported_at != info.reported_at;
            other.reported_at = info.reported_at;
            let at_work = match info.stopped_at {
                Some(_) => false,
                None => has_reported || (other.at_work && !is_last),
            };
            match (std::mem::replace(&mut other.at_work, at_work), at_work) {
                (false, true) => lines.push(format!("instance `{name}` is at work in the group")),
                (true, false) => lines.push(match (info.stopped_at, &info.ended) {
                    (Some(_), Some(why)) => format!("instance `{name}` has left the group: {why}"),
                    (Some(_), None) => format!("instance `{name}` has left the group"),
                    (None, _) => format!("instance `{name}` is gone: it does not report any more"),
                }),
                (true, true) | (false, false) => {}
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(name: &str, reported_at: i64) -> (String, InstanceInfo) {
        (name.into(), InstanceInfo { name: name.into(), reported_at, ..InstanceInfo::default() })
    }

    fn stopped(name: &str, at: i64) -> (String, InstanceInfo) {
        let (name, info) = report(name, at);
        (name, InstanceInfo { stopped_at: Some(at), ended: Some("stopped".into()), ..info })
    }

    #[test]
    fn an_instance_has_one_line_when_it_comes_and_one_when_it_goes() {
        let mut others = OtherInstances::default();
        let mut look = |instances: &[(String, InstanceInfo)], is_last| {
            others.update(&instances.iter().cloned().collect(), "own", is_last)
        };
        let none: [&str; 0] = [];
        assert_eq!(look(&[report("own", 1), report("killed", 1), stopped("old", 1)], false), none, "may be long gone");
        assert_eq!(
            look(&[report("own", 2), report("killed", 1), report("a", 2), stopped("old", 1)], false),
            ["instance `a` is at work in the group"]
        );
        assert_eq!(look(&[report("a", 2), report("b", 9)], false), ["instance `b` is at work in the group"]);
        assert_eq!(look(&[report("a", 3), report("b", 9)], false), none);
        assert_eq!(
            look(&[report("a", 4), report("b", 9)], true),
            ["instance `b` is gone: it does not report any more"]
        );
        assert_eq!(look(&[stopped("a", 5), report("b", 9)], false), ["instance `a` has left the group: stopped"]);
        assert_eq!(look(&[stopped("a", 5), report("b", 9)], true), none);
        assert_eq!(look(&[report("a", 6)], false), ["instance `a` is at work in the group"]);
    }
}
