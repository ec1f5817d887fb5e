//! Rebuilds long chains of AND and OR as balanced trees.
//!
//! A program writes `a = 1 OR a = 2 OR …` with thousands of parts, or with a bracket for each. Everything after the
//! parser recurses into the tree, so its depth must not grow with the length of the chain. The order of the parts
//! stays, and with it what is evaluated after a part that decides.

use datafusion_sql::sqlparser::ast::{BinaryOperator, Expr};

/// Balances the chain that begins at this node, if it is deeper than it has to be.
pub(super) fn balance(expr: &mut Expr) {
    let Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } = expr else { return };
    let op = op.clone();
    let (parts, depth) = measure(expr, &op);
    if depth <= 2 * parts.ilog2() as usize + 4 {
        return;
    }
    let mut collected = Vec::with_capacity(parts);
    let mut pending = vec![std::mem::replace(expr, placeholder())];
    while let Some(part) = pending.pop() {
        if !is_chain(&part, &op) {
            collected.push(part);
        } else if let Expr::BinaryOp { left, right, .. } = without_brackets(part) {
            pending.extend([*right, *left]);
        }
    }
    *expr = build(&mut collected.into_iter(), parts, &op);
}

/// The number of parts of a chain, and its depth.
fn measure(expr: &Expr, op: &BinaryOperator) -> (usize, usize) {
    let (mut parts, mut greatest) = (0, 0);
    let mut pending = vec![(expr, 0)];
    while let Some((part, depth)) = pending.pop() {
        match bare(part) {
            Expr::BinaryOp { left, op: found, right } if found == op => {
                pending.extend([(&**right, depth + 1), (&**left, depth + 1)]);
            }
            _ => parts += 1,
        }
        greatest = greatest.max(depth);
    }
    (parts, greatest)
}

fn build(parts: &mut impl Iterator<Item = Expr>, count: usize, op: &BinaryOperator) -> Expr {
    if count <= 1 {
        return parts.next().unwrap_or_else(placeholder);
    }
    let left = Box::new(build(parts, count / 2, op));
    let right = Box::new(build(parts, count - count / 2, op));
    Expr::BinaryOp { left, op: op.clone(), right }
}

fn is_chain(expr: &Expr, op: &BinaryOperator) -> bool {
    matches!(bare(expr), Expr::BinaryOp { op: found, .. } if found == op)
}

fn bare(mut expr: &Expr) -> &Expr {
    while let Expr::Nested(inner) = expr {
        expr = inner;
    }
    expr
}

fn without_brackets(mut expr: Expr) -> Expr {
    while let Expr::Nested(inner) = expr {
        expr = *inner;
    }
    expr
}

/// What stands where a node was taken out; it does not stay.
fn placeholder() -> Expr {
    Expr::Identifier(datafusion_sql::sqlparser::ast::Ident::new(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(i: usize) -> Expr {
        Expr::Identifier(datafusion_sql::sqlparser::ast::Ident::new(format!("c{i}")))
    }

    #[test]
    fn a_chain_keeps_its_parts_in_their_order_and_becomes_flat() {
        for to_the_left in [true, false] {
            let or =
                |a: Expr, b: Expr| Expr::BinaryOp { left: Box::new(a), op: BinaryOperator::Or, right: Box::new(b) };
            let mut chain = name(0);
            for i in 1..1000 {
                let nested = Expr::Nested(Box::new(chain));
                chain = if to_the_left { or(nested, name(i)) } else { or(name(i), nested) };
            }
            balance(&mut chain);
            assert_eq!(measure(&chain, &BinaryOperator::Or), (1000, 10));
            let names: Vec<String> = chain.to_string().split(" OR ").map(|name| name.replace(['(', ')'], "")).collect();
            let mut expected: Vec<String> = (0..1000).map(|i| format!("c{i}")).collect();
            if !to_the_left {
                expected.reverse();
            }
            assert_eq!(names, expected);
        }
    }
}
