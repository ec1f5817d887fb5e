//! What can be checked with the file alone: names, references, cycles, steps that nothing reads.
//!
//! Separate from lowering because it needs the whole file, and from `plan` because it needs no columns. Its
//! result has every reference resolved to a source or a step.

use super::ast::{InputRef, Name, Spec, StepSpec};
use super::cycle::find_cycle;
use super::draft::{Draft, DraftStep};
use super::lower::Lowering;
use super::operators::{InputCount, OPERATORS, OutputColumns, Outputs};
use super::{Unreadable, UnreadableStep};
use crate::diagnostics::{Diagnostic, SourceText, Span};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

/// What a reference refers to: the number of a source or of a step.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum InputTarget {
    Source(usize),
    Step(usize),
}

/// Resolves and checks a draft. Returns what could be read of it and what could not.
pub(super) fn validate(
    draft: Draft,
    lowering: &mut Lowering<'_>,
    source: Arc<SourceText>,
    base: &Path,
) -> (Spec, Unreadable) {
    let mut validator = Validator::new(&draft, lowering);
    validator.names();
    validator.former_names();
    validator.internal_topics();
    validator.topics();
    let before = validator.lowering.problems.count();
    let inputs: Vec<_> = (0..draft.steps.len()).map(|i| validator.inputs(i)).collect();
    let sink_inputs: Vec<_> = (0..draft.sinks.len()).map(|i| validator.sink_input(i)).collect();
    // A reference that is not resolved would make other steps look unread.
    if validator.lowering.problems.count() == before {
        validator.cycles(&inputs);
        // What an unknown operator reads is not known either.
        let unknown = draft.steps.iter().any(|s| s.descriptor.is_none());
        if !validator.nameless && !unknown {
            validator.unread(&inputs, &sink_inputs);
        }
    }
    let regions = step_regions(&draft, source.text.len());
    let mut unreadable = Unreadable { columns: std::mem::take(&mut lowering.untyped_columns), steps: Vec::new() };
    let mut steps = Vec::new();
    for ((step, inputs), region) in draft.steps.into_iter().zip(inputs).zip(regions) {
        if lowering.problems.any_in(region) {
            // Every word of the step may be a column that it makes.
            let words = lowering.problems.source_text(region).split(|c: char| !c.is_alphanumeric() && c != '_');
            unreadable.columns.extend(words.filter(|w| !w.is_empty()).map(str::to_owned));
            let from = inputs.into_iter().map(|(from, _)| from).collect();
            let passes_columns = passes_columns(&step);
            unreadable.steps.push(UnreadableStep { name: step.name.value, from, passes_columns });
        } else {
            steps.extend(finish(step, inputs));
        }
    }
    let name = draft.name.unwrap_or_else(|| Name::new(String::new(), Span::default()));
    let sinks = draft.sinks.into_iter().zip(sink_inputs);
    let sinks = sinks.filter_map(|(s, o)| o.map(|(from, _)| super::ast::SinkSpec { from, ..s.sink })).collect();
    let spec = Spec {
        source,
        base: base.to_owned(),
        name,
        sources: draft.sources,
        steps,
        sinks,
        delivery: draft.delivery,
        commit_every: draft.commit_every,
        errors: draft.errors,
        state: draft.state,
        functions: draft.functions,
        kafka: draft.kafka,
    };
    (spec, unreadable)
}

/// Whether a step that could not be read has the columns of its input in its output. A misspelt operator is
/// assumed to: otherwise every step downstream would be an error. One that is not supported may have any columns.
fn passes_columns(step: &DraftStep) -> bool {
    !step.unsupported
        && step.descriptor.is_none_or(|d| match d.columns {
            OutputColumns::Kept | OutputColumns::Added(_) => true,
            OutputColumns::Resolved => false,
        })
}

/// The span of each step: up to the next one.
fn step_regions(draft: &Draft, end: usize) -> Vec<Span> {
    let starts: Vec<usize> = draft.steps.iter().map(|s| s.span.start.min(s.name.span.start)).collect();
    let ends = starts.iter().skip(1).copied().chain([end]);
    // Sinks may follow the last step; their problems are not its.
    let sinks = draft.sinks.iter().map(|s| s.sink.span.start);
    let cut = |start: usize, end: usize| sinks.clone().filter(|s| *s > start && *s < end).min().unwrap_or(end);
    starts.iter().zip(ends).map(|(start, end)| Span::new(*start, cut(*start, end))).collect()
}

type ResolvedInput = (InputRef, InputTarget);

fn finish(step: DraftStep, inputs: Vec<ResolvedInput>) -> Option<StepSpec> {
    let from: Vec<_> = inputs.into_iter().map(|(from, _)| from).collect();
    Some(StepSpec { name: step.name, from, was: step.was, operator: step.operator?, span: step.span })
}

pub(super) struct Validator<'a, 'b> {
    pub(super) draft: &'a Draft,
    pub(super) lowering: &'a mut Lowering<'b>,
    /// Sources and steps by name, the first of each name.
    targets: HashMap<&'a str, InputTarget>,
    /// Whether the name of a source or step could not be read, so that any reference may mean it.
    nameless: bool,
}

impl<'a, 'b> Validator<'a, 'b> {
    fn new(draft: &'a Draft, lowering: &'a mut Lowering<'b>) -> Self {
        let nameless = draft.sources.is_empty()
            || draft.sources.iter().any(|s| s.name.value.is_empty())
            || draft.steps.iter().any(|s| s.name.value.is_empty());
        Self { draft, lowering, targets: HashMap::new(), nameless }
    }

    /// Sources and steps share one namespace.
    fn names(&mut self) {
        let sources = self.draft.sources.iter().enumerate().map(|(i, s)| (&s.name, InputTarget::Source(i)));
        let steps = self.draft.steps.iter().enumerate().map(|(i, s)| (&s.name, InputTarget::Step(i)));
        let mut first: HashMap<&str, &Name> = HashMap::new();
        for (name, target) in sources.chain(steps).filter(|(n, _)| !n.value.is_empty()) {
            match first.get(name.value.as_str()) {
                Some(earlier) => {
                    let line = self.lowering.problems.line(earlier.span);
                    let message = format!(
                        "the name `{}` is used twice; the first is in line {line}",
                        self.lowering.display_name(name)
                    );
                    self.lowering.report(name.span, message, "sources and steps need different names");
                }
                None => {
                    first.insert(&name.value, name);
                    self.targets.insert(&name.value, target);
                }
            }
        }
    }

    /// The inputs of a step: those of the file, else the step before or the only source.
    fn inputs(&mut self, index: usize) -> Vec<ResolvedInput> {
        let step = &self.draft.steps[index];
        let several = step.descriptor.is_some_and(|d| matches!(d.inputs, InputCount::Several(_)));
        if several && step.operator.is_some() && step.from.len() < 2 {
            let keyword = step.keyword();
            let hint = format!("name them: `{keyword}: [a, b]`");
            self.lowering.report(step.span, format!("`{keyword}` needs at least two inputs"), hint);
            return Vec::new();
        }
        if step.from.is_empty() {
            let implied = match index.checked_sub(1) {
                Some(before) => self.main_output(before, step.span),
                // An operator that is not supported may name its inputs itself.
                None if step.unsupported && self.draft.sources.len() > 1 => None,
                None => self.only_source(step.span),
            };
            return implied.into_iter().collect();
        }
        step.from.iter().filter_map(|name| self.resolve(name)).collect()
    }

    fn sink_input(&mut self, index: usize) -> Option<ResolvedInput> {
        let sink = &self.draft.sinks[index];
        match (&sink.from, self.draft.steps.len().checked_sub(1)) {
            (Some(name), _) => self.resolve(name),
            (None, Some(last)) => self.main_output(last, sink.sink.span),
            (None, None) => self.only_source(sink.sink.span),
        }
    }

    fn only_source(&mut self, at: Span) -> Option<ResolvedInput> {
        match self.draft.sources.as_slice() {
            [only] => Some((from(&only.name.value, None, at), InputTarget::Source(0))),
            [] => None,
            several => {
                let names = several.iter().map(|s| format!("`{}`", self.lowering.display_name(&s.name)));
                let hint = format!("add `from:` with one of {}", names.collect::<Vec<_>>().join(", "));
                self.lowering.report(at, "several sources, and no `from` says which one this reads", hint);
                None
            }
        }
    }

    fn main_output(&mut self, index: usize, at: Span) -> Option<ResolvedInput> {
        let step = &self.draft.steps[index];
        if step.operator.is_some() && step.descriptor.is_some_and(|d| matches!(d.outputs, Outputs::Named(_))) {
            let name = self.lowering.display_name(&step.name);
            let outputs: Vec<_> = self.outputs(index).iter().map(|o| format!("`{name}.{o}`")).collect();
            let message = format!("`{name}` is a {}: only its outputs can be read", step.keyword());
            self.lowering.report(at, message, format!("add `from:` with one of {}", outputs.join(", ")));
            return None;
        }
        Some((from(&step.name.value, None, at), InputTarget::Step(index)))
    }

    /// What a reference refers to: a source or step of that name, else an output of a step.
    fn resolve(&mut self, name: &Name) -> Option<ResolvedInput> {
        match self.targets.get(name.value.as_str()) {
            Some(InputTarget::Step(i)) => return self.main_output(*i, name.span),
            Some(target) => return Some((from(&name.value, None, name.span), *target)),
            None => {}
        }
        let split = name.value.rsplit_once('.');
        let step = split.and_then(|(step, output)| match self.targets.get(step) {
            Some(InputTarget::Step(i)) => Some((*i, step, output)),
            _ => None,
        });
        let Some((index, step, output)) = step else {
            if !self.nameless {
                let shown = self.lowering.display_name(name);
                let like = if shown == name.value { shown } else { "" };
                let sources = self.draft.sources.iter().map(|s| &s.name);
                let names = sources.chain(self.draft.steps.iter().map(|s| &s.name));
                let hint = self.lowering.suggest(like, names.map(|n| self.lowering.display_name(n)));
                let message = format!("no source or step is named `{shown}`");
                self.lowering.problems.push(Diagnostic::at(name.span, message).maybe_hint(hint));
            }
            return None;
        };
        let outputs = self.outputs(index);
        if !outputs.contains(&output) && self.draft.steps[index].operator.is_some() {
            let (kind, own) =
                (self.draft.steps[index].keyword(), self.lowering.display_name(&self.draft.steps[index].name));
            let shown = self.lowering.display_name(name);
            let like = if shown == name.value { output } else { "" };
            let message = match shown == name.value {
                true => format!("the step `{own}` ({kind}) has no output `{output}`"),
                false => format!("`{shown}` names an output that `{own}` ({kind}) does not have"),
            };
            let hint = match outputs.is_empty() {
                true => {
                    Some(format!("write `from: {own}`; only {} have extra outputs", operators_with_extra_outputs()))
                }
                false => self.lowering.suggest(like, outputs.iter().copied()),
            };
            self.lowering.problems.push(Diagnostic::at(name.span, message).maybe_hint(hint));
            return None;
        }
        Some((from(step, Some(output), name.span), InputTarget::Step(index)))
    }

    /// The extra outputs of a step.
    fn outputs(&self, index: usize) -> Vec<&'a str> {
        let operator = self.draft.steps[index].operator.as_ref();
        operator.map(|o| o.descriptor().outputs.extra(o)).unwrap_or_default()
    }

    fn cycles(&mut self, inputs: &[Vec<ResolvedInput>]) {
        let step = |(_, target): &ResolvedInput| match target {
            InputTarget::Step(step) => Some(*step),
            InputTarget::Source(_) => None,
        };
        let reads: Vec<Vec<usize>> = inputs.iter().map(|i| i.iter().filter_map(step).collect()).collect();
        let Some(cycle) = find_cycle(&reads) else { return };
        let name = |i: &usize| format!("`{}`", self.lowering.display_name(&self.draft.steps[*i].name));
        let names: Vec<_> = cycle.iter().map(name).collect();
        let at = cycle.first().and_then(|i| inputs[*i].first());
        let message = format!("steps form a cycle: {}", names.join(" → "));
        self.lowering.report(
            at.map_or(Span::default(), |(from, _)| from.span),
            message,
            "let one of them read something else",
        );
    }

    /// Reports sources and steps that nothing reads.
    fn unread(&mut self, inputs: &[Vec<ResolvedInput>], sink_inputs: &[Option<ResolvedInput>]) {
        let has_effect = |s: &DraftStep| s.descriptor.is_some_and(|d| d.side_effect);
        let effects = self.draft.steps.iter().any(has_effect);
        if self.draft.sinks.is_empty() {
            if !effects && !self.draft.has_sinks {
                let diagnostic = Diagnostic::whole("the pipeline writes nowhere");
                self.lowering.problems.push(diagnostic.hint("add `sink: TOPIC`, or a `log` step to print the records"));
            }
            if !effects {
                return;
            }
        }
        let all = inputs.iter().flatten().chain(sink_inputs.iter().flatten());
        let read: HashSet<InputTarget> = all.map(|(_, target)| *target).collect();
        for (i, step) in self.draft.steps.iter().enumerate() {
            if !has_effect(step) && !read.contains(&InputTarget::Step(i)) {
                let name = self.lowering.display_name(&step.name).to_owned();
                self.lowering.report(
                    step.span,
                    format!("nothing reads the step `{name}`"),
                    format!("add a sink with `from: {name}`, let a step read it, or remove it"),
                );
            }
        }
        for (i, source) in self.draft.sources.iter().enumerate() {
            if !source.name.value.is_empty() && !read.contains(&InputTarget::Source(i)) {
                let name = self.lowering.display_name(&source.name).to_owned();
                self.lowering.report(
                    source.span,
                    format!("nothing reads the source `{name}`"),
                    format!("let a step or sink have `from: {name}`, or remove it"),
                );
            }
        }
    }
}

/// The operators with outputs other than the main one, for a hint.
fn operators_with_extra_outputs() -> String {
    let all = OPERATORS.iter().filter_map(|d| match d.outputs {
        Outputs::Main => None,
        Outputs::Named(_) => Some(format!("`{}`", d.keyword())),
        Outputs::MainAnd(extra) => Some(format!("`{}` (`{}`)", d.keyword(), extra.join("`, `"))),
    });
    all.collect::<Vec<_>>().join(" and ")
}

fn from(name: &str, output: Option<&str>, span: Span) -> InputRef {
    InputRef { name: name.to_owned(), output: output.map(str::to_owned), span }
}
