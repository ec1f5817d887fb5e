//! The instances of a pipeline as lines of text: their tasks, and which are silent or restoring.
//!
//! A single instance is not listed, except while it restores.

use crate::cli::figures::{bytes, duration};
use crate::cli::table::{StyledLine, Table, TableCell, TableColumn, Tone};
use crate::metrics::{FAILED, InstanceState, InstanceStats, RestoreProgress, Snapshot};

/// The number of tasks or changelog partitions that are listed by name.
const MAX_LISTED: usize = 4;

/// A table of several instances, or the restore progress of a single one.
pub(super) fn lines(s: &Snapshot, width: usize) -> Vec<StyledLine> {
    let instances = s.instances_of_last_run();
    if let [only] = &instances[..] {
        return match restoring(&only.restoring) {
            Some(text) if only.state == InstanceState::Running => vec![vec![(text, Tone::Warning)]],
            _ => Vec::new(),
        };
    }
    let mut table = Table::new([
        TableColumn::left("instance"),
        TableColumn::left("state"),
        TableColumn::left("tasks").optional(2),
        TableColumn::right("memory").optional(3),
        TableColumn::right("started").optional(4),
        TableColumn::right("reported").optional(1),
    ]);
    for i in &instances {
        let ago = |at: i64| format!("{} ago", duration(s.at.saturating_sub(at)));
        table.row([
            i.name.as_str().into(),
            state(i),
            tasks(&i.tasks).into(),
            i.memory_bytes.map_or_else(|| "-".to_owned(), bytes).into(),
            ago(i.started_at).into(),
            ago(i.reported_at).into(),
        ]);
    }
    if table.is_empty() { Vec::new() } else { table.lines(width) }
}

fn state(i: &InstanceStats) -> TableCell {
    match i.state {
        InstanceState::Running => match restoring(&i.restoring) {
            Some(text) => TableCell(text, Tone::Warning),
            None => TableCell("running".into(), Tone::Good),
        },
        InstanceState::Silent => TableCell("silent".into(), Tone::Alarm),
        InstanceState::Stopped => match &i.ended {
            Some(why) if why.starts_with(FAILED) => TableCell::from(why.as_str()).toned(Tone::Alarm),
            _ => TableCell("stopped".into(), Tone::Faint),
        },
    }
}

/// The changelog partitions that are being restored, the largest remainder first.
fn restoring(all: &[RestoreProgress]) -> Option<String> {
    let mut left: Vec<&RestoreProgress> = all.iter().filter(|r| r.done < r.total).collect();
    left.sort_by_key(|r| std::cmp::Reverse(r.total - r.done));
    let named: Vec<String> = left.iter().take(MAX_LISTED).map(ToString::to_string).collect();
    let more = left.len().saturating_sub(MAX_LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!named.is_empty()).then(|| format!("restoring {}{more}", named.join(", ")))
}

fn tasks(all: &[String]) -> String {
    match all {
        [] => "none".into(),
        all if all.len() <= MAX_LISTED => all.join(" "),
        all => format!("{} tasks", all.len()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::cli::table::plain;
    use crate::metrics::{InstanceInfo, Reports};
    use std::collections::BTreeMap;

    const NOW: i64 = 1_700_000_000_000;

    fn instance(name: &str, tasks: &[&str], started: i64, reported: i64) -> InstanceInfo {
        InstanceInfo {
            name: format!("process {name} on a"),
            started_at: NOW - started,
            reported_at: NOW - reported,
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

    fn restoring(step: &str, partition: u32, done: u64, total: u64) -> RestoreProgress {
        RestoreProgress { step: step.into(), partition, done, total }
    }

    #[test]
    fn several_instances_are_a_table() {
        let mut restores = instance("3", &["0/1", "1/1"], 3_000, 500);
        restores.restoring =
            vec![restoring("folded", 1, 5, 5), restoring("counted", 1, 45, 100), restoring("folded", 3, 0, 900)];
        let mut stopped = instance("4", &[], 60_000, 20_000);
        stopped.stopped_at = Some(stopped.reported_at);
        let all = ["0/0", "0/2", "0/3", "1/0", "1/2"];
        let found =
            text(vec![instance("1", &all, 90_000, 1_000), instance("2", &["0/1"], 80_000, 61_000), restores, stopped]);
        let words: Vec<String> = found.iter().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        // The stopped instance ended before the newest one started, so it belongs to an earlier run.
        assert_eq!(
            words,
            [
                "instance state tasks memory started reported",
                "process 1 on a running 5 tasks 64.0 MiB 1m 30s ago 1.0s ago",
                "process 2 on a silent 0/1 64.0 MiB 1m 20s ago 1m 1s ago",
                "process 3 on a restoring folded/3 0 %, counted/1 45 % 0/1 1/1 64.0 MiB 3.0s ago 0.5s ago",
            ]
        );
    }

    #[test]
    fn a_single_instance_is_listed_only_while_it_restores() {
        assert!(text(Vec::new()).is_empty());
        assert!(text(vec![instance("1", &["0/0"], 9_000, 20)]).is_empty());
        let mut restores = instance("1", &[], 9_000, 20);
        restores.restoring = (0..6).map(|p| restoring("w", p, 45, 100)).collect();
        assert_eq!(text(vec![restores]), ["restoring w/0 45 %, w/1 45 %, w/2 45 %, w/3 45 % and 2 more"]);
    }

    #[test]
    fn instances_that_stopped_in_the_last_run_are_listed() {
        let mut stopped = instance("1", &[], 60_000, 4_000);
        stopped.stopped_at = Some(stopped.reported_at);
        let found = text(vec![stopped, instance("2", &["0/0"], 50_000, 100)]);
        assert!(found.len() == 3 && found[1].contains("stopped  none"), "{found:#?}");
    }
}
