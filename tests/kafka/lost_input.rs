//! `run --on-lost-input skip` on Kafka: records of a source are deleted before they are read.

use super::broker;
use super::checker;
use super::topics::{Fixture, PipelineKind};
use crate::harness::wait;
use fastdata::log::{Log as _, Start};
use fastdata::record::Offset;

/// The number of offsets between the committed position and the oldest record, once the group has stopped.
fn gap_before(fixture: &Fixture<'_>, oldest: i64) -> i64 {
    let committed = fixture.log.committed(&fixture.name, &[fixture.at(0)]).unwrap();
    oldest - committed[0].unwrap().0
}

fn lost_offsets(fixture: &Fixture<'_>) -> i64 {
    let line = format!("stats {} --output json --brokers {}", fixture.name, fixture.cluster.listener("PLAINTEXT"));
    let stats = fixture.f.args(&line).succeeds();
    let stats: serde_json::Value = serde_json::from_str(stats.stdout_text()).unwrap();
    assert_eq!(stats["ledger"]["remainder"], 0, "{stats}");
    stats["ledger"]["lost_offsets"].as_i64().unwrap()
}

#[test]
fn records_deleted_before_they_were_read_are_skipped_on_request() {
    let Some(cluster) = broker::shared() else { return };
    for delivery in ["exactly_once", "at_least_once", "at_most_once"] {
        let fixture = Fixture::new(cluster, PipelineKind::Stateful, 1);
        let text = std::fs::read_to_string(fixture.f.dir().join("p.yaml")).unwrap();
        fixture.f.file("p.yaml", &format!("{text}delivery: {delivery}\n"));
        let await_end = |end: i64| {
            wait::until("the marker of the last transaction", || {
                (fixture.log.resolve(&fixture.at(0), Start::Latest).unwrap() == Offset(end)).then_some(())
            });
        };
        let skipping = "--on-lost-input skip";
        fixture.feed(0);
        await_end(5);
        fixture.run_to_end();
        // Between two runs.
        fixture.feed(0);
        await_end(10);
        fixture.log.delete_records(&[(fixture.at(0), Offset(7))]).unwrap();
        let gap = gap_before(&fixture, 7);
        assert!((2..=3).contains(&gap), "the position is before or after the marker: {gap}");
        fixture.f.args(&fixture.run_args(&format!("--until-end {skipping}"))).succeeds();
        assert_eq!(lost_offsets(&fixture), gap, "{delivery}");
        assert_eq!(checker::count_committed(cluster, &fixture.topic("-out")), 4 + 2, "{delivery}");
        // While a run is suspended.
        let mut run = fixture.f.start(&fixture.run_args(skipping));
        fixture.feed(0);
        fixture.await_results(&mut run, 4 + 2 + 4);
        wait::until("the position after the results", || {
            let committed = fixture.log.committed(&fixture.name, &[fixture.at(0)]).unwrap();
            (committed[0] >= Some(Offset(14))).then_some(())
        });
        run.suspend();
        fixture.feed(0);
        await_end(20);
        fixture.log.delete_records(&[(fixture.at(0), Offset(18))]).unwrap();
        run.signal("CONT");
        fixture.await_results(&mut run, 4 + 2 + 4 + 1);
        run.signal("TERM");
        assert_eq!(run.wait().code(), Some(0), "{}", run.stderr_text());
        let lost = lost_offsets(&fixture) - gap;
        assert!((3..=4).contains(&lost), "{delivery}: the position was before or after the marker: {lost}");
        assert_eq!(checker::count_committed(cluster, &fixture.topic("-out")), 4 + 2 + 4 + 1, "{delivery}");
    }
}
