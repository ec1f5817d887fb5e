//! The operators that keep state by key: scan and window. Each needs its input partitioned by its key.

use super::{Resolved, Resolver, diagnose, duplicate_column};
use crate::diagnostics::Diagnostic;
use crate::expr::{Aggregates, Expr, Scope};
use crate::plan::logical::LogicalOutput;
use crate::plan::op::{Op, ScanPlan, WindowPlan};
use crate::record::{timestamp, type_name};
use crate::spec::{Name, ScanSpec, WindowKind, WindowSpec};
use crate::time::{Tumbling, millis};
use arrow_schema::{Field, FieldRef, Schema};
use std::sync::Arc;

fn by_fields(names: &[Name], by: &[Expr]) -> Vec<FieldRef> {
    let name = |n: &Name, e: &Expr| e.column().map_or_else(|| n.value.clone(), str::to_owned);
    names.iter().zip(by).map(|(n, e)| Arc::new(Field::new(name(n, e), e.data_type().clone(), true))).collect()
}

pub(super) fn scan(r: &mut Resolver, scan: &ScanSpec, input: &LogicalOutput) -> Resolved {
    let by = r.columns(&scan.by, &input.schema);
    let (mut state, mut init) = (Vec::<FieldRef>::new(), Vec::new());
    for (name, sql) in &scan.init {
        match crate::expr::constant(&sql.text, &r.functions, None) {
            Ok(value) if !state.iter().any(|f| *f.name() == name.value) => {
                state.push(Arc::new(Field::new(name.value.clone(), value.data_type(), true)));
                init.push(value);
            }
            Ok(_) => r.problem(duplicate_column(name, name.span)),
            Err(e) => r.problem(diagnose(sql, e)),
        }
    }
    let mut seen: Vec<FieldRef> = input.schema.fields().iter().cloned().collect();
    for field in &state {
        match seen.iter().position(|f| f.name() == field.name()) {
            Some(i) => seen[i] = field.clone(),
            None => seen.push(field.clone()),
        }
    }
    let seen = Arc::new(Schema::new(seen));
    let scope = Scope::new(seen.clone());
    let mut next: Vec<Option<Expr>> = vec![None; state.len()];
    for (name, sql) in &scan.next {
        let Some(i) = state.iter().position(|f| *f.name() == name.value) else {
            let known = crate::diagnostics::one_of(name, state.iter().map(|f| f.name().as_str()));
            r.problem(
                Diagnostic::at(name.span, format!("`next` sets `{}`, which `init` does not", name.value))
                    .maybe_hint(known),
            );
            continue;
        };
        next[i] = r.expr(sql, &scope);
    }
    for (field, (name, _)) in state.iter().zip(&scan.init) {
        if !scan.next.iter().any(|(n, _)| n.value == *field.name()) {
            let message = format!("`init` sets `{}`, which `next` does not", field.name());
            r.problem(Diagnostic::at(name.span, message).hint("give its value after each row under `next`"));
        }
    }
    let (by, next) = (by?, next.into_iter().collect::<Option<Vec<_>>>()?);
    let needs = by_fields(&scan.by, &by).iter().map(|f| f.name().clone()).collect::<Vec<_>>();
    // A fold without a key is one fold per partition, in the order of the log: it needs no repartition.
    let needs_key = (!needs.is_empty()).then_some(needs);
    // With a key the rows are partitioned by it, whatever they were partitioned by before.
    let key = needs_key.as_ref().or(input.key.as_ref()).cloned();
    let key = key.filter(|k| k.iter().all(|k| !state.iter().any(|s| s.name() == k)));
    let output = LogicalOutput { name: None, schema: seen.clone(), key };
    Some((Op::Scan(ScanPlan { by, state, init, next, seen }), vec![output], needs_key))
}

pub(super) fn window(r: &mut Resolver, window: &WindowSpec, input: &LogicalOutput) -> Resolved {
    let by = r.columns(&window.by, &input.schema)?;
    let by_fields = by_fields(&window.by, &by);
    let WindowKind::Tumbling { size, offset } = window.kind;
    let bounds: Vec<FieldRef> =
        ["window_start", "window_end"].map(|n| Arc::new(Field::new(n, timestamp(), true))).to_vec();
    let select: Vec<(&str, &str)> = window.select.iter().map(|(n, s)| (n.value.as_str(), s.text.as_str())).collect();
    let scope = Scope::new(input.schema.clone());
    let aggregates = match Aggregates::compile(&select, &by_fields, &scope, &r.functions, &bounds) {
        Ok(aggregates) => aggregates,
        Err((i, e)) => {
            let sql = &window.select[i].1;
            r.problem(diagnose(sql, e));
            return None;
        }
    };
    let mut fields = by_fields.clone();
    for (field, span) in aggregates.output_fields().into_iter().zip(window.select.iter().map(|(n, _)| n.span)) {
        if fields.iter().chain(&bounds).any(|f| f.name() == field.name()) {
            r.problem(duplicate_column(field.name(), span));
            return None;
        }
        fields.push(field);
    }
    for field in &by_fields {
        if bounds.iter().any(|b| b.name() == field.name()) {
            let message = format!("a window adds `{}` itself, of type {}", field.name(), type_name(field.data_type()));
            r.problem(Diagnostic::at(window.span, message).hint("rename the column before the window"));
            return None;
        }
    }
    fields.extend(bounds);
    let schema = Arc::new(Schema::new(fields));
    let key: Vec<String> = by_fields.iter().map(|f| f.name().clone()).collect();
    let plan = WindowPlan {
        tumbling: Tumbling { size: millis(size), offset: millis(offset) },
        by,
        by_fields,
        aggregates,
        grace: millis(window.grace),
        close_after: window.close_after.map(millis),
        schema: schema.clone(),
    };
    let results = LogicalOutput { name: None, schema, key: Some(key.clone()) };
    let late = LogicalOutput { name: Some("late".into()), schema: input.schema.clone(), key: Some(key.clone()) };
    Some((Op::Window(plan), vec![results, late], Some(key)))
}
