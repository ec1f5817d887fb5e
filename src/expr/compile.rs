//! Syntax tree to physical expression: plan, coerce, fold, simplify, lower.
//!
//! Everything that can be known before the first record is checked here: names, types, constants.
//! Evaluation sees only the result. Compilation never reads data.

use super::error::plain;
use super::evaluate::{Evaluated, Program};
use super::functions::Functions;
use super::inputs::InputColumn;
use super::physical::physical;
use super::stack::with_large_stack;
use super::{ExprError, Scope, context, expand, fold, implicit, like, list_index, locate, parse, resolve, types};
use crate::diagnostics::mask;
use crate::record::{BadRow, Batch, type_name};
use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray};
use arrow_schema::DataType;
use datafusion_common::{DFSchemaRef, ScalarValue};
use datafusion_expr::Expr as LogicalExpr;
use datafusion_expr::ExprSchemable as _;
use datafusion_expr::simplify::SimplifyContext;
use datafusion_optimizer::simplify_expressions::ExprSimplifier;
use datafusion_sql::sqlparser::ast;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// A compiled expression; cheap to clone.
#[derive(Clone, Debug)]
pub struct Expr(Arc<Program>);

impl Expr {
    /// Compiles one SQL expression over the columns in scope.
    ///
    /// # Errors
    /// If the text is not exactly one expression, a name is unknown, or types do not fit.
    pub fn compile(sql: &str, scope: &Scope, functions: &Functions) -> Result<Self, ExprError> {
        with_large_stack(functions.expanded_len(sql), || {
            let tree = parse_and_resolve(sql, scope, functions)?;
            let source = ResolvedSql { sql, tree: &tree, schema: scope.all(), functions };
            source.lower(source.plan()?, scope.inputs(), true)
        })
    }

    /// The type of the values, always one that a pipeline file can name.
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

    /// What the text means: names as they were found, macros expanded, one space where the user wrote several. Equal
    /// definitions over equal columns give equal values.
    #[must_use]
    pub fn definition(&self) -> &str {
        self.0.definition()
    }

    /// The name of the column, where the expression is nothing but a column.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        self.0.column()
    }

    /// The value of each row. A row that cannot be evaluated is null and listed as bad.
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
    /// Like [`Expr::compile`], and if the expression is not boolean.
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

    /// See [`Expr::definition`].
    #[must_use]
    pub fn definition(&self) -> &str {
        self.0.definition()
    }

    /// The rows for which the condition holds, without nulls: null and bad rows count as false.
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

/// The value of an expression without columns, cast to `target` where one is given.
///
/// # Errors
/// Like [`Expr::compile`], and if the value cannot be computed or cannot be cast.
pub fn constant(sql: &str, functions: &Functions, target: Option<&DataType>) -> Result<ScalarValue, ExprError> {
    with_large_stack(functions.expanded_len(sql), || compile_constant(sql, functions, target))
}

fn compile_constant(sql: &str, functions: &Functions, target: Option<&DataType>) -> Result<ScalarValue, ExprError> {
    let scope = Scope::without_meta(Arc::new(arrow_schema::Schema::empty()));
    let whole = Some(0..sql.len());
    let tree = parse_and_resolve(sql, &scope, functions)?;
    let source = ResolvedSql { sql, tree: &tree, schema: scope.all(), functions };
    let mut logical = source.plan()?;
    if let Some(target) = target {
        let wrong = |e| ExprError::new(plain(&e)).at(whole.clone());
        logical = logical.cast_to(target, scope.all()).map_err(wrong)?;
    }
    let expr = source.lower(logical, scope.inputs(), target.is_none())?;
    let Evaluated { array, bad } = expr.program().evaluate(&[], None, 1);
    match bad.first() {
        Some(bad) => Err(ExprError::new(bad.error.clone()).at(whole)),
        None => ScalarValue::try_from_array(&array, 0).map_err(|e| ExprError::new(plain(&e)).at(whole)),
    }
}

fn parse_and_resolve(sql: &str, scope: &Scope, functions: &Functions) -> Result<ast::Expr, ExprError> {
    let mut tree = parse::parse(sql)?;
    expand::expand(&mut tree, sql, functions)?;
    resolve::resolve(&mut tree, sql, scope, functions, None)?;
    Ok(tree)
}

/// Nodes of a tree in which an error is located: each part is planned by itself.
const MAX_LOCATED_NODES: usize = 2_000;

/// A syntax tree with resolved names, and what it is planned against.
pub(super) struct ResolvedSql<'a> {
    pub(super) sql: &'a str,
    pub(super) tree: &'a ast::Expr,
    pub(super) schema: &'a DFSchemaRef,
    pub(super) functions: &'a Functions,
}

impl ResolvedSql<'_> {
    /// The coerced logical expression.
    pub(super) fn plan(&self) -> Result<LogicalExpr, ExprError> {
        self.plan_part(self.tree).map_err(|e| self.located(e))
    }

    fn plan_part(&self, tree: &ast::Expr) -> Result<LogicalExpr, ExprError> {
        let wrong = |e| ExprError::new(plain(&e));
        let expr = context::plan(tree.clone(), self.schema, self.functions).map_err(wrong)?;
        list_index::check(&expr)?;
        let expr = implicit::mark_written(like::unescape(expr).map_err(wrong)?).map_err(wrong)?;
        let expr = simplifier(self.schema).coerce(expr, self.schema).map_err(|e| implicit::hinted(wrong(e)))?;
        fold::fold(implicit::check(expr, self.schema)?, self.schema).map_err(wrong)
    }

    /// An error of the whole, at the smallest part that has it.
    pub(super) fn located(&self, error: ExprError) -> ExprError {
        let error_of = |part: &ast::Expr| self.plan_part(part).err().map(|e| e.message);
        let is_small = parse::nodes(self.tree) <= MAX_LOCATED_NODES;
        let at = is_small.then(|| locate::locate(self.tree, self.sql, &error.message, &error_of));
        error.at(at.flatten().or(Some(0..self.sql.len())))
    }

    /// A definition that may be committed and shown: where `${…}` brought in a part of the text, a digest stands for it.
    pub(super) fn shown(&self, definition: String) -> String {
        let masked = mask(self.sql);
        if masked == self.sql { definition } else { format!("{masked} ({})", digest(&definition)) }
    }

    /// Makes a plan executable; `normalize` casts the result to a type that a pipeline file can name.
    pub(super) fn lower(
        &self,
        logical: LogicalExpr,
        inputs: &[InputColumn],
        normalize: bool,
    ) -> Result<Expr, ExprError> {
        let wrong = |e| self.located(ExprError::new(plain(&e)));
        let simple = simplifier(self.schema).simplify(logical).map_err(wrong)?;
        let expr = physical(&simple, self.schema).map_err(wrong)?;
        let raw = expr.data_type(self.schema.as_arrow()).map_err(wrong)?;
        let data_type = if normalize { self.pipeline_type(&raw)? } else { raw };
        let program = Program::new(self.sql, expr, self.schema, inputs, data_type).map_err(wrong)?;
        Ok(Expr(Arc::new(program.with_definition(self.shown(unquoted(&self.tree.to_string()))))))
    }

    fn pipeline_type(&self, raw: &DataType) -> Result<DataType, ExprError> {
        types::pipeline_type(raw).ok_or_else(|| {
            let whole = Some(0..self.sql.len());
            match raw {
                DataType::Null => ExprError::new("the type of this expression is not known: it is always null")
                    .at(whole)
                    .hint("give it a type with a cast, such as `CAST(NULL AS bigint)`"),
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

/// A few characters that stand for a text.
#[must_use]
pub fn digest(text: &str) -> String {
    Sha256::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// SQL without the quotes around plain names.
fn unquoted(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(at) = rest.find(['"', '\'']) {
        let quote = if rest[at..].starts_with('"') { '"' } else { '\'' };
        let inner = &rest[at + 1..];
        let Some(len) = inner.find(quote) else { break };
        let name = &inner[..len];
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let plain = quote == '"' && name.chars().all(is_plain) && name.starts_with(|c: char| !c.is_ascii_digit());
        out.push_str(&rest[..at]);
        out.push_str(if plain { name } else { &rest[at..at + len + 2] });
        rest = &inner[len + 1..];
    }
    out + rest
}

fn simplifier(schema: &DFSchemaRef) -> ExprSimplifier {
    ExprSimplifier::new(SimplifyContext::builder().with_schema(schema.clone()).build())
}
