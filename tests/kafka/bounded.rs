//! Several processes of one pipeline that each run to the end of what is there: what one sends on by key, the
//! others wait for.
//!
//! Separate because such a run ends by itself, and must not end before the others have sent all.

use super::broker;
use super::group::{Group, Plan};

/// Records that are there.
const RECORDS: i64 = 40_000;

#[test]
fn instances_that_run_to_the_end_wait_for_each_other() {
    let Some(cluster) = broker::shared() else { return };
    let mut group = Group::new(cluster, Plan::exact("bounded", 0));
    group.feed.allow(RECORDS);
    group.until("the records to be written", |g| (g.feed.written() >= RECORDS).then_some(()));
    let mut running: Vec<_> = (0..3).map(|_| group.start("--until-end")).collect();
    for instance in &mut running {
        let status = instance.process.wait();
        assert_eq!(status.code(), Some(0), "{}", group.said(&instance.name));
    }
    let records = group.finish(RECORDS);
    println!("bounded: {}", group.exact(records));
}
