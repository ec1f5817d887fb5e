//! The functions that SQL may call: DataFusion's, our own, and the macros of a pipeline file.
//!
//! Separate because one set serves a whole pipeline and holds the clock behind `now()`. Names do not depend
//! on case. It never evaluates anything.

mod argmax;
mod clock;
mod json_get;
mod numbers;
mod softmax;

use super::ExprError;
use super::macros::Macro;
use crate::diagnostics::nearest;
use datafusion_expr::{AggregateUDF, ScalarUDF};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, LazyLock};

/// Where `now()` and `current_date()` get the time from: milliseconds since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Built-in functions and the macros of a file; cheap to clone.
#[derive(Clone)]
pub struct Functions {
    builtin: Arc<Builtin>,
    macros: Arc<BTreeMap<String, Arc<Macro>>>,
}

struct Builtin {
    scalars: HashMap<String, Arc<ScalarUDF>>,
    aggregates: HashMap<String, Arc<AggregateUDF>>,
}

/// Calls that DataFusion's planner handles without a registered function.
const PLANNED: [&str; 1] = ["make_map"];

static ON_WALL_CLOCK: LazyLock<Arc<Builtin>> = LazyLock::new(|| Arc::new(Builtin::new(&clock::wall())));

impl Builtin {
    fn new(time: &Clock) -> Self {
        let (mut scalars, mut aggregates) = (HashMap::new(), HashMap::new());
        let theirs = datafusion_functions::all_default_functions()
            .into_iter()
            .chain(datafusion_functions_nested::all_default_nested_functions());
        let ours = [argmax::udf(), softmax::udf(), json_get::udf()].into_iter().chain(clock::udfs(time));
        // Later ones replace earlier ones: DataFusion's clock is fixed when a query is planned.
        for udf in theirs.chain(ours.map(Arc::new)) {
            for name in udf.aliases().iter().map(String::as_str).chain([udf.name()]) {
                scalars.insert(name.to_lowercase(), udf.clone());
            }
        }
        // It has a type that no file can name, and only works when a query has a start.
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
    /// How long a text is once it is expanded, as far as that can be told: calls of macros grow without
    /// making it longer.
    pub(super) fn room(&self, sql: &str) -> usize {
        if self.macros.is_empty() { sql.len() } else { usize::MAX }
    }

    /// The built-in functions, on the wall clock.
    #[must_use]
    pub fn new() -> Self {
        Self { builtin: ON_WALL_CLOCK.clone(), macros: Arc::default() }
    }

    /// The built-in functions, on a clock of the caller's, such as the virtual one of a test.
    #[must_use]
    pub fn with_clock(time: &Clock) -> Self {
        Self { builtin: Arc::new(Builtin::new(time)), macros: Arc::default() }
    }

    /// Adds a macro; its body may use its parameters, built-in functions and macros defined before.
    ///
    /// # Errors
    /// Where the name is taken, the body is not an expression, or it uses anything else; `at` is in the body.
    pub fn define(&mut self, name: &str, params: &[String], body: &str) -> Result<(), ExprError> {
        let found = Macro::parse(name, params, body, self)?;
        Arc::make_mut(&mut self.macros).insert(name.to_lowercase(), Arc::new(found));
        Ok(())
    }

    /// Whether SQL can call the name.
    #[must_use]
    pub fn exists(&self, name: &str) -> bool {
        self.find_macro(name).is_some() || self.is_builtin(name)
    }

    pub(super) fn is_builtin(&self, name: &str) -> bool {
        self.scalar(name).is_some()
            || self.aggregate(name).is_some()
            || PLANNED.iter().any(|p| p.eq_ignore_ascii_case(name))
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
        // Sorted, so that of two names equally near always the same is suggested.
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
