//! `fastdata tail`: prints the records of a topic.

use super::context::CliContext;
use super::csv_output::CsvOutput;
use super::data_format::DataFormat;
use super::exit::UserError;
use super::figures::counted;
use super::read_topic::{POLL_TIMEOUT, ProgressToEnd, end_offsets, start_offsets};
use super::record_printer::{RecordOutput, RecordPrinter};
use super::waiting::Waiting;
use super::{arguments, backplane};
use crate::log::{self, FetchLimit, Start};
use crate::record::{Fetched, Offset, TopicPartition};
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

/// Print the records of a topic
///
/// Prints the existing records and then new ones as they arrive, until interrupted. The records of a partition
/// are printed in order; partitions take turns. `--output csv` writes the fields of JSON objects under a header: those
/// of the first record, or those that --columns names, among them _key, _offset, _partition, _timestamp and _topic.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata tail --topic raw --count 5
  fastdata tail --topic scored --from latest
  fastdata tail --topic raw --from 2026-01-31T12:00:00Z --until-end
  fastdata tail --topic scored --until-end --output json | jq .value.quality
  fastdata tail --topic scored --until-end --output csv --columns _key,quality > quality.csv
  fastdata tail --topic scored --wait=30s --count 1
  fastdata tail --topic raw --until-end --output raw > raw.jsonl")]
pub(super) struct TailArgs {
    /// The topic
    #[arg(long, short, value_name = "TOPIC")]
    topic: String,

    /// First record: earliest, latest, an offset, or a time such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "START", default_value = "earliest", value_parser = arguments::start)]
    from: Start,

    /// Stop at the end that the topic had at the start
    #[arg(long)]
    until_end: bool,

    /// Stop after N records
    #[arg(long, short = 'n', value_name = "N")]
    count: Option<u64>,

    /// Wait for a topic that does not exist yet, for at most DURATION, or without one until interrupted
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, value_parser = arguments::duration)]
    wait: Option<Option<Duration>>,

    /// The columns of --output csv, in their order
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    columns: Option<Vec<String>>,

    /// How to print a record: text for people, json and csv for programs, raw for the bare value
    #[arg(long, value_enum, value_name = "OUTPUT", default_value = "text")]
    output: RecordOutput,

    /// Format of the values
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "auto")]
    format: DataFormat,
}

pub(super) fn execute(args: &TailArgs, context: &CliContext) -> anyhow::Result<()> {
    check(args)?;
    let shutdown = context.shutdown();
    let mut waiting = Waiting::new(args.wait, format!("the topic `{}`", args.topic), context);
    let Some(log) = waiting.until_found(|| backplane::open_existing(context.global(), None))? else { return Ok(()) };
    let Some(topic) = waiting.until_found(|| Ok(log::topic(&*log, &args.topic)?))? else { return Ok(()) };
    let ends = args.until_end.then(|| end_offsets(&topic));
    let mut reader = log.reader(&start_offsets(&*log, &topic, args.from)?)?;
    let mut progress = ends.clone().map(ProgressToEnd::new);
    let csv = CsvOutput::new(args.format, args.columns.clone(), std::io::stdout().is_terminal());
    let mut records = RecordPrinter::new(args.output, args.format, csv);
    let mut data = context.printer().stdout();
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0 && !shutdown.is_requested() {
        if let Some(progress) = &mut progress
            && progress.is_at_end(&*log, reader.positions())?
        {
            break;
        }
        let max = usize::try_from(left).unwrap_or(usize::MAX).min(FetchLimit::default().records);
        let limit = FetchLimit { records: max, ..FetchLimit::default() };
        let Some(fetched) = reader.poll(limit, POLL_TIMEOUT)? else { continue };
        let rows = rows_to_print(&fetched, ends.as_deref(), left);
        records.write(&fetched, rows, &mut data)?;
        data.flush()?;
        left -= rows as u64;
    }
    if records.mismatched_values > 0 {
        let values = counted(records.mismatched_values, "value");
        context.printer().warn(format_args!("{values} not in the requested format, shown as text or base64"));
    }
    records.csv.notes(args.columns.is_some()).iter().for_each(|note| context.printer().warn(note));
    Ok(())
}

/// Checks options that fit only together.
fn check(args: &TailArgs) -> Result<(), UserError> {
    let is_csv = args.output == RecordOutput::Csv;
    if args.columns.is_some() && !is_csv {
        return Err(UserError::new("`--columns` is for CSV").hint("add `--output csv`"));
    }
    if is_csv && matches!(args.format, DataFormat::Text | DataFormat::Bytes) {
        return Err(UserError::new("`--output csv` needs values with fields")
            .hint("leave `--format` out, or use `--output raw`"));
    }
    Ok(())
}

/// The number of records before the end and within the count.
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
    fn records_beyond_the_end_or_the_count_are_not_printed() {
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
