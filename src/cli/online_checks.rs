//! Checks a pipeline against its backplane: topics, partitions, access rights and models. It changes nothing.
//!
//! Each finding points to the line of the file that it is about. The right to write cannot be checked without
//! writing, so only a run shows whether it is missing.

use super::models;
use crate::diagnostics::{Diagnostic, Report, Span};
use crate::log::{Access, Log, LogError, Recovery};
use crate::plan::{Physical, TopicLayout, TopicRole, create_command, models_config};
use crate::runtime::topics::survey;
use crate::runtime::{CancelToken, MODELS_TOPIC};
use crate::spec::{ModelRef, OperatorSpec, Spec, WhenMissing};

/// The findings about a pipeline.
pub(super) struct Findings {
    pub(super) errors: Report,
    pub(super) warnings: Report,
}

/// Checks everything that a pipeline needs.
pub(super) fn check(spec: &Spec, plan: &Physical, log: &dyn Log) -> anyhow::Result<Findings> {
    let mut findings =
        Findings { errors: Report::new(spec.source.clone()), warnings: Report::new(spec.source.clone()) };
    let topics = survey(plan, log, &CancelToken::default())?;
    for mismatch in &topics.mismatches {
        findings.errors.push(diagnostic(span_of(spec, &mismatch.topic), &mismatch.fault.to_string()));
    }
    for existing in topics.existing.iter().filter(|t| t.role == TopicRole::Source || t.role.is_internal()) {
        findings.check_access(log, &Access::ReadTopic(&existing.topic), span_of(spec, existing))?;
    }
    for missing in &topics.missing {
        let (at, topic) = (span_of(spec, missing), &missing.topic);
        if !plan.topics.create {
            findings.errors.push(not_created(topic, &missing.create_command(&plan.topics), at));
            continue;
        }
        findings.check_access(log, &Access::CreateTopic(topic, &missing.config(&plan.topics)), at)?;
    }
    if !plan.topics.create {
        findings.check_models_topic(spec, plan, log)?;
    }
    findings.check_access(log, &Access::ReadOffsets(&plan.name), spec.name.span)?;
    findings.check_models(spec, log)?;
    Ok(findings)
}

impl Findings {
    /// Adds a finding if the backplane refuses `access`.
    fn check_access(&mut self, log: &dyn Log, access: &Access<'_>, at: Span) -> anyhow::Result<()> {
        match log.check_access(access) {
            // Another process may have created the topic meanwhile.
            Ok(()) | Err(LogError::TopicExists(_)) => {}
            Err(e) if e.recovery() == Recovery::Fatal => self.errors.push(diagnostic(at, &e.to_string())),
            Err(e) => return Err(e.into()),
        }
        Ok(())
    }

    /// Adds a finding where a pipeline that scores has no models topic and makes none.
    fn check_models_topic(&mut self, spec: &Spec, plan: &Physical, log: &dyn Log) -> anyhow::Result<()> {
        let scores = spec.steps.iter().find(|s| matches!(s.operator, OperatorSpec::Score(_)));
        if let Some(step) = scores
            && log.topics(Some(MODELS_TOPIC))?.is_empty()
        {
            let command = create_command(MODELS_TOPIC, &models_config(&plan.topics));
            self.errors.push(not_created(MODELS_TOPIC, &command, step.span));
        }
        Ok(())
    }

    /// Adds a warning for each data type that no model serves.
    fn check_models(&mut self, spec: &Spec, log: &dyn Log) -> anyhow::Result<()> {
        let scores =
            spec.steps.iter().filter_map(|s| if let OperatorSpec::Score(s) = &s.operator { Some(s) } else { None });
        let fixed = scores.filter_map(|s| if let ModelRef::Fixed(name) = &s.model { Some((name, s)) } else { None });
        let fixed: Vec<_> = fixed.collect();
        if fixed.is_empty() {
            return Ok(());
        }
        let versions = models::read_versions(log, MODELS_TOPIC)?;
        let serves = |data_type: &str| versions.iter().any(|v| v.serves(data_type));
        for (name, score) in fixed.into_iter().filter(|(name, _)| !serves(&name.value)) {
            let effect = match score.when_missing {
                WhenMissing::Wait => "records wait for one",
                WhenMissing::Drop => "records are dropped until there is one",
                WhenMissing::DeadLetter => "records become dead letters until there is one",
                WhenMissing::Null => "its outputs are null until there is one",
            };
            let hint = format!("publish one with `fastdata publish-model FILE --data-type {}`", name.value);
            let text = format!("topic `{MODELS_TOPIC}` has no model that serves `{}`: {effect}", name.value);
            self.warnings.push(Diagnostic::at(name.span, text).hint(hint));
        }
        Ok(())
    }
}

/// The finding that a topic is missing where the file says that none is made.
fn not_created(topic: &str, command: &str, at: Span) -> Diagnostic {
    let message = format!("topic `{topic}` does not exist, and `create: false` makes none");
    Diagnostic::at(at, message).hint(format!("make it with `{command}`"))
}

/// A diagnostic from the text of a fault: what is wrong, and after a semicolon what to do.
fn diagnostic(at: Span, text: &str) -> Diagnostic {
    let (what, advice) = text.split_once("; ").map_or((text, None), |(what, advice)| (what, Some(advice.to_owned())));
    Diagnostic::at(at, what).maybe_hint(advice)
}

/// The part of the file that names a topic.
fn span_of(spec: &Spec, topic: &TopicLayout) -> Span {
    let found = match topic.role {
        TopicRole::Source => spec.sources.iter().find(|s| s.topic.value == *topic.topic).map(|s| s.topic.span),
        TopicRole::Sink => spec.sinks.iter().find(|s| s.topic.value == *topic.topic).map(|s| s.topic.span),
        TopicRole::State | TopicRole::Repartition => {
            spec.steps.iter().find(|s| s.name.value == topic.owner).map(|s| s.span)
        }
        TopicRole::DeadLetters | TopicRole::Progress => None,
    };
    found.unwrap_or(spec.name.span)
}
