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
    let mut key = input.key.clone();
    let mut good = true;
    for (old, new) in pairs {
        let Some(i) = r.column(old, &input.schema) else {
            good = false;
            continue;
        };
        let from = input.schema.field(i).name();
        columns.0[i].0 = Arc::new(input.schema.field(i).clone().with_name(new.value.clone()));
        key.iter_mut().flatten().filter(|k| *k == from).for_each(|k| k.clone_from(&new.value));
    }
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
    let key = input.key.clone().filter(|k| !k.contains(field.name()));
    let schema = Arc::new(Schema::new(fields));
    Some((FlattenPlan { column, schema: schema.clone() }, LogicalOutput { name: None, schema, key }))
}
