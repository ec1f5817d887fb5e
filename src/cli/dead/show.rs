//! `fastdata dead show`: single dead letters with what they hold.

use super::letter::DeadLetter;
use super::{Pipeline, PipelineArg, say_none};
use crate::cli::context::CliContext;
use crate::cli::output::OutputFormat;
use crate::cli::read_topic::read_all;
use crate::time::rfc3339;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::VecDeque;

/// Show dead letters: the reason, the source, and the bytes of the record
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata dead show wine-quality                            the newest
  fastdata dead show wine-quality --count 10 --reason cast   of those with this in their reason
  fastdata dead show pipeline.yaml --step sink:scored --output json")]
pub(super) struct DeadShowArgs {
    #[command(flatten)]
    pipeline: PipelineArg,

    /// How many, the newest
    #[arg(long, short = 'n', value_name = "N", default_value = "1")]
    count: usize,

    /// Only letters with this text in their reason, in any case
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    /// Only letters of this source, step or sink
    #[arg(long, value_name = "STEP")]
    step: Option<String>,

    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    output: OutputFormat,
}

pub(super) fn execute(args: &DeadShowArgs, context: &CliContext) -> anyhow::Result<()> {
    let pipeline = Pipeline::open(&args.pipeline.pipeline, context)?;
    let Some(topic) = pipeline.letters()? else {
        say_none(&pipeline, context);
        return Ok(());
    };
    let reason = args.reason.as_ref().map(|text| text.to_lowercase());
    let mut shown: VecDeque<String> = VecDeque::new();
    read_all(&*pipeline.log, &topic, |fetched| {
        for letter in DeadLetter::all(fetched) {
            let has_reason = reason.as_ref().is_none_or(|text| letter.error.to_lowercase().contains(text));
            if !has_reason || args.step.as_ref().is_some_and(|step| letter.step != *step) || args.count == 0 {
                continue;
            }
            if shown.len() == args.count {
                shown.pop_front();
            }
            shown.push_back(if args.output == OutputFormat::Json { json_line(&letter) } else { text(&letter) });
        }
        Ok(())
    })?;
    if shown.is_empty() {
        context.printer().info("no dead letter matches");
        return Ok(());
    }
    match args.output {
        OutputFormat::Json => context.printer().print_json(shown.into_iter().collect::<String>()),
        OutputFormat::Text => context.printer().print(Vec::from(shown).join("\n")),
    }
}

fn text(letter: &DeadLetter<'_>) -> String {
    let mut out = format!("{}@{}  {}\n", letter.at, letter.offset, rfc3339(letter.timestamp));
    let mut line =
        |name: &str, value: &str| out.push_str(&format!("  {name:8}{}\n", value.replace('\n', "\n          ")));
    line("reason", &letter.error);
    line("step", &letter.step);
    line("source", &letter.source);
    line("key", &letter.key.map_or_else(|| "-".into(), readable));
    for (name, value) in &letter.headers {
        let value = value.map_or_else(|| "-".into(), readable);
        line("header", &format!("{}={value}", String::from_utf8_lossy(name)));
    }
    let value = match (&letter.left_out, letter.value) {
        (Some(size), _) => format!("left out, as it is too large: {size} bytes; the record at the source has it"),
        (None, Some(value)) => readable(value),
        (None, None) => "null".into(),
    };
    line(if letter.is_row { "row" } else { "value" }, &value);
    out
}

fn json_line(letter: &DeadLetter<'_>) -> String {
    let value = |bytes: Option<&[u8]>| bytes.map_or(Value::Null, |bytes| readable(bytes).into());
    let headers =
        letter.headers.iter().map(|(name, v)| json!({"key": String::from_utf8_lossy(name), "value": value(*v)}));
    let object = json!({
        "topic": &*letter.at.topic, "partition": letter.at.partition.0, "offset": letter.offset.0,
        "timestamp": rfc3339(letter.timestamp), "error": letter.error, "step": letter.step, "source": letter.source,
        "key": value(letter.key), "value": value(letter.value), "row": letter.is_row, "left_out": letter.left_out,
        "headers": headers.collect::<Vec<_>>(),
    });
    format!("{object}\n")
}

/// Bytes as text, or as base64 where they are none.
fn readable(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| format!("base64:{}", STANDARD.encode(bytes)), str::to_owned)
}
