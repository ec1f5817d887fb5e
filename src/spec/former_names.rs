//! Checks of `was:`: a step that was renamed goes on with the state that it had under its first name.
//!
//! Names are all that a file knows of state, so whether there is state of that name is found when a pipeline is compared
//! with what it has committed.

use super::ast::Name;
use super::operators::OPERATORS;
use super::validate::Validator;
use std::collections::HashMap;

impl Validator<'_, '_> {
    /// Each state belongs to one step.
    pub(super) fn former_names(&mut self) {
        let mut first: HashMap<&str, &Name> = HashMap::new();
        for step in &self.draft.steps {
            let Some(was) = &step.was else { continue };
            let shown = self.lowering.display_name(was).to_owned();
            if let Some(descriptor) = step.descriptor.filter(|d| !d.stateful) {
                let stateful: Vec<_> = OPERATORS.iter().filter(|d| d.stateful).map(|d| d.keyword()).collect();
                let message = format!("a `{}` keeps no state that it could go on with", descriptor.keyword());
                let hint = format!("remove `was`; only `{}` keep state", stateful.join("` and `"));
                self.lowering.report(was.span, message, hint);
                continue;
            }
            if was.value == step.name.value {
                let message = format!("the step is named `{shown}`, so that this is no earlier name of it");
                self.lowering.report(was.span, message, "remove `was`");
                continue;
            }
            if let Some(other) = self.draft.steps.iter().find(|s| s.name.value == was.value) {
                let line = self.lowering.problems.line(other.name.span);
                let message = format!("`{shown}` is a step of this file, in line {line}, which has the state itself");
                let hint = "remove `was`, or give that step another name and its own `was`";
                self.lowering.report(was.span, message, hint);
                continue;
            }
            if let Some(earlier) = first.insert(&was.value, was) {
                let line = self.lowering.problems.line(earlier.span);
                let message = format!("two steps go on with the state of `{shown}`; the first is in line {line}");
                self.lowering.report(was.span, message, "remove one `was`: that step begins without state");
            }
        }
    }
}
