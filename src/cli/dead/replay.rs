//! `fastdata dead replay`: appends the records of dead letters to their source again, each once.
//!
//! A group reads the letters; its positions say which have been replayed. The records and the positions are one
//! transaction, so that a replay which is broken off goes on where it stopped and sends nothing twice.

use super::letter::{DeadLetter, REPLAYED};
use super::{Pipeline, PipelineArg, say_none, taken};
use crate::cli::context::CliContext;
use crate::cli::figures::counted;
use crate::cli::read_topic::{POLL_TIMEOUT, ProgressToEnd, end_offsets};
use crate::log::{
    Append, Delivery, FetchLimit, GroupEvent, GroupSpec, Log, LogError, Member, Start, TopicInfo, Transaction,
};
use crate::record::{Fetched, Offset, RecordsBuilder, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Send the records of dead letters to their source again, each once
///
/// The pipeline then handles them as new records, at the end of their partition: an edited file or another model may
/// let them pass. A record whose event time lies behind the watermark is late. A record that went several ways through
/// the pipeline and died on one goes all of them again. Letters that hold no record are left out and counted: results of
/// windows, rows behind a repartition, values that were too large to copy.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata dead replay wine-quality
  fastdata dead list wine-quality        shows how many have been replayed")]
pub(super) struct DeadReplayArgs {
    #[command(flatten)]
    pipeline: PipelineArg,
}

/// What became of the letters.
#[derive(Default)]
struct Replayed {
    /// Records by the topic that they were sent to.
    sent: BTreeMap<Arc<str>, u64>,
    rows: u64,
    too_large: u64,
    without_source: u64,
}

pub(super) fn execute(args: &DeadReplayArgs, context: &CliContext) -> anyhow::Result<()> {
    let pipeline = Pipeline::open(&args.pipeline.pipeline, context)?;
    let Some(topic) = pipeline.letters()? else {
        say_none(&pipeline, context);
        return Ok(());
    };
    let group = GroupSpec {
        group: pipeline.replay_group(),
        topics: vec![topic.name.clone()],
        instance: format!("process {}", std::process::id()),
        delivery: Delivery::ExactlyOnce,
    };
    let member = pipeline.log.join(&group).map_err(|e| match e {
        LogError::GroupTaken { .. } => taken(&pipeline.name).into(),
        e => anyhow::Error::from(e),
    })?;
    let mut replay =
        Replay { log: &*pipeline.log, name: &pipeline.name, topics: BTreeSet::new(), done: Replayed::default() };
    replay.run(member, &topic, context)?;
    replay.done.say(context);
    Ok(())
}

struct Replay<'a> {
    log: &'a dyn Log,
    name: &'a str,
    /// Topics that are known to exist.
    topics: BTreeSet<Arc<str>>,
    done: Replayed,
}

impl Replay<'_> {
    fn run(&mut self, mut member: Box<dyn Member>, topic: &TopicInfo, context: &CliContext) -> anyhow::Result<()> {
        let mut committer = member.committer()?;
        let mut progress = ProgressToEnd::new(end_offsets(topic));
        let shutdown = context.shutdown();
        let mut assigned = false;
        while !(shutdown.is_requested() || assigned && progress.is_at_end(self.log, member.positions())?) {
            match member.poll(FetchLimit::default(), POLL_TIMEOUT)? {
                GroupEvent::Assigned(partitions) => {
                    if partitions.len() < topic.partitions.len() {
                        return Err(taken(self.name).into());
                    }
                    let start = |(at, next): (TopicPartition, Option<Offset>)| {
                        let earliest = self.log.resolve(&at, Start::Earliest)?;
                        Ok((at, next.map_or(earliest, |next| next.max(earliest))))
                    };
                    let starts: Vec<_> = partitions.into_iter().map(start).collect::<Result<_, LogError>>()?;
                    member.seek(&starts)?;
                    assigned = true;
                }
                GroupEvent::Records(fetched) => {
                    let transaction = self.transaction(&fetched)?;
                    committer.commit(&transaction)?;
                    self.done.count(&transaction.results);
                }
                GroupEvent::Revoked(_) => return Err(taken(self.name).into()),
                GroupEvent::Idle => {}
            }
        }
        drop(committer);
        Ok(member.leave()?)
    }

    /// The records of some letters, and the position behind them.
    fn transaction(&mut self, fetched: &Fetched) -> anyhow::Result<Transaction> {
        let mut records: BTreeMap<TopicPartition, RecordsBuilder> = BTreeMap::new();
        for letter in DeadLetter::all(fetched) {
            let Some(to) = letter.origin().filter(|at| !self.is_missing(&at.topic)) else {
                self.done.without_source += 1;
                continue;
            };
            if letter.left_out.is_some() {
                self.done.too_large += 1;
            } else if letter.is_row {
                self.done.rows += 1;
            } else {
                let mark = format!("{}/{}", letter.at, letter.offset);
                let mut headers: Vec<_> =
                    letter.headers.into_iter().filter(|(name, _)| *name != REPLAYED.as_bytes()).collect();
                headers.push((REPLAYED.as_bytes(), Some(mark.as_bytes())));
                records.entry(to).or_default().push_with(letter.key, letter.value, letter.timestamp, &headers);
            }
        }
        let next = fetched.offsets.last().map_or(0, |last| last + 1);
        let results = records.into_iter().map(|(to, mut records)| Append { to, records: records.finish() }).collect();
        let offsets = vec![(TopicPartition::clone(&fetched.origin), Offset(next))];
        Ok(Transaction { results, state: Vec::new(), offsets })
    }

    /// Whether a topic does not exist: the result of a window names its step.
    fn is_missing(&mut self, topic: &Arc<str>) -> bool {
        if !self.topics.contains(topic) && self.log.topics(Some(topic)).is_ok_and(|found| !found.is_empty()) {
            self.topics.insert(topic.clone());
        }
        !self.topics.contains(topic)
    }
}

impl Replayed {
    fn count(&mut self, results: &[Append]) {
        for append in results {
            *self.sent.entry(append.to.topic.clone()).or_default() += append.records.len() as u64;
        }
    }

    fn say(&self, context: &CliContext) {
        let printer = context.printer();
        for (topic, records) in &self.sent {
            printer.info(format_args!("sent {} to `{topic}` again", counted(*records, "record")));
        }
        for (letters, why) in [
            (self.rows, "hold a row and no record: it died behind a repartition"),
            (self.too_large, "hold no value: it was too large to copy"),
            (self.without_source, "have no source topic: they are results of a window, or it was deleted"),
        ] {
            if letters > 0 {
                printer.info(format_args!("left out {}, which {why}", counted(letters, "letter")));
            }
        }
        if self.sent.is_empty() && self.rows + self.too_large + self.without_source == 0 {
            printer.info("all dead letters were replayed before");
        }
    }
}
