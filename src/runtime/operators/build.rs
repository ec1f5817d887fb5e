//! From a plan to tasks. Here, and only here, a variant of the plan becomes an operator.

use crate::plan::{InputPlan, NodePlan, Op, Physical, SubTopology};
use crate::record::{Partition, TopicPartition};
use crate::runtime::cancel::CancelToken;
use crate::runtime::fault::Fault;
use crate::runtime::operators::log::{Log, Samples};
use crate::runtime::operators::models::Models;
use crate::runtime::operators::repartition::Repartition;
use crate::runtime::operators::{Branch, Filter, Flatten, KeyBy, Merge, Project, Scan, Score, Sink, Window};
use crate::runtime::task::dead_letters::DeadLetters;
use crate::runtime::task::input::Input;
use crate::runtime::task::operator::Operator;
use crate::runtime::task::outbox::Outbox;
use crate::runtime::task::{Task, TaskId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Creates an operator of the embedding program for a task.
pub type Factory = Arc<dyn Fn(TaskId) -> Box<dyn Operator> + Send + Sync>;

/// The number of partitions of each topic that a pipeline reads or writes.
pub type Partitions = BTreeMap<Arc<str>, u32>;

/// What tasks need besides the plan.
#[derive(Clone)]
pub struct Surroundings {
    /// The partitions of every topic of the pipeline.
    pub partitions: BTreeMap<Arc<str>, u32>,
    /// The models of the run.
    pub models: Arc<Models>,
    /// Ends what tasks wait for.
    pub cancel: CancelToken,
    /// Receives the samples of `log` steps.
    pub samples: Samples,
    /// Operators of the embedding program, by kind.
    pub custom: BTreeMap<&'static str, Factory>,
}

/// The number of tasks of a sub-topology: the partitions of its widest input.
#[must_use]
pub fn width(sub: &SubTopology, partitions: &BTreeMap<Arc<str>, u32>) -> u32 {
    sub.width(partitions)
}

/// Builds one task.
///
/// # Errors
/// An operator cannot be created, which plans rule out.
pub fn task(plan: &Physical, sub: &Arc<SubTopology>, partition: u32, around: &Surroundings) -> Result<Task, Fault> {
    let id = TaskId { sub: sub.id.0, partition: Partition(partition) };
    let mut slots = 0;
    let mut inputs = Vec::new();
    for input in &sub.inputs {
        let senders = match input {
            InputPlan::Source(_) => 1,
            InputPlan::Repartition(r) => {
                let from = plan.subs.iter().find(|s| s.id == r.from);
                from.map_or(1, |from| width(from, &around.partitions)) as usize
            }
        };
        inputs.push(Input::new(input, slots..slots + senders)?);
        slots += senders;
    }
    let operators: Result<Vec<_>, _> = sub.nodes.iter().map(|n| operator(n, id, around)).collect();
    let dead_letters = DeadLetters::new(&plan.dead_topic(), id.partition);
    let outbox = Outbox::new(around.partitions.clone());
    let mut task = Task::new(id, sub.clone(), inputs, operators?, outbox, dead_letters, plan.errors);
    for (i, input) in sub.inputs.iter().enumerate() {
        if around.partitions.get(input.topic()).is_some_and(|n| *n <= partition) {
            task.mark_absent(i);
        }
    }
    Ok(task)
}

fn operator(node: &NodePlan, task: TaskId, around: &Surroundings) -> Result<Box<dyn Operator>, Fault> {
    Ok(match node.op.clone() {
        Op::Filter(condition) => Box::new(Filter(condition)),
        Op::Select(p) | Op::Set(p) | Op::Drop(p) | Op::Rename(p) => Box::new(Project(p)),
        Op::Flatten(plan) => Box::new(Flatten(plan)),
        Op::KeyBy(by) => Box::new(KeyBy(by)),
        Op::Branch(conditions) => {
            let rest = node.outputs.len() > conditions.len();
            Box::new(Branch { conditions, rest })
        }
        Op::Merge => Box::new(Merge),
        Op::Scan(plan) => Box::new(Scan::new(plan)?),
        Op::Window(plan) => {
            let origin = TopicPartition { topic: node.name.as_str().into(), partition: task.partition };
            Box::new(Window::new(plan, origin)?)
        }
        Op::Score(plan) => Box::new(Score::new(plan, around.models.clone(), around.cancel.clone())),
        Op::Log(plan) => Box::new(Log::new(node.name.clone(), plan, &node.outputs[0].schema, around.samples.clone())?),
        Op::Sink(plan) => Box::new(Sink::new(plan, task.partition)?),
        Op::Repartition(plan) => Box::new(Repartition::new(plan, task.partition)?),
        Op::Custom(kind) => match around.custom.get(kind) {
            Some(make) => make(task),
            None => return Err(Fault::Fatal(format!("no operator of the kind `{kind}` was given to the engine"))),
        },
    })
}
