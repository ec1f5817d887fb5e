//! Questions to the cluster: which topics there are, which identity they have, where partitions begin and
//! end, what a group has committed.
//!
//! Separate because every other part asks here, through one connection that is kept. It changes nothing,
//! reads no records, and never takes the first answer for the last: a broker may not know yet what another
//! has said.

use super::context::Context;
use super::errors::{self, words};
use super::settings::Settings;
use crate::log::{LogError, LogResult};
use crate::record::{Offset, Partition, TopicPartition};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::groups::GroupInfo;
use rdkafka::{Offset as Raw, TopicPartitionList};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a cluster that does not answer is waited for at first.
const REACH: Duration = Duration::from_secs(10);

/// How long a complaint that will not change is still waited with: another broker may be better.
const COMPLAINT: Duration = Duration::from_secs(2);

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(5);

/// How long a question may take that is asked in passing.
const GLIMPSE: Duration = Duration::from_millis(500);

/// How long a question is asked again while the cluster is busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// How often each further broker is asked, on average, before a topic is said not to be there.
const ASKED: usize = 3;

/// How late a broker may be, under load, to know what another has said: a topic that was there is not taken for
/// removed before.
const LATE: Duration = Duration::from_secs(3);

/// Between two looks at something that must come.
pub(super) const AGAIN: Duration = Duration::from_millis(20);

/// Topics of Kafka itself.
const OWN: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];

/// The group under which single readers appear; they never join it.
pub(super) const READERS: &str = "fastdata-reader";

/// First offset and high watermark of a partition.
pub(super) type Bounds = (i64, i64);

/// A position of a group, with the identity of the topic it was committed for (empty: unknown).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) next: Offset,
    pub(super) id: String,
}

pub(super) fn client(
    settings: &Settings,
    config: &rdkafka::ClientConfig,
    context: &Context,
) -> LogResult<BaseConsumer<Context>> {
    config.create_with_context(context.clone()).map_err(|e| settings.refused(&e))
}

/// A number that librdkafka takes.
pub(super) fn raw(partition: Partition) -> i32 {
    i32::try_from(partition.0).unwrap_or(i32::MAX)
}

pub(super) fn list<'a>(of: impl IntoIterator<Item = &'a TopicPartition>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for at in of {
        list.add_partition(&at.topic, raw(at.partition));
    }
    list
}

/// Lets a client say what it has to say; none of these clients is ever given records.
pub(super) fn listen(client: &BaseConsumer<Context>) {
    loop {
        let before = client.context().heard().calls;
        let given = client.poll(Duration::ZERO).is_some();
        if !given && client.context().heard().calls == before {
            return;
        }
    }
}

/// The connection for questions.
pub(super) struct Control {
    pub(super) settings: Settings,
    client: BaseConsumer<Context>,
    /// The client of the group that was asked about last: making one takes longer than asking.
    group: Mutex<Option<(String, BaseConsumer<Context>)>>,
    /// The topics that were there when they were looked up last.
    seen: Mutex<BTreeSet<String>>,
}

impl Control {
    /// Reaches the cluster, or says why not.
    pub(super) fn connect(settings: &Settings) -> LogResult<Self> {
        settings.check()?;
        let client = client(settings, &settings.control(), &Context::default())?;
        let control = Self { settings: settings.clone(), client, group: Mutex::new(None), seen: Mutex::default() };
        let start = Instant::now();
        loop {
            let answer = control.client.fetch_metadata(Some(OWN[0]), Duration::from_millis(500));
            listen(&control.client);
            if answer.is_ok() {
                return Ok(control);
            }
            let heard = control.client.context().heard();
            let hopeless = heard.error.as_ref().is_some_and(|(code, _)| errors::hopeless(*code));
            if start.elapsed() > if hopeless { COMPLAINT } else { REACH } {
                return Err(errors::unreachable(control.brokers(), heard.error.as_ref()));
            }
        }
    }

    pub(super) fn brokers(&self) -> &str {
        &self.settings.brokers
    }

    /// Asks until there is an answer that will not change by itself.
    fn ask<T>(&self, doing: &str, request: impl FnMut() -> KafkaResult<T>) -> LogResult<T> {
        self.answer(request).map_err(|code| errors::fault(self.brokers(), doing, code))
    }

    /// The same, where the caller decides by the code.
    fn answer<T>(&self, mut request: impl FnMut() -> KafkaResult<T>) -> Result<T, Code> {
        let start = Instant::now();
        loop {
            let answer = request();
            listen(&self.client);
            match answer.map_err(|e| errors::code(&e)) {
                Ok(answer) => return Ok(answer),
                Err(code) if !errors::passes(code) || start.elapsed() > PATIENCE => return Err(code),
                Err(_) => std::thread::park_timeout(AGAIN),
            }
        }
    }

    /// The names of all topics but Kafka's own. Of several brokers one may not know yet what another has
    /// made: a topic is there if any of those that were asked knows it.
    pub(super) fn names(&self) -> LogResult<Vec<String>> {
        let mut names = BTreeSet::new();
        let mut asked = 0;
        loop {
            let metadata = self.ask("listing topics", || self.client.fetch_metadata(None, REQUEST))?;
            names.extend(metadata.topics().iter().map(|t| t.name().to_owned()));
            asked += 1;
            if asked > ASKED * metadata.brokers().len().saturating_sub(1) {
                names.retain(|n| !OWN.contains(&n.as_str()));
                return Ok(names.into_iter().collect());
            }
        }
    }

    fn seen(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn there(&self, topic: &str) {
        let mut seen = self.seen();
        if !seen.contains(topic) {
            seen.insert(topic.to_owned());
        }
    }

    /// A topic was removed from here: that it is not there need not be doubted.
    pub(super) fn removed(&self, topic: &str) {
        self.seen().remove(topic);
    }

    /// How many partitions a topic has, `None` where there is no such topic. Of several brokers one may not
    /// know yet what another has made, or removed: who knows the topic is believed, and that none does only
    /// after each was likely asked; of a topic that was there, only after a while.
    pub(super) fn partitions(&self, topic: &str) -> LogResult<Option<u32>> {
        let doing = format!("looking up topic `{topic}`");
        let start = Instant::now();
        let mut denied = 0;
        loop {
            let metadata = self.ask(&doing, || self.client.fetch_metadata(Some(topic), REQUEST))?;
            let found = metadata.topics().iter().find(|t| t.name() == topic);
            let code = found.and_then(|t| t.error()).map_or(Code::NoError, Code::from);
            match (found, code) {
                (Some(t), Code::NoError) if !t.partitions().is_empty() => {
                    self.there(topic);
                    return Ok(Some(u32::try_from(t.partitions().len()).unwrap_or(u32::MAX)));
                }
                (Some(_), code) if errors::passes(code) && start.elapsed() < PATIENCE => {}
                (None, _) | (_, Code::InvalidTopic) => return Ok(None),
                (_, code) if errors::missing(code) => {
                    denied += 1;
                    let others = metadata.brokers().len().saturating_sub(1);
                    let late = others > 0 && start.elapsed() < LATE && self.seen().contains(topic);
                    if denied >= ASKED * others && !late {
                        self.removed(topic);
                        return Ok(None);
                    }
                }
                (_, code) => return Err(errors::fault(self.brokers(), &doing, code)),
            }
            std::thread::park_timeout(AGAIN);
        }
    }

    /// How many partitions a topic has, and its identity; `None` where there is no such topic.
    pub(super) fn known(&self, topic: &str) -> LogResult<Option<(u32, String)>> {
        let Some(count) = self.partitions(topic)? else { return Ok(None) };
        Ok(Some((count, self.client.context().heard().ids.get(topic).cloned().unwrap_or_default())))
    }

    /// The identity of a topic, `None` where there is no such topic.
    pub(super) fn identity(&self, topic: &str) -> LogResult<Option<String>> {
        Ok(self.known(topic)?.map(|(_, id)| id))
    }

    /// The identity of a topic as far as one quick question tells: `None` where there is no clear answer,
    /// `Some(None)` where there is no such topic.
    pub(super) fn glimpse(&self, topic: &str) -> Option<Option<String>> {
        let answer = self.client.fetch_metadata(Some(topic), GLIMPSE);
        listen(&self.client);
        let metadata = answer.ok()?;
        let found = metadata.topics().iter().find(|t| t.name() == topic)?;
        match found.error().map_or(Code::NoError, Code::from) {
            Code::NoError => Some(Some(self.client.context().heard().ids.get(topic).cloned().unwrap_or_default())),
            code if errors::missing(code) => Some(None),
            _ => None,
        }
    }

    /// The fault that a topic is not there, with the names that are.
    pub(super) fn unknown(&self, topic: &str) -> LogError {
        match self.names() {
            Ok(known) => LogError::UnknownTopic { topic: topic.to_owned(), known },
            Err(e) => e,
        }
    }

    /// Says by name what is not there of some partitions.
    pub(super) fn require<'a>(&self, of: impl IntoIterator<Item = &'a TopicPartition>) -> LogResult<()> {
        let mut last: Option<(&str, u32)> = None;
        for at in of {
            let count = match last {
                Some((topic, count)) if *topic == *at.topic => count,
                _ => self.partitions(&at.topic)?.ok_or_else(|| self.unknown(&at.topic))?,
            };
            last = Some((&at.topic, count));
            if at.partition.0 >= count {
                return Err(LogError::UnknownPartition { at: at.clone(), count });
            }
        }
        Ok(())
    }

    /// Where partitions begin and end, in the order given; one request a broker.
    pub(super) fn bounds(&self, of: &[TopicPartition]) -> LogResult<Vec<Bounds>> {
        let low = self.offsets(of, Raw::Beginning)?;
        let high = self.offsets(of, Raw::End)?;
        Ok(low.into_iter().zip(high).map(|(l, h)| (l.unwrap_or(0), h.unwrap_or(0))).collect())
    }

    /// The offset of the first record at or after a time, `None` where there is none.
    pub(super) fn at_time(&self, at: &TopicPartition, time: i64) -> LogResult<Option<i64>> {
        Ok(self.offsets(std::slice::from_ref(at), Raw::Offset(time))?.pop().flatten())
    }

    fn offsets(&self, of: &[TopicPartition], what: Raw) -> LogResult<Vec<Option<i64>>> {
        if of.is_empty() {
            return Ok(Vec::new());
        }
        let doing = format!("asking for the bounds of `{}`", of[0]);
        let start = Instant::now();
        loop {
            let answer = self.answer(|| {
                let mut list = list(of);
                list.set_all_offsets(what)?;
                self.client.offsets_for_times(list, REQUEST)
            });
            let of_one = |list: &TopicPartitionList| {
                list.elements().iter().find_map(|e| e.error().err()).map(|e| errors::code(&e))
            };
            let code = match answer.map(|list| (of_one(&list), list)) {
                Ok((None, list)) => {
                    let found = |at: &TopicPartition| match list.find_partition(&at.topic, raw(at.partition)) {
                        Some(e) => match e.offset() {
                            Raw::Offset(o) => Some(o),
                            _ => None,
                        },
                        None => None,
                    };
                    return Ok(of.iter().map(found).collect());
                }
                Ok((Some(code), _)) | Err(code) => code,
            };
            // What is not there is named; what is only unknown to this broker yet is asked for again.
            self.require(of)?;
            if !(errors::missing(code) || errors::passes(code)) || start.elapsed() > PATIENCE {
                return Err(errors::fault(self.brokers(), &doing, code));
            }
            std::thread::park_timeout(AGAIN);
        }
    }

    /// Waits until a group has no member; one that was killed is a member until its session is over.
    pub(super) fn empty(&self, group: &str, given_up: &AtomicBool) -> LogResult<()> {
        let doing = format!("asking for the members of group `{group}`");
        let (start, mut said) = (Instant::now(), false);
        loop {
            let list = self.ask(&doing, || self.client.fetch_group_list(Some(group), REQUEST))?;
            let members = list.groups().iter().filter(|g| g.name() == group).flat_map(GroupInfo::members);
            let names: Vec<String> =
                members.map(|m| format!("`{}` at {}", m.client_id(), m.client_host().trim_matches('/'))).collect();
            if names.is_empty() {
                return Ok(());
            }
            if start.elapsed() > PATIENCE || given_up.load(Ordering::Relaxed) {
                return Err(LogError::GroupTaken { group: group.to_owned(), holder: names.join(", ") });
            }
            if !std::mem::replace(&mut said, true) {
                tracing::info!("waits until the other instances of `{group}` have left: {}", names.join(", "));
            }
            std::thread::park_timeout(AGAIN);
        }
    }

    /// What a group has committed, in the order given. Waits for transactions that are being decided: a
    /// position that is about to move is not the position.
    pub(super) fn committed(&self, group: &str, of: &[TopicPartition]) -> LogResult<Vec<Option<Position>>> {
        let mut slot = self.group.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.as_ref().is_none_or(|(name, _)| name != group) {
            *slot =
                Some((group.to_owned(), client(&self.settings, &self.settings.reader(group), &Context::default())?));
        }
        let Some((_, client)) = slot.as_ref() else { return Ok(Vec::new()) };
        let found = positions(client, self.brokers(), group, of, PATIENCE);
        listen(client);
        found
    }
}

/// What a group has committed, asked through a client of that group, for so long as there is patience.
pub(super) fn positions(
    client: &BaseConsumer<Context>,
    brokers: &str,
    group: &str,
    of: &[TopicPartition],
    patience: Duration,
) -> LogResult<Vec<Option<Position>>> {
    if of.is_empty() {
        return Ok(Vec::new());
    }
    let start = Instant::now();
    loop {
        let answer = client.committed_offsets(list(of), REQUEST.min(patience));
        let code = match &answer {
            Ok(list) => list.elements().iter().find_map(|e| e.error().err()).map(|e| errors::code(&e)),
            Err(e) => Some(errors::code(e)),
        };
        match (answer, code) {
            (Ok(list), None) => {
                let found = |at: &TopicPartition| match list.find_partition(&at.topic, raw(at.partition)) {
                    Some(e) => match e.offset() {
                        Raw::Offset(o) => Some(Position { next: Offset(o), id: e.metadata().to_owned() }),
                        _ => None,
                    },
                    None => None,
                };
                return Ok(of.iter().map(found).collect());
            }
            (_, Some(code)) if errors::passes(code) && start.elapsed() < patience => {
                std::thread::park_timeout(AGAIN);
            }
            (_, code) => {
                let code = code.unwrap_or(Code::Unknown);
                tracing::debug!("positions of group `{group}`: {}", words(code));
                return Err(errors::fault(brokers, &format!("asking for the positions of group `{group}`"), code));
            }
        }
    }
}
