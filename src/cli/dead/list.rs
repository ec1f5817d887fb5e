//! `fastdata dead list`: how many dead letters there are, by reason, step and source.

use super::letter::DeadLetter;
use super::{Pipeline, PipelineArg, say_none};
use crate::cli::context::CliContext;
use crate::cli::figures::counted;
use crate::cli::output::OutputFormat;
use crate::cli::read_topic::read_all;
use crate::cli::table::{Table, TableColumn};
use crate::time::rfc3339;
use serde_json::json;
use std::collections::HashMap;

/// How many reasons are kept apart. Further ones count as others, so that a reason which repeats the value of each
/// record does not grow without end.
const MAX_REASONS: usize = 10_000;

/// What stands for the reasons beyond the limit.
const OTHERS: &str = "(others)";

/// Count dead letters by reason, step and source topic
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata dead list wine-quality
  fastdata dead list pipeline.yaml --output json | jq -r .error")]
pub(super) struct DeadListArgs {
    #[command(flatten)]
    pipeline: PipelineArg,

    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    output: OutputFormat,

    /// At most N reasons, the commonest first
    #[arg(long, short = 'n', value_name = "N", default_value = "20")]
    limit: usize,
}

/// Letters with one reason.
#[derive(Debug)]
struct ReasonCount {
    error: String,
    step: String,
    source: String,
    letters: u64,
    replayed: u64,
    first: i64,
    last: i64,
}

pub(super) fn execute(args: &DeadListArgs, context: &CliContext) -> anyhow::Result<()> {
    let pipeline = Pipeline::open(&args.pipeline.pipeline, context)?;
    let Some(topic) = pipeline.letters()? else {
        say_none(&pipeline, context);
        return Ok(());
    };
    let partitions = crate::log::partitions(&topic);
    let replayed = pipeline.log.committed(&pipeline.replay_group(), &partitions)?;
    let replayed: HashMap<_, _> = partitions.into_iter().zip(replayed).collect();
    let mut reasons: HashMap<(String, String, String), ReasonCount> = HashMap::new();
    read_all(&*pipeline.log, &topic, |fetched| {
        let until = replayed.get(&*fetched.origin).copied().flatten();
        for letter in DeadLetter::all(fetched) {
            let is_replayed = until.is_some_and(|until| letter.offset < until);
            count(&mut reasons, &letter, is_replayed);
        }
        Ok(())
    })?;
    let mut found: Vec<ReasonCount> = reasons.into_values().collect();
    if found.is_empty() {
        say_none(&pipeline, context);
        return Ok(());
    }
    found.sort_by(|a, b| b.letters.cmp(&a.letters).then_with(|| (&a.error, &a.step).cmp(&(&b.error, &b.step))));
    let more: u64 = found.iter().skip(args.limit).map(|r| r.letters).sum();
    found.truncate(args.limit);
    match args.output {
        OutputFormat::Json => context.printer().print_json(json_lines(&found)),
        OutputFormat::Text => {
            context.printer().print(table(&found))?;
            if more > 0 {
                context.printer().info(format_args!("and {} with rarer reasons: --limit", counted(more, "letter")));
            }
            Ok(())
        }
    }
}

fn count(reasons: &mut HashMap<(String, String, String), ReasonCount>, letter: &DeadLetter<'_>, replayed: bool) {
    let source = letter.origin().map_or_else(|| letter.source.clone(), |at| at.topic.to_string());
    let mut key = (letter.error.clone(), letter.step.clone(), source);
    if reasons.len() >= MAX_REASONS && !reasons.contains_key(&key) {
        key = (OTHERS.into(), "-".into(), "-".into());
    }
    let time = letter.timestamp;
    let found = reasons.entry(key).or_insert_with_key(|(error, step, source)| ReasonCount {
        error: error.clone(),
        step: step.clone(),
        source: source.clone(),
        letters: 0,
        replayed: 0,
        first: time,
        last: time,
    });
    found.letters += 1;
    found.replayed += u64::from(replayed);
    (found.first, found.last) = (found.first.min(time), found.last.max(time));
}

fn table(found: &[ReasonCount]) -> Table {
    let mut table = Table::new([
        TableColumn::right("letters"),
        TableColumn::right("replayed"),
        TableColumn::left("step"),
        TableColumn::left("source"),
        TableColumn::left("first"),
        TableColumn::left("last"),
        TableColumn::left("reason"),
    ]);
    for reason in found {
        let [letters, replayed] = [reason.letters, reason.replayed].map(|n| n.to_string());
        let [first, last] = [reason.first, reason.last].map(rfc3339);
        table.row([letters, replayed, reason.step.clone(), reason.source.clone(), first, last, reason.error.clone()]);
    }
    table
}

fn json_lines(found: &[ReasonCount]) -> String {
    let line = |r: &ReasonCount| {
        let [first, last] = [r.first, r.last].map(rfc3339);
        let object = json!({
            "letters": r.letters, "replayed": r.replayed, "step": r.step, "source": r.source,
            "first": first, "last": last, "error": r.error,
        });
        format!("{object}\n")
    };
    found.iter().map(line).collect()
}
