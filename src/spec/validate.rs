//! What can be checked with the file alone: names, references, circles, steps that nothing reads.
//!
//! Separate from lowering because it needs the whole file, and from `plan` because it needs no column.
//! It turns references into inputs; the tree that leaves here can be planned without looking at text.

use super::ast::{From, Name, Operator, Spec, Step};
use super::lower::{Draft, DraftStep, Lower};
use super::{Wrong, WrongStep};
use crate::diagnostics::{Diagnostic, SourceText, Span};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

/// What a reference means.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Target {
    Source(usize),
    Step(usize),
}

/// Resolves and checks a draft; tells what of it could not be read. Findings go to the faults of `lower`.
pub(super) fn validate(draft: Draft, lower: &mut Lower<'_>, source: Arc<SourceText>, base: &Path) -> (Spec, Wrong) {
    let mut checks = Checks::new(&draft, lower);
    checks.names();
    checks.topics();
    let before = checks.lower.faults.count();
    let inputs: Vec<_> = (0..draft.steps.len()).map(|i| checks.inputs(i)).collect();
    let outlets: Vec<_> = (0..draft.sinks.len()).map(|i| checks.outlet(i)).collect();
    // What cannot be resolved would make other things look unread.
    if checks.lower.faults.count() == before {
        checks.circles(&inputs);
        if !checks.nameless {
            checks.unread(&inputs, &outlets);
        }
    }
    let regions = regions(&draft, source.text.len());
    let mut wrong = Wrong { columns: std::mem::take(&mut lower.columns), steps: Vec::new() };
    let mut steps = Vec::new();
    for ((step, inputs), region) in draft.steps.into_iter().zip(inputs).zip(regions) {
        if lower.faults.within(region) {
            // Whatever it mentions may be a column that it makes.
            let words = lower.faults.written(region).split(|c: char| !c.is_alphanumeric() && c != '_');
            wrong.columns.extend(words.filter(|w| !w.is_empty()).map(str::to_owned));
            let from = inputs.into_iter().map(|(from, _)| from).collect();
            wrong.steps.push(WrongStep { name: step.name.value, from, passes: PASSING.contains(&step.kind) });
        } else {
            steps.extend(finish(step, inputs));
        }
    }
    let name = draft.name.unwrap_or_else(|| Name::new(String::new(), Span::default()));
    let sinks = draft.sinks.into_iter().zip(outlets);
    let sinks = sinks.filter_map(|(s, o)| o.map(|(from, _)| super::ast::Sink { from, ..s.sink })).collect();
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
    (spec, wrong)
}

/// Steps that keep the columns of their input; `step` is one whose operator is unknown.
const PASSING: [&str; 6] = ["step", "filter", "log", "key_by", "set", "score"];

/// The text of each step: up to the next one.
fn regions(draft: &Draft, end: usize) -> Vec<Span> {
    let starts: Vec<usize> = draft.steps.iter().map(|s| s.span.start.min(s.name.span.start)).collect();
    let ends = starts.iter().skip(1).copied().chain([end]);
    // Sinks may stand behind the last step; what is wrong there is not wrong with it.
    let sinks = draft.sinks.iter().map(|s| s.sink.span.start);
    let cut = |start: usize, end: usize| sinks.clone().filter(|s| *s > start && *s < end).min().unwrap_or(end);
    starts.iter().zip(ends).map(|(start, end)| Span::new(*start, cut(*start, end))).collect()
}

type Input = (From, Target);

fn finish(step: DraftStep, inputs: Vec<Input>) -> Option<Step> {
    let from: Vec<_> = inputs.into_iter().map(|(from, _)| from).collect();
    let operator = match step.operator? {
        Operator::Merge(_) => Operator::Merge(from.clone()),
        other => other,
    };
    Some(Step { name: step.name, from, operator, span: step.span })
}

struct Checks<'a, 'b> {
    draft: &'a Draft,
    lower: &'a mut Lower<'b>,
    /// Sources and steps by name; the first of each name.
    targets: HashMap<&'a str, Target>,
    /// A source or step whose name could not be read: a reference may mean it.
    nameless: bool,
}

impl<'a, 'b> Checks<'a, 'b> {
    fn new(draft: &'a Draft, lower: &'a mut Lower<'b>) -> Self {
        let nameless = draft.sources.is_empty()
            || draft.sources.iter().any(|s| s.name.value.is_empty())
            || draft.steps.iter().any(|s| s.name.value.is_empty());
        Self { draft, lower, targets: HashMap::new(), nameless }
    }

    /// Sources and steps share one space of names.
    fn names(&mut self) {
        let sources = self.draft.sources.iter().enumerate().map(|(i, s)| (&s.name, Target::Source(i)));
        let steps = self.draft.steps.iter().enumerate().map(|(i, s)| (&s.name, Target::Step(i)));
        let mut first: HashMap<&str, &Name> = HashMap::new();
        for (name, target) in sources.chain(steps).filter(|(n, _)| !n.value.is_empty()) {
            match first.get(name.value.as_str()) {
                Some(earlier) => {
                    let line = self.lower.faults.line(earlier.span);
                    let message =
                        format!("the name `{}` stands twice; the first is in line {line}", self.lower.shown(name));
                    self.lower.report(name.span, message, "sources and steps need different names");
                }
                None => {
                    first.insert(&name.value, name);
                    self.targets.insert(&name.value, target);
                }
            }
        }
    }

    fn topics(&mut self) {
        let mut read: HashMap<&str, &Name> = HashMap::new();
        for source in self.draft.sources.iter().filter(|s| !s.topic.value.is_empty()) {
            if let Some(earlier) = read.insert(&source.topic.value, &source.topic) {
                let line = self.lower.faults.line(earlier.span);
                let shown = self.lower.shown(&source.topic);
                let message = format!("the topic `{shown}` is read twice; the first is in line {line}");
                self.lower.report(source.topic.span, message, "read it once: several steps can have the same `from`");
            }
        }
        for sink in &self.draft.sinks {
            let topic = &sink.sink.topic;
            if let Some(source) = read.get(topic.value.as_str()) {
                let line = self.lower.faults.line(source.span);
                let shown = self.lower.shown(topic);
                let message = format!("the topic `{shown}` is also read, in line {line}: the pipeline would never end");
                self.lower.report(topic.span, message, "write to another topic");
            }
        }
    }

    /// The inputs of a step: as written, else the step before or the only source.
    fn inputs(&mut self, index: usize) -> Vec<Input> {
        let step = &self.draft.steps[index];
        if step.kind == "merge" && step.operator.is_some() && step.from.len() < 2 {
            let hint = "name them: `merge: [a, b]`";
            self.lower.report(step.span, "`merge` joins at least two inputs", hint);
            return Vec::new();
        }
        if step.from.is_empty() {
            let implied = match index.checked_sub(1) {
                Some(before) => self.main_output(before, step.span),
                None => self.only_source(step.span),
            };
            return implied.into_iter().collect();
        }
        step.from.iter().filter_map(|name| self.resolve(name)).collect()
    }

    fn outlet(&mut self, index: usize) -> Option<Input> {
        let sink = &self.draft.sinks[index];
        match (&sink.from, self.draft.steps.len().checked_sub(1)) {
            (Some(name), _) => self.resolve(name),
            (None, Some(last)) => self.main_output(last, sink.sink.span),
            (None, None) => self.only_source(sink.sink.span),
        }
    }

    fn only_source(&mut self, at: Span) -> Option<Input> {
        match self.draft.sources.as_slice() {
            [only] => Some((from(&only.name.value, None, at), Target::Source(0))),
            [] => None,
            several => {
                let names = several.iter().map(|s| format!("`{}`", self.lower.shown(&s.name)));
                let hint = format!("add `from:` with one of {}", names.collect::<Vec<_>>().join(", "));
                self.lower.report(at, "several sources, and no `from` says which one this reads", hint);
                None
            }
        }
    }

    fn main_output(&mut self, index: usize, at: Span) -> Option<Input> {
        let step = &self.draft.steps[index];
        if let Some(Operator::Branch { .. }) = step.operator {
            let name = self.lower.shown(&step.name);
            let outputs: Vec<_> = self.outputs(index).iter().map(|o| format!("`{name}.{o}`")).collect();
            let message = format!("`{name}` is a branch: only its outputs can be read");
            self.lower.report(at, message, format!("add `from:` with one of {}", outputs.join(", ")));
            return None;
        }
        Some((from(&step.name.value, None, at), Target::Step(index)))
    }

    /// What a written reference means: a whole name first, then an output of a step.
    fn resolve(&mut self, name: &Name) -> Option<Input> {
        match self.targets.get(name.value.as_str()) {
            Some(Target::Step(i)) => return self.main_output(*i, name.span),
            Some(target) => return Some((from(&name.value, None, name.span), *target)),
            None => {}
        }
        let split = name.value.rsplit_once('.');
        let step = split.and_then(|(step, output)| match self.targets.get(step) {
            Some(Target::Step(i)) => Some((*i, step, output)),
            _ => None,
        });
        let Some((index, step, output)) = step else {
            if !self.nameless {
                let shown = self.lower.shown(name);
                let like = if shown == name.value { shown } else { "" };
                let sources = self.draft.sources.iter().map(|s| &s.name);
                let names = sources.chain(self.draft.steps.iter().map(|s| &s.name));
                let hint = self.lower.suggest(like, names.map(|n| self.lower.shown(n)));
                let message = format!("no source or step is named `{shown}`");
                self.lower.faults.push(Diagnostic::at(name.span, message).maybe_hint(hint));
            }
            return None;
        };
        let outputs = self.outputs(index);
        if !outputs.contains(&output) && self.draft.steps[index].operator.is_some() {
            let (kind, own) = (self.draft.steps[index].kind, self.lower.shown(&self.draft.steps[index].name));
            let shown = self.lower.shown(name);
            let like = if shown == name.value { output } else { "" };
            let message = match shown == name.value {
                true => format!("the step `{own}` ({kind}) has no output `{output}`"),
                false => format!("`{shown}` names an output that `{own}` ({kind}) does not have"),
            };
            let hint = match outputs.is_empty() {
                true => Some(format!("write `from: {own}`; only `branch` and `window` (`late`) have extra outputs")),
                false => self.lower.suggest(like, outputs.iter().copied()),
            };
            self.lower.faults.push(Diagnostic::at(name.span, message).maybe_hint(hint));
            return None;
        }
        Some((from(step, Some(output), name.span), Target::Step(index)))
    }

    /// The extra outputs of a step.
    fn outputs(&self, index: usize) -> Vec<&'a str> {
        match &self.draft.steps[index].operator {
            Some(Operator::Branch { outputs, rest }) => {
                outputs.iter().map(|(n, _)| n).chain(rest).map(|n| n.value.as_str()).collect()
            }
            Some(Operator::Window(_)) => vec!["late"],
            _ => Vec::new(),
        }
    }

    /// Removes steps whose inputs are all settled until none is left; what remains goes in circles.
    fn circles(&mut self, inputs: &[Vec<Input>]) {
        let reads = |i: usize| {
            inputs[i].iter().filter_map(|(_, target)| match target {
                Target::Step(step) => Some(*step),
                Target::Source(_) => None,
            })
        };
        let mut open: Vec<bool> = vec![true; inputs.len()];
        let mut waits: Vec<usize> = (0..inputs.len()).map(|i| reads(i).count()).collect();
        let mut readers = vec![Vec::new(); inputs.len()];
        for i in 0..inputs.len() {
            reads(i).for_each(|read| readers[read].push(i));
        }
        let mut ready: Vec<usize> = (0..inputs.len()).filter(|i| waits[*i] == 0).collect();
        while let Some(i) = ready.pop() {
            open[i] = false;
            for reader in &readers[i] {
                waits[*reader] -= 1;
                if waits[*reader] == 0 {
                    ready.push(*reader);
                }
            }
        }
        let Some(mut at) = open.iter().position(|o| *o) else { return };
        // Every open step reads an open one, so walking back must come round.
        let (mut path, mut passed) = (Vec::new(), vec![false; inputs.len()]);
        while !std::mem::replace(&mut passed[at], true) {
            path.push(at);
            match reads(at).find(|r| open[*r]) {
                Some(read) => at = read,
                None => return,
            }
        }
        let circle = path.iter().skip_while(|i| **i != at).chain([&at]);
        let mut names: Vec<_> = circle.map(|i| format!("`{}`", self.lower.shown(&self.draft.steps[*i].name))).collect();
        names.reverse();
        let place = inputs[at].first().map_or(self.draft.steps[at].span, |(from, _)| from.span);
        let message = format!("steps read each other in a circle: {}", names.join(" → "));
        self.lower.report(place, message, "let one of them read something else");
    }

    /// Everything that is computed is read, written or printed.
    fn unread(&mut self, inputs: &[Vec<Input>], outlets: &[Option<Input>]) {
        let logs = self.draft.steps.iter().any(|s| s.kind == "log");
        if self.draft.sinks.is_empty() {
            if !logs && !self.draft.sinks_written {
                let fault = Diagnostic::whole("the pipeline writes nowhere");
                self.lower.faults.push(fault.hint("add `sink: TOPIC`, or a `log` step to print the records"));
            }
            if !logs {
                return;
            }
        }
        let all = inputs.iter().flatten().chain(outlets.iter().flatten());
        let read: HashSet<Target> = all.map(|(_, target)| *target).collect();
        for (i, step) in self.draft.steps.iter().enumerate() {
            if step.kind != "log" && !read.contains(&Target::Step(i)) {
                let name = self.lower.shown(&step.name).to_owned();
                self.lower.report(
                    step.span,
                    format!("nothing reads the step `{name}`"),
                    format!("add a sink with `from: {name}`, let a step read it, or remove it"),
                );
            }
        }
        for (i, source) in self.draft.sources.iter().enumerate() {
            if !source.name.value.is_empty() && !read.contains(&Target::Source(i)) {
                let name = self.lower.shown(&source.name).to_owned();
                self.lower.report(
                    source.span,
                    format!("nothing reads the source `{name}`"),
                    format!("let a step or sink have `from: {name}`, or remove it"),
                );
            }
        }
    }
}

fn from(name: &str, output: Option<&str>, span: Span) -> From {
    From { name: name.to_owned(), output: output.map(str::to_owned), span }
}
