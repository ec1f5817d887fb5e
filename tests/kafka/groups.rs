//! Several members of one group: partitions move, and nothing is committed twice or by the wrong one.
//!
//! Separate from conformance because the embedded log has one member only.

use super::broker::{self, Cluster};
use crate::harness::wait;
use fastdata::log::kafka::{KafkaLog, Settings};
use fastdata::log::{
    Append, Committer, Delivery, FetchLimit, GroupEvent, GroupSpec, Log, LogError, LogResult, Member, Recovery, Start,
    TopicConfig, Transaction,
};
use fastdata::record::{Offset, Records, RecordsBuilder, TopicPartition};
use std::time::Duration;

const BRIEF: Duration = Duration::from_millis(50);

pub fn records(words: &[String]) -> Records {
    let mut b = RecordsBuilder::default();
    words.iter().for_each(|w| b.push(Some(b"k"), Some(w.as_bytes()), 1_700_000_000_000));
    b.finish()
}

/// All committed values of a partition, in order.
pub fn values(log: &KafkaLog, at: &TopicPartition) -> Vec<String> {
    let (from, end) = (log.resolve(at, Start::Earliest).unwrap(), log.resolve(at, Start::Latest).unwrap());
    let mut reader = log.reader(&[(at.clone(), from)]).unwrap();
    let mut all = Vec::new();
    wait::until(&format!("offset {end} of {at}"), || {
        if let Some(fetched) = reader.poll(FetchLimit::default(), BRIEF).unwrap() {
            all.extend(fetched.records.values.iter().map(|v| String::from_utf8(v.unwrap().to_vec()).unwrap()));
        }
        (reader.positions()[0].1 >= end).then_some(())
    });
    all
}

/// A topic of some partitions, and one for results.
pub fn topics(cluster: &Cluster, log: &KafkaLog, partitions: u32) -> (String, TopicPartition, GroupSpec) {
    let (input, output) = (cluster.name("in"), cluster.name("out"));
    log.create_topic(&input, &TopicConfig { partitions, ..TopicConfig::default() }).unwrap();
    log.create_topic(&output, &TopicConfig { partitions: 1, ..TopicConfig::default() }).unwrap();
    let topics = vec![input.as_str().into()];
    let spec = GroupSpec { group: cluster.name("group"), topics, instance: "test".into(), ..GroupSpec::default() };
    (input, TopicPartition::new(output, 0), spec)
}

pub fn assigned(member: &mut dyn Member) -> Vec<(TopicPartition, Option<Offset>)> {
    wait::until("partitions", || match member.poll(FetchLimit::default(), BRIEF).unwrap() {
        GroupEvent::Assigned(told) => Some(told),
        _ => None,
    })
}

fn writes(to: &TopicPartition, word: &str, next: &TopicPartition, offset: i64) -> Transaction {
    let append = Append { to: to.clone(), records: records(&[word.to_owned()]) };
    Transaction { flush_points: Vec::new(), appends: vec![append], offsets: vec![(next.clone(), Offset(offset))] }
}

fn undone(committer: &mut dyn Committer, transaction: &Transaction) {
    match committer.commit(transaction) {
        Err(e @ LogError::Undone { .. }) => assert_eq!(e.recovery(), Recovery::Abort),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_read_can_be_committed_until_the_group_is_answered_and_not_after() {
    let Some(cluster) = broker::shared() else { return };
    let log = cluster.connect();
    let (input, output, spec) = topics(cluster, &log, 4);
    let at = |p| TopicPartition::new(input.as_str(), p);
    let feed: Vec<Append> = (0..4).map(|p| Append { to: at(p), records: records(&["a".into(), "b".into()]) }).collect();
    log.appender().unwrap().append(&feed).unwrap();

    let mut first = log.join(&spec).unwrap();
    assert_eq!(assigned(&mut *first).len(), 4);
    let mut committer = first.committer().unwrap();
    committer.commit(&writes(&output, "one", &at(3), 1)).unwrap();

    let mut second = cluster.connect().join(&spec).unwrap();
    let revoked = wait::until("partitions to be taken back", || {
        match second.poll(FetchLimit::default(), BRIEF).unwrap() {
            GroupEvent::Idle => {}
            other => panic!("the second member was given something before the first gave it back: {other:?}"),
        }
        match first.poll(FetchLimit::default(), BRIEF).unwrap() {
            GroupEvent::Revoked(of) => Some(of),
            _ => None,
        }
    });
    assert_eq!(revoked.len(), 4);
    committer.commit(&writes(&output, "two", &at(3), 2)).unwrap();

    let mut given = [Vec::new(), Vec::new()];
    first.poll(FetchLimit::default(), Duration::ZERO).unwrap();
    undone(&mut *committer, &writes(&output, "three", &at(3), 0));
    wait::until("both members to have partitions", || {
        for (member, given) in [&mut first, &mut second].into_iter().zip(&mut given) {
            if let GroupEvent::Assigned(told) = member.poll(FetchLimit::default(), BRIEF).unwrap() {
                *given = told;
            }
        }
        given.iter().all(|g| g.len() == 2).then_some(())
    });
    let mut all = given.concat();
    all.sort();
    assert_eq!(all, [(at(0), None), (at(1), None), (at(2), None), (at(3), Some(Offset(2)))]);

    // Each commits for its own partitions, and for no others.
    let mut others = second.committer().unwrap();
    let (own, foreign) = (given[0][0].0.clone(), given[1][0].0.clone());
    committer.commit(&writes(&output, "four", &own, 1)).unwrap();
    others.commit(&writes(&output, "five", &foreign, 1)).unwrap();
    undone(&mut *committer, &writes(&output, "six", &foreign, 2));
    assert_eq!(values(&log, &output), ["one", "two", "four", "five"]);

    drop(committer);
    first.leave().unwrap();
    wait::until("all partitions to come to the one who is left", || {
        match second.poll(FetchLimit::default(), BRIEF).unwrap() {
            GroupEvent::Assigned(told) => (told.len() == 4).then_some(()),
            _ => None,
        }
    });
    second.leave().unwrap();
}

fn given_up(delivery: Delivery) {
    let Some(cluster) = super::faults::slow_faults_requested().then(broker::shared).flatten() else { return };
    let patience = [("session.timeout.ms", "6000"), ("max.poll.interval.ms", "6000")];
    let properties = patience.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let log = KafkaLog::connect(&Settings { properties, ..cluster.settings() }).unwrap();
    let (input, output, spec) = topics(cluster, &log, 2);
    let (at, spec) = (TopicPartition::new(input, 0), GroupSpec { delivery, ..spec });
    let mut first = log.join(&spec).unwrap();
    assigned(&mut *first);
    let mut committer = first.committer().unwrap();
    committer.commit(&writes(&output, "one", &at, 0)).unwrap();

    // The first is never polled again: it does not know that it is taken for dead.
    let mut second = log.join(&spec).unwrap();
    let told = assigned(&mut *second);
    assert_eq!(told.len(), 2);
    // What it was answered before is no sign that it is a member now.
    committer.await_acks().unwrap();
    undone(&mut *committer, &writes(&output, "two", &at, 0));
    // Without positions of its own a transaction is checked all the same.
    let bare = Transaction {
        flush_points: Vec::new(),
        appends: writes(&output, "three", &at, 0).appends,
        offsets: Vec::new(),
    };
    undone(&mut *committer, &bare);
    if let Some(ahead) = committer.early_output() {
        let sent = ahead.send(&bare.appends);
        assert!(matches!(sent, Err(LogError::Undone { .. })), "{sent:?}");
    }
    second.committer().unwrap().commit(&writes(&output, "four", &at, 0)).unwrap();
    undone(&mut *committer, &bare);
    assert_eq!(values(&log, &output), ["one", "four"]);
}

#[test]
fn a_member_that_the_group_has_given_up_commits_nothing() {
    given_up(Delivery::ExactlyOnce);
}

#[test]
fn nor_does_it_write_without_transactions() {
    given_up(Delivery::AtLeastOnce);
}

/// The client was told to stop reading what is paused and has piled up; it does not forget that by itself.
#[test]
fn a_paused_partition_that_goes_and_comes_back_is_read() {
    let Some(cluster) = broker::shared() else { return };
    let log = cluster.connect();
    let (input, _, spec) = topics(cluster, &log, 2);
    let at: Vec<TopicPartition> = (0..2).map(|p| TopicPartition::new(input.as_str(), p)).collect();
    let many: Vec<String> = (0..10_000).map(|i| i.to_string()).collect();
    let feed: Vec<Append> = at.iter().map(|at| Append { to: at.clone(), records: records(&many) }).collect();
    log.appender().unwrap().append(&feed).unwrap();

    let mut first = log.join(&spec).unwrap();
    assert_eq!(assigned(&mut *first).len(), 2);
    at.iter().for_each(|at| first.seek(at, Offset(0)).unwrap());
    first.pause(&at, true).unwrap();
    for _ in 0..20 {
        assert!(matches!(first.poll(FetchLimit::default(), BRIEF).unwrap(), GroupEvent::Idle), "all is paused");
    }
    // Another member takes one of them and leaves again.
    let mut second = cluster.connect().join(&spec).unwrap();
    let (mut here, mut there) = (0, 0);
    let step = |member: &mut dyn Member, has: &mut usize| match member.poll(FetchLimit::default(), BRIEF).unwrap() {
        GroupEvent::Assigned(told) => *has = told.len(),
        GroupEvent::Revoked(_) => *has = 0,
        _ => {}
    };
    wait::until("a partition each", || {
        step(&mut *first, &mut here);
        step(&mut *second, &mut there);
        ((here, there) == (1, 1)).then_some(())
    });
    second.leave().unwrap();
    wait::until("both partitions", || {
        step(&mut *first, &mut here);
        (here == 2).then_some(())
    });
    at.iter().for_each(|at| first.seek(at, Offset(0)).unwrap());
    let mut read = [0, 0];
    wait::until("all records of both", || {
        if let GroupEvent::Records(fetched) = first.poll(FetchLimit::default(), BRIEF).unwrap() {
            read[fetched.origin.partition.0 as usize] += fetched.records.len();
        }
        (read == [10_000, 10_000]).then_some(())
    });
}

/// Larger than brokers take: the client sends it, and is refused.
const LARGE: usize = 3 << 20;

/// A group of one without transactions, which commits results together with state that takes them as there.
struct Following {
    log: KafkaLog,
    spec: GroupSpec,
    committer: Box<dyn Committer>,
    _member: Box<dyn Member>,
    output: TopicPartition,
    state: TopicPartition,
    next: TopicPartition,
}

impl Following {
    fn new(cluster: &Cluster) -> Self {
        let mut settings = cluster.settings();
        settings.properties.push(("message.max.bytes".into(), (LARGE * 2).to_string()));
        let log = KafkaLog::connect(&settings).unwrap();
        let (input, output, spec) = topics(cluster, &log, 1);
        let (state, next) = (cluster.name("state"), TopicPartition::new(input, 0));
        log.create_topic(&state, &TopicConfig { partitions: 1, ..TopicConfig::default() }).unwrap();
        let spec = GroupSpec { delivery: Delivery::AtLeastOnce, ..spec };
        let mut member = log.join(&spec).unwrap();
        assigned(&mut *member);
        let committer = member.committer().unwrap();
        Self { log, spec, committer, _member: member, output, state: TopicPartition::new(state, 0), next }
    }

    fn result(&self, text: String) -> Append {
        Append { to: self.output.clone(), records: records(&[text]) }
    }

    fn commit(&mut self, results: Vec<Append>) -> LogResult<Vec<Option<Offset>>> {
        let flush_points = vec![results.len()];
        let mut appends = results;
        appends.push(Append { to: self.state.clone(), records: records(&["gone".into()]) });
        self.committer.commit(&Transaction { appends, flush_points, offsets: vec![(self.next.clone(), Offset(1))] })
    }

    fn is_without_state(&self) {
        assert!(values(&self.log, &self.state).is_empty(), "state has forgotten a result that is not there");
    }

    fn is_whole(&mut self) {
        self.committer.await_acks().unwrap();
        assert_eq!(values(&self.log, &self.output), ["small"]);
        assert_eq!(values(&self.log, &self.state), ["gone"]);
        let committed = self.log.committed(&self.spec.group, std::slice::from_ref(&self.next)).unwrap();
        assert_eq!(committed, [Some(Offset(1))]);
    }
}

/// Without transactions, what takes something else as there is not written where that was refused.
#[test]
fn a_part_that_follows_another_is_not_written_before_it() {
    let Some(cluster) = broker::shared() else { return };
    let mut group = Following::new(cluster);
    let refused = group.commit(vec![group.result("x".repeat(LARGE))]);
    assert!(refused.is_err(), "{refused:?}");
    group.is_without_state();
    group.commit(vec![group.result("small".into())]).unwrap();
    group.is_whole();
}

/// Nor before what was sent ahead has arrived.
#[test]
fn what_was_sent_ahead_is_there_before_what_is_committed() {
    let Some(cluster) = broker::shared() else { return };
    let mut group = Following::new(cluster);
    let results = ["x".repeat(LARGE), "small".into()].map(|text| [group.result(text)]);
    group.committer.early_output().unwrap().send(&results[0]).unwrap();
    let refused = group.commit(Vec::new());
    assert!(refused.is_err(), "{refused:?}");
    group.is_without_state();
    group.committer.early_output().unwrap().send(&results[1]).unwrap();
    group.commit(Vec::new()).unwrap();
    group.is_whole();
}
