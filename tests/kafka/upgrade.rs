//! An upgrade and its rollback under load: two instances are restarted one after the other with an edited file, and later
//! with the file that it was.
//!
//! In between instances of both versions form one group, and partitions with their state pass from one to the other. The
//! edit renames the fold and the window with `was:`, and puts a filter that lets everything pass before the window, so that
//! the results must be those of a run without any of it. Each instance is killed once soon after it has partitions.

use super::broker;
use super::exact;
use super::group::{Group, GroupPlan};

/// Records consumed between two restarts.
const RECORDS_BETWEEN_RESTARTS: i64 = 600;

const MAX_LAG: i64 = 2_000;

/// The edited file: both steps with state have other names, and the rows of the window pass a filter.
fn edited() -> String {
    let passing = "  - {name: passing, from: NAME-in, filter: i >= 0}\n";
    let steps = exact::STEPS
        .replace("name: folded\n", "name: last_of_sensor\n    was: folded\n")
        .replace("{from: folded,", "{from: last_of_sensor,")
        .replace(
            "  - name: counted\n    from: NAME-in\n",
            &format!("{passing}  - name: per_kind\n    was: counted\n    from: passing\n"),
        )
        .replace("{from: counted,", "{from: per_kind,");
    format!("{}{steps}", exact::SOURCE)
}

/// Restarts all instances, one after the other, with another version of the file.
fn roll(group: &mut Group<'_>, pipeline: &str) {
    group.edit(pipeline);
    for _ in 0..group.instances.len() {
        let instance = group.spawn("");
        group.terminate(0);
        group.instances.push(instance);
        group.await_assignment();
        group.await_records(1);
        // Wherever it stands with the state that it takes over, another one goes on.
        group.kill(group.instances.len() - 1);
        group.await_assignment();
        group.await_progress_in(&group.partitions());
        group.await_records(RECORDS_BETWEEN_RESTARTS);
    }
}

#[test]
fn an_upgrade_and_its_rollback_lose_double_and_misread_nothing() {
    let Some(cluster) = broker::shared() else { return };
    let plan = GroupPlan { instances: 2, ..GroupPlan::exact("upgrade", MAX_LAG) };
    let first = plan.pipeline.clone();
    let mut group = Group::running(cluster, plan);
    group.await_assignment();
    group.await_records(RECORDS_BETWEEN_RESTARTS);
    let edited = edited();
    assert!(["was: folded", "was: counted", "from: passing"].iter().all(|part| edited.contains(part)), "{edited}");
    roll(&mut group, &edited);
    roll(&mut group, &first);
    roll(&mut group, &edited);
    let records = group.finish(0);
    println!("{}", group.assert_exactly_once(records));
    let stats: serde_json::Value =
        serde_json::from_str(&group.command(&format!("stats {} --output json", group.name))).unwrap();
    assert_eq!(stats["ledger"]["remainder"], 0, "{stats}");
}
