//! `fastdata state list`: one line for each state that a pipeline has committed.

use super::StateListArgs;
use crate::cli::context::CliContext;
use crate::cli::figures::{bytes, count};
use crate::cli::output::OutputFormat;
use crate::cli::table::{Table, TableColumn};
use crate::cli::{backplane, run};
use crate::expr::digest;
use crate::metrics::{Reports, StateRecord};
use crate::plan::{Physical, StateVerdict};
use crate::runtime::{CancelToken, reports, topics};
use crate::time::rfc3339;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// State that is kept under one name.
struct KeptState<'a> {
    name: &'a str,
    /// What is recorded of it; nothing by early versions of the program.
    record: Option<&'a StateRecord>,
    /// The step of the file that has it.
    step: Option<String>,
    verdict: StateVerdict,
    keys: u64,
    bytes: u64,
    /// The latest commit of a task that holds it, epoch milliseconds.
    committed_at: Option<i64>,
}

pub(super) fn execute(args: &StateListArgs, context: &CliContext) -> anyhow::Result<()> {
    let (spec, plan) = run::compile(&args.pipeline)?;
    let log = backplane::open_existing(context.global(), Some(&spec))?;
    let reports = reports(log.as_ref(), &plan.name, &CancelToken::default())?;
    let states = kept_states(&plan, &reports);
    if args.output == OutputFormat::Json {
        let lines: String = states.iter().map(|state| format!("{}\n", object(state, &plan, &reports))).collect();
        return context.printer().print_json(lines);
    }
    if states.is_empty() {
        context.printer().info(format_args!("`{}` has committed no state", plan.name));
        return Ok(());
    }
    context.printer().print(table(&states))
}

fn kept_states<'a>(plan: &Physical, reports: &'a Reports) -> Vec<KeptState<'a>> {
    let (own, verdicts) = (plan.states(), topics::recorded_verdicts(plan, reports));
    let held = reports.tasks.values().flat_map(|t| &t.steps).filter(|s| s.keys > 0).map(|s| s.state_name());
    let names: BTreeSet<&str> = reports.states.keys().map(String::as_str).chain(held).collect();
    let state = |name: &'a str| {
        let held = reports.held(name);
        let step = own.get(name).map(|record| record.step(name).to_owned());
        KeptState {
            name,
            record: reports.states.get(name),
            verdict: step.as_ref().and_then(|step| verdicts.get(step)).cloned().unwrap_or(StateVerdict::Orphaned),
            step,
            keys: held.values().map(|(_, s)| s.keys).sum(),
            bytes: held.values().map(|(_, s)| s.bytes).sum(),
            committed_at: held.values().map(|(task, _)| task.committed_at).max(),
        }
    };
    names.into_iter().map(state).collect()
}

impl KeptState<'_> {
    fn operator(&self) -> Option<&str> {
        self.record.map(|record| record.identity.operator.as_str())
    }

    /// A few characters that stand for what its bytes mean.
    fn fingerprint(&self) -> Option<String> {
        self.record.and_then(|record| Some(digest(&serde_json::to_string(&record.identity).ok()?)))
    }

    fn left_at(&self) -> Option<i64> {
        self.record.and_then(|record| record.left_at)
    }
}

fn table(states: &[KeptState<'_>]) -> Table {
    let mut table = Table::new([
        TableColumn::left("name"),
        TableColumn::left("step"),
        TableColumn::left("operator"),
        TableColumn::left("fingerprint"),
        TableColumn::right("keys"),
        TableColumn::right("size"),
        TableColumn::left("committed"),
        TableColumn::left("state"),
        TableColumn::left("why"),
    ]);
    for state in states {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        table.row([
            state.name.to_owned(),
            or_dash(state.step.clone()),
            or_dash(state.operator().map(str::to_owned)),
            or_dash(state.fingerprint()),
            count(state.keys),
            bytes(state.bytes),
            or_dash(state.left_at().or(state.committed_at).map(rfc3339)),
            state.verdict.word().to_owned(),
            state.verdict.to_string(),
        ]);
    }
    table
}

fn object(state: &KeptState<'_>, plan: &Physical, reports: &Reports) -> Value {
    let partition =
        |(partition, (task, step)): (&u32, &(&crate::metrics::TaskProgress, &crate::metrics::StepProgress))| {
            let positions: serde_json::Map<String, Value> = match step.left {
                true => serde_json::Map::new(),
                false => {
                    let read = task.inputs.iter().filter(|input| input.left.is_none());
                    read.map(|input| (input.topic.clone(), input.next.into())).collect()
                }
            };
            json!({
                "partition": partition,
                "keys": step.keys,
                "bytes": step.bytes,
                "committed_at": rfc3339(task.committed_at),
                "positions": positions,
            })
        };
    json!({
        "name": state.name,
        "step": state.step,
        "operator": state.operator(),
        "fingerprint": state.fingerprint(),
        "identity": state.record.map(|record| &record.identity),
        "keys": state.keys,
        "bytes": state.bytes,
        "topic": plan.changelog_topic(state.name),
        "committed_at": state.committed_at.map(rfc3339),
        "left_at": state.left_at().map(rfc3339),
        "state": state.verdict.word(),
        "why": state.verdict.to_string(),
        "partitions": reports.held(state.name).iter().map(partition).collect::<Vec<_>>(),
    })
}
