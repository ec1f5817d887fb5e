//! One SQL expression from text to syntax tree, within limits, with errors located in the text.
//!
//! Macros, expressions and aggregates all start here. Hostile text (thousands of parentheses, endless
//! chains) must end in an error and never in a stack overflow: a tree that is returned is at most
//! [`MAX_DEPTH`] deep.

use super::ExprError;
use super::balance::balance;
use super::stack::with_large_stack;
use super::walk::{Pass, walk};
use datafusion_sql::sqlparser::ast::{self, AccessExpr, Spanned, Subscript};
use datafusion_sql::sqlparser::dialect::GenericDialect;
use datafusion_sql::sqlparser::parser::{Parser, ParserError};
use datafusion_sql::sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer};
use std::ops::Range;

/// Bytes of the text of one expression.
const MAX_TEXT_BYTES: usize = 256 * 1024;
/// Nesting depth of brackets.
const MAX_BRACKET_DEPTH: usize = 500;
/// Nesting depth of types.
const MAX_TYPE_DEPTH: usize = 40;
/// Nesting depth of [`SPECIAL_FORMS`].
const MAX_SPECIAL_DEPTH: usize = 12;
/// Names of a path such as `a.b.c`.
const MAX_PATH_NAMES: usize = 500;
/// Words whose brackets are not those of a function.
const SPECIAL_FORMS: [&str; 20] = [
    "array",
    "cast",
    "ceil",
    "convert",
    "exists",
    "extract",
    "floor",
    "interval",
    "map",
    "match",
    "not",
    "overlay",
    "position",
    "prior",
    "safe_cast",
    "struct",
    "substr",
    "substring",
    "trim",
    "try_cast",
];
/// Tokens in a row without a comma. A tree is at most as deep as its longest chain, and a tree that is
/// refused is still dropped recursively.
const MAX_CHAIN_TOKENS: usize = 100_000;
/// Depth of the syntax tree; each operator of a chain is one level, except those of AND and OR.
const MAX_DEPTH: usize = 1_000;
/// Nodes of the syntax tree after macros are expanded.
const MAX_NODES: usize = 100_000;

const SPLIT_HINT: &str = "compute part of it in a `set` step before, or write a long OR as `x IN (…)`";

/// Parses exactly one expression.
pub(super) fn parse(sql: &str) -> Result<ast::Expr, ExprError> {
    if sql.len() > MAX_TEXT_BYTES {
        return Err(ExprError::new(format!("this expression has {} bytes, more than {MAX_TEXT_BYTES}", sql.len())));
    }
    with_large_stack(sql.len(), || parse_checked(sql))
}

fn parse_checked(sql: &str) -> Result<ast::Expr, ExprError> {
    let dialect = GenericDialect {};
    let tokens = Tokenizer::new(&dialect, sql).tokenize_with_location().map_err(|e| {
        let start = byte_offset(sql, e.location);
        ExprError::new(lower_first(&e.message)).at(start.map(|s| s..char_end(sql, s)))
    })?;
    let significant: Vec<&TokenWithSpan> = tokens.iter().filter(|t| !matches!(t.token, Token::Whitespace(_))).collect();
    if significant.is_empty() {
        return Err(ExprError::new("this expression is empty"));
    }
    check_nesting(sql, &significant)?;
    check_special_forms(sql, &significant)?;
    // Brackets, types and prefixes recurse, a bracket up to twice.
    let limit = 2 * MAX_BRACKET_DEPTH + MAX_DEPTH;
    let mut parser = Parser::new(&dialect).with_recursion_limit(limit).with_tokens_with_locations(tokens.clone());
    let mut expr = parser.parse_expr().map_err(|e| syntax_error(sql, &tokens, e))?;
    let next = parser.peek_token();
    if next.token != Token::EOF {
        return Err(ExprError::new(format!("unexpected `{}` after the end of the expression", next.token))
            .at(range(sql, next.span)));
    }
    check_size(&mut expr)?;
    walk(&mut expr, &mut DotToSubscript)?;
    Ok(expr)
}

/// Rewrites `.name` after a bracket to `['name']`: as an identifier it would be resolved as a column.
struct DotToSubscript;

impl Pass for DotToSubscript {
    fn enter(&mut self, expr: &mut ast::Expr) -> Result<(), ExprError> {
        if let ast::Expr::CompoundFieldAccess { access_chain, .. } = expr {
            for access in access_chain {
                if let AccessExpr::Dot(ast::Expr::Identifier(id)) = access {
                    *access = field_access(id.value.clone(), id.span);
                }
            }
        }
        Ok(())
    }
}

/// `['name']`.
pub(super) fn field_access(name: String, span: Span) -> AccessExpr {
    let value = ast::ValueWithSpan { value: ast::Value::SingleQuotedString(name), span };
    AccessExpr::Subscript(Subscript::Index { index: ast::Expr::Value(value) })
}

/// Bounds the nesting that the parser would recurse into without counting.
fn check_nesting(sql: &str, tokens: &[&TokenWithSpan]) -> Result<(), ExprError> {
    let (mut depth, mut types) = (0usize, 0usize);
    // Tokens since the last comma, for each open bracket.
    let mut chains = vec![0usize];
    for pair in tokens.windows(2) {
        let nested_type = matches!((&pair[0].token, &pair[1].token), (Token::Word(_), Token::Lt))
            && matches!(&pair[0].token, Token::Word(w) if w.quote_style.is_none() && is_type_name(&w.value));
        let array_type = pair[0].token == Token::LBracket && pair[1].token == Token::RBracket;
        types += usize::from(nested_type || array_type);
        match pair[0].token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                depth += 1;
                chains.push(0);
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                depth = depth.saturating_sub(1);
                chains.truncate(chains.len().saturating_sub(1).max(1));
            }
            Token::Comma => chains.iter_mut().rev().take(1).for_each(|r| *r = 0),
            _ => {}
        }
        let chain = chains.last_mut().map_or(0, |r| {
            *r += 1;
            *r
        });
        if chain > MAX_CHAIN_TOKENS {
            return Err(ExprError::new(format!("this expression is a chain of more than {MAX_CHAIN_TOKENS} tokens"))
                .at(range(sql, pair[0].span))
                .hint(SPLIT_HINT));
        }
        let refused = match (depth > MAX_BRACKET_DEPTH, types > MAX_TYPE_DEPTH) {
            (true, _) => Some(("brackets are", MAX_BRACKET_DEPTH)),
            (false, true) => Some(("types are", MAX_TYPE_DEPTH)),
            (false, false) => None,
        };
        if let Some((what, limit)) = refused {
            return Err(ExprError::new(format!("{what} nested more than {limit} deep"))
                .at(range(sql, pair[0].span))
                .hint(SPLIT_HINT));
        }
    }
    Ok(())
}

/// Bounds the nesting of forms that the parser tries again as a function of that name if they are wrong, as each level
/// doubles the work; and the length of a path, as each name takes another look at those before it.
fn check_special_forms(sql: &str, tokens: &[&TokenWithSpan]) -> Result<(), ExprError> {
    let mut open: Vec<bool> = Vec::new();
    let (mut depth, mut intervals, mut names) = (0usize, 0usize, 0usize);
    for pair in tokens.windows(2) {
        let word = match &pair[0].token {
            Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_lowercase(),
            _ => String::new(),
        };
        let is_literal = matches!(pair[1].token, Token::SingleQuotedString(_) | Token::Number(..));
        intervals += usize::from(word == "interval" && !is_literal);
        match pair[1].token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                open.push(SPECIAL_FORMS.contains(&word.as_str()));
                depth += usize::from(open.last() == Some(&true));
            }
            Token::RParen | Token::RBracket | Token::RBrace => depth -= usize::from(open.pop() == Some(true)),
            _ => {}
        }
        names = match (&pair[0].token, &pair[1].token) {
            (Token::Word(_), Token::Period) => names + 1,
            (Token::Period, _) => names,
            _ => 0,
        };
        if names > MAX_PATH_NAMES {
            return Err(ExprError::new(format!("a path has more than {MAX_PATH_NAMES} names"))
                .at(range(sql, pair[0].span))
                .hint("compute part of it in a `set` step before"));
        }
        if depth.max(intervals) > MAX_SPECIAL_DEPTH {
            let message = format!("forms such as CAST and INTERVAL are nested more than {MAX_SPECIAL_DEPTH} deep");
            return Err(ExprError::new(message).at(range(sql, pair[0].span)).hint(SPLIT_HINT));
        }
    }
    Ok(())
}

fn is_type_name(word: &str) -> bool {
    ["array", "list", "map", "struct", "nested", "tuple"].iter().any(|t| t.eq_ignore_ascii_case(word))
}

/// Makes chains flat, and refuses a tree that is too deep or too large for the passes that follow.
pub(super) fn check_size(expr: &mut ast::Expr) -> Result<(), ExprError> {
    walk(expr, &mut SizeCheck::default())
}

/// The number of nodes of a tree within the limits.
pub(super) fn nodes(expr: &ast::Expr) -> usize {
    let mut size = SizeCheck::default();
    // The walk of a larger tree ends at the limits, so its count is beyond them too.
    let _ = walk(&mut expr.clone(), &mut size);
    size.nodes
}

/// Refuses a tree with more than [`MAX_NODES`] nodes.
pub(super) fn check_nodes(nodes: usize) -> Result<(), ExprError> {
    if nodes <= MAX_NODES {
        return Ok(());
    }
    Err(ExprError::new(format!("this expression has more than {MAX_NODES} parts")).hint(SPLIT_HINT))
}

#[derive(Default)]
struct SizeCheck {
    depth: usize,
    nodes: usize,
}

impl Pass for SizeCheck {
    fn enter(&mut self, expr: &mut ast::Expr) -> Result<(), ExprError> {
        balance(expr);
        self.depth += 1;
        self.nodes += 1;
        if self.depth > MAX_DEPTH {
            let message = format!("this expression is nested more than {MAX_DEPTH} levels deep");
            return Err(ExprError::new(message).hint(SPLIT_HINT));
        }
        check_nodes(self.nodes)
    }

    fn leave(&mut self, _: &mut ast::Expr) -> Result<(), ExprError> {
        self.depth -= 1;
        Ok(())
    }
}

fn syntax_error(sql: &str, tokens: &[TokenWithSpan], error: ParserError) -> ExprError {
    let text = match error {
        ParserError::RecursionLimitExceeded => {
            return ExprError::new("this expression is nested too deep").hint(SPLIT_HINT);
        }
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
    };
    let (text, location) = split_location(&text);
    let token = location.and_then(|p| tokens.iter().find(|t| t.span.start == p));
    let at = match token {
        Some(token) => range(sql, token.span),
        None => location.and_then(|p| byte_offset(sql, p)).map(|s| s..char_end(sql, s)),
    };
    let message = match text.strip_prefix("Expected: ").and_then(|t| t.split_once(", found: ")) {
        Some((expected, "EOF")) => format!("expected {expected}, but the expression ends here"),
        Some((expected, found)) => format!("expected {expected}, found `{found}`"),
        None => lower_first(text),
    };
    ExprError::new(message).at(at.or(Some(sql.trim_end().len()..sql.len())))
}

/// Splits the location off a parser's message: `… at Line: 1, Column: 5`.
fn split_location(text: &str) -> (&str, Option<Location>) {
    let Some((head, location)) = text.rsplit_once(" at Line: ") else { return (text, None) };
    let location = location.split_once(", Column: ").and_then(|(line, column)| {
        Some(Location { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? })
    });
    if location.is_some() { (head, location) } else { (text, None) }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_lowercase().collect::<String>() + chars.as_str()).unwrap_or_default()
}

/// The byte offset of a parser's location, whose columns count characters.
fn byte_offset(sql: &str, location: Location) -> Option<usize> {
    let line = usize::try_from(location.line).ok()?.checked_sub(1)?;
    let column = usize::try_from(location.column).ok()?.checked_sub(1)?;
    let start = match line {
        0 => 0,
        n => sql.match_indices('\n').nth(n - 1)?.0 + 1,
    };
    let rest = &sql[start..];
    Some(start + rest.char_indices().nth(column).map_or(rest.len(), |(i, _)| i))
}

fn char_end(sql: &str, start: usize) -> usize {
    start + sql[start..].chars().next().map_or(0, char::len_utf8)
}

/// The bytes of a span; `None` for an empty one.
pub(super) fn range(sql: &str, span: Span) -> Option<Range<usize>> {
    let (start, end) = (byte_offset(sql, span.start)?, byte_offset(sql, span.end)?);
    (start < end).then_some(start..end)
}

/// The bytes of an expression, including closing parentheses that its span leaves out.
pub(super) fn extent(sql: &str, expr: &ast::Expr) -> Option<Range<usize>> {
    let Range { start, mut end } = range(sql, expr.span())?;
    let count = |text: &str, c: char| text.matches(c).count();
    let mut open = count(&sql[start..end], '(').saturating_sub(count(&sql[start..end], ')'));
    while open > 0 {
        let rest = &sql[end..];
        let blank = rest.len() - rest.trim_start().len();
        if !rest[blank..].starts_with(')') {
            break;
        }
        end += blank + 1;
        open -= 1;
    }
    Some(start..end)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn error(sql: &str) -> (String, Option<Range<usize>>) {
        let e = parse(sql).unwrap_err();
        (e.message, e.at)
    }

    #[test]
    fn errors_are_plain_and_located() {
        assert_eq!(error("alcohol >= ").0, "expected an expression, but the expression ends here");
        assert_eq!(error("alcohol >= )"), ("expected an expression, found `)`".into(), Some(11..12)));
        assert_eq!(error("a b").0, "unexpected `b` after the end of the expression");
        assert_eq!(error("é b").1, Some(3..4));
        assert_eq!(error("(a").0, "expected ), but the expression ends here");
        assert_eq!(error("(a").1, Some(2..2));
        assert_eq!(error(" \n ").0, "this expression is empty");
        assert_eq!(error("a = 'x").1, Some(4..5));
        assert_eq!(error("a\n= ;").1, Some(4..5));
    }

    #[test]
    fn hostile_text_is_refused_quickly() {
        let n = 10_000;
        for sql in [
            "(".repeat(n),
            format!("{}1{}", "(".repeat(n), ")".repeat(n)),
            format!("{}1{}", "(".repeat(499), ")".repeat(499)),
            "(".repeat(499),
            "f(".repeat(499),
            format!("{}1{}", "f(a, b, ".repeat(499), ")".repeat(499)),
            format!("{}1{}", "a IN (1, ".repeat(499), ")".repeat(499)),
            format!("{}1{}", "[".repeat(499), "]".repeat(499)),
            format!("{}1{}", "{'a': ".repeat(499), "}".repeat(499)),
            "CASE WHEN ".repeat(499),
            "CASE a WHEN 1 THEN (".repeat(499),
            "INTERVAL ".repeat(499),
            "CAST(".repeat(12),
            "CAST(".repeat(499),
            "NOT (".repeat(499),
            "INTERVAL (".repeat(12),
            "1 OR ".repeat(40_000) + "1",
            "(1 OR ".repeat(499) + "1",
            "[".repeat(n),
            "NOT ".repeat(n) + "a",
            "- ".repeat(n) + "1",
            "1+".repeat(n) + "1",
            "a.".repeat(n) + "a",
            format!("a{}", "::int".repeat(n)),
            format!("a{}", "[1]".repeat(n)),
            format!("a{}", " IS NULL".repeat(5_000)),
            format!("CAST(a AS {})", "array<".repeat(n)),
            format!("a::int{}", "[]".repeat(n)),
            "CASE WHEN ".repeat(5_000),
            "f(".repeat(n),
            "/*".repeat(n),
            "\u{0}\u{1}\u{fffd}".repeat(100),
        ] {
            let start = std::time::Instant::now();
            let result = parse(&sql);
            assert!(start.elapsed().as_secs() < 5, "{}", &sql[..20]);
            drop(result);
        }
        assert!(parse(&"x".repeat(MAX_TEXT_BYTES + 1)).is_err());
    }

    #[test]
    fn an_extent_includes_the_closing_parentheses() {
        let sql = " f(g( x ) ) + 1";
        let ast::Expr::BinaryOp { left, .. } = parse(sql).unwrap() else { panic!("a sum") };
        assert_eq!(extent(sql, &left), Some(1..11));
    }
}
