//! Builds tasks from a plan. Only here does a variant of the plan become an operator.

use crate::log::RecordLimits;
use crate::plan::{InputPlan, NodePlan, Op, Physical, PipelineLayout, SubTopology};
use crate::record::{Partition, TopicPartition};
use crate::runtime::cancel::CancelToken;
use crate::runtime::fault::Fault;
use crate::runtime::operators::log::{LogOperator, SampleHandler};
use crate::runtime::operators::models::Models;
use crate::runtime::operators::repartition::RepartitionOperator;
use crate::runtime::operators::{
    BranchOperator, FilterOperator, FlattenOperator, KeyByOperator, MergeOperator, ProjectOperator, ScanOperator,
    ScoreOperator, SinkOperator, WindowOperator,
};
use crate::runtime::task::dead_letters::DeadLetters;
use crate::runtime::task::input::Input;
use crate::runtime::task::operator::Operator;
use crate::runtime::task::outbox::Outbox;
use crate::runtime::task::{Task, TaskId, TaskOutput};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Creates an operator of the embedding program for a task.
pub type Factory = Arc<dyn Fn(TaskId) -> Box<dyn Operator> + Send + Sync>;

/// What tasks need besides the plan.
#[derive(Clone)]
pub struct Surroundings {
    /// The topics and tasks of the pipeline.
    pub layout: Arc<PipelineLayout>,
    /// The size limits of the records of these topics.
    pub limits: RecordLimits,
    /// The models of the run.
    pub models: Arc<Models>,
    /// Ends every wait of a task.
    pub cancel: CancelToken,
    /// Receives the samples of `log` steps.
    pub samples: SampleHandler,
    /// Operators of the embedding program, by kind.
    pub custom: BTreeMap<&'static str, Factory>,
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
            InputPlan::Repartition(r) => around.layout.sub(r.from).width as usize,
        };
        inputs.push(Input::new(input, slots..slots + senders)?);
        slots += senders;
    }
    let operators: Result<Vec<_>, _> = sub.nodes.iter().map(|n| operator(n, id, around)).collect();
    let output = TaskOutput {
        outbox: Outbox::new(around.layout.partitions(), around.limits.clone()),
        dead_letters: DeadLetters::new(&plan.dead_topic(), id.partition),
        errors: plan.errors,
    };
    let mut task = Task::new(id, sub.clone(), inputs, operators?, output);
    let own = around.layout.sub(sub.id);
    (0..sub.inputs.len()).filter(|i| !own.has_input(*i, partition)).for_each(|i| task.mark_absent(i));
    Ok(task)
}

fn operator(node: &NodePlan, task: TaskId, around: &Surroundings) -> Result<Box<dyn Operator>, Fault> {
    Ok(match node.op.clone() {
        Op::Filter(condition) => Box::new(FilterOperator(condition)),
        Op::Select(p) | Op::Set(p) | Op::Drop(p) | Op::Rename(p) => Box::new(ProjectOperator(p)),
        Op::Flatten(plan) => Box::new(FlattenOperator(plan)),
        Op::KeyBy(by) => Box::new(KeyByOperator(by)),
        Op::Branch(conditions) => {
            let rest = node.outputs.len() > conditions.len();
            Box::new(BranchOperator { conditions, rest })
        }
        Op::Merge => Box::new(MergeOperator),
        Op::Scan(plan) => Box::new(ScanOperator::new(plan)?),
        Op::Window(plan) => {
            let origin = TopicPartition { topic: node.name.as_str().into(), partition: task.partition };
            Box::new(WindowOperator::new(plan, origin)?)
        }
        Op::Score(plan) => Box::new(ScoreOperator::new(plan, around.models.clone(), around.cancel.clone())),
        Op::Log(plan) => {
            Box::new(LogOperator::new(node.name.clone(), plan, &node.outputs[0].schema, around.samples.clone())?)
        }
        Op::Sink(plan) => Box::new(SinkOperator::new(plan, task.partition)?),
        Op::Repartition(plan) => Box::new(RepartitionOperator::new(node.name.clone(), plan, task.partition)?),
        Op::Custom(kind) => match around.custom.get(kind) {
            Some(make) => make(task),
            None => return Err(Fault::Fatal(format!("no operator of the kind `{kind}` was given to the engine"))),
        },
    })
}

/// Tasks for the tests of what runs in them.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(in crate::runtime) mod fixture {
    use super::*;
    use crate::diagnostics::SourceText;
    use crate::plan::{PartitionCounts, layout};
    use crate::record::{Fetched, RecordsBuilder};
    use crate::time::VirtualClock;

    /// The task of partition 0 of the first sub-topology; `in` has one partition.
    pub(in crate::runtime) fn task_of(text: &str) -> Task {
        task_of_sub(text, 0)
    }

    /// The same of another sub-topology.
    pub(in crate::runtime) fn task_of_sub(text: &str, sub: usize) -> Task {
        let plan = plan_of(text);
        let around = Surroundings {
            layout: Arc::new(layout(&plan, &PartitionCounts::from([("in".into(), 1)]))),
            limits: RecordLimits::default(),
            models: Arc::new(Models::new(&plan, Arc::new(VirtualClock::at(0)), false)),
            cancel: CancelToken::default(),
            samples: Arc::new(|_, _| {}),
            custom: BTreeMap::new(),
        };
        task(&plan, &Arc::new(plan.subs[sub].clone()), 0, &around).unwrap()
    }

    pub(in crate::runtime) fn plan_of(text: &str) -> Physical {
        let source = Arc::new(SourceText { name: "p.yaml".into(), text: text.into() });
        let spec = crate::spec::parse(source, std::path::Path::new("."), &crate::spec::ProcessEnvironment).unwrap();
        crate::plan::compile(&spec, &crate::expr::Functions::new()).unwrap()
    }

    /// Runs records of `in`, of which the first has this offset.
    pub(in crate::runtime) fn run(task: &mut Task, first: i64, values: &[&str], now: i64) {
        let mut records = RecordsBuilder::default();
        values.iter().for_each(|value| records.push(None, Some(value.as_bytes()), 0));
        let (origin, offsets) = (Arc::new(TopicPartition::new("in", 0)), (first..).take(values.len()).collect());
        task.run(&Fetched { origin, offsets, records: records.finish() }, now, &mut |_| Ok(())).unwrap();
    }
}
