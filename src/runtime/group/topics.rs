//! Compares the topics on a backplane with the layout of a pipeline, and creates those that are missing.
//!
//! [`survey`] changes nothing; [`prepare`] surveys and then creates. Every mismatch names the topic and what to do.

use crate::log::{Log, LogError, StartOver, TopicInfo, topic};
use crate::metrics::Reports;
use crate::plan::{
    InputPlan, PartitionCounts, Physical, PipelineLayout, StateVerdict, SubTopology, TopicLayout, TopicRole, layout,
    state_verdicts,
};
use crate::runtime::cancel::CancelToken;
use crate::runtime::fault::Fault;
use crate::runtime::read::progress;
use crate::runtime::recovery::lost_input::is_lost_input;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Most surveys of one [`prepare`] while another instance creates the same topics.
const MAX_SURVEYS: u32 = 200;

/// Pause between two surveys.
const SURVEY_INTERVAL: Duration = Duration::from_millis(50);

/// Why a pipeline cannot run with a topic.
#[derive(Debug)]
pub struct TopicMismatch {
    /// The topic.
    pub topic: TopicLayout,
    /// What is wrong, and what to do.
    pub fault: Fault,
}

/// The topics of a pipeline as they are on the backplane. Each topic is in one of the three lists; a step whose
/// inputs do not fit together is a mismatch of its state topic too.
#[derive(Debug)]
pub struct TopicSurvey {
    /// The topics as they must be.
    pub layout: PipelineLayout,
    /// The topics that exist and fit.
    pub existing: Vec<TopicLayout>,
    /// The topics that a run creates.
    pub missing: Vec<TopicLayout>,
    /// The topics with which the pipeline cannot run.
    pub mismatches: Vec<TopicMismatch>,
}

/// Compares the topics of a pipeline with its layout and changes nothing.
///
/// # Errors
/// Faults of the backplane, and [`Fault::Stopped`] where it was cancelled. A mismatch is a finding and no error.
pub fn survey(plan: &Physical, log: &dyn Log, cancel: &CancelToken) -> Result<TopicSurvey, Fault> {
    let mut found: BTreeMap<Arc<str>, TopicInfo> = BTreeMap::new();
    let mut mismatches = Vec::new();
    for wanted in layout(plan, &PartitionCounts::new()).topics {
        let info = match log.topics(Some(&wanted.topic))?.pop() {
            // The error of a missing source says what to do; it may have been created just now.
            None if wanted.role == TopicRole::Source => match topic(log, &wanted.topic) {
                Ok(info) => Some(info),
                Err(e) => {
                    mismatches.push(TopicMismatch { topic: wanted.clone(), fault: e.into() });
                    None
                }
            },
            found => found,
        };
        if let Some(info) = info {
            found.insert(wanted.topic, info);
        }
    }
    let counts = found.iter().map(|(name, info)| (name.clone(), partition_count(info))).collect();
    let layout = layout(plan, &counts);
    // The widths follow from the sources, so they are known only where all sources exist.
    let widths_known = mismatches.is_empty();
    if widths_known {
        mismatches.extend(plan.subs.iter().filter_map(|sub| unequal_inputs(plan, sub, &layout)));
    }
    let mut survey = TopicSurvey { layout, existing: Vec::new(), missing: Vec::new(), mismatches };
    for wanted in &survey.layout.topics {
        match found.get(&wanted.topic) {
            None if wanted.role == TopicRole::Source => {}
            None => survey.missing.push(wanted.clone()),
            Some(info) => match mismatch(wanted, info, widths_known) {
                Some(fault) => survey.mismatches.push(TopicMismatch { topic: wanted.clone(), fault }),
                None => survey.existing.push(wanted.clone()),
            },
        }
    }
    if survey.existing.iter().any(|t| t.role == TopicRole::Progress) {
        let reports = progress::reports(log, &plan.name, cancel)?;
        survey.move_deleted(plan, &reports);
        survey.mismatches.extend(misread_states(plan, &reports, &survey.layout));
    }
    Ok(survey)
}

/// What becomes of the committed state where a plan takes over.
#[must_use]
pub fn recorded_verdicts(plan: &Physical, reports: &Reports) -> BTreeMap<String, StateVerdict> {
    let now = plan.states();
    let mut verdicts = state_verdicts(&reports.states, &now);
    for (state, now) in now.iter().filter(|(state, _)| !reports.states.contains_key(*state)) {
        if reports.keys_of(state) > 0 {
            let why = "it was committed by a version of fastdata that did not record what its bytes mean";
            verdicts.insert(now.step(state).to_owned(), StateVerdict::Refused(why.into()));
        }
    }
    verdicts
}

/// The states that the steps of a plan would misread.
fn misread_states(plan: &Physical, reports: &Reports, layout: &PipelineLayout) -> Vec<TopicMismatch> {
    let verdicts = recorded_verdicts(plan, reports);
    let mismatch = |(step, verdict): (String, StateVerdict)| {
        let why = refusal(&step, verdict)?;
        let topic = layout.topics.iter().find(|t| t.role == TopicRole::State && t.owner == step)?.clone();
        Some(TopicMismatch { topic, fault: Fault::Fatal(why) })
    };
    verdicts.into_iter().filter_map(mismatch).collect()
}

/// Why a run does not begin, and what to do; `None` where the verdict on a step refuses nothing.
fn refusal(step: &str, verdict: StateVerdict) -> Option<String> {
    match verdict {
        StateVerdict::Refused(why) => Some(format!(
            "the state of `{step}` does not fit the step: {why}; go back to the earlier file, give the step another name, or start its state over with `--reset {step}`"
        )),
        StateVerdict::Renamed(state) => Some(format!(
            "`{step}` would begin without state, and no step goes on with the state of `{state}`, which means the same\nhint: if the step was renamed, add `was: {state}` to it; if it is a new one, let it begin without state with `--reset {step}`"
        )),
        StateVerdict::Unknown { state, meant } => {
            let meant = meant.map(|m| format!("did you mean `was: {m}`? ")).unwrap_or_default();
            Some(format!(
                "`{step}` is to go on with the state of `{state}`, and there is none\nhint: {meant}`--reset {step}` lets the step begin without state"
            ))
        }
        StateVerdict::Kept
        | StateVerdict::Mixed(_)
        | StateVerdict::Moved { .. }
        | StateVerdict::New
        | StateVerdict::Orphaned => None,
    }
}

fn partition_count(info: &TopicInfo) -> u32 {
    u32::try_from(info.partitions.len()).unwrap_or(u32::MAX)
}

/// What a topic contains, in words.
fn contents(topic: &TopicLayout) -> String {
    let owner = &topic.owner;
    match topic.role {
        TopicRole::State => format!("the state of `{owner}`"),
        TopicRole::Repartition => format!("the records that `{owner}` groups"),
        TopicRole::Progress => format!("the positions and counters of `{owner}`"),
        TopicRole::Source => format!("what `{owner}` reads"),
        TopicRole::Sink => format!("the results of `{owner}`"),
        TopicRole::DeadLetters => format!("what `{owner}` cannot handle"),
    }
}

impl TopicSurvey {
    /// Adds a mismatch for each missing topic that was written to: a new topic would be empty without notice.
    fn move_deleted(&mut self, plan: &Physical, reports: &Reports) {
        let progress = &reports.tasks;
        let steps = || progress.values().flat_map(|t| &t.steps);
        let inputs = || progress.values().flat_map(|t| &t.inputs);
        let written = |t: &mut TopicLayout| match t.role {
            TopicRole::State => {
                let state = plan.state_name(&t.owner);
                steps().any(|s| s.state_name() == state && s.keys > 0 && !s.left)
            }
            TopicRole::Repartition => inputs().any(|i| *i.topic == *t.topic && i.next > 0 && i.left.is_none()),
            TopicRole::Source | TopicRole::Sink | TopicRole::DeadLetters | TopicRole::Progress => false,
        };
        let deleted: Vec<TopicLayout> = self.missing.extract_if(.., written).collect();
        self.mismatches.extend(deleted.into_iter().map(|topic| {
            let fault = Fault::Fatal(format!(
                "topic `{}`, in which `{}` keeps {}, was deleted; start over with `--from earliest`, which makes it anew",
                topic.topic,
                plan.name,
                contents(&topic)
            ));
            TopicMismatch { topic, fault }
        }));
    }
}

/// Inputs that meet in a task with state must have the same number of partitions, so that a key has the same task in
/// each of them.
fn unequal_inputs(plan: &Physical, sub: &SubTopology, layout: &PipelineLayout) -> Option<TopicMismatch> {
    let counts = &layout.sub(sub.id).inputs;
    let step = sub.nodes.iter().find(|n| n.op.stateful()).filter(|_| counts.iter().any(|n| *n != counts[0]))?;
    let list: Vec<_> = sub.inputs.iter().zip(counts).map(|(i, n)| format!("`{}` has {n}", i.topic())).collect();
    let fault = Fault::Fatal(format!(
        "the inputs of `{}` do not have the same number of partitions: {}; make them equal, or put a `key_by` before it",
        step.name,
        list.join(", ")
    ));
    let state = plan.state_topic(&step.name);
    let topic = layout.topics.iter().find(|t| *t.topic == *state)?.clone();
    Some(TopicMismatch { topic, fault })
}

/// Why a topic that exists cannot be used. Its partitions are compared only where the widths are known.
fn mismatch(wanted: &TopicLayout, found: &TopicInfo, widths_known: bool) -> Option<Fault> {
    let TopicLayout { topic, role, partitions, .. } = wanted;
    if !role.is_internal() {
        return None;
    }
    if role.is_compacted() && !found.config.compacted {
        let why = "it must keep the latest record of each key; delete it, or rename the pipeline";
        return Some(Fault::Fatal(format!("topic `{topic}` is not compacted: {why}")));
    }
    let actual = partition_count(found);
    if widths_known && actual != *partitions {
        let reason = if *role == TopicRole::Progress { "" } else { ", as many as what is read has" };
        return Some(Fault::Fatal(format!(
            "topic `{topic}`, which holds {}, has {actual} partitions where {partitions} are needed{reason}; start over with `--from earliest`, which makes it anew",
            contents(wanted)
        )));
    }
    None
}

/// Checks that each source exists.
///
/// # Errors
/// A source that does not exist, or faults of the backplane.
pub fn check_sources(plan: &Physical, log: &dyn Log) -> Result<(), Fault> {
    for input in plan.subs.iter().flat_map(|s| &s.inputs) {
        if let InputPlan::Source(source) = input {
            topic(log, &source.topic)?;
        }
    }
    Ok(())
}

/// Explains a fault of a run whose sources all existed: a topic that does not exist was deleted since then, and
/// nothing that the user wrote is wrong.
#[must_use]
pub fn explain_while_running(plan: &Physical, fault: Fault) -> Fault {
    let name = &plan.name;
    let (topic, what) = match fault {
        Fault::Backplane(LogError::UnknownTopic { topic, .. }) => (topic, "was deleted".to_owned()),
        Fault::Backplane(LogError::UnknownPartition { at, count }) => {
            (at.topic.to_string(), format!("was deleted and made again with {count} partitions"))
        }
        Fault::Backplane(e) if is_lost_input(plan, &e) => {
            return Fault::Fatal(format!(
                "{e}, or go on from the oldest record with `--on-lost-input skip`, which keeps the state and counts the gap"
            ));
        }
        Fault::Backplane(e @ LogError::OffsetOutOfRange { .. }) => return Fault::Fatal(e.to_string()),
        other => return other,
    };
    let topics = layout(plan, &PartitionCounts::new()).topics;
    let (does, advice) = match topics.iter().find(|t| *t.topic == *topic).map(|t| t.role) {
        Some(TopicRole::Repartition | TopicRole::State | TopicRole::Progress) => {
            ("keeps for itself", "start over with `--from earliest`, which makes it anew")
        }
        Some(TopicRole::Source) => ("reads", "make it again and start over with `--from earliest`"),
        Some(TopicRole::Sink | TopicRole::DeadLetters) => ("writes", "run it again, which makes the topic anew"),
        None => ("needs", "make it again"),
    };
    Fault::Fatal(format!("topic `{topic}`, which `{name}` {does}, {what} while it ran; {advice}"))
}

/// Surveys the topics and creates what is missing; returns the layout that holds then.
///
/// # Errors
/// The first mismatch, faults of the backplane, and [`Fault::Stopped`] where it was cancelled.
pub fn prepare(plan: &Physical, log: &dyn Log, cancel: &CancelToken) -> Result<PipelineLayout, Fault> {
    for _ in 0..MAX_SURVEYS {
        let survey = survey(plan, log, cancel)?;
        if let Some(mismatch) = survey.mismatches.into_iter().next() {
            return Err(mismatch.fault);
        }
        if !plan.topics.create && !survey.missing.is_empty() {
            return Err(not_created(plan, &survey.missing));
        }
        let mut raced = false;
        for missing in &survey.missing {
            match log.create_topic(&missing.topic, &missing.config(&plan.topics)) {
                Ok(()) => {}
                // Another instance has just created it: it may take a while until all see it.
                Err(LogError::TopicExists(_)) => raced = true,
                Err(e) => return Err(e.into()),
            }
        }
        if !raced {
            return Ok(survey.layout);
        }
        std::thread::park_timeout(SURVEY_INTERVAL);
    }
    Err(Fault::Abort(format!("the topics that another instance of `{}` creates are not visible yet", plan.name)))
}

/// The fault of missing topics where the file says that none is made.
fn not_created(plan: &Physical, missing: &[TopicLayout]) -> Fault {
    let names: Vec<_> = missing.iter().map(|t| format!("`{}`", t.topic)).collect();
    let commands: Vec<_> = missing.iter().map(|t| t.create_command(&plan.topics)).collect();
    Fault::Fatal(match commands.as_slice() {
        [command] => {
            format!("topic {} does not exist, and `create: false` makes none; make it with `{command}`", names[0])
        }
        _ => format!(
            "topics {} do not exist, and `create: false` makes none; make them with:\n  {}",
            names.join(", "),
            commands.join("\n  ")
        ),
    })
}

/// The internal topics that a new start may keep: where none is made, those that fit and hold nothing.
fn kept_by_reset(plan: &Physical, log: &dyn Log, cancel: &CancelToken) -> Result<Vec<Arc<str>>, Fault> {
    if plan.topics.create {
        return Ok(Vec::new());
    }
    let mut kept = Vec::new();
    for fitting in survey(plan, log, cancel)?.existing {
        let is_empty = |info: TopicInfo| info.partitions.iter().all(|p| p.earliest == p.end);
        if log.topics(Some(&fitting.topic))?.pop().is_some_and(is_empty) {
            kept.push(fitting.topic);
        }
    }
    Ok(kept)
}

/// Deletes what earlier runs have left: positions, state, progress, repartitioned records; and the records of some
/// outputs.
///
/// # Errors
/// Faults of the backplane; [`Fault::Stopped`] where it was cancelled.
pub(in crate::runtime) fn reset(
    plan: &Physical,
    log: &dyn Log,
    replaced: &[Arc<str>],
    cancel: &CancelToken,
) -> Result<(), Fault> {
    let topics = layout(plan, &PartitionCounts::new()).topics;
    let kept = kept_by_reset(plan, log, cancel)?;
    let deleted = topics.into_iter().filter(|t| t.role.is_internal()).map(|t| t.topic);
    let internal: Vec<Arc<str>> = deleted.filter(|topic| !kept.contains(topic)).collect();
    let over = StartOver { group: &plan.name, deleted: &internal, emptied: replaced };
    log.start_over(&over, cancel.flag()).map_err(|e| match cancel.is_cancelled() {
        true => Fault::Stopped,
        false => e.into(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::diagnostics::SourceText;
    use crate::expr::Functions;
    use crate::log::TopicConfig;
    use crate::log::memory::MemoryLog;
    use crate::spec::ProcessEnvironment;
    use std::path::Path;

    fn plan(text: &str) -> Physical {
        let source = SourceText { name: "p.yaml".into(), text: text.into() };
        let spec = crate::spec::parse(Arc::new(source), Path::new("."), &ProcessEnvironment).unwrap();
        crate::plan::compile(&spec, &Functions::new()).unwrap()
    }

    fn log_with(topics: &[(&str, u32)]) -> MemoryLog {
        let log = MemoryLog::default();
        for (name, partitions) in topics {
            log.create_topic(name, &TopicConfig { partitions: *partitions, ..TopicConfig::default() }).unwrap();
        }
        log
    }

    fn counts(log: &MemoryLog) -> PartitionCounts {
        log.topics(None).unwrap().iter().map(|info| (info.name.clone(), partition_count(info))).collect()
    }

    fn errors(plan: &Physical, log: &MemoryLog) -> Vec<String> {
        let survey = survey(plan, log, &CancelToken::default()).unwrap();
        survey.mismatches.iter().map(|m| m.fault.to_string()).collect()
    }

    /// Two folds that meet in a merge.
    const FOLDS: &str = "
name: p
sources:
  a: {schema: {k: string, n: bigint}}
  b: {schema: {k: string, n: bigint}}
steps:
  - {name: fa, from: a, scan: {by: k, init: {t: 0}, next: {t: t + n}}}
  - {name: fb, from: b, scan: {by: k, init: {t: 0}, next: {t: t + n}}}
  - merge: [fa, fb]
sink: out
";

    #[test]
    fn topics_are_created_as_the_layout_says_and_then_fit() {
        let (plan, log) = (plan(FOLDS), log_with(&[("a", 2), ("b", 5)]));
        let created = prepare(&plan, &log, &CancelToken::default()).unwrap();
        assert_eq!(counts(&log), created.partitions());
        assert_eq!(["p.fa.by", "p.fb.by", "p.fa.state", "out"].map(|t| counts(&log)[t]), [5; 4]);
        assert_eq!(prepare(&plan, &log, &CancelToken::default()).unwrap(), created);
    }

    /// The folds, which may not make topics.
    fn folds_without_creation() -> Physical {
        plan(&format!("{FOLDS}kafka: {{brokers: b, topics: {{create: false}}}}\n"))
    }

    #[test]
    fn nothing_is_created_where_the_file_says_so_and_the_fault_has_the_commands() {
        let (plan, log) = (folds_without_creation(), log_with(&[("a", 2), ("b", 5)]));
        let missing = survey(&plan, &log, &CancelToken::default()).unwrap().missing;
        let fault = prepare(&plan, &log, &CancelToken::default()).unwrap_err().to_string();
        assert!(fault.starts_with("topics `p.fa.by`, `p.fb.by`, "), "{fault}");
        assert!(fault.contains("\n  fastdata topics create p.fa.state --partitions 5 --compacted\n"), "{fault}");
        assert_eq!(log.topics(None).unwrap().len(), 2, "nothing is created");
        for topic in &missing[1..] {
            log.create_topic(&topic.topic, &topic.config(&plan.topics)).unwrap();
        }
        let fault = prepare(&plan, &log, &CancelToken::default()).unwrap_err();
        let expected = "topic `p.fa.by` does not exist, and `create: false` makes none; make it with `fastdata topics create p.fa.by --partitions 5`";
        assert_eq!((missing.len(), fault.to_string().as_str()), (7, expected));
        log.create_topic(&missing[0].topic, &missing[0].config(&plan.topics)).unwrap();
        prepare(&plan, &log, &CancelToken::default()).unwrap();
    }

    /// What a new start deletes is not made again, so topics that it could use as they are stay.
    #[test]
    fn a_new_start_that_creates_nothing_keeps_what_is_empty_and_fits() {
        use crate::log::Append;
        use crate::record::{RecordsBuilder, TopicPartition};
        let (plan, log) = (folds_without_creation(), log_with(&[("a", 2), ("b", 5), ("p.fb.by", 5)]));
        for topic in survey(&plan, &log, &CancelToken::default()).unwrap().missing {
            let partitions = if *topic.topic == *"p.fa.by" { 4 } else { topic.partitions };
            log.create_topic(&topic.topic, &TopicConfig { partitions, ..topic.config(&plan.topics) }).unwrap();
        }
        let mut records = RecordsBuilder::default();
        records.push(Some(b"k"), Some(b"v"), 0);
        let to = TopicPartition::new("p.fa.state", 1);
        log.appender().unwrap().append(&[Append { to, records: records.finish() }]).unwrap();
        reset(&plan, &log, &[], &CancelToken::default()).unwrap();
        let kept = ["p.fa.by", "p.fa.state", "p.fb.by", "p.fb.state"].map(|t| counts(&log).contains_key(t));
        assert_eq!(kept, [false, false, true, true], "another width, a record, empty, empty");
    }

    #[test]
    fn a_missing_topic_of_two_sinks_is_created_once_for_both() {
        let plan = plan(
            "
name: p
sources:
  a: {schema: {n: bigint}}
  b: {schema: {n: bigint}}
steps:
  - {name: x, from: a, filter: n > 0}
  - {name: y, from: b, filter: n > 0}
sinks:
  - {from: x, topic: out}
  - {from: y, topic: out}
",
        );
        let log = log_with(&[("a", 2), ("b", 3)]);
        let created = prepare(&plan, &log, &CancelToken::default()).unwrap();
        assert_eq!((counts(&log)["out"], created.partitions()["out"]), (3, 3));
    }

    #[test]
    fn partitions_are_not_compared_while_a_source_is_missing() {
        let (plan, log) = (plan(FOLDS), log_with(&[("a", 2), ("p.fa.by", 3)]));
        let found = errors(&plan, &log);
        assert!(found.len() == 1 && found[0].starts_with("topic `b` does not exist"), "{found:?}");
        log.create_topic("b", &TopicConfig { partitions: 2, ..TopicConfig::default() }).unwrap();
        let expected = "topic `p.fa.by`, which holds the records that `fa` groups, has 3 partitions where 2 are needed, as many as what is read has; start over with `--from earliest`, which makes it anew";
        assert_eq!(errors(&plan, &log), [expected]);
    }

    #[test]
    fn a_source_that_is_narrower_than_what_it_meets_is_a_mismatch_of_the_step() {
        let (plan, log) = (plan(&FOLDS.replace("a: {schema", "a: {key: k, schema")), log_with(&[("a", 2), ("b", 4)]));
        let expected = "the inputs of `fa` do not have the same number of partitions: `a` has 2, `p.fb.by` has 4; make them equal, or put a `key_by` before it";
        let survey = survey(&plan, &log, &CancelToken::default()).unwrap();
        let found: Vec<_> = survey.mismatches.iter().map(|m| (m.topic.owner.as_str(), m.fault.to_string())).collect();
        assert_eq!(found, [("fa", expected.to_owned())]);
    }
}
