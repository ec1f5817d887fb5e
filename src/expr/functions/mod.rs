//! The functions that SQL may call: DataFusion's, our own, and the macros of a pipeline file.
//!
//! One set serves a whole pipeline and holds the time source of `now()`. Names ignore case. The set never
//! evaluates anything.

mod argmax;
mod clock;
mod json_get;
mod json_text;
mod numbers;
mod octet_length;
mod softmax;
mod sqrt;

use super::ExprError;
use crate::diagnostics::nearest;
use datafusion_expr::{AggregateUDF, ScalarUDF};
use datafusion_sql::sqlparser::ast;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, LazyLock};

/// The time of `now()` and `current_date`: milliseconds since the Unix epoch.
pub type TimeSource = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Built-in functions and the macros of a file; cheap to clone.
#[derive(Clone)]
pub struct Functions {
    builtin: Arc<BuiltinFunctions>,
    macros: Arc<BTreeMap<String, Arc<Macro>>>,
}

/// A checked macro. Its body calls no other macros: they are expanded when it is defined.
#[derive(Debug)]
pub(super) struct Macro {
    pub(super) params: Vec<String>,
    pub(super) body: ast::Expr,
}

struct BuiltinFunctions {
    scalars: HashMap<String, Arc<ScalarUDF>>,
    aggregates: HashMap<String, Arc<AggregateUDF>>,
}

/// Calls that DataFusion's planner rewrites, so that no function of that name is registered.
const PLANNER_FUNCTIONS: [&str; 1] = ["make_map"];

static ON_WALL_CLOCK: LazyLock<Arc<BuiltinFunctions>> =
    LazyLock::new(|| Arc::new(BuiltinFunctions::new(&clock::wall_clock())));

impl BuiltinFunctions {
    fn new(time: &TimeSource) -> Self {
        let (mut scalars, mut aggregates) = (HashMap::new(), HashMap::new());
        let datafusion = datafusion_functions::all_default_functions()
            .into_iter()
            .chain(datafusion_functions_nested::all_default_nested_functions());
        let ours = [argmax::udf(), softmax::udf(), json_get::udf(), octet_length::udf(), sqrt::udf()]
            .into_iter()
            .chain(clock::udfs(time));
        // Ours come last and replace those of the same name: DataFusion fixes `now()` at planning.
        for udf in datafusion.chain(ours.map(Arc::new)) {
            for name in udf.aliases().iter().map(String::as_str).chain([udf.name()]) {
                scalars.insert(name.to_lowercase(), udf.clone());
            }
        }
        // Its type has no name in a pipeline file, and it depends on the start of a query.
        scalars.remove("current_time");
        for udaf in datafusion_functions_aggregate::all_default_aggregate_functions() {
            for name in udaf.aliases().iter().map(String::as_str).chain([udaf.name()]) {
                aggregates.insert(name.to_lowercase(), udaf.clone());
            }
        }
        Self { scalars, aggregates }
    }
}

impl Functions {
    /// An upper bound of the length of a text after expansion; unbounded if macros are defined.
    pub(super) fn expanded_len(&self, sql: &str) -> usize {
        if self.macros.is_empty() { sql.len() } else { usize::MAX }
    }

    /// The built-in functions, on the wall clock.
    #[must_use]
    pub fn new() -> Self {
        Self { builtin: ON_WALL_CLOCK.clone(), macros: Arc::default() }
    }

    /// The built-in functions on another clock, such as the virtual clock of a test.
    #[must_use]
    pub fn with_clock(time: &TimeSource) -> Self {
        Self { builtin: Arc::new(BuiltinFunctions::new(time)), macros: Arc::default() }
    }

    pub(super) fn add_macro(&mut self, name: &str, definition: Macro) {
        Arc::make_mut(&mut self.macros).insert(name.to_lowercase(), Arc::new(definition));
    }

    /// Whether SQL can call a function of this name.
    #[must_use]
    pub fn exists(&self, name: &str) -> bool {
        self.find_macro(name).is_some() || self.is_builtin(name)
    }

    pub(super) fn is_builtin(&self, name: &str) -> bool {
        self.scalar(name).is_some()
            || self.aggregate(name).is_some()
            || PLANNER_FUNCTIONS.iter().any(|p| p.eq_ignore_ascii_case(name))
    }

    pub(super) fn is_aggregate(&self, name: &str) -> bool {
        self.aggregate(name).is_some()
    }

    pub(super) fn has_macros(&self) -> bool {
        !self.macros.is_empty()
    }

    pub(super) fn find_macro(&self, name: &str) -> Option<&Macro> {
        self.macros.get(&name.to_lowercase()).map(Arc::as_ref)
    }

    pub(super) fn scalar(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.builtin.scalars.get(&name.to_lowercase()).cloned()
    }

    pub(super) fn aggregate(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.builtin.aggregates.get(&name.to_lowercase()).cloned()
    }

    pub(super) fn unknown(&self, name: &str) -> ExprError {
        let names = self.macros.keys().chain(self.builtin.scalars.keys()).chain(self.builtin.aggregates.keys());
        // Sorted, so that the same one of two equally near names is always suggested.
        let mut names: Vec<&str> = names.map(String::as_str).collect();
        names.sort_unstable();
        let hint = nearest(name, names).map(|near| format!("did you mean `{near}`?"));
        let message = format!("unknown function `{name}`");
        ExprError::new(message).hint("define your own under `functions:`, above its first use").maybe_hint(hint)
    }
}

impl Default for Functions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Functions").field("macros", &self.macros.keys()).finish_non_exhaustive()
    }
}
