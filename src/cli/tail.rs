//! `fastdata tail`: prints the records of a topic.

use super::backplane;
use super::context::Context;
use super::output::counted;
use super::record_view::{View, ViewFormat, ViewOutput};
use super::values;
use crate::log::{self, FetchLimit, Log, Start, TopicInfo};
use crate::record::{Fetched, Offset, TopicPartition};
use std::io::Write as _;
use std::time::Duration;

/// Longest wait for records before the wish to stop is looked at.
const WAIT: Duration = Duration::from_millis(100);

/// Print the records of a topic
///
/// Prints what is there and goes on with what comes, until interrupted. Records of one partition come in
/// their order; partitions take turns.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata tail --topic raw --count 5
  fastdata tail --topic scored --from latest
  fastdata tail --topic raw --from 2026-01-31T12:00:00Z --until-end
  fastdata tail --topic scored --until-end --output json | jq .value.quality
  fastdata tail --topic raw --until-end --output raw > raw.jsonl")]
pub(super) struct Args {
    /// The topic
    #[arg(long, short, value_name = "TOPIC")]
    topic: String,

    /// Where to begin: earliest, latest, an offset, or a time such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "START", default_value = "earliest", value_parser = values::start)]
    from: Start,

    /// Stop at the end of what was there at the start
    #[arg(long)]
    until_end: bool,

    /// Stop after so many records
    #[arg(long, short = 'n', value_name = "N")]
    count: Option<u64>,

    /// How to write each record: text for a person, json for a program, raw for the value as it is
    #[arg(long, value_enum, value_name = "OUTPUT", default_value = "text")]
    output: ViewOutput,

    /// What the values are; by default each is taken for JSON, text or bytes by what it holds
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "auto")]
    format: ViewFormat,
}

pub(super) fn execute(args: &Args, context: &Context) -> anyhow::Result<()> {
    let log = backplane::open(context.global(), None)?;
    let topic = log::topic(&*log, &args.topic)?;
    let shutdown = context.shutdown();
    let ends = args.until_end.then(|| ends(&topic));
    let mut reader = log.reader(&starts(&*log, &topic, args.from)?)?;
    let mut view = View::new(args.output, args.format);
    let mut data = context.printer().data();
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0 && !shutdown.requested() {
        if ends.as_ref().is_some_and(|ends| are_reached(ends, &reader.positions())) {
            break;
        }
        let records = usize::try_from(left).unwrap_or(usize::MAX).min(FetchLimit::default().records);
        let limit = FetchLimit { records, ..FetchLimit::default() };
        let Some(fetched) = reader.poll(limit, WAIT)? else { continue };
        let rows = rows_to_print(&fetched, ends.as_deref(), left);
        view.write(&fetched, rows, &mut data)?;
        data.flush()?;
        left -= rows as u64;
    }
    if view.misfits > 0 {
        let values = counted(view.misfits, "value");
        context.printer().warn(format_args!("{values} not of the format asked for, shown as text or base64"));
    }
    Ok(())
}

/// Gives all records that a topic holds now to `take`.
pub(super) fn read_all(
    log: &dyn Log,
    topic: &TopicInfo,
    mut take: impl FnMut(&Fetched) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let ends = ends(topic);
    let mut reader = log.reader(&starts(log, topic, Start::Earliest)?)?;
    while !are_reached(&ends, &reader.positions()) {
        if let Some(fetched) = reader.poll(FetchLimit::default(), WAIT)? {
            take(&fetched)?;
        }
    }
    Ok(())
}

fn starts(log: &dyn Log, topic: &TopicInfo, from: Start) -> anyhow::Result<Vec<(TopicPartition, Offset)>> {
    log::partitions(topic).into_iter().map(|p| Ok((p.clone(), log.resolve(&p, from)?))).collect()
}

fn ends(topic: &TopicInfo) -> Vec<(TopicPartition, Offset)> {
    log::partitions(topic).into_iter().zip(topic.partitions.iter().map(|p| p.end)).collect()
}

fn are_reached(ends: &[(TopicPartition, Offset)], positions: &[(TopicPartition, Offset)]) -> bool {
    positions.iter().all(|(at, position)| ends.iter().any(|(of, end)| of == at && position >= end))
}

/// How many of the records lie before the end and within the count.
fn rows_to_print(fetched: &Fetched, ends: Option<&[(TopicPartition, Offset)]>, left: u64) -> usize {
    let end = ends.and_then(|ends| ends.iter().find(|(of, _)| *of == *fetched.origin)).map_or(i64::MAX, |(_, e)| e.0);
    fetched.offsets.partition_point(|o| *o < end).min(usize::try_from(left).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RecordsBuilder;
    use std::sync::Arc;

    #[test]
    fn records_behind_the_end_or_the_count_are_not_printed() {
        let mut records = RecordsBuilder::default();
        (0..3).for_each(|i| records.push(None, Some(b"x"), i));
        let origin = TopicPartition::new("t", 0);
        let fetched =
            Fetched { origin: Arc::new(origin.clone()), offsets: vec![4, 7, 9].into(), records: records.finish() };
        let ends = [(origin, Offset(9))];
        assert_eq!(rows_to_print(&fetched, None, 9), 3);
        assert_eq!(rows_to_print(&fetched, Some(&ends), 9), 2);
        assert_eq!(rows_to_print(&fetched, Some(&ends), 1), 1);
    }
}
