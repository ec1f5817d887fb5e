//! The catalog that DataFusion's planner requires: functions, type names, options, and no tables.
//!
//! Types in `CAST` are those of the pipeline file, so that `timestamp` is milliseconds in UTC here too.

use super::functions::Functions;
use crate::record::parse_type;
use arrow_schema::{DataType, Field, FieldRef};
use datafusion_common::config::ConfigOptions;
use datafusion_common::{DFSchema, Result, TableReference, not_impl_err};
use datafusion_expr::planner::{ContextProvider, ExprPlanner, TypePlanner};
use datafusion_expr::{AggregateUDF, Expr, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF};
use datafusion_functions::core::planner::CoreFunctionPlanner;
use datafusion_functions::datetime::planner::DatetimeFunctionPlanner;
use datafusion_functions::unicode::planner::UnicodeFunctionPlanner;
use datafusion_functions_aggregate::planner::AggregateFunctionPlanner;
use datafusion_functions_nested::planner::{FieldAccessPlanner, NestedFunctionPlanner};
use datafusion_sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion_sql::sqlparser::ast;
use std::sync::{Arc, LazyLock};

static OPTIONS: LazyLock<ConfigOptions> = LazyLock::new(ConfigOptions::default);

static PLANNERS: LazyLock<[Arc<dyn ExprPlanner>; 6]> = LazyLock::new(|| {
    [
        Arc::new(CoreFunctionPlanner::default()),
        Arc::new(NestedFunctionPlanner),
        Arc::new(FieldAccessPlanner),
        Arc::new(DatetimeFunctionPlanner),
        Arc::new(UnicodeFunctionPlanner),
        Arc::new(AggregateFunctionPlanner),
    ]
});

/// Plans a tree with resolved names.
pub(super) fn plan(tree: ast::Expr, schema: &DFSchema, functions: &Functions) -> Result<Expr> {
    let options = ParserOptions::new().with_enable_ident_normalization(false).with_map_string_types_to_utf8view(false);
    let context = PlannerCatalog { functions };
    SqlToRel::new_with_options(&context, options).sql_to_expr(tree, schema, &mut PlannerContext::new())
}

struct PlannerCatalog<'a> {
    functions: &'a Functions,
}

impl ContextProvider for PlannerCatalog<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        not_impl_err!("an expression has no tables such as `{name}`")
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        PLANNERS.as_slice()
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(PipelineTypes))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.functions.scalar(name)
    }

    fn get_higher_order_meta(&self, _: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.functions.aggregate(name)
    }

    fn get_window_meta(&self, _: &str) -> Option<Arc<WindowUDF>> {
        None
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &OPTIONS
    }

    fn udf_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udwf_names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Resolves type names as a pipeline file does; any other name keeps its SQL meaning.
#[derive(Debug)]
struct PipelineTypes;

impl TypePlanner for PipelineTypes {
    fn plan_type_field(&self, sql_type: &ast::DataType) -> Result<Option<FieldRef>> {
        let name = sql_type.to_string().to_lowercase();
        Ok(parse_type(&name).ok().map(|t| Arc::new(Field::new("", t, true))))
    }
}
