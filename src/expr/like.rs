//! `LIKE … ESCAPE`: rewrites a pattern to the escape character that DataFusion knows, the backslash.

use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_common::{Result, ScalarValue, plan_err};
use datafusion_expr::Expr;
use datafusion_expr::expr::Like;

/// The expression without other escape characters.
pub(super) fn unescape(expr: Expr) -> Result<Expr> {
    let unescaped = expr.transform_up(|part| {
        let Expr::Like(Like { escape_char: Some(escape), .. }) = &part else { return Ok(Transformed::no(part)) };
        let escape = *escape;
        let Expr::Like(mut like) = part else { return Ok(Transformed::no(part)) };
        let Expr::Literal(value, _) = like.pattern.as_ref() else {
            return plan_err!("the pattern of LIKE with ESCAPE must be a text in quotes");
        };
        if let Some(pattern) = value.try_as_str().flatten() {
            let pattern = rewrite(pattern, escape)?;
            like.pattern = Box::new(Expr::Literal(ScalarValue::from(pattern), None));
        }
        like.escape_char = None;
        Ok(Transformed::yes(Expr::Like(like)))
    })?;
    Ok(unescaped.data)
}

/// The pattern with backslashes in the place of another escape character.
fn rewrite(pattern: &str, escape: char) -> Result<String> {
    let mut out = String::with_capacity(pattern.len() + 1);
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let (c, is_escaped) = if c == escape {
            let Some(next) = chars.next() else { return plan_err!("the pattern ends with its escape character") };
            (next, true)
        } else {
            (c, false)
        };
        if c == '\\' || (is_escaped && matches!(c, '%' | '_')) {
            out.push('\\');
        }
        out.push(c);
    }
    Ok(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::rewrite;

    #[test]
    fn escapes_become_backslashes() {
        for (pattern, expected) in [
            ("10!%", r"10\%"),
            ("10!%%", r"10\%%"),
            ("a!_b_", r"a\_b_"),
            ("!!%", "!%"),
            (r"a\%", r"a\\%"),
            (r"a!\", r"a\\"),
            ("!a", "a"),
        ] {
            assert_eq!(rewrite(pattern, '!').unwrap(), expected, "{pattern}");
        }
        assert_eq!(rewrite(r"10\%\\", '\\').unwrap(), r"10\%\\");
        assert!(rewrite("a!", '!').is_err());
    }
}
