//! From what a file says to what a task does: names resolved, SQL compiled, the graph cut into
//! sub-topologies.
//!
//! Separate because it opens nothing: a plan is plain data that can be printed, compared and run by the
//! driver without a backplane. The stages are types: `Spec → Logical → Physical`.

mod explain;
mod logical;
mod op;
mod physical;
mod resolve;

pub use explain::{dot, mermaid, text};
pub use logical::{Logical, LogicalNode, NodeId, NodeRef, Output, Port};
pub use op::{
    FlattenPlan, Item, LogPlan, ModelChoice, Op, Projection, RepartitionPlan, ScanPlan, ScorePlan, SinkPlan,
    SourcePlan, WindowPlan,
};
pub use physical::{Feed, InputPlan, NodePlan, OutputPlan, Physical, RepartitionInput, SubId, SubTopology};

use crate::diagnostics::Report;
use crate::expr::Functions;
use crate::spec::{Reading, Spec, Wrong};

/// Compiles a pipeline file.
///
/// # Errors
/// All that is wrong with it, located.
pub fn compile(spec: &Spec, functions: &Functions) -> Result<Physical, Report> {
    let logical = resolve::resolve(spec, &Wrong::default(), functions)?;
    physical::lower(spec, logical)
}

/// Compiles what was read of a file; mistakes of form and of meaning are reported together.
///
/// # Errors
/// All that is wrong with the file.
pub fn compile_reading(reading: Reading, functions: &Functions) -> Result<(Spec, Physical), Report> {
    let Reading { spec, mut report, wrong } = reading;
    if report.is_empty() {
        let spec = report.finish(spec)?;
        let plan = compile(&spec, functions)?;
        return Ok((spec, plan));
    }
    let meaning = spec.map(|spec| resolve::resolve(&spec, &wrong, functions));
    if let Some(Err(more)) = meaning {
        more.diagnostics().into_iter().for_each(|d| report.push(d.clone()));
    }
    Err(report)
}
