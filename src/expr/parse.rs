//! One SQL expression from text to syntax tree, within limits, with faults located in the text.
//!
//! Separate because macros, expressions and aggregates all start here. Hostile text (thousands of
//! parentheses, endless chains) must end in an error and never in a stack overflow: whatever leaves this
//! file is at most [`MAX_DEPTH`] deep.

use super::ExprError;
use super::stack::roomy;
use super::walk::{Pass, walk};
use datafusion_sql::sqlparser::ast::{self, AccessExpr, Spanned, Subscript};
use datafusion_sql::sqlparser::dialect::GenericDialect;
use datafusion_sql::sqlparser::parser::{Parser, ParserError};
use datafusion_sql::sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer};
use std::ops::Range;

/// Longest text of one expression, in bytes.
const MAX_TEXT: usize = 64 * 1024;
/// Deepest nesting of brackets.
const MAX_BRACKETS: usize = 40;
/// Longest chain of words without a comma. A tree is at most as deep as its longest chain, and one that is
/// refused must still be taken down level by level.
const MAX_CHAIN: usize = 2_000;
/// Deepest syntax tree; a chain of operators counts one level each.
const MAX_DEPTH: usize = 150;
/// Largest syntax tree, macros expanded.
const MAX_NODES: usize = 20_000;

const SPLIT_HINT: &str = "compute part of it in a `set` step before, or write a long OR as `x IN (…)`";

/// Parses exactly one expression.
pub(super) fn parse(sql: &str) -> Result<ast::Expr, ExprError> {
    if sql.len() > MAX_TEXT {
        return Err(ExprError::new(format!("this expression has {} bytes, more than {MAX_TEXT}", sql.len())));
    }
    roomy(sql.len(), || parse_checked(sql))
}

fn parse_checked(sql: &str) -> Result<ast::Expr, ExprError> {
    let dialect = GenericDialect {};
    let tokens = Tokenizer::new(&dialect, sql).tokenize_with_location().map_err(|e| {
        let start = byte(sql, e.location);
        ExprError::new(lower_first(&e.message)).at(start.map(|s| s..char_end(sql, s)))
    })?;
    let solid: Vec<&TokenWithSpan> = tokens.iter().filter(|t| !matches!(t.token, Token::Whitespace(_))).collect();
    if solid.is_empty() {
        return Err(ExprError::new("this expression is empty"));
    }
    check_brackets(sql, &solid)?;
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens.clone());
    let mut expr = parser.parse_expr().map_err(|e| syntax_error(sql, &tokens, e))?;
    let next = parser.peek_token();
    if next.token != Token::EOF {
        return Err(ExprError::new(format!("unexpected `{}` after the end of the expression", next.token))
            .at(range(sql, next.span)));
    }
    check_size(&mut expr)?;
    walk(&mut expr, &mut FieldNames)?;
    Ok(expr)
}

/// The `.name` after a bracket stands where expressions stand; as `['name']` nobody takes it for a column.
struct FieldNames;

impl Pass for FieldNames {
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

/// Bounds what the parser would recurse into without counting.
fn check_brackets(sql: &str, tokens: &[&TokenWithSpan]) -> Result<(), ExprError> {
    let (mut depth, mut types) = (0usize, 0usize);
    // Words since the last comma, for each bracket that is open.
    let mut runs = vec![0usize];
    for pair in tokens.windows(2) {
        let nested_type = matches!((&pair[0].token, &pair[1].token), (Token::Word(_), Token::Lt))
            && matches!(&pair[0].token, Token::Word(w) if w.quote_style.is_none() && is_type_name(&w.value));
        let array_type = pair[0].token == Token::LBracket && pair[1].token == Token::RBracket;
        types += usize::from(nested_type || array_type);
        match pair[0].token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                depth += 1;
                runs.push(0);
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                depth = depth.saturating_sub(1);
                runs.truncate(runs.len().saturating_sub(1).max(1));
            }
            Token::Comma => runs.iter_mut().rev().take(1).for_each(|r| *r = 0),
            _ => {}
        }
        let run = runs.last_mut().map_or(0, |r| {
            *r += 1;
            *r
        });
        if run > MAX_CHAIN {
            return Err(ExprError::new(format!("this expression is a chain of more than {MAX_CHAIN} words"))
                .at(range(sql, pair[0].span))
                .hint(SPLIT_HINT));
        }
        if depth > MAX_BRACKETS || types > MAX_BRACKETS {
            return Err(ExprError::new(format!("brackets are nested more than {MAX_BRACKETS} deep"))
                .at(range(sql, pair[0].span))
                .hint(SPLIT_HINT));
        }
    }
    Ok(())
}

fn is_type_name(word: &str) -> bool {
    ["array", "list", "map", "struct", "nested", "tuple"].iter().any(|t| t.eq_ignore_ascii_case(word))
}

/// Refuses a tree that is too deep or too large for what comes after.
pub(super) fn check_size(expr: &mut ast::Expr) -> Result<(), ExprError> {
    walk(expr, &mut Size::default())
}

/// How many nodes a tree within the limits has.
pub(super) fn nodes(expr: &ast::Expr) -> usize {
    let mut size = Size::default();
    // A tree beyond the limits counts as what was seen of it, which is beyond the limits too.
    let _ = walk(&mut expr.clone(), &mut size);
    size.nodes
}

/// Refuses a tree of so many nodes.
pub(super) fn check_nodes(nodes: usize) -> Result<(), ExprError> {
    if nodes <= MAX_NODES {
        return Ok(());
    }
    Err(ExprError::new(format!("this expression has more than {MAX_NODES} parts")).hint(SPLIT_HINT))
}

#[derive(Default)]
struct Size {
    depth: usize,
    nodes: usize,
}

impl Pass for Size {
    fn enter(&mut self, _: &mut ast::Expr) -> Result<(), ExprError> {
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
    let (text, place) = split_location(&text);
    let token = place.and_then(|p| tokens.iter().find(|t| t.span.start == p));
    let at = match token {
        Some(token) => range(sql, token.span),
        None => place.and_then(|p| byte(sql, p)).map(|s| s..char_end(sql, s)),
    };
    let message = match text.strip_prefix("Expected: ").and_then(|t| t.split_once(", found: ")) {
        Some((expected, "EOF")) => format!("expected {expected}, but the expression ends here"),
        Some((expected, found)) => format!("expected {expected}, found `{found}`"),
        None => lower_first(text),
    };
    ExprError::new(message).at(at.or(Some(sql.trim_end().len()..sql.len())))
}

/// Cuts the place off a parser's message: `… at Line: 1, Column: 5`.
fn split_location(text: &str) -> (&str, Option<Location>) {
    let Some((head, place)) = text.rsplit_once(" at Line: ") else { return (text, None) };
    let location = place.split_once(", Column: ").and_then(|(line, column)| {
        Some(Location { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? })
    });
    if location.is_some() { (head, location) } else { (text, None) }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_lowercase().collect::<String>() + chars.as_str()).unwrap_or_default()
}

/// The byte at which a place of the parser stands; its columns count characters.
fn byte(sql: &str, place: Location) -> Option<usize> {
    let line = usize::try_from(place.line).ok()?.checked_sub(1)?;
    let column = usize::try_from(place.column).ok()?.checked_sub(1)?;
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
    let (start, end) = (byte(sql, span.start)?, byte(sql, span.end)?);
    (start < end).then_some(start..end)
}

/// The bytes of an expression, with the parentheses that its span leaves out.
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

    fn fault(sql: &str) -> (String, Option<Range<usize>>) {
        let e = parse(sql).unwrap_err();
        (e.message, e.at)
    }

    #[test]
    fn faults_are_plain_and_located() {
        assert_eq!(fault("alcohol >= ").0, "expected an expression, but the expression ends here");
        assert_eq!(fault("alcohol >= )"), ("expected an expression, found `)`".into(), Some(11..12)));
        assert_eq!(fault("a b").0, "unexpected `b` after the end of the expression");
        assert_eq!(fault("é b").1, Some(3..4));
        assert_eq!(fault("(a").0, "expected ), but the expression ends here");
        assert_eq!(fault("(a").1, Some(2..2));
        assert_eq!(fault(" \n ").0, "this expression is empty");
        assert_eq!(fault("a = 'x").1, Some(4..5));
        assert_eq!(fault("a\n= ;").1, Some(4..5));
    }

    #[test]
    fn hostile_text_is_an_error_and_quick() {
        let n = 10_000;
        for sql in [
            "(".repeat(n),
            format!("{}1{}", "(".repeat(n), ")".repeat(n)),
            format!("{}1{}", "(".repeat(39), ")".repeat(39)),
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
        assert!(parse(&"x".repeat(MAX_TEXT + 1)).is_err());
    }

    #[test]
    fn an_extent_holds_the_closing_parentheses() {
        let sql = " f(g( x ) ) + 1";
        let ast::Expr::BinaryOp { left, .. } = parse(sql).unwrap() else { panic!("a sum") };
        assert_eq!(extent(sql, &left), Some(1..11));
    }
}
