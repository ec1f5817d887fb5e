//! `kafka: {topics: …}`: how topics are made, and the settings of Kafka that it must not change.
//!
//! What is refused here would lose state or results, or would stop the pipeline for ever. Any other value is for Kafka to
//! judge, whose versions and vendors differ.

use super::super::grammar::{self, NO_LIMIT};
use super::super::kafka::{KeptFor, TopicCreation};
use super::super::node::{Node, Scalar};
use super::Lowering;
use crate::diagnostics::Diagnostic;
use std::collections::BTreeMap;

/// Kafka's bound: replication is a number of 16 bits.
const MAX_REPLICATION: u64 = 32_767;

const MIN_IN_SYNC: &str = "min.insync.replicas";

/// Settings that `config` cannot have: the name, why, and what to do instead.
const REFUSED: [(&str, &str, &str); 7] = [
    (
        "cleanup.policy",
        "it follows from what a topic holds: state keeps the latest record of each key, nothing else is compacted",
        "remove it",
    ),
    ("retention.ms", "`retention` says how long outputs and dead letters are kept", "write `retention: 7d` instead"),
    (
        "delete.retention.ms",
        "copies of state are used again for half a day, and must see every deletion: it is a day",
        "remove it",
    ),
    (
        "message.timestamp.type",
        "records keep their event times, and dead letters have the time at which they were written",
        "remove it",
    ),
    ("message.timestamp.before.max.ms", REFUSES_TIMES, "remove it"),
    ("message.timestamp.after.max.ms", REFUSES_TIMES, "remove it"),
    ("message.timestamp.difference.max.ms", REFUSES_TIMES, "remove it"),
];

const REFUSES_TIMES: &str = "Kafka would refuse results for their event time, and the pipeline would not go on";

/// The settings of topics in Kafka 4.1 that `config` can have; a name that is like one of them is taken for a misspelling.
const KNOWN: [&str; 25] = [
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "file.delete.delay.ms",
    "flush.messages",
    "flush.ms",
    "follower.replication.throttled.replicas",
    "index.interval.bytes",
    "leader.replication.throttled.replicas",
    "local.retention.bytes",
    "local.retention.ms",
    "max.compaction.lag.ms",
    "max.message.bytes",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    MIN_IN_SYNC,
    "preallocate",
    "remote.storage.enable",
    "retention.bytes",
    "segment.bytes",
    "segment.index.bytes",
    "segment.jitter.ms",
    "segment.ms",
    "unclean.leader.election.enable",
];

impl Lowering<'_> {
    pub(super) fn topic_creation(&mut self, node: &Node) -> Option<TopicCreation> {
        let f = self.open_object(node, &grammar::TOPIC_CREATION)?;
        let replication = f.get("replication").and_then(|n| self.number(n, MAX_REPLICATION));
        let replication = replication.and_then(|n| u32::try_from(n).ok());
        let kept = match f.get("retention") {
            Some(n) if n.scalar().is_some_and(|s| s.text == NO_LIMIT) => KeptFor::Ever,
            Some(n) => self.positive(n).map_or(KeptFor::Unsaid, KeptFor::Time),
            None => KeptFor::Unsaid,
        };
        let config = f.get("config").map(|n| self.topic_config(n, replication)).unwrap_or_default();
        let create = f.get("create").and_then(|n| self.boolean(n)).unwrap_or(true);
        Some(TopicCreation { replication, kept, config, create })
    }

    fn topic_config(&mut self, node: &Node, replication: Option<u32>) -> BTreeMap<String, String> {
        let mut config = BTreeMap::new();
        for (key, value) in self.entries(node, "a map of `SETTING: VALUE`", "").unwrap_or_default() {
            let text = self.text(value, "a value");
            if let Some((_, why, instead)) = REFUSED.iter().find(|(name, ..)| *name == key.text) {
                self.report(key.span, format!("`{}` cannot be set here: {why}", key.masked()), *instead);
            } else if !KNOWN.contains(&key.text.as_str()) && self.is_misspelt(key) {
                continue;
            } else if let Some(text) = text
                && (key.text != MIN_IN_SYNC || self.is_reachable(text, replication))
            {
                config.insert(key.text.clone(), text.text.clone());
            }
        }
        config
    }

    fn is_misspelt(&mut self, key: &Scalar) -> bool {
        let known = || KNOWN.into_iter().chain(REFUSED.iter().map(|(name, ..)| *name));
        if key.unexpanded.is_some() {
            return false;
        }
        let Some(near) = self.near(&key.text, known()) else { return false };
        let message = format!("Kafka has no setting `{}` for topics", key.masked());
        self.problems.push(Diagnostic::at(key.span, message).hint(format!("did you mean `{near}`?")));
        true
    }

    /// More replicas in sync than there are: every write would fail.
    fn is_reachable(&mut self, value: &Scalar, replication: Option<u32>) -> bool {
        let Some(needed) = value.text.trim().parse::<u32>().ok().filter(|n| *n > 0) else {
            let message = format!("expected a whole number from 1, found `{}`", value.masked());
            self.report(value.span, message, "write how many replicas must have a record, such as `2`");
            return false;
        };
        match replication {
            Some(replication) if needed > replication => {
                let message = format!(
                    "`{MIN_IN_SYNC}` is `{}`, but there are {replication} replicas: nothing could be written",
                    value.masked()
                );
                self.report(value.span, message, "use a smaller number; with 3 replicas 2 is usual");
                false
            }
            _ => true,
        }
    }
}
