//! Where a run begins after other programs have changed the positions of its group: a group that was deleted, and positions
//! that were set as `kafka-consumer-groups --reset-offsets` sets them.

use super::broker;
use super::checker;
use super::topics::{Fixture, PipelineKind};
use crate::harness::wait;
use fastdata::log::Log as _;
use fastdata::record::Offset;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

fn position(fixture: &Fixture<'_>) -> Option<Offset> {
    fixture.log.committed(&fixture.name, &[fixture.at(0)]).unwrap()[0]
}

/// Deletes the group, as expiry does.
fn delete_group(fixture: &Fixture<'_>) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", fixture.cluster.listener("PLAINTEXT")).create().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // The member that has left may be in it for a moment.
    wait::until("the group to be deleted", || {
        let deleted = runtime.block_on(admin.delete_groups(&[&fixture.name], &AdminOptions::new())).unwrap();
        deleted.into_iter().all(|group| group.is_ok()).then_some(())
    });
    assert_eq!(position(fixture), None);
}

/// Sets the position of the group, which has no members, as a plain consumer.
fn set_position(fixture: &Fixture<'_>, to: i64) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", fixture.cluster.listener("PLAINTEXT"))
        .set("group.id", &fixture.name)
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(&fixture.topic("-in"), 0, KafkaOffset::Offset(to)).unwrap();
    wait::until("the position to be set", || consumer.commit(&offsets, CommitMode::Sync).is_ok().then_some(()));
    assert_eq!(position(fixture), Some(Offset(to)));
}

/// A run that ends by name with this hint.
fn assert_refused(fixture: &Fixture<'_>, hint: &str) {
    let refused = fixture.f.args(&fixture.run_args("--until-end")).fails_with(1);
    assert!(
        refused.stderr_text().contains(&format!("\nhint: `--from recorded` goes on at {hint}")),
        "{}",
        refused.stderr_text()
    );
}

fn remainder(fixture: &Fixture<'_>) -> i64 {
    let line = format!("stats {} --output json --brokers {}", fixture.name, fixture.cluster.listener("PLAINTEXT"));
    let stats: serde_json::Value = serde_json::from_str(fixture.f.args(&line).succeeds().stdout_text()).unwrap();
    stats["ledger"]["remainder"].as_i64().unwrap()
}

#[test]
fn a_group_that_was_deleted_goes_on_from_the_record_of_progress() {
    let Some(cluster) = broker::shared() else { return };
    for kind in [PipelineKind::Stateful, PipelineKind::Repartitioned] {
        let fixture = Fixture::new(cluster, kind, 1);
        fixture.feed(0);
        fixture.run_to_end();
        let stood = position(&fixture).unwrap();
        delete_group(&fixture);
        fixture.feed(0);
        assert_refused(&fixture, &stood.to_string());
        fixture.f.args(&fixture.run_args("--until-end --from recorded")).succeeds();
        assert_eq!((checker::count_committed(cluster, &fixture.topic("-out")), remainder(&fixture)), (8, 0));
        // The counts go on: 1 to 8 for the one key, 1 and 2 for each of four.
        let mut counts = Vec::new();
        checker::for_each_committed(cluster, &fixture.topic("-out"), |_, value| {
            counts.push(serde_json::from_slice::<serde_json::Value>(value).unwrap()["c"].as_i64().unwrap());
        });
        counts.sort_unstable();
        let expected = match kind {
            PipelineKind::Repartitioned => vec![1, 1, 1, 1, 2, 2, 2, 2],
            PipelineKind::Stateful | PipelineKind::Stateless => (1..=8).collect(),
        };
        assert_eq!(counts, expected);
        fixture.run_to_end();
        assert_eq!(checker::count_committed(cluster, &fixture.topic("-out")), 8);
    }
}

#[test]
fn positions_that_were_set_hold_without_state_and_are_refused_with_it() {
    let Some(cluster) = broker::shared() else { return };
    let fixture = Fixture::new(cluster, PipelineKind::Stateless, 1);
    fixture.feed(0);
    fixture.run_to_end();
    set_position(&fixture, 1);
    fixture.run_to_end();
    assert_eq!((checker::count_committed(cluster, &fixture.topic("-out")), remainder(&fixture)), (4 + 3, 0));

    let fixture = Fixture::new(cluster, PipelineKind::Stateful, 1);
    fixture.feed(0);
    fixture.run_to_end();
    let stood = position(&fixture).unwrap();
    set_position(&fixture, 1);
    assert_refused(&fixture, &format!("{stood} with the state kept"));
    fixture.f.args(&fixture.run_args("--until-end --from recorded")).succeeds();
    assert_eq!(checker::count_committed(cluster, &fixture.topic("-out")), 4);
    assert!(position(&fixture) >= Some(stood));
    let at = format!("{{\"{}\": {{\"0\": 1}}}}", fixture.topic("-in"));
    fixture.f.file("at.json", &at);
    fixture.f.args(&fixture.run_args("--until-end --from at.json")).succeeds();
    assert_eq!((checker::count_committed(cluster, &fixture.topic("-out")), remainder(&fixture)), (4 + 3, 0));
}
