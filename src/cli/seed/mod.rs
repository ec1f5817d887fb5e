//! `fastdata seed`: writes records to a topic, from a file, a generator file or the built-in wines.
//!
//! This file owns the loop. Records that were appended stay appended, so every message at the end of the loop
//! gives their number.

mod args;
mod generated;
mod key;
mod pace;
mod partitioner;
mod progress;
mod rows;
mod source;
mod storage_check;
mod topic_end;

use super::backplane;
use super::context::CliContext;
use super::data_format::FileFormatOptions;
use super::exit::UserError;
use super::figures::counted;
use super::row_reader::{RowReader, is_stdin};
use super::shutdown::BlockedCheck;
use crate::formats::Format;
use crate::log::{self, Log, LogError, TopicConfig, TopicInfo};
use crate::record::RecordsBuilder;
pub(super) use args::SeedArgs;
use pace::Pace;
pub(super) use partitioner::Partitioner;
use progress::SeedProgress;
use rows::RowSource;
use source::SeedPlan;
use std::io;
use storage_check::StorageCheck;
use topic_end::newest_time;

/// The maximum number of records in one append.
const MAX_BATCH_RECORDS: usize = 4096;

pub(super) fn execute(args: &SeedArgs, context: &CliContext) -> anyhow::Result<()> {
    let shutdown = context.shutdown();
    let storage = StorageCheck::default();
    let SeedPlan { mut source, total, rate, partitions } = open(args, context, &storage)?;
    let log = backplane::open(context.global(), None)?;
    storage.watch(log.clone());
    let topic = create_or_open(&*log, &args.topic, partitions)?;
    if args.from.is_none()
        && let Some(time) = newest_time(&*log, &topic, &shutdown)?
    {
        source.start_after(time);
    }
    let mut appender = log.appender()?;
    let mut partitioner = Partitioner::new(&topic);
    let pace = Pace::new(rate);
    let progress = SeedProgress::new(context.printer(), &topic.name, total);
    let mut batch = RecordsBuilder::default();
    let mut seeded = 0;
    loop {
        pace.wait(seeded, &shutdown, || storage.check()).map_err(|e| with_count(seeded, e.into()))?;
        let left = total.map_or(MAX_BATCH_RECORDS as u64, |t| t - seeded);
        let max = pace.batch_size(MAX_BATCH_RECORDS).min(usize::try_from(left).unwrap_or(MAX_BATCH_RECORDS));
        if max == 0 || shutdown.is_requested() {
            break;
        }
        let filled = source.fill(max, &mut batch).map_err(|e| with_count(seeded, e))?;
        if filled == 0 {
            break;
        }
        appender.append(&partitioner.split(&batch.finish())).map_err(|e| with_count(seeded, e.into()))?;
        seeded += filled as u64;
        progress.set(seeded);
    }
    progress.finish();
    if let Some(warning) = source.warning() {
        context.printer().warn(warning);
    }
    let count = counted(topic.partitions.len() as u64, "partition");
    context.printer().info(format_args!("seeded {} into `{}` ({count})", counted(seeded, "record"), topic.name));
    Ok(())
}

/// Adds the number of records written before an error to its message.
fn with_count(seeded: u64, error: anyhow::Error) -> anyhow::Error {
    if seeded == 0 { error } else { error.context(format!("after writing {}", counted(seeded, "record"))) }
}

fn open(args: &SeedArgs, context: &CliContext, storage: &StorageCheck) -> anyhow::Result<SeedPlan> {
    if let Some(file) = &args.from {
        if args.repeat && is_stdin(file) {
            return Err(UserError::new("stdin cannot be read again: `--loop` needs a file").into());
        }
        let has_columns = !args.columns.is_empty();
        let options = FileFormatOptions { format: args.format, delimiter: args.delimiter, has_columns };
        let format = options.resolve(file);
        if !matches!(format, Format::Csv { .. }) && (args.delimiter.is_some() || has_columns) {
            return Err(UserError::new("`--delimiter` and `--columns` are for `--format csv`").into());
        }
        let storage = storage.clone();
        let check: BlockedCheck = Box::new(move || storage.check().map_err(io::Error::other));
        let rows = RowReader::open(file, format, Some((&context.shutdown(), check)))?;
        let source = RowSource::new(rows, &args.columns, args.key.as_deref(), args.repeat)?;
        let (total, rate, partitions) = (args.count, args.rate, args.partitions);
        return Ok(SeedPlan { source: Box::new(source), total, rate, partitions });
    }
    generated::open(args)
}

/// Opens a topic, or creates it. A topic with another number of partitions than requested is an error.
fn create_or_open(log: &dyn Log, name: &str, partitions: Option<u32>) -> anyhow::Result<TopicInfo> {
    let topic = match log::topic(log, name) {
        Err(LogError::UnknownTopic { .. }) => {
            let config = TopicConfig { partitions: partitions.unwrap_or(1), ..TopicConfig::default() };
            match log.create_topic(name, &config) {
                // Another process may have created it meanwhile.
                Ok(()) | Err(LogError::TopicExists(_)) => {}
                Err(e) => return Err(e.into()),
            }
            log::topic(log, name)?
        }
        found => found?,
    };
    let actual = topic.partitions.len();
    match partitions {
        Some(requested) if requested as usize != actual => {
            let message =
                format!("topic `{}` exists with {}, not {requested}", topic.name, counted(actual as u64, "partition"));
            let hint = "leave `--partitions` out, or choose another topic";
            Err(UserError::new(message).hint(hint).into())
        }
        _ => Ok(topic),
    }
}
