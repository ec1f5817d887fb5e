//! `fastdata seed`: writes records to a topic, from a file, a generator file or the built-in wines.
//!
//! This file is the loop; where records come from, how fast, and to which partition have files of their
//! own. What was appended stays appended, so every end of the loop says how much that is.

mod generated;
mod key;
mod lines;
mod pace;
mod partitions;
mod progress;

use super::context::Context;
use super::exit::WrongInput;
use super::input::{FormatName, RowFormat};
use super::output::counted;
use super::values::{self, Rate};
use super::{backplane, input};
use crate::log::{self, Log, LogError, TopicConfig, TopicInfo};
use crate::record::RecordsBuilder;
use pace::Pace;
pub(super) use partitions::Partitions;
use progress::Progress;
use std::path::PathBuf;

/// Records in one append, at most.
const BATCH: usize = 4096;

/// Write records to a topic
///
/// Without `--from` and `--generate`: 10,000 records of the built-in wine generator, as pipelines/wine.yaml
/// reads them, with their `kind` as the key. A topic that does not exist is made.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata seed --topic raw                                   10,000 wines
  fastdata seed --topic raw --loop --rate 1000/s              wines until interrupted
  fastdata seed --topic orders --from orders.jsonl --key customer
  fastdata seed --topic wines --from wine.csv --delimiter ';'
  other-program | fastdata seed --topic events --from -
  fastdata seed --topic sensors --generate sensors.yaml --random-seed 7")]
pub(super) struct Args {
    /// The topic to write to
    #[arg(long, short, value_name = "TOPIC")]
    topic: String,

    /// Records from a file, or `-` for stdin: one JSON object a line, or rows of separated values
    #[arg(long, value_name = "FILE", conflicts_with = "generate")]
    from: Option<PathBuf>,

    /// Records from a generator file
    #[arg(long, value_name = "FILE")]
    generate: Option<PathBuf>,

    /// What the file holds; default: by its extension, else JSON
    #[arg(long, value_enum, value_name = "FORMAT", requires = "from")]
    format: Option<FormatName>,

    /// Between the values of a row; default: a comma, in .tsv files a tab
    #[arg(long, value_name = "CHARACTER", value_parser = values::delimiter, requires = "from")]
    delimiter: Option<u8>,

    /// Names of the columns of a file that does not begin with them
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', requires = "from")]
    columns: Vec<String>,

    /// Column that becomes the record key; records with one key go to one partition
    #[arg(long, value_name = "COLUMN")]
    key: Option<String>,

    /// Records per second, such as 1000/s or 90/m; default: as fast as it goes
    #[arg(long, value_name = "RATE")]
    rate: Option<Rate>,

    /// Stop after so many records
    #[arg(long, short = 'n', value_name = "N")]
    count: Option<u64>,

    /// Begin again when the records end, until interrupted or `--count` is reached
    #[arg(long = "loop")]
    again: bool,

    /// Partitions to make the topic with, where it does not exist; default: 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    partitions: Option<u32>,

    /// The same seed gives the same records
    #[arg(long, value_name = "N", conflicts_with = "from")]
    random_seed: Option<u64>,
}

/// Records to write, and how: what the options say, else what a generator file says.
struct Records {
    source: Box<dyn Source>,
    /// How many there are, where that is known.
    total: Option<u64>,
    rate: Option<Rate>,
    partitions: Option<u32>,
}

/// Where records come from.
trait Source {
    /// Adds at most `max` records; none at the end.
    fn fill(&mut self, max: usize, into: &mut RecordsBuilder) -> anyhow::Result<usize>;

    /// What the person should know about the records, once all are written.
    fn remark(&self) -> Option<String>;
}

pub(super) fn execute(args: &Args, context: &Context) -> anyhow::Result<()> {
    let shutdown = context.shutdown();
    let Records { mut source, total, rate, partitions } = open(args, context)?;
    let log = backplane::open(context.global(), None)?;
    let topic = topic(&*log, &args.topic, partitions)?;
    let mut appender = log.appender()?;
    let mut router = Partitions::new(&topic);
    let mut pace = Pace::new(rate);
    let progress = Progress::new(context.printer(), &topic.name, total);
    let mut batch = RecordsBuilder::default();
    let mut seeded = 0;
    loop {
        pace.wait(seeded, &shutdown);
        let left = total.map_or(BATCH as u64, |t| t - seeded);
        let max = pace.chunk(BATCH).min(usize::try_from(left).unwrap_or(BATCH));
        if max == 0 || shutdown.requested() {
            break;
        }
        let filled = source.fill(max, &mut batch).map_err(|e| after(seeded, e))?;
        if filled == 0 {
            break;
        }
        appender.append(&router.split(&batch.finish())).map_err(|e| after(seeded, e.into()))?;
        seeded += filled as u64;
        progress.set(seeded);
    }
    progress.finish();
    if let Some(remark) = source.remark() {
        context.printer().warn(remark);
    }
    let count = counted(topic.partitions.len() as u64, "partition");
    context.printer().talk(format_args!("seeded {} into `{}` ({count})", counted(seeded, "record"), topic.name));
    Ok(())
}

/// What was written before an error stays written, and the message says how much that is.
fn after(seeded: u64, error: anyhow::Error) -> anyhow::Error {
    if seeded == 0 { error } else { error.context(format!("after {} were written", counted(seeded, "record"))) }
}

fn open(args: &Args, context: &Context) -> anyhow::Result<Records> {
    if let Some(file) = &args.from {
        if args.again && input::is_stdin(file) {
            return Err(WrongInput::new("stdin cannot be read again: `--loop` needs a file").into());
        }
        let format = RowFormat::of(file, args.format, args.delimiter, !args.columns.is_empty());
        if format == RowFormat::Json && (args.delimiter.is_some() || !args.columns.is_empty()) {
            return Err(WrongInput::new("`--delimiter` and `--columns` are for `--format csv`").into());
        }
        let rows = input::Rows::open(file, format, Some(&context.shutdown()))?;
        let lines = lines::Lines::new(rows, &args.columns, args.key.as_deref(), args.again)?;
        let (total, rate, partitions) = (args.count, args.rate, args.partitions);
        return Ok(Records { source: Box::new(lines), total, rate, partitions });
    }
    generated::open(args)
}

/// The topic, made where it is not there; another number of partitions than asked for is refused.
fn topic(log: &dyn Log, name: &str, partitions: Option<u32>) -> anyhow::Result<TopicInfo> {
    let topic = match log::topic(log, name) {
        Err(LogError::UnknownTopic { .. }) => {
            let config = TopicConfig { partitions: partitions.unwrap_or(1), ..TopicConfig::default() };
            match log.create_topic(name, &config) {
                // Another process was faster.
                Ok(()) | Err(LogError::TopicExists(_)) => {}
                Err(e) => return Err(e.into()),
            }
            log::topic(log, name)?
        }
        found => found?,
    };
    let has = topic.partitions.len();
    match partitions {
        Some(wanted) if wanted as usize != has => {
            let message =
                format!("topic `{}` exists with {}, not {wanted}", topic.name, counted(has as u64, "partition"));
            let hint = "ask for as many, or choose another topic";
            Err(WrongInput::new(message).hint(hint).into())
        }
        _ => Ok(topic),
    }
}
