//! `--from earliest` where outputs exist: they will be there twice, unless `--replace-outputs` removes them first.

use super::args::RunArgs;
use super::start::StartPosition;
use super::watched::WatchedRun;
use crate::cli::backplane;
use crate::cli::exit::UserError;
use crate::cli::figures::count;
use crate::cli::global::Global;
use crate::cli::printer::{Printer, Severity};
use crate::plan::Physical;
use crate::runtime::{Fault, filled_outputs};
use crate::spec::Spec;

/// Checks `--replace-outputs` against the other arguments.
pub(super) fn check(args: &RunArgs, global: &Global, pipelines: &[(Spec, Physical)]) -> anyhow::Result<()> {
    if !args.replace_outputs {
        return Ok(());
    }
    if args.from != StartPosition::Earliest {
        let hint = "add `--from earliest`, or leave `--replace-outputs` out";
        let message = "`--replace-outputs` is for a run that starts over: outputs of records that are not read again would be lost";
        return Err(UserError::new(message).hint(hint).into());
    }
    for (spec, plan) in pipelines {
        if backplane::settings(global, Some(spec))?.is_some() {
            return Err(refusal_on_kafka(plan).into());
        }
    }
    let mut written: Vec<(&str, &str)> = Vec::new();
    for (spec, plan) in pipelines {
        for sink in &spec.sinks {
            let topic = sink.topic.value.as_str();
            match written.iter().find(|(of, pipeline)| *of == topic && *pipeline != plan.name) {
                Some((_, other)) => {
                    let message = format!(
                        "`--replace-outputs` must not empty the topic `{topic}`: `{other}` and `{}` write it",
                        plan.name
                    );
                    return Err(UserError::new(message).hint("run them one after the other without it").into());
                }
                None => written.push((topic, &plan.name)),
            }
        }
    }
    Ok(())
}

/// The refusal to replace outputs on Kafka, where that is no single act.
fn refusal_on_kafka(plan: &Physical) -> UserError {
    let topics = outputs_of(plan);
    let deletions: Vec<String> = topics.iter().map(|topic| format!("`fastdata topics delete {topic}`")).collect();
    let (name, deletions) = (&plan.name, deletions.join(", "));
    UserError::new(
        "`--replace-outputs` works on the embedded log only: Kafka cannot remove topics and positions in one act, so a \
         fault in between would lose or double results",
    )
    .hint(format!("stop `{name}`, then {deletions}, then run it with `--from earliest` alone; or write to new topics"))
}

/// Says which outputs will be there twice.
pub(super) fn warn(run: &WatchedRun, is_kafka: bool, printer: &Printer) -> Result<(), Fault> {
    let filled = filled_outputs(&run.plan, run.log.as_ref())?;
    if filled.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = filled.iter().map(|(topic, records)| format!("`{topic}` ({})", count(*records))).collect();
    let message = format!(
        "`{}` starts over, and its outputs hold records of earlier runs, which stay: {}",
        run.plan.name,
        list.join(", ")
    );
    let hint = match is_kafka {
        true => "delete them with `fastdata topics delete TOPIC` first, or write to new topics",
        false => "`--replace-outputs` removes them first",
    };
    printer.talk(Severity::Warning, &message, Some(hint));
    Ok(())
}

/// The topics of the sinks, then that of dead letters.
fn outputs_of(plan: &Physical) -> Vec<String> {
    let nodes = plan.subs.iter().flat_map(|sub| &sub.nodes);
    let sinks =
        nodes.filter_map(
            |node| if let crate::plan::Op::Sink(sink) = &node.op { Some(sink.topic.to_string()) } else { None },
        );
    let mut topics: Vec<String> = sinks.collect();
    topics.dedup();
    topics.push(plan.dead_topic());
    topics
}
