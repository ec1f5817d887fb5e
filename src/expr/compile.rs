//! Syntax tree to physical expression: plan, coerce, fold, simplify, lower.
//!
//! Separate from evaluation, which only sees the result. Everything that can be known before the first
//! record is checked here: names, types, constants. It never reads data.

use super::error::plain;
use super::evaluate::{Evaluated, Input, Program};
use super::functions::Functions;
use super::stack::roomy;
use super::{ExprError, Scope, context, expand, fold, locate, parse, resolve, types};
use crate::record::{BadRow, Batch, type_name};
use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray};
use arrow_schema::DataType;
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_common::{DFSchemaRef, Result as DfResult, ScalarValue};
use datafusion_expr::execution_props::ExecutionProps;
use datafusion_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion_expr::simplify::SimplifyContext;
use datafusion_expr::{Expr as Logical, Operator};
use datafusion_optimizer::simplify_expressions::ExprSimplifier;
use datafusion_physical_expr::expressions::BinaryExpr;
use datafusion_physical_expr::{PhysicalExpr, create_physical_expr};
use datafusion_sql::sqlparser::ast;
use std::sync::Arc;

/// A compiled expression; cheap to clone.
#[derive(Clone, Debug)]
pub struct Expr(Arc<Program>);

impl Expr {
    /// Compiles one SQL expression over the columns in scope.
    ///
    /// # Errors
    /// Where the text is not one expression, a name is unknown, or types do not fit.
    pub fn compile(sql: &str, scope: &Scope, functions: &Functions) -> Result<Self, ExprError> {
        roomy(functions.room(sql), || {
            let tree = read(sql, scope, functions)?;
            let source = Source { sql, tree: &tree, schema: scope.all(), functions };
            source.lower(source.plan()?, scope.inputs(), true)
        })
    }

    /// The type of its values, always one that a pipeline file can name.
    #[must_use]
    pub fn data_type(&self) -> &DataType {
        self.0.data_type()
    }

    /// Whether a value can be null.
    #[must_use]
    pub fn nullable(&self) -> bool {
        self.0.nullable()
    }

    /// The text as the user wrote it.
    #[must_use]
    pub fn sql(&self) -> &str {
        self.0.sql()
    }

    /// The column that it is, where it is nothing but a column.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        self.0.column()
    }

    /// The value of each row; a row that cannot be evaluated is null and listed.
    #[must_use]
    pub fn evaluate(&self, batch: &Batch) -> Evaluated {
        self.0.evaluate(batch.columns.columns(), Some(&batch.meta), batch.len())
    }

    pub(super) fn program(&self) -> &Program {
        &self.0
    }
}

/// A compiled condition; cheap to clone.
#[derive(Clone, Debug)]
pub struct Predicate(Expr);

impl Predicate {
    /// Compiles a condition over the columns in scope.
    ///
    /// # Errors
    /// Like [`Expr::compile`], and where the expression is not boolean.
    pub fn compile(sql: &str, scope: &Scope, functions: &Functions) -> Result<Self, ExprError> {
        let expr = Expr::compile(sql, scope, functions)?;
        match expr.data_type() {
            DataType::Boolean => Ok(Self(expr)),
            other => Err(ExprError::new(format!("a condition is boolean, but this is {}", type_name(other)))
                .at(Some(0..sql.len()))
                .hint("compare it with something, as in `… > 0`")),
        }
    }

    pub(super) fn new(expr: Expr) -> Self {
        Self(expr)
    }

    /// The text as the user wrote it.
    #[must_use]
    pub fn sql(&self) -> &str {
        self.0.sql()
    }

    /// Which rows it holds for, without nulls: null counts as false, and so does a bad row.
    #[must_use]
    pub fn evaluate(&self, batch: &Batch) -> (BooleanArray, Vec<BadRow>) {
        let Evaluated { array, bad } = self.0.evaluate(batch);
        let mask = array.as_boolean();
        let mask = match mask.nulls() {
            None => mask.clone(),
            Some(valid) => BooleanArray::new(mask.values() & valid.inner(), None),
        };
        (mask, bad)
    }
}

/// The value of an expression without columns, as the wanted type.
///
/// # Errors
/// Like [`Expr::compile`], and where the value cannot be computed or is not of the wanted type.
pub fn constant(sql: &str, functions: &Functions, want: Option<&DataType>) -> Result<ScalarValue, ExprError> {
    roomy(functions.room(sql), || constant_here(sql, functions, want))
}

fn constant_here(sql: &str, functions: &Functions, want: Option<&DataType>) -> Result<ScalarValue, ExprError> {
    let scope = Scope::without_meta(Arc::new(arrow_schema::Schema::empty()));
    let whole = Some(0..sql.len());
    let tree = read(sql, &scope, functions)?;
    let source = Source { sql, tree: &tree, schema: scope.all(), functions };
    let mut logical = source.plan()?;
    if let Some(want) = want {
        use datafusion_expr::ExprSchemable;
        let wrong = |e| ExprError::new(plain(&e)).at(whole.clone());
        logical = logical.cast_to(want, scope.all()).map_err(wrong)?;
    }
    let expr = source.lower(logical, scope.inputs(), want.is_none())?;
    let Evaluated { array, bad } = expr.program().evaluate(&[], None, 1);
    match bad.first() {
        Some(bad) => Err(ExprError::new(bad.error.clone()).at(whole)),
        None => ScalarValue::try_from_array(&array, 0).map_err(|e| ExprError::new(plain(&e)).at(whole)),
    }
}

fn read(sql: &str, scope: &Scope, functions: &Functions) -> Result<ast::Expr, ExprError> {
    let mut tree = parse::parse(sql)?;
    expand::expand(&mut tree, sql, functions)?;
    resolve::resolve(&mut tree, sql, scope, functions, None)?;
    Ok(tree)
}

/// A resolved tree and what it is planned against.
pub(super) struct Source<'a> {
    pub(super) sql: &'a str,
    pub(super) tree: &'a ast::Expr,
    pub(super) schema: &'a DFSchemaRef,
    pub(super) functions: &'a Functions,
}

impl Source<'_> {
    /// The coerced logical expression.
    pub(super) fn plan(&self) -> Result<Logical, ExprError> {
        self.attempt(self.tree).map_err(|e| self.located(plain(&e)))
    }

    fn attempt(&self, tree: &ast::Expr) -> DfResult<Logical> {
        let expr = context::plan(tree.clone(), self.schema, self.functions)?;
        let expr = simplifier(self.schema).coerce(expr, self.schema)?;
        fold::fold(expr, self.schema)
    }

    pub(super) fn located(&self, message: String) -> ExprError {
        let attempt = |part: &ast::Expr| self.attempt(part).err().map(|e| plain(&e));
        let at = locate::locate(self.tree, self.sql, &message, &attempt);
        ExprError::new(message).at(at.or(Some(0..self.sql.len())))
    }

    /// Makes it executable; `normal` casts the result to a type that a pipeline file can name.
    pub(super) fn lower(&self, logical: Logical, inputs: &[Input], normal: bool) -> Result<Expr, ExprError> {
        let wrong = |e| self.located(plain(&e));
        let simple = simplifier(self.schema).simplify(logical).map_err(wrong)?;
        let made = physical(&simple, self.schema).map_err(wrong)?;
        let raw = made.data_type(self.schema.as_arrow()).map_err(wrong)?;
        let nullable = made.nullable(self.schema.as_arrow()).unwrap_or(true);
        let data_type = if normal { self.normal(&raw)? } else { raw };
        let program = Program::new(self.sql, made, self.schema, inputs, data_type, nullable).map_err(wrong)?;
        Ok(Expr(Arc::new(program)))
    }

    fn normal(&self, raw: &DataType) -> Result<DataType, ExprError> {
        types::normal(raw).ok_or_else(|| {
            let whole = Some(0..self.sql.len());
            match raw {
                DataType::Null => ExprError::new("the type of this expression is not known: it is always null")
                    .at(whole)
                    .hint("say it with a cast, such as `CAST(NULL AS bigint)`"),
                DataType::Interval(_) => ExprError::new("an interval cannot be a column")
                    .at(whole)
                    .hint("add it to a timestamp, or take a number of it with `date_part`"),
                other => ExprError::new(format!("a value of type {other} cannot be a column"))
                    .at(whole)
                    .hint("cast it to a type that a schema can name"),
            }
        })
    }
}

fn simplifier(schema: &DFSchemaRef) -> ExprSimplifier {
    ExprSimplifier::new(SimplifyContext::builder().with_schema(schema.clone()).build())
}

/// The executable form, in which integer arithmetic that overflows is an error instead of a wrong number.
pub(super) fn physical(expr: &Logical, schema: &DFSchemaRef) -> DfResult<Arc<dyn PhysicalExpr>> {
    let made = create_physical_expr(expr, schema, &ExecutionProps::new(), &PhysicalPlanningContext::default())?;
    let checked = made.transform_up(|part| {
        let Some(binary) = part.downcast_ref::<BinaryExpr>() else { return Ok(Transformed::no(part)) };
        if !matches!(binary.op(), Operator::Plus | Operator::Minus | Operator::Multiply) {
            return Ok(Transformed::no(part));
        }
        let checked = binary.clone().with_fail_on_overflow(true);
        Ok(Transformed::yes(Arc::new(checked) as Arc<dyn PhysicalExpr>))
    })?;
    Ok(checked.data)
}
