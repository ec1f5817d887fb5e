//! Defines SQL macros of a pipeline file: `functions: {strength(a, s): a * 10 + s}`.
//!
//! A macro is syntax: its body is a tree whose parameters are replaced before any name is resolved. A body
//! is checked when it is defined and may call only functions defined before it, so that no macro can call
//! itself and expansion always ends.

use super::error::SUGGESTION;
use super::functions::{Functions, Macro};
use super::names::{NameMatch, ambiguous, find, unknown};
use super::stack::with_large_stack;
use super::walk::{Pass, walk};
use super::{ExprError, expand, parse};
use datafusion_sql::sqlparser::ast;

impl Functions {
    /// Adds a macro. Its body may use its parameters, built-in functions and macros defined before it.
    ///
    /// # Errors
    /// If the name is taken, the body is not an expression, or it uses anything else; `at` is in the body.
    pub fn define(&mut self, name: &str, params: &[String], body: &str) -> Result<(), ExprError> {
        self.check_name(name)?;
        check_params(name, params)?;
        let tree = with_large_stack(self.expanded_len(body), || {
            let mut tree = parse::parse(body)?;
            let params = params.iter().map(String::as_str).collect();
            walk(&mut tree, &mut BodyCheck { name, params, body, functions: self })?;
            expand::expand(&mut tree, body, self)?;
            Ok::<_, ExprError>(tree)
        })?;
        self.add_macro(name, Macro { params: params.to_vec(), body: tree });
        Ok(())
    }

    fn check_name(&self, name: &str) -> Result<(), ExprError> {
        if !is_identifier(name) {
            return Err(ExprError::new(format!("`{name}` cannot be the name of a function"))
                .hint("a name has letters, digits and underscores"));
        }
        if self.is_builtin(name) {
            return Err(ExprError::new(format!("`{name}` is a built-in function and cannot be defined again"))
                .hint("choose another name"));
        }
        if self.find_macro(name).is_some() {
            return Err(ExprError::new(format!("function `{name}` is defined twice")));
        }
        Ok(())
    }
}

fn check_params(name: &str, params: &[String]) -> Result<(), ExprError> {
    for (i, param) in params.iter().enumerate() {
        if !is_identifier(param) {
            return Err(ExprError::new(format!("`{param}` cannot be the name of a parameter")));
        }
        if params[..i].contains(param) {
            return Err(ExprError::new(format!("`{name}` has two parameters `{param}`")));
        }
    }
    Ok(())
}

fn is_identifier(name: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || c == '_') && name.chars().next().is_some_and(|c| !c.is_ascii_digit())
}

/// Checks that a body names only its parameters and existing functions.
struct BodyCheck<'a> {
    name: &'a str,
    params: Vec<&'a str>,
    body: &'a str,
    functions: &'a Functions,
}

impl Pass for BodyCheck<'_> {
    fn enter(&mut self, expr: &mut ast::Expr) -> Result<(), ExprError> {
        match expr {
            ast::Expr::Identifier(id) => self.param(id),
            ast::Expr::CompoundIdentifier(ids) => ids.first().map_or(Ok(()), |id| self.param(id)),
            ast::Expr::Function(call) => self.call(call),
            _ => Ok(()),
        }
    }
}

impl BodyCheck<'_> {
    fn param(&self, id: &ast::Ident) -> Result<(), ExprError> {
        let error = match find(&id.value, id.quote_style.is_some(), &self.params) {
            NameMatch::One(_) => return Ok(()),
            NameMatch::Many(fits) => ambiguous(&id.value, &fits),
            NameMatch::None => {
                let hint = match self.params.is_empty() {
                    true => "it has no parameters: pass what it needs as an argument".into(),
                    false => format!("its parameters are: {}", self.params.join(", ")),
                };
                let suggestion = unknown(&id.value, &self.params).hint.filter(|h| h.starts_with(SUGGESTION));
                let (name, used) = (self.name, &id.value);
                ExprError::new(format!("function `{name}` uses `{used}`, which is not one of its parameters"))
                    .hint(suggestion.unwrap_or(hint))
            }
        };
        Err(error.at(parse::range(self.body, id.span)))
    }

    fn call(&self, call: &ast::Function) -> Result<(), ExprError> {
        let name = expand::call_name(call);
        let at = expand::name_range(self.body, call);
        if name.eq_ignore_ascii_case(self.name) {
            let hint = "functions of a pipeline file cannot recurse; a running fold is a `scan` step";
            return Err(ExprError::new(format!("function `{}` calls itself", self.name)).at(at).hint(hint));
        }
        if self.functions.exists(&name) { Ok(()) } else { Err(self.functions.unknown(&name).at(at)) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn error(name: &str, params: &[&str], body: &str) -> ExprError {
        let params: Vec<_> = params.iter().map(|p| (*p).to_owned()).collect();
        Functions::new().define(name, &params, body).unwrap_err()
    }

    #[test]
    fn a_wrong_definition_is_reported_with_its_location() {
        let e = error("f", &["a"], "f(a) + 1");
        assert_eq!((e.message.as_str(), e.at), ("function `f` calls itself", Some(0..1)));
        let e = error("f", &["aa"], "aa + ab");
        assert_eq!(
            (e.message.as_str(), e.at, e.hint.as_deref()),
            ("function `f` uses `ab`, which is not one of its parameters", Some(5..7), Some("did you mean `aa`?"))
        );
        let e = error("f", &["a"], "1 + absx(a)");
        assert_eq!(
            (e.message.as_str(), e.at, e.hint.as_deref()),
            ("unknown function `absx`", Some(4..8), Some("did you mean `abs`?"))
        );
        assert_eq!(error("abs", &["a"], "a").message, "`abs` is a built-in function and cannot be defined again");
        assert_eq!(error("AVG", &["a"], "a").message, "`AVG` is a built-in function and cannot be defined again");
        assert_eq!(error("f", &["a", "a"], "a").message, "`f` has two parameters `a`");
    }

    #[test]
    fn macros_that_double_their_argument_are_refused_before_they_are_built() {
        let mut functions = Functions::new();
        functions.define("d0", &["x".into()], "x + x").unwrap();
        let last = (1..40).find_map(|i| {
            functions.define(&format!("d{i}"), &["x".into()], &format!("d{0}(x) + d{0}(x)", i - 1)).err()
        });
        assert_eq!(last.unwrap().message, "this expression has more than 100000 parts");
    }
}
