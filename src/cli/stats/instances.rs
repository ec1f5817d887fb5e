//! The instances of a group in lines of text: who does what, who is silent, who restores.
//!
//! Separate from the rest of a pipeline's text because where one instance runs alone, as on the embedded
//! log, there is nothing to list.

use super::format::span;
use super::grid::{Cell, Grid, Line, Tone, figures, words};
use crate::cli::output::size;
use crate::metrics::{InstanceState, InstanceStats, Restoring, Snapshot};

/// Tasks, and changelogs that are read back, which are named one by one.
const NAMED: usize = 4;

/// The instances that belong to the run that is shown: one that stopped before the one that was heard last
/// began is an earlier run.
pub(super) fn shown(s: &Snapshot) -> Vec<&InstanceStats> {
    let newest = s.instances.iter().max_by_key(|i| (i.reported_at, i.started_at)).map_or(i64::MIN, |i| i.started_at);
    s.instances.iter().filter(|i| i.stopped_at.is_none_or(|at| at >= newest)).collect()
}

/// A table where there are several; of one alone what it restores.
pub(super) fn lines(s: &Snapshot, width: usize) -> Vec<Line> {
    let all = shown(s);
    if let [only] = &all[..] {
        return match restoring(&only.restoring) {
            Some(text) if only.state == InstanceState::Running => vec![vec![(text, Tone::Warn)]],
            _ => Vec::new(),
        };
    }
    let mut grid = Grid::new([
        words("instance", 0),
        words("state", 0),
        words("tasks", 2),
        figures("memory", 3),
        figures("since", 4),
        figures("heard", 1),
    ]);
    for i in &all {
        let ago = |at: i64| format!("{} ago", span(s.at.saturating_sub(at)));
        grid.row([
            i.name.as_str().into(),
            state(i),
            tasks(&i.tasks).into(),
            i.memory_bytes.map_or_else(|| "-".to_owned(), size).into(),
            ago(i.started_at).into(),
            ago(i.reported_at).into(),
        ]);
    }
    if all.is_empty() { Vec::new() } else { grid.lines(width) }
}

fn state(i: &InstanceStats) -> Cell {
    match i.state {
        InstanceState::Running => match restoring(&i.restoring) {
            Some(text) => Cell(text, Tone::Warn),
            None => Cell("running".into(), Tone::Good),
        },
        InstanceState::Silent => Cell("silent".into(), Tone::Alarm),
        InstanceState::Stopped => Cell("stopped".into(), Tone::Faint),
    }
}

/// What is read back, that which takes longest first.
fn restoring(all: &[Restoring]) -> Option<String> {
    let mut left: Vec<&Restoring> = all.iter().filter(|r| r.done < r.total).collect();
    left.sort_by_key(|r| std::cmp::Reverse(r.total - r.done));
    let named: Vec<String> = left.iter().take(NAMED).map(ToString::to_string).collect();
    let more = left.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!named.is_empty()).then(|| format!("restoring {}{more}", named.join(", ")))
}

fn tasks(all: &[String]) -> String {
    match all {
        [] => "none".into(),
        few if few.len() <= NAMED => few.join(" "),
        many => format!("{} of them", many.len()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::grid::plain;
    use super::*;
    use crate::metrics::{InstanceInfo, Reports};
    use std::collections::BTreeMap;

    const NOW: i64 = 1_700_000_000_000;

    fn instance(name: &str, tasks: &[&str], started: i64, heard: i64) -> InstanceInfo {
        InstanceInfo {
            name: format!("process {name} on a"),
            started_at: NOW - started,
            at: NOW - heard,
            tasks: tasks.iter().map(|t| (*t).to_owned()).collect(),
            memory: 64 << 20,
            ..InstanceInfo::default()
        }
    }

    fn text(instances: Vec<InstanceInfo>) -> Vec<String> {
        let instances = instances.into_iter().map(|i| (i.name.clone(), i)).collect();
        let reports = Reports { instances, ..Reports::default() };
        lines(&Snapshot::of("p", &reports, &BTreeMap::new(), NOW), 1_000).iter().map(plain).collect()
    }

    fn restoring(step: &str, partition: u32, done: u64, total: u64) -> Restoring {
        Restoring { step: step.into(), partition, done, total }
    }

    #[test]
    fn a_group_is_a_table_of_who_does_what() {
        let mut restores = instance("3", &["0/1", "1/1"], 3_000, 500);
        restores.restoring =
            vec![restoring("folded", 1, 5, 5), restoring("counted", 1, 45, 100), restoring("folded", 3, 0, 900)];
        let mut stopped = instance("4", &[], 60_000, 20_000);
        stopped.stopped_at = Some(stopped.at);
        let all = ["0/0", "0/2", "0/3", "1/0", "1/2"];
        let found =
            text(vec![instance("1", &all, 90_000, 1_000), instance("2", &["0/1"], 80_000, 61_000), restores, stopped]);
        let words: Vec<String> = found.iter().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        // The one that stopped did so before the newest began: it was an earlier run.
        assert_eq!(
            words,
            [
                "instance state tasks memory since heard",
                "process 1 on a running 5 of them 64.0 MiB 1m 30s ago 1.0s ago",
                "process 2 on a silent 0/1 64.0 MiB 1m 20s ago 1m 1s ago",
                "process 3 on a restoring folded/3 0 %, counted/1 45 % 0/1 1/1 64.0 MiB 3.0s ago 0.5s ago",
            ]
        );
    }

    #[test]
    fn one_alone_is_listed_only_while_it_restores() {
        assert!(text(Vec::new()).is_empty());
        assert!(text(vec![instance("1", &["0/0"], 9_000, 20)]).is_empty());
        let mut restores = instance("1", &[], 9_000, 20);
        restores.restoring = (0..6).map(|p| restoring("w", p, 45, 100)).collect();
        assert_eq!(text(vec![restores]), ["restoring w/0 45 %, w/1 45 %, w/2 45 %, w/3 45 % and 2 more"]);
    }

    #[test]
    fn those_that_stopped_beside_the_newest_are_listed() {
        let mut stopped = instance("1", &[], 60_000, 4_000);
        stopped.stopped_at = Some(stopped.at);
        let found = text(vec![stopped, instance("2", &["0/0"], 50_000, 100)]);
        assert!(found.len() == 3 && found[1].contains("stopped  none"), "{found:#?}");
    }
}
