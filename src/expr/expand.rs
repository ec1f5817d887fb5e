//! Replaces calls of macros by their bodies.
//!
//! The body takes on the location of the call, so that an error inside it points at what the user wrote
//! there.

use super::functions::{Functions, Macro};
use super::names::{NameMatch, find};
use super::walk::{Pass, walk};
use super::{ExprError, parse};
use datafusion_sql::sqlparser::ast::{self, Spanned};
use datafusion_sql::sqlparser::tokenizer::Span;
use std::ops::Range;

/// Expands every call of a macro in the tree.
pub(super) fn expand(tree: &mut ast::Expr, sql: &str, functions: &Functions) -> Result<(), ExprError> {
    if !functions.has_macros() {
        return Ok(());
    }
    walk(tree, &mut MacroExpander { sql, functions })?;
    parse::check_size(tree)
}

/// The name of the function, as it is written in the call.
pub(super) fn call_name(call: &ast::Function) -> String {
    match call.name.0.as_slice() {
        [ast::ObjectNamePart::Identifier(id)] => id.value.clone(),
        _ => call.name.to_string(),
    }
}

pub(super) fn name_range(sql: &str, call: &ast::Function) -> Option<Range<usize>> {
    parse::range(sql, call.name.span())
}

struct MacroExpander<'a> {
    sql: &'a str,
    functions: &'a Functions,
}

impl Pass for MacroExpander<'_> {
    // Calls are expanded after their arguments, so that arguments hold no calls of macros.
    fn leave(&mut self, expr: &mut ast::Expr) -> Result<(), ExprError> {
        let ast::Expr::Function(call) = expr else { return Ok(()) };
        let name = call_name(call);
        let Some(definition) = self.functions.find_macro(&name) else { return Ok(()) };
        let at = name_range(self.sql, call);
        let expanded =
            expand_call(definition, call, &name).and_then(|mut body| parse::check_size(&mut body).map(|()| body));
        *expr = expanded.map_err(|e| e.at(at))?;
        Ok(())
    }
}

fn expand_call(definition: &Macro, call: &ast::Function, name: &str) -> Result<ast::Expr, ExprError> {
    let args = plain_args(call)
        .ok_or_else(|| ExprError::new(format!("`{name}` is a function of this file and takes only plain arguments")))?;
    if args.len() != definition.params.len() {
        let signature = format!("{name}({})", definition.params.join(", "));
        return Err(ExprError::new(format!("`{signature}` is called with {} arguments", args.len())));
    }
    let mut body = definition.body.clone();
    let mut substitution = ArgumentSubstitution {
        params: definition.params.iter().map(String::as_str).collect(),
        sizes: args.iter().map(|arg| parse::nodes(arg)).collect(),
        nodes: parse::nodes(&body),
        args,
        span: call.name.span(),
    };
    walk(&mut body, &mut substitution)?;
    Ok(ast::Expr::Nested(Box::new(body)))
}

fn plain_args(call: &ast::Function) -> Option<Vec<&ast::Expr>> {
    if call.over.is_some() || call.filter.is_some() || call.null_treatment.is_some() || !call.within_group.is_empty() {
        return None;
    }
    let ast::FunctionArguments::List(list) = &call.args else { return None };
    if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
        return None;
    }
    list.args
        .iter()
        .map(|arg| match arg {
            ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => Some(expr),
            _ => None,
        })
        .collect()
}

/// Replaces the parameters of a body by the arguments of a call.
struct ArgumentSubstitution<'a> {
    params: Vec<&'a str>,
    args: Vec<&'a ast::Expr>,
    sizes: Vec<usize>,
    /// Nodes of the body so far, so that a body that is too large is refused before it is built.
    nodes: usize,
    span: Span,
}

impl ArgumentSubstitution<'_> {
    fn arg(&mut self, id: &ast::Ident) -> Result<Option<ast::Expr>, ExprError> {
        let NameMatch::One(i) = find(&id.value, id.quote_style.is_some(), &self.params) else { return Ok(None) };
        self.nodes += self.sizes[i];
        parse::check_nodes(self.nodes)?;
        Ok(Some(ast::Expr::Nested(Box::new(self.args[i].clone()))))
    }

    /// `p.field` where `p` is a parameter. It remains a path if the argument is one, so that fields are
    /// resolved as everywhere.
    fn path(&self, arg: ast::Expr, fields: &[ast::Ident]) -> ast::Expr {
        let fields = fields.iter().map(|id| ast::Ident { span: self.span, ..id.clone() });
        let bare = match arg {
            ast::Expr::Nested(inner) => *inner,
            other => other,
        };
        match bare {
            ast::Expr::Identifier(id) => ast::Expr::CompoundIdentifier([id].into_iter().chain(fields).collect()),
            ast::Expr::CompoundIdentifier(ids) => {
                ast::Expr::CompoundIdentifier(ids.into_iter().chain(fields).collect())
            }
            other => ast::Expr::CompoundFieldAccess {
                root: Box::new(ast::Expr::Nested(Box::new(other))),
                access_chain: fields.map(|id| parse::field_access(id.value, id.span)).collect(),
            },
        }
    }

    fn replacement(&mut self, expr: &ast::Expr) -> Result<Option<ast::Expr>, ExprError> {
        match expr {
            ast::Expr::Identifier(id) => self.arg(id),
            ast::Expr::CompoundIdentifier(ids) => {
                let Some((first, fields)) = ids.split_first() else { return Ok(None) };
                Ok(self.arg(first)?.map(|arg| self.path(arg, fields)))
            }
            _ => Ok(None),
        }
    }
}

impl Pass for ArgumentSubstitution<'_> {
    fn enter(&mut self, expr: &mut ast::Expr) -> Result<(), ExprError> {
        if let ast::Expr::Function(call) = expr {
            for part in &mut call.name.0 {
                if let ast::ObjectNamePart::Identifier(id) = part {
                    id.span = self.span;
                }
            }
        }
        Ok(())
    }

    fn value(&mut self, value: &mut ast::ValueWithSpan) {
        value.span = self.span;
    }

    // Replaced after the children, so that arguments are not searched for parameters.
    fn leave(&mut self, expr: &mut ast::Expr) -> Result<(), ExprError> {
        if let Some(replacement) = self.replacement(expr)? {
            *expr = replacement;
        }
        Ok(())
    }
}
