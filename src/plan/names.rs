//! The names of what a pipeline keeps for itself: its topics, and the state of its steps.

use super::physical::{NodePlan, Physical};

impl Physical {
    /// The topic of dead letters.
    #[must_use]
    pub fn dead_topic(&self) -> String {
        format!("{}.dead", self.name)
    }

    /// The name under which the state of a step is kept: its own, or the one that `was:` names. Topics and committed
    /// progress go by it, so that nothing moves where a step is renamed, and the earlier file finds all of it.
    #[must_use]
    pub fn state_name<'a>(&'a self, step: &'a str) -> &'a str {
        let node = self.subs.iter().flat_map(|s| &s.nodes).find(|n| n.name == step);
        node.map_or(step, NodePlan::state_name)
    }

    /// The changelog topic of the state of a step.
    #[must_use]
    pub fn state_topic(&self, step: &str) -> String {
        self.changelog_topic(self.state_name(step))
    }

    /// The changelog topic of the state that is kept under a name, whether a step of this plan has it or not.
    #[must_use]
    pub fn changelog_topic(&self, state: &str) -> String {
        format!("{}.{state}.state", self.name)
    }
}

impl NodePlan {
    /// The name under which its state is kept.
    #[must_use]
    pub fn state_name(&self) -> &str {
        self.was.as_deref().unwrap_or(&self.name)
    }
}
