//! A source whose topic does not exist: what to type.

use super::args::RunArgs;
use super::watched::WatchedRun;
use crate::diagnostics::nearest;
use crate::log::LogError;
use crate::plan::InputPlan;
use crate::runtime::Fault;

/// The error of a run; that of a missing source says how the topic comes into being.
pub(super) fn explained(fault: Fault, runs: &[WatchedRun]) -> anyhow::Error {
    match fault {
        Fault::Backplane(LogError::UnknownTopic { topic, known }) => {
            match runs.iter().find(|run| sources(run).any(|source| source == topic)) {
                Some(run) => anyhow::anyhow!(message(run, &topic, &known)),
                None => LogError::UnknownTopic { topic, known }.into(),
            }
        }
        Fault::Backplane(e) => e.into(),
        other => other.into(),
    }
}

fn message(run: &WatchedRun, topic: &str, known: &[String]) -> String {
    let (name, options) = (&run.plan.name, &run.log_options);
    let near = nearest(topic, known.iter().map(String::as_str));
    let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    let others = sources(run).filter_map(|source| run.log.topics(Some(source)).ok()?.pop());
    // Inputs of the same width meet without more ado.
    let partitions = others.map(|info| info.partitions.len()).max().unwrap_or(1);
    let create = format!("`fastdata topics create {topic} --partitions {partitions}{options}`");
    let wait = if can_wait() { "; with `--wait` the run waits for it" } else { "" };
    format!(
        "topic `{topic}`, which `{name}` reads, does not exist{near}\nhint: make it with {create}, or fill it with `fastdata seed --topic {topic}{options}`{wait}"
    )
}

/// The topics of the sources of a run.
fn sources(run: &WatchedRun) -> impl Iterator<Item = &str> {
    let inputs = run.plan.subs.iter().flat_map(|sub| &sub.inputs);
    inputs.filter_map(|input| if let InputPlan::Source(source) = input { Some(&*source.topic) } else { None })
}

/// Whether a run can be told to wait.
fn can_wait() -> bool {
    let command = <RunArgs as clap::Args>::augment_args(clap::Command::new("run"));
    command.get_arguments().any(|argument| argument.get_long() == Some("wait"))
}
