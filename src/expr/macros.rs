//! SQL macros of a pipeline file: `functions: {strength(a, s): a * 10 + s}`.
//!
//! Separate because a macro is syntax: its body is a tree with holes, filled before any name is resolved.
//! A body is checked when it is defined and may call only what was defined before, so that no macro can
//! reach itself and expansion always ends.

use super::functions::Functions;
use super::names::{Found, ambiguous, find, unknown};
use super::stack::roomy;
use super::walk::{Pass, walk};
use super::{ExprError, expand, parse};
use datafusion_sql::sqlparser::ast;

/// A checked macro; its body holds no calls of other macros any more.
#[derive(Debug)]
pub(super) struct Macro {
    pub(super) params: Vec<String>,
    pub(super) body: ast::Expr,
}

impl Macro {
    pub(super) fn parse(name: &str, params: &[String], body: &str, known: &Functions) -> Result<Self, ExprError> {
        let word = |s: &str| {
            s.chars().all(|c| c.is_alphanumeric() || c == '_') && !s.starts_with(|c: char| c.is_ascii_digit())
        };
        if name.is_empty() || !word(name) {
            return Err(ExprError::new(format!("`{name}` cannot be the name of a function"))
                .hint("a name has letters, digits and underscores"));
        }
        if known.is_builtin(name) {
            return Err(ExprError::new(format!("`{name}` is a built-in function and cannot be defined again"))
                .hint("choose another name"));
        }
        if known.find_macro(name).is_some() {
            return Err(ExprError::new(format!("function `{name}` is defined twice")));
        }
        for (i, param) in params.iter().enumerate() {
            if param.is_empty() || !word(param) {
                return Err(ExprError::new(format!("`{param}` cannot be the name of a parameter")));
            }
            if params[..i].contains(param) {
                return Err(ExprError::new(format!("parameter `{param}` of `{name}` stands twice")));
            }
        }
        let tree = roomy(known.room(body), || {
            let mut tree = parse::parse(body)?;
            let mut check = Check { name, params: params.iter().map(String::as_str).collect(), body, known };
            walk(&mut tree, &mut check)?;
            expand::expand(&mut tree, body, known)?;
            Ok::<_, ExprError>(tree)
        })?;
        Ok(Self { params: params.to_vec(), body: tree })
    }
}

/// Checks that a body names only its parameters and functions that exist.
struct Check<'a> {
    name: &'a str,
    params: Vec<&'a str>,
    body: &'a str,
    known: &'a Functions,
}

impl Pass for Check<'_> {
    fn enter(&mut self, expr: &mut ast::Expr) -> Result<(), ExprError> {
        match expr {
            ast::Expr::Identifier(id) => self.param(id),
            ast::Expr::CompoundIdentifier(ids) => ids.first().map_or(Ok(()), |id| self.param(id)),
            ast::Expr::Function(call) => self.call(call),
            _ => Ok(()),
        }
    }
}

impl Check<'_> {
    fn param(&self, id: &ast::Ident) -> Result<(), ExprError> {
        let error = match find(&id.value, id.quote_style.is_some(), &self.params) {
            Found::One(_) => return Ok(()),
            Found::Many(fits) => ambiguous(&id.value, &fits),
            Found::None => {
                let hint = match self.params.is_empty() {
                    true => "it has no parameters: pass what it needs as an argument".into(),
                    false => format!("its parameters are: {}", self.params.join(", ")),
                };
                let near = unknown(&id.value, &self.params).hint.filter(|h| h.starts_with("did you mean"));
                let (name, used) = (self.name, &id.value);
                ExprError::new(format!("function `{name}` uses `{used}`, which is not one of its parameters"))
                    .hint(near.unwrap_or(hint))
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
        if self.known.exists(&name) { Ok(()) } else { Err(self.known.unknown(&name).at(at)) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn fault(name: &str, params: &[&str], body: &str) -> ExprError {
        let params: Vec<_> = params.iter().map(|p| (*p).to_owned()).collect();
        Functions::new().define(name, &params, body).unwrap_err()
    }

    #[test]
    fn what_a_macro_may_not_do_is_said_with_its_place() {
        let e = fault("f", &["a"], "f(a) + 1");
        assert_eq!((e.message.as_str(), e.at), ("function `f` calls itself", Some(0..1)));
        let e = fault("f", &["aa"], "aa + ab");
        assert_eq!(
            (e.message.as_str(), e.at, e.hint.as_deref()),
            ("function `f` uses `ab`, which is not one of its parameters", Some(5..7), Some("did you mean `aa`?"))
        );
        let e = fault("f", &["a"], "1 + absx(a)");
        assert_eq!(
            (e.message.as_str(), e.at, e.hint.as_deref()),
            ("unknown function `absx`", Some(4..8), Some("did you mean `abs`?"))
        );
        assert_eq!(fault("abs", &["a"], "a").message, "`abs` is a built-in function and cannot be defined again");
        assert_eq!(fault("AVG", &["a"], "a").message, "`AVG` is a built-in function and cannot be defined again");
        assert_eq!(fault("f", &["a", "a"], "a").message, "parameter `a` of `f` stands twice");
    }

    #[test]
    fn doubling_macros_do_not_explode() {
        let mut functions = Functions::new();
        functions.define("d0", &["x".into()], "x + x").unwrap();
        let last = (1..40).find_map(|i| {
            functions.define(&format!("d{i}"), &["x".into()], &format!("d{0}(x) + d{0}(x)", i - 1)).err()
        });
        assert_eq!(last.unwrap().message, "this expression has more than 20000 parts");
    }
}
