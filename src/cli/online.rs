//! A pipeline against its backplane: topics, partitions, rights and models, without changing anything.
//!
//! Separate from `validate`, whose other checks need no backplane. Each finding is shown at the place of the
//! file that it is about. What cannot be asked without writing (the right to write) is left to the run.

use super::tail;
use crate::diagnostics::{Diagnostic, Report, Span};
use crate::log::{Access, Log, LogError, Recovery};
use crate::models::{Activation, ModelDescriptor};
use crate::plan::Physical;
use crate::runtime::CancelToken;
use crate::runtime::MODELS_TOPIC;
use crate::runtime::topics::{Role, TopicNeed, look};
use crate::spec::{ModelRef, Operator, Spec, WhenMissing};
use arrow_array::Array as _;
use std::collections::BTreeSet;

/// What is wrong, and what may not be what the person wants.
pub(super) struct Findings {
    pub(super) errors: Report,
    pub(super) warnings: Report,
}

/// Looks at everything that a pipeline needs.
pub(super) fn examine(spec: &Spec, plan: &Physical, log: &dyn Log) -> anyhow::Result<Findings> {
    let mut findings =
        Findings { errors: Report::new(spec.source.clone()), warnings: Report::new(spec.source.clone()) };
    let found = look(plan, log, &CancelToken::default())?;
    for misfit in &found.misfits {
        findings.errors.push(said(place(spec, &misfit.need), &misfit.fault.to_string()));
    }
    for need in &found.there {
        if !matches!(need.role, Role::Sink | Role::Dead) {
            findings.ask(log, &Access::ReadTopic(&need.topic), place(spec, need))?;
        }
    }
    for need in &found.missing {
        findings.ask(log, &Access::CreateTopic(&need.topic, &need.config), place(spec, need))?;
    }
    findings.ask(log, &Access::ReadOffsets(&plan.name), spec.name.span)?;
    findings.models(spec, log)?;
    Ok(findings)
}

impl Findings {
    /// Asks whether something could be done; a refusal is a finding.
    fn ask(&mut self, log: &dyn Log, access: &Access<'_>, at: Span) -> anyhow::Result<()> {
        match log.check_access(access) {
            // It has been made, or removed, while it was asked about.
            Ok(()) | Err(LogError::TopicExists(_)) => {}
            Err(e) if e.recovery() == Recovery::Fatal => self.errors.push(said(at, &e.to_string())),
            Err(e) => return Err(e.into()),
        }
        Ok(())
    }

    /// Whether each data type that is named has a model.
    fn models(&mut self, spec: &Spec, log: &dyn Log) -> anyhow::Result<()> {
        let scores =
            spec.steps.iter().filter_map(|s| if let Operator::Score(s) = &s.operator { Some(s) } else { None });
        let fixed = scores.filter_map(|s| if let ModelRef::Fixed(name) = &s.model { Some((name, s)) } else { None });
        let fixed: Vec<_> = fixed.collect();
        if fixed.is_empty() {
            return Ok(());
        }
        let served = served(log)?;
        for (name, score) in fixed.into_iter().filter(|(name, _)| !served.contains(&name.value)) {
            let then = match score.when_missing {
                WhenMissing::Wait => "records wait for one",
                WhenMissing::Drop => "records are dropped until there is one",
                WhenMissing::DeadLetter => "records become dead letters until there is one",
                WhenMissing::Null => "its outputs are null until there is one",
            };
            let hint = format!("publish one with `fastdata publish-model FILE --data-type {}`", name.value);
            let text = format!("topic `{MODELS_TOPIC}` has no model that serves `{}`: {then}", name.value);
            self.warnings.push(Diagnostic::at(name.span, text).hint(hint));
        }
        Ok(())
    }
}

/// The data types that a published model serves.
fn served(log: &dyn Log) -> anyhow::Result<BTreeSet<String>> {
    let mut served = BTreeSet::new();
    let Some(info) = log.topics(Some(MODELS_TOPIC))?.pop() else { return Ok(served) };
    tail::read_all(log, &info, |fetched| {
        let values = &fetched.records.values;
        for row in (0..values.len()).filter(|r| values.is_valid(*r)) {
            // What is no model is said by the run that reads it.
            if let Ok(descriptor) = ModelDescriptor::read(values.value(row))
                && matches!(descriptor.activates(), Ok(Activation::Serve))
            {
                served.insert(descriptor.served_as().to_owned());
            }
        }
        Ok(())
    })?;
    Ok(served)
}

/// A message as faults word it: what is wrong, then what to do.
fn said(at: Span, text: &str) -> Diagnostic {
    let (what, advice) = text.split_once("; ").map_or((text, None), |(what, advice)| (what, Some(advice.to_owned())));
    Diagnostic::at(at, what).maybe_hint(advice)
}

/// Where the file speaks of a topic.
fn place(spec: &Spec, need: &TopicNeed) -> Span {
    let found = match need.role {
        Role::Source => spec.sources.iter().find(|s| s.topic.value == *need.topic).map(|s| s.topic.span),
        Role::Sink => spec.sinks.iter().find(|s| s.topic.value == *need.topic).map(|s| s.topic.span),
        Role::State | Role::Repartition => spec.steps.iter().find(|s| s.name.value == need.of).map(|s| s.span),
        Role::Dead | Role::Progress => None,
    };
    found.unwrap_or(spec.name.span)
}
