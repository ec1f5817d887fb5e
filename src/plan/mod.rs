//! From a spec to a plan: names resolved, SQL compiled, the graph cut into sub-topologies.
//!
//! The stages are types: `Spec → Logical → Physical`. A plan is plain data: it opens nothing, and it can be
//! printed, compared and run without a backplane.

mod explain;
mod layout;
mod logical;
mod names;
mod op;
mod physical;
mod resolve;
mod states;
mod verdicts;

pub use explain::{dot, mermaid, text};
pub use layout::{
    PartitionCounts, PipelineLayout, SubLayout, TopicLayout, TopicRole, create_command, layout, models_config,
};
pub use logical::{Logical, LogicalNode, LogicalOutput, NodeId, NodeRef, Port};
pub use op::*;
pub use physical::{InputPlan, NodeInput, NodePlan, OutputPlan, Physical, RepartitionInput, SubId, SubTopology};
pub use verdicts::{StateVerdict, state_verdicts};

use crate::diagnostics::Report;
use crate::expr::Functions;
use crate::spec::{PartialSpec, Spec, Unreadable};

/// Compiles a pipeline file.
///
/// # Errors
/// All problems, with spans.
pub fn compile(spec: &Spec, functions: &Functions) -> Result<Physical, Report> {
    let logical = resolve::resolve(spec, &Unreadable::default(), functions)?;
    physical::lower(spec, logical)
}

/// Compiles what could be read of a file, so that mistakes of form and of meaning are reported together.
///
/// # Errors
/// All problems of the file.
pub fn compile_partial(partial: PartialSpec, functions: &Functions) -> Result<(Spec, Physical), Report> {
    let PartialSpec { spec, mut report, unreadable } = partial;
    if report.is_empty() {
        let spec = report.finish(spec)?;
        let plan = compile(&spec, functions)?;
        return Ok((spec, plan));
    }
    let resolved = spec.map(|spec| resolve::resolve(&spec, &unreadable, functions));
    if let Some(Err(more)) = resolved {
        more.diagnostics().into_iter().for_each(|d| report.push(d.clone()));
    }
    Err(report)
}
