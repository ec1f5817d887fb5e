//! `--from` of `fastdata run`: where it starts reading.

use super::Physical;
use crate::cli::arguments;
use crate::cli::backplane;
use crate::cli::context::CliContext;
use crate::cli::exit::UserError;
use crate::diagnostics::SourceText;
use crate::log::{Start, topic};
use crate::plan::InputPlan;
use crate::runtime::StartFrom;
use crate::spec::{Positions, Spec, TopicBounds};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where to start, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum StartPosition {
    Earliest,
    Latest,
    Committed,
    Recorded,
    /// Epoch milliseconds.
    Time(i64),
    /// A file of positions.
    File(PathBuf),
}

/// A word, a time, or a file of positions.
pub(super) fn parse(text: &str) -> Result<StartPosition, String> {
    match text {
        "committed" => return Ok(StartPosition::Committed),
        "recorded" => return Ok(StartPosition::Recorded),
        _ => {}
    }
    match arguments::start(text) {
        Ok(Start::Earliest) => Ok(StartPosition::Earliest),
        Ok(Start::Latest) => Ok(StartPosition::Latest),
        Ok(Start::Time(time)) => Ok(StartPosition::Time(time)),
        Ok(Start::At(_)) => Err(format!(
            "`{text}` is an offset, and each partition has its own: write them into a file, such as `orders: {{0: {text}}}`"
        )),
        Err(_) if is_file(Path::new(text)) => Ok(StartPosition::File(text.into())),
        Err(_) => Err(format!(
            "`{text}` is no start: write earliest, latest, committed, recorded, a time such as 2026-01-31T12:00:00Z, or a YAML or JSON file of positions"
        )),
    }
}

fn is_file(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str());
    matches!(extension, Some("yaml" | "yml" | "json")) || path.is_file()
}

/// What the runs of these pipelines start from.
pub(super) fn resolve(
    from: &StartPosition,
    pipelines: &[(Spec, Physical)],
    context: &CliContext,
) -> anyhow::Result<StartFrom> {
    Ok(match from {
        StartPosition::Earliest => StartFrom::Earliest,
        StartPosition::Latest => StartFrom::Latest,
        StartPosition::Committed => StartFrom::Committed,
        StartPosition::Recorded => StartFrom::Recorded,
        StartPosition::Time(time) => StartFrom::Time(*time),
        StartPosition::File(path) => StartFrom::Positions(positions(path, pipelines, context)?),
    })
}

fn positions(
    path: &Path,
    pipelines: &[(Spec, Physical)],
    context: &CliContext,
) -> anyhow::Result<BTreeMap<crate::record::TopicPartition, crate::record::Offset>> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|e| UserError::new(format!("cannot read the positions in `{shown}`: {e}")))?;
    let positions = Positions::parse(Arc::new(SourceText { name: shown, text }))?;
    let mut bounds: BTreeMap<Arc<str>, TopicBounds> = BTreeMap::new();
    for (spec, plan) in pipelines {
        let log = backplane::open(context.global(), Some(spec))?;
        for input in plan.subs.iter().flat_map(|sub| &sub.inputs) {
            if let InputPlan::Source(source) = input {
                let info = topic(&*log, &source.topic)?;
                bounds.insert(source.topic.clone(), info.partitions.iter().map(|p| (p.earliest, p.end)).collect());
            }
        }
    }
    Ok(positions.check(&bounds)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_a_word_a_time_or_a_file() {
        assert_eq!(parse("recorded"), Ok(StartPosition::Recorded));
        assert_eq!(parse("earliest"), Ok(StartPosition::Earliest));
        assert_eq!(parse("1970-01-01T00:00:01Z"), Ok(StartPosition::Time(1_000)));
        assert_eq!(parse("at.json"), Ok(StartPosition::File("at.json".into())));
        assert!(parse("57").is_err_and(|why| why.contains("each partition has its own")));
        assert!(parse("erliest").is_err_and(|why| why.starts_with("`erliest` is no start: write earliest,")));
    }
}
