//! Several members of one group: partitions move, and only the owner of a partition commits its position.
//!
//! The conformance suite cannot test this: a group on the embedded log has one member.

use super::broker::{self, Cluster};
use crate::harness::record::Record;
use crate::harness::topics::{read_partition, topic_config};
use crate::harness::wait;
use fastdata::log::kafka::{KafkaLog, Settings};
use fastdata::log::{
    Append, Committer, Delivery, FetchLimit, GroupEvent, GroupSpec, Log, LogError, Member, Recovery, Transaction,
};
use fastdata::record::{Offset, Records, RecordsBuilder, TopicPartition};
use rdkafka::TopicPartitionList;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseProducer, Producer as _};
use std::time::Duration;

/// Longest wait of one poll.
const POLL_TIMEOUT: Duration = Duration::from_millis(50);

/// Longest wait for one answer of a broker.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

pub fn records(words: &[String]) -> Records {
    let mut b = RecordsBuilder::default();
    words.iter().for_each(|w| b.push(Some(b"k"), Some(w.as_bytes()), 1_700_000_000_000));
    b.finish()
}

/// All committed values of a partition, in order.
pub fn values(log: &KafkaLog, at: &TopicPartition) -> Vec<String> {
    let text = |record: Record| String::from_utf8(record.value.unwrap()).unwrap();
    read_partition(log, at).into_iter().map(text).collect()
}

/// A topic of some partitions, and one for results.
pub fn topics(cluster: &Cluster, log: &KafkaLog, partitions: u32) -> (String, TopicPartition, GroupSpec) {
    let (input, output) = (cluster.name("in"), cluster.name("out"));
    log.create_topic(&input, &topic_config(partitions)).unwrap();
    log.create_topic(&output, &topic_config(1)).unwrap();
    let topics = vec![input.as_str().into()];
    let spec = GroupSpec { group: cluster.name("group"), topics, instance: "test".into(), ..GroupSpec::default() };
    (input, TopicPartition::new(output, 0), spec)
}

pub fn assigned(member: &mut dyn Member) -> Vec<(TopicPartition, Option<Offset>)> {
    wait::until("partitions", || match member.poll(FetchLimit::default(), POLL_TIMEOUT).unwrap() {
        GroupEvent::Assigned(partitions) => Some(partitions),
        _ => None,
    })
}

fn writes(to: &TopicPartition, word: &str, next: &TopicPartition, offset: i64) -> Transaction {
    let append = Append { to: to.clone(), records: records(&[word.to_owned()]) };
    Transaction { results: vec![append], offsets: vec![(next.clone(), Offset(offset))], ..Transaction::default() }
}

fn assert_undone(committer: &mut dyn Committer, transaction: &Transaction) {
    match committer.commit(transaction) {
        Err(e @ LogError::Undone { .. }) => assert_eq!(e.recovery(), Recovery::Abort),
        other => panic!("{other:?}"),
    }
}

#[test]
fn revoked_partitions_can_be_committed_until_the_revocation_is_acknowledged() {
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
    let revoked = wait::until("the first member's partitions to be revoked", || {
        match second.poll(FetchLimit::default(), POLL_TIMEOUT).unwrap() {
            GroupEvent::Idle => {}
            other => panic!("the second member got {other:?} before the first acknowledged the revocation"),
        }
        match first.poll(FetchLimit::default(), POLL_TIMEOUT).unwrap() {
            GroupEvent::Revoked(of) => Some(of),
            _ => None,
        }
    });
    assert_eq!(revoked.len(), 4);
    committer.commit(&writes(&output, "two", &at(3), 2)).unwrap();

    let mut owned = [Vec::new(), Vec::new()];
    first.poll(FetchLimit::default(), Duration::ZERO).unwrap();
    assert_undone(&mut *committer, &writes(&output, "three", &at(3), 0));
    wait::until("both members to have partitions", || {
        for (member, owned) in [&mut first, &mut second].into_iter().zip(&mut owned) {
            if let GroupEvent::Assigned(partitions) = member.poll(FetchLimit::default(), POLL_TIMEOUT).unwrap() {
                *owned = partitions;
            }
        }
        owned.iter().all(|partitions| partitions.len() == 2).then_some(())
    });
    let mut all = owned.concat();
    all.sort();
    assert_eq!(all, [(at(0), None), (at(1), None), (at(2), None), (at(3), Some(Offset(2)))]);

    // Each member commits for its own partitions, and for no others.
    let mut committer_of_second = second.committer().unwrap();
    let [of_first, of_second] = [0, 1].map(|member: usize| owned[member][0].0.clone());
    committer.commit(&writes(&output, "four", &of_first, 1)).unwrap();
    committer_of_second.commit(&writes(&output, "five", &of_second, 1)).unwrap();
    assert_undone(&mut *committer, &writes(&output, "six", &of_second, 2));
    assert_eq!(values(&log, &output), ["one", "two", "four", "five"]);

    drop(committer);
    first.leave().unwrap();
    wait::until("the remaining member to have all partitions", || {
        match second.poll(FetchLimit::default(), POLL_TIMEOUT).unwrap() {
            GroupEvent::Assigned(partitions) => (partitions.len() == 4).then_some(()),
            _ => None,
        }
    });
    second.leave().unwrap();
}

/// How often a commit is attempted.
const MAX_ATTEMPTS: usize = 5;

/// All deliveries.
const DELIVERIES: [Delivery; 3] = [Delivery::ExactlyOnce, Delivery::AtLeastOnce, Delivery::AtMostOnce];

/// A group over one input, with results and state, and instances that commit for it.
struct Owners {
    log: KafkaLog,
    spec: GroupSpec,
    input: TopicPartition,
    output: TopicPartition,
    state: TopicPartition,
}

impl Owners {
    fn new(cluster: &Cluster, delivery: Delivery, properties: &[(&str, &str)]) -> Self {
        let properties = properties.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let log = KafkaLog::connect(&Settings { properties, ..cluster.settings() }).unwrap();
        let (input, output, spec) = topics(cluster, &log, 2);
        let state = cluster.name("state");
        log.create_topic(&state, &topic_config(1)).unwrap();
        let (input, state) = (TopicPartition::new(input, 0), TopicPartition::new(state, 0));
        Self { log, spec: GroupSpec { delivery, ..spec }, input, output, state }
    }

    fn join(&self) -> (Box<dyn Member>, Box<dyn Committer>) {
        let mut member = self.log.join(&self.spec).unwrap();
        let committer = member.committer().unwrap();
        (member, committer)
    }

    /// A commit of this word as result and as state.
    fn commit(&self, word: &str, offset: i64) -> Transaction {
        let state = vec![Append { to: self.state.clone(), records: records(&[word.to_owned()]) }];
        Transaction { state, ..writes(&self.output, word, &self.input, offset) }
    }

    /// Tries to commit this word with a position and without one. Returns why both were refused.
    fn refused(&self, committer: &mut dyn Committer, word: &str) -> [String; 2] {
        let with_position = self.commit(word, 0);
        let without = Transaction { offsets: Vec::new(), ..with_position.clone() };
        [with_position, without].map(|transaction| {
            for _ in 0..MAX_ATTEMPTS {
                match committer.commit(&transaction) {
                    Err(e) if e.recovery() == Recovery::Retry => eprintln!("{:?}, `{word}`: {e}", self.spec.delivery),
                    Err(e @ LogError::Undone { .. }) => return e.to_string(),
                    other => panic!("{:?}: `{word}` was committed: {other:?}", self.spec.delivery),
                }
            }
            panic!("{:?}: `{word}` was refused only as one to try again", self.spec.delivery)
        })
    }

    /// Asserts which words are state, and which position is committed. The results are the same words; with
    /// `at_least_once`, refused commits may have left further results.
    fn assert_committed(&self, words: &[&str], position: Option<i64>) {
        let delivery = self.spec.delivery;
        assert_eq!(values(&self.log, &self.state), words, "{delivery:?}: the state");
        let committed = self.log.committed(&self.spec.group, std::slice::from_ref(&self.input)).unwrap();
        assert_eq!(committed, [position.map(Offset)], "{delivery:?}: the position");
        let results = values(&self.log, &self.output);
        match delivery {
            Delivery::AtLeastOnce => assert!(words.iter().all(|w| results.iter().any(|r| r == w)), "{results:?}"),
            _ => assert_eq!(results, words, "{delivery:?}: the results"),
        }
    }
}

/// Part of the reason that a committer gives if it knows itself that it is not a member. A broker gives other reasons.
const NO_MEMBER: &str = "no member of the group";

fn give_up(cluster: &Cluster, delivery: Delivery) {
    let timeouts = [("session.timeout.ms", "6000"), ("max.poll.interval.ms", "6000")];
    let group = Owners::new(cluster, delivery, &timeouts);
    let (mut first, mut zombie) = group.join();
    assigned(&mut *first);
    zombie.commit(&group.commit("one", 1)).unwrap();
    // The first member is never polled again, so it does not learn that the group has removed it.
    let mut second = cluster.connect().join(&group.spec).unwrap();
    let mut owner = second.committer().unwrap();
    assert_eq!(assigned(&mut *second).len(), 2);
    let before = group.refused(&mut *zombie, "two");
    group.assert_committed(&["one"], Some(1));
    owner.commit(&group.commit("three", 3)).unwrap();
    let after = group.refused(&mut *zombie, "four");
    group.assert_committed(&["one", "three"], Some(3));
    let by_broker = before.iter().chain(&after).all(|why| !why.contains(NO_MEMBER));
    assert!(by_broker, "{delivery:?}: the zombie has not tried: {before:?}, {after:?}");
}

#[test]
fn a_member_that_the_group_has_removed_overwrites_nothing() {
    let Some(cluster) = broker::shared() else { return };
    std::thread::scope(|threads| {
        for delivery in DELIVERIES {
            threads.spawn(move || give_up(cluster, delivery));
        }
    });
}

/// A new member with the same `group.instance.id` takes the place at once, while what the old one knows of its
/// membership is still recent: only the broker can refuse its commits.
#[test]
fn a_static_member_that_was_replaced_overwrites_nothing() {
    let Some(cluster) = broker::shared() else { return };
    for delivery in DELIVERIES {
        let id = cluster.name("instance");
        let group = Owners::new(cluster, delivery, &[("group.instance.id", &id)]);
        let (mut first, mut zombie) = group.join();
        assigned(&mut *first);
        zombie.commit(&group.commit("one", 1)).unwrap();
        let (mut second, mut owner) = group.join();
        assert_eq!(assigned(&mut *second).len(), 2);
        owner.commit(&group.commit("two", 2)).unwrap();
        let refused = group.refused(&mut *zombie, "three");
        group.assert_committed(&["one", "two"], Some(2));
        assert!(refused.iter().all(|why| !why.contains(NO_MEMBER)), "{delivery:?}: {refused:?}");
    }
}

#[test]
fn a_commit_without_a_live_generation_is_refused() {
    let Some(cluster) = broker::shared() else { return };
    for delivery in DELIVERIES {
        let group = Owners::new(cluster, delivery, &[]);
        let assert_refused = |committer: &mut dyn Committer, word: &str| {
            let refused = group.refused(committer, word);
            assert!(refused.iter().all(|why| why.contains(NO_MEMBER)), "{delivery:?}, {word}: {refused:?}");
            if let Some(early) = committer.early_output() {
                let sent = early.send(&group.commit(word, 0).results);
                assert!(matches!(&sent, Err(LogError::Undone { why, .. }) if why.contains(NO_MEMBER)), "{sent:?}");
            }
        };
        let (mut member, mut committer) = group.join();
        assert_refused(&mut *committer, "not joined");
        assigned(&mut *member);
        committer.commit(&group.commit("one", 1)).unwrap();
        member.leave().unwrap();
        assert_refused(&mut *committer, "left");
        assert_eq!(values(&group.log, &group.output), ["one"], "{delivery:?}: results");
        group.assert_committed(&["one"], Some(1));
    }
}

/// The reason why fastdata itself refuses a commit without a generation: Kafka accepts it, although the group has a
/// member.
#[test]
fn kafka_itself_accepts_offsets_without_a_generation() {
    let Some(cluster) = broker::shared() else { return };
    let group = Owners::new(cluster, Delivery::ExactlyOnce, &[]);
    let (mut member, mut committer) = group.join();
    assigned(&mut *member);
    committer.commit(&group.commit("one", 5)).unwrap();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.listener("PLAINTEXT"));
    let stranger: BaseConsumer = config.clone().set("group.id", &group.spec.group).create().unwrap();
    let producer: BaseProducer = config.set("transactional.id", cluster.name("stranger")).create().unwrap();
    producer.init_transactions(REQUEST_TIMEOUT).unwrap();
    producer.begin_transaction().unwrap();
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(&group.input.topic, 0, rdkafka::Offset::Offset(2)).unwrap();
    let no_generation = stranger.group_metadata().unwrap();
    producer.send_offsets_to_transaction(&offsets, &no_generation, REQUEST_TIMEOUT).unwrap();
    producer.commit_transaction(REQUEST_TIMEOUT).unwrap();
    group.assert_committed(&["one"], Some(2));
}

/// The client keeps a partition paused beyond its revocation, unless it is resumed.
#[test]
fn a_paused_partition_is_read_after_it_was_reassigned() {
    let Some(cluster) = broker::shared() else { return };
    let log = cluster.connect();
    let (input, _, spec) = topics(cluster, &log, 2);
    let at: Vec<TopicPartition> = (0..2).map(|p| TopicPartition::new(input.as_str(), p)).collect();
    let many: Vec<String> = (0..10_000).map(|i| i.to_string()).collect();
    let feed: Vec<Append> = at.iter().map(|at| Append { to: at.clone(), records: records(&many) }).collect();
    log.appender().unwrap().append(&feed).unwrap();

    let mut first = log.join(&spec).unwrap();
    assert_eq!(assigned(&mut *first).len(), 2);
    at.iter().for_each(|at| first.seek(&[(at.clone(), Offset(0))]).unwrap());
    first.pause(&at, true).unwrap();
    for _ in 0..20 {
        assert!(matches!(first.poll(FetchLimit::default(), POLL_TIMEOUT).unwrap(), GroupEvent::Idle), "all are paused");
    }
    // Another member joins, gets one of the partitions, and leaves again.
    let mut second = cluster.connect().join(&spec).unwrap();
    let (mut owned_by_first, mut owned_by_second) = (0, 0);
    let step =
        |member: &mut dyn Member, owned: &mut usize| match member.poll(FetchLimit::default(), POLL_TIMEOUT).unwrap() {
            GroupEvent::Assigned(partitions) => *owned = partitions.len(),
            GroupEvent::Revoked(_) => *owned = 0,
            _ => {}
        };
    wait::until("each member to have a partition", || {
        step(&mut *first, &mut owned_by_first);
        step(&mut *second, &mut owned_by_second);
        ((owned_by_first, owned_by_second) == (1, 1)).then_some(())
    });
    second.leave().unwrap();
    wait::until("the first member to have both partitions", || {
        step(&mut *first, &mut owned_by_first);
        (owned_by_first == 2).then_some(())
    });
    at.iter().for_each(|at| first.seek(&[(at.clone(), Offset(0))]).unwrap());
    let mut read = [0, 0];
    wait::until("all records of both partitions", || {
        if let GroupEvent::Records(fetched) = first.poll(FetchLimit::default(), POLL_TIMEOUT).unwrap() {
            read[fetched.origin.partition.0 as usize] += fetched.records.len();
        }
        (read == [10_000, 10_000]).then_some(())
    });
}

/// Size of a record that the client sends and the broker refuses.
const OVERSIZED_BYTES: usize = 3 << 20;

/// A group whose clients send records that brokers refuse.
fn owners_with_large_records(cluster: &Cluster, delivery: Delivery) -> Owners {
    Owners::new(cluster, delivery, &[("message.max.bytes", &(OVERSIZED_BYTES * 2).to_string())])
}

/// State that is committed although its result could not be written would lose the result for good.
#[test]
fn at_least_once_commits_state_after_its_results() {
    let Some(cluster) = broker::shared() else { return };
    let group = owners_with_large_records(cluster, Delivery::AtLeastOnce);
    let (mut member, mut committer) = group.join();
    assigned(&mut *member);
    let large = [Append { to: group.output.clone(), records: records(&["x".repeat(OVERSIZED_BYTES)]) }];
    // Results of the commit itself, then some that were sent early.
    committer.commit(&Transaction { results: large.to_vec(), ..group.commit("lost", 1) }).unwrap_err();
    committer.early_output().unwrap().send(&large).unwrap();
    committer.commit(&Transaction { results: Vec::new(), ..group.commit("lost", 1) }).unwrap_err();
    group.assert_committed(&[], None);
    let early = group.commit("early", 1);
    committer.early_output().unwrap().send(&early.results).unwrap();
    committer.commit(&Transaction { results: Vec::new(), ..early }).unwrap();
    committer.commit(&group.commit("small", 2)).unwrap();
    group.assert_committed(&["early", "small"], Some(2));
}

/// A result that is sent before its state is committed could be sent again after a fault.
#[test]
fn at_most_once_sends_results_after_their_state() {
    let Some(cluster) = broker::shared() else { return };
    let group = owners_with_large_records(cluster, Delivery::AtMostOnce);
    let (mut member, mut committer) = group.join();
    assigned(&mut *member);
    assert!(committer.early_output().is_none(), "no result is sent early");
    let large = vec![Append { to: group.state.clone(), records: records(&["x".repeat(OVERSIZED_BYTES)]) }];
    committer.commit(&Transaction { state: large, ..group.commit("lost", 1) }).unwrap_err();
    group.assert_committed(&[], None);
    committer.commit(&group.commit("small", 2)).unwrap();
    group.assert_committed(&["small"], Some(2));
}
