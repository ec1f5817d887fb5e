//! The operators that only change columns: select, set, drop, rename, flatten. Whether they keep the columns of
//! the record key decides whether a later group needs a repartition.

use super::{Resolver, duplicate_column};
use crate::diagnostics::{Diagnostic, Span};
use crate::expr::Scope;
use crate::plan::logical::LogicalOutput;
use crate::plan::op::{FlattenPlan, Item, Projection};
use crate::spec::{Assignments, FlattenSpec, Name};
use arrow_schema::{DataType, Field, FieldRef, Schema};
use std::sync::Arc;

type Projected = Option<(Projection, LogicalOutput)>;

/// The output columns of a projection.
struct ColumnList(Vec<(FieldRef, Item)>);

impl ColumnList {
    fn of(input: &LogicalOutput) -> Self {
        Self(input.schema.fields().iter().cloned().zip((0..).map(Item::Column)).collect())
    }

    fn finish(self, key: Option<Vec<String>>) -> (Projection, LogicalOutput) {
        let (fields, items): (Vec<_>, Vec<_>) = self.0.into_iter().unzip();
        let schema = Arc::new(Schema::new(fields));
        (Projection { schema: schema.clone(), items }, LogicalOutput { name: None, schema, key })
    }
}

/// Adds computed columns: in the place of those with their names, else at the end.
pub(super) fn overlay(input: &LogicalOutput, computed: Vec<(FieldRef, Item)>) -> (Projection, LogicalOutput) {
    let mut columns = ColumnList::of(input);
    let mut key = input.key.clone();
    for (field, item) in computed {
        let same = matches!(item, Item::Column(i) if input.schema.field(i).name() == field.name());
        if !same && key.as_ref().is_some_and(|k| k.contains(field.name())) {
            key = None;
        }
        match columns.0.iter().position(|(f, _)| f.name() == field.name()) {
            Some(i) => columns.0[i] = (field, item),
            None => columns.0.push((field, item)),
        }
    }
    columns.finish(key)
}

fn assign(r: &mut Resolver, items: &Assignments, input: &LogicalOutput) -> Option<Vec<(FieldRef, Item)>> {
    let scope = Scope::new(input.schema.clone());
    let mut assigned: Vec<(FieldRef, Item)> = Vec::new();
    let mut good = true;
    for (name, sql) in items {
        if assigned.iter().any(|(f, _)| *f.name() == name.value) {
            r.problem(duplicate_column(name, name.span));
            good = false;
        }
        let Some(expr) = r.expr(sql, &scope) else {
            good = false;
            continue;
        };
        let field = Arc::new(Field::new(name.value.clone(), expr.data_type().clone(), true));
        let column = expr.column().and_then(|c| input.schema.index_of(c).ok());
        assigned.push((field, column.map_or(Item::Expr(expr), Item::Column)));
    }
    good.then_some(assigned)
}

pub(super) fn select(r: &mut Resolver, items: &Assignments, input: &LogicalOutput) -> Projected {
    let columns = assign(r, items, input)?;
    let kept = |k: &String| {
        columns.iter().any(|(f, i)| f.name() == k && matches!(i, Item::Column(c) if input.schema.field(*c).name() == k))
    };
    let key = input.key.clone().filter(|key| key.iter().all(kept));
    Some(ColumnList(columns).finish(key))
}

pub(super) fn set(r: &mut Resolver, items: &Assignments, input: &LogicalOutput) -> Projected {
    Some(overlay(input, assign(r, items, input)?))
}

pub(super) fn drop(r: &mut Resolver, names: &[Name], input: &LogicalOutput, span: Span) -> Projected {
    let gone: Vec<_> = names.iter().map(|n| r.column(n, &input.schema)).collect();
    let gone: Vec<usize> = gone.into_iter().collect::<Option<_>>()?;
    let mut columns = ColumnList::of(input);
    columns.0.retain(|(_, item)| !matches!(item, Item::Column(i) if gone.contains(i)));
    if columns.0.is_empty() {
        r.problem(Diagnostic::at(span, "this drops every column").hint("keep at least one"));
        return None;
    }
    let left = |k: &String| columns.0.iter().any(|(f, _)| f.name() == k);
    let key = input.key.clone().filter(|key| key.iter().all(left));
    Some(columns.finish(key))
}

pub(super) fn rename(r: &mut Resolver, pairs: &[(Name, Name)], input: &LogicalOutput) -> Projected {
    let mut columns = ColumnList::of(input);
    let mut good = true;
    for (old, new) in pairs {
        let Some(i) = r.column(old, &input.schema) else {
            good = false;
            continue;
        };
        columns.0[i].0 = Arc::new(input.schema.field(i).clone().with_name(new.value.clone()));
    }
    // All pairs are renamed at once: what a column is called now says nothing of what it was called before.
    let renamed = |k: &String| match input.schema.index_of(k) {
        Ok(i) => Some(columns.0[i].0.name().clone()),
        // The record's own key, unless a column hides it now.
        Err(_) => columns.0.iter().all(|(f, _)| f.name() != k).then(|| k.clone()),
    };
    let key = input.key.as_ref().and_then(|key| key.iter().map(renamed).collect());
    for (i, (field, _)) in columns.0.iter().enumerate() {
        if columns.0[..i].iter().any(|(f, _)| f.name() == field.name()) {
            let span = pairs.iter().find(|(_, n)| n.value == *field.name()).map_or(Span::default(), |(_, n)| n.span);
            r.problem(duplicate_column(field.name(), span));
            good = false;
        }
    }
    good.then(|| columns.finish(key))
}

pub(super) fn flatten(
    r: &mut Resolver,
    f: &FlattenSpec,
    input: &LogicalOutput,
) -> Option<(FlattenPlan, LogicalOutput)> {
    let column = r.column(&f.column, &input.schema)?;
    let field = input.schema.field(column);
    let DataType::List(item) = field.data_type() else {
        let message = format!("`{}` is no list but {}", field.name(), crate::record::type_name(field.data_type()));
        r.problem(Diagnostic::at(f.column.span, message).hint("flatten turns each element of a list into a row"));
        return None;
    };
    let name = f.r#as.as_ref().map_or(field.name(), |n| &n.value);
    let mut fields: Vec<FieldRef> = input.schema.fields().iter().cloned().collect();
    if fields.iter().enumerate().any(|(i, other)| i != column && other.name() == name) {
        r.problem(duplicate_column(name, f.r#as.as_ref().map_or(f.column.span, |n| n.span)));
        return None;
    }
    fields[column] = Arc::new(Field::new(name.clone(), item.data_type().clone(), true));
    let key = input.key.clone().filter(|k| !k.contains(field.name()) && !k.contains(name));
    let schema = Arc::new(Schema::new(fields));
    Some((FlattenPlan { column, schema: schema.clone() }, LogicalOutput { name: None, schema, key }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::diagnostics::SourceText;
    use crate::expr::Functions;
    use crate::spec::ProcessEnvironment;
    use std::path::Path;
    use std::sync::Arc;

    /// How many repartitions a window by `by` needs after these steps over records by the key `a`.
    fn repartitions(steps: &str, by: &str) -> usize {
        let text = format!(
            "name: p\nsource: {{topic: t, key: a, schema: {{a: bigint, b: bigint, c: bigint, tags: list<bigint>}}}}\n\
             steps:\n{steps}  - {{name: w, window: {{tumbling: 1m, by: {by}, select: {{rows: count(*)}}}}}}\nsink: out\n"
        );
        let source = SourceText { name: "p.yaml".into(), text };
        let spec = crate::spec::parse(Arc::new(source), Path::new("."), &ProcessEnvironment).unwrap();
        crate::plan::compile(&spec, &Functions::new()).unwrap().subs.len() - 1
    }

    #[test]
    fn a_window_repartitions_unless_its_key_is_that_of_the_records() {
        for (steps, by, expected) in [
            ("", "a", 0),
            ("", "b", 1),
            ("  - rename: {a: x}\n", "x", 0),
            ("  - rename: {a: b, b: a}\n", "b", 0),
            ("  - rename: {a: b, b: a}\n", "a", 1),
            ("  - rename: {a: b, b: c, c: a}\n", "b", 0),
            ("  - rename: {a: b, b: c, c: a}\n", "c", 1),
            ("  - rename: {c: a, b: c, a: b}\n", "a", 1),
            ("  - rename: {a: b, b: a}\n  - rename: {a: b, b: a}\n", "a", 0),
            ("  - rename: {a: b, b: x}\n", "x", 1),
            ("  - rename: {b: x}\n", "a", 0),
            ("  - set: {a: b}\n", "a", 1),
            ("  - set: {a: a, b: a}\n", "a", 0),
            ("  - set: {a: a + 0}\n", "a", 1),
            ("  - select: {a: b, b: a}\n", "a", 1),
            ("  - select: {a: a}\n", "a", 0),
            ("  - drop: a\n  - rename: {b: a}\n", "a", 1),
            ("  - {flatten: {column: tags, as: tag}}\n", "a", 0),
            ("  - key_by: b\n", "b", 1),
            ("  - key_by: a\n", "a", 0),
            ("  - scan: {by: a, init: {n: 0}, next: {n: n + 1}}\n", "a", 0),
            // The fold is by `b`; its own `b` hides that, and the rows are no longer where their `a` puts them.
            ("  - scan: {by: b, init: {b: 0}, next: {b: b + 1}}\n", "a", 2),
            ("  - scan: {init: {n: 0}, next: {n: n + 1}}\n", "a", 0),
            // A group by the record's own key, then a column of that name.
            ("  - scan: {by: _key, init: {n: 0}, next: {n: n + 1}}\n", "_key", 1),
            ("  - scan: {by: _key, init: {n: 0}, next: {n: n + 1}}\n  - rename: {b: _key}\n", "_key", 2),
            (
                "  - scan: {by: _key, init: {n: 0}, next: {n: n + 1}}\n  - flatten: {column: tags, as: _key}\n",
                "_key",
                2,
            ),
        ] {
            assert_eq!(repartitions(steps, by), expected, "{steps}by {by}");
        }
    }
}
