//! Checks of the topics of a pipeline: those that it reads, those that it writes, and those that it keeps for itself.
//!
//! The names of the last follow from names in the file: `NAME.progress`, `NAME.dead`, and for each step with state
//! `NAME.STEP.state` and `NAME.STEP.by`. A sink that wrote into one of them would destroy what the next run starts from.

use super::ast::Name;
use super::lower::MAX_NAME_BYTES;
use super::validate::Validator;
use std::collections::HashMap;

/// The topic that models are published on, unless a command names another.
pub const MODELS_TOPIC: &str = "models";
/// The topic of what became of them.
const MODELS_STATUS_TOPIC: &str = "models.status";

impl Validator<'_, '_> {
    /// Kafka bounds the names of internal topics too.
    pub(super) fn internal_topics(&mut self) {
        let Some(name) = self.draft.name.as_ref().filter(|n| !n.value.is_empty()) else { return };
        let too_long = |names: &[&Name], suffix: &str| {
            names.iter().map(|n| n.value.len() + 1).sum::<usize>() + suffix.len() > MAX_NAME_BYTES
        };
        let hint = "use a shorter name";
        if too_long(&[name], "progress") {
            let shown = self.lowering.display_name(name);
            let message = format!("the topic `{shown}.progress` would be longer than {MAX_NAME_BYTES} characters");
            return self.lowering.report(name.span, message, hint);
        }
        for step in self.draft.steps.iter().filter(|s| s.descriptor.is_some_and(|d| d.stateful)) {
            if too_long(&[name, step.state_name()], "state") {
                let (name, shown) = (self.lowering.display_name(name), self.lowering.display_name(step.state_name()));
                let message =
                    format!("the topic `{name}.{shown}.state` would be longer than {MAX_NAME_BYTES} characters");
                self.lowering.report(step.state_name().span, message, hint);
            }
        }
    }

    pub(super) fn topics(&mut self) {
        let kept = self.kept_topics();
        let mut read: HashMap<&str, &Name> = HashMap::new();
        for source in self.draft.sources.iter().filter(|s| !s.topic.value.is_empty()) {
            let shown = self.lowering.display_name(&source.topic).to_owned();
            if let Some(earlier) = read.insert(&source.topic.value, &source.topic) {
                let line = self.lowering.problems.line(earlier.span);
                self.lowering.report(
                    source.topic.span,
                    format!("the topic `{shown}` is read twice; the first is in line {line}"),
                    "read it once: several steps can have the same `from`",
                );
            }
            if let Some(holds) = kept.get(&source.topic.value) {
                let message = format!("the topic `{shown}` holds {holds}: the pipeline would read what it writes");
                self.lowering.report(source.topic.span, message, "read it with another pipeline");
            }
        }
        for sink in &self.draft.sinks {
            let topic = &sink.sink.topic;
            let shown = self.lowering.display_name(topic).to_owned();
            if let Some(source) = read.get(topic.value.as_str()) {
                let line = self.lowering.problems.line(source.span);
                let message = format!("the topic `{shown}` is also read, in line {line}: the pipeline would never end");
                self.lowering.report(topic.span, message, "write to another topic");
            }
            let models = [MODELS_TOPIC, MODELS_STATUS_TOPIC].contains(&topic.value.as_str());
            let holds = models.then_some("models, which `fastdata publish-model` writes");
            if let Some(holds) = holds.or_else(|| kept.get(&topic.value).map(String::as_str)) {
                let message = format!("the topic `{shown}` holds {holds}");
                self.lowering.report(topic.span, message, "write to another topic");
            }
        }
    }

    /// The topics that the pipeline keeps for itself, and what is in them.
    fn kept_topics(&self) -> HashMap<String, String> {
        let Some(name) = self.draft.name.as_ref().filter(|n| !n.value.is_empty()) else { return HashMap::new() };
        let name = &name.value;
        let mut kept = HashMap::from([
            (format!("{name}.progress"), "the positions and counters of this pipeline".to_owned()),
            (format!("{name}.dead"), "the dead letters of this pipeline".to_owned()),
        ]);
        for step in self.draft.steps.iter().filter(|s| s.descriptor.is_some_and(|d| d.stateful)) {
            let shown = self.lowering.display_name(&step.name);
            let state = &step.state_name().value;
            kept.insert(format!("{name}.{state}.state"), format!("the state of the step `{shown}`"));
            kept.insert(format!("{name}.{state}.by"), format!("the input of the step `{shown}`, by key"));
        }
        kept
    }
}
