//! What an instance of a group logs of its life: its tasks, and who comes and goes.

use super::broker;
use super::group::{FAST_FAILOVER, Group, GroupPlan};

/// Asserts that these parts of lines occur in this order.
fn assert_in_order(log: &str, parts: &[&str]) {
    let mut rest = log;
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { panic!("no `{part}` after the parts before it:\n{log}") };
        rest = after;
    }
}

#[test]
fn instances_that_come_and_go_are_logged() {
    let Some(cluster) = broker::shared() else { return };
    let args = FAST_FAILOVER.to_owned();
    let mut group = Group::new(cluster, GroupPlan { args, ..GroupPlan::exact("life", 2_000) });
    for name in ["one", "two"] {
        let instance = group.spawn(&format!("--instance-name {name}"));
        group.instances.push(instance);
        group.await_assignment();
        group.await_records(100);
    }
    let one = group.instances[0].name.clone();
    let said = |g: &Group<'_>, text: &str| g.log_of(&one).contains(text).then_some(());
    group.wait_until("the line about the instance that came", |g| said(g, "instance `two` is at work in the group"));
    group.terminate(1);
    group
        .wait_until("the line about the instance that went", |g| said(g, "instance `two` has left the group: stopped"));
    let records = group.finish(0);
    let log = group.log_of(&one);
    let (start, anew) = (
        format!("`{}` starts on {}: fastdata ", group.name, cluster.listener("PLAINTEXT")),
        format!("`{}`: the group assigns its partitions anew", group.name),
    );
    let (tasks, end) = (format!("`{}` has ", group.name), format!("`{}` has ended: stopped", group.name));
    let (came, went) = ("instance `two` is at work in the group", "instance `two` has left the group: stopped");
    assert_in_order(&log, &[&start, &tasks, &anew, &tasks, came, &anew, went, &end]);
    for line in [came, went, &*end] {
        assert_eq!(log.matches(line).count(), 1, "{line}\n{log}");
    }
    group.assert_exactly_once(records);
}
