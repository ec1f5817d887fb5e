//! The tasks of an assignment, in one line of the log.

use crate::plan::{PipelineLayout, SubTopology};
use crate::record::{Partition, TopicPartition};
use crate::runtime::recovery::rebuild::AssignedPartitions;
use crate::runtime::task::TaskId;

/// The number of tasks that are named.
const MAX_NAMED_TASKS: usize = 8;

/// Which of all tasks an assignment brings.
pub(super) fn own_tasks(subs: &[SubTopology], layout: &PipelineLayout, assigned: &AssignedPartitions) -> String {
    let (mut own, mut all) = (Vec::new(), 0);
    for sub in subs {
        let width = layout.sub(sub.id).width;
        all += width;
        let is_own = |p: &u32| {
            sub.inputs.iter().any(|input| assigned.contains_key(&TopicPartition::new(input.topic().clone(), *p)))
        };
        own.extend((0..width).filter(is_own).map(|p| TaskId { sub: sub.id.0, partition: Partition(p) }.to_string()));
    }
    tasks(&own, all)
}

fn tasks(own: &[String], all: u32) -> String {
    let named = own.iter().take(MAX_NAMED_TASKS).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = match own.len().saturating_sub(MAX_NAMED_TASKS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{} of {all} tasks: {named}{more}", own.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_of_many_tasks_is_one_short_line() {
        let own: Vec<String> = (0..10).map(|p| format!("0/{p}")).collect();
        assert_eq!(tasks(&own[..2], 6), "2 of 6 tasks: 0/0, 0/1");
        assert_eq!(tasks(&own, 10), "10 of 10 tasks: 0/0, 0/1, 0/2, 0/3, 0/4, 0/5, 0/6, 0/7 and 2 more");
    }
}
