//! The top-level fields of a file. It resolves no reference.

use super::super::ast::{Delivery, ErrorPolicy, FunctionSpec, StateOptions};
use super::super::draft::Draft;
use super::super::grammar;
use super::super::kafka::{Kafka, Sasl, Secret, Security, Tls};
use super::super::node::{Node, NodeValue, Scalar};
use super::value::is_word;
use super::{Lowering, depth};
use crate::diagnostics::{Diagnostic, Span, Spanned};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

const DEFAULT_COMMIT_INTERVAL: Duration = Duration::from_millis(100);
const MAX_COMMIT_INTERVAL: Duration = Duration::from_secs(3_600);

const MAX_STANDBY_REPLICAS: u64 = 16;

/// Lowers the root of a file.
pub(in super::super) fn pipeline(lower: &mut Lowering<'_>, root: &Node) -> Option<Draft> {
    let f = lower.open_object(root, &grammar::PIPELINE)?;
    let name = f.get("name").and_then(|n| lower.name(n, "a name"));
    let sources = lower.sources(&f);
    let steps = f.get("steps").map(|n| lower.steps(n)).unwrap_or_default();
    let sinks = lower.sinks(&f);
    let delivery = match f.get("delivery").and_then(|n| lower.choice(n, grammar::DELIVERY)) {
        Some("at_least_once") => Delivery::AtLeastOnce,
        Some("at_most_once") => Delivery::AtMostOnce,
        _ => Delivery::ExactlyOnce,
    };
    let commit_every = f.get("commit_every").and_then(|n| lower.commit_every(n)).unwrap_or(DEFAULT_COMMIT_INTERVAL);
    let errors = match f.get("errors").and_then(|n| lower.choice(n, grammar::ERRORS)) {
        Some("stop") => ErrorPolicy::Stop,
        Some("drop") => ErrorPolicy::Drop,
        _ => ErrorPolicy::DeadLetter,
    };
    let state = f.get("state").and_then(|n| lower.state(n)).unwrap_or(StateOptions { memory_limit: None, standby: 0 });
    let functions = f.get("functions").map(|n| lower.functions(n)).unwrap_or_default();
    let kafka = f.get("kafka").and_then(|n| lower.kafka(n));
    let has_sinks = f.entry("sink").or(f.entry("sinks")).is_some() || !f.complete;
    Some(Draft { name, sources, steps, sinks, has_sinks, delivery, commit_every, errors, state, functions, kafka })
}

impl Lowering<'_> {
    fn commit_every(&mut self, node: &Node) -> Option<Duration> {
        let every = self.positive(node)?;
        if every > MAX_COMMIT_INTERVAL {
            self.report(
                node.error_span(),
                format!("{} is longer than an hour", node.describe()),
                "write `1ms` to `1h`",
            );
            return None;
        }
        Some(every)
    }

    fn state(&mut self, node: &Node) -> Option<StateOptions> {
        let f = self.open_object(node, &grammar::STATE)?;
        if let Some(store) = f.get("store") {
            // Memory is the only store that this version supports, so the value is checked and not kept.
            self.choice(store, grammar::STORES);
        }
        let memory_limit = f.get("memory_limit").and_then(|n| self.size(n));
        let standby =
            f.get("standby").and_then(|n| self.number(n, MAX_STANDBY_REPLICAS)).and_then(|n| u32::try_from(n).ok());
        Some(StateOptions { memory_limit, standby: standby.unwrap_or(0) })
    }

    /// `name(a, b): SQL`. Inside `{…}` YAML splits the key at its commas; this joins the pieces again.
    fn functions(&mut self, node: &Node) -> Vec<FunctionSpec> {
        let mut all: Vec<FunctionSpec> = Vec::new();
        let NodeValue::Map(entries) = &node.value else {
            self.wrong_kind::<()>(node, "a map of `name(a, b): SQL`");
            return all;
        };
        let mut first_of: HashMap<String, Span> = HashMap::new();
        // The first piece of a signature that YAML split at a comma, and the number of open brackets.
        let mut split: Option<(&Scalar, i64)> = None;
        for entry in entries {
            let (first, open) = split.take().unwrap_or((&entry.key, 0));
            let open = open + depth(&entry.key.text, "()");
            let absent = entry.value.scalar().is_some_and(Scalar::is_absent);
            if absent && entry.key.plain && open > 0 {
                split = Some((first, open));
                continue;
            }
            let whole = std::ptr::eq(first, &entry.key);
            let span = Span::new(first.span.start, entry.key.span.end);
            let signature_text =
                if whole { entry.key.text.clone() } else { self.problems.source_text(span).to_owned() };
            let shown = if whole { entry.key.masked() } else { signature_text.clone() };
            let body = self.sql(&entry.value);
            let Some((name, parameters)) = signature(&signature_text) else {
                let hint = "write `name(a, b): SQL`; names have letters, digits and `_`";
                self.report(span, format!("`{shown}` is not the signature of a function"), hint);
                continue;
            };
            if let Some(earlier) = first_of.get(&name.to_ascii_lowercase()) {
                let line = self.problems.line(*earlier);
                let message = format!("the function `{shown}` is defined twice; the first is in line {line}");
                self.report(span, message, "functions need different names, whatever their case");
                continue;
            }
            first_of.insert(name.to_ascii_lowercase(), span);
            if let Some(body) = body {
                let name = Spanned::new(name.to_owned(), Span::new(span.start, span.start + name.len()));
                all.push(FunctionSpec { name, parameters, body });
            }
        }
        if let Some((first, _)) = split {
            self.report(first.span, format!("`{}` is not closed", first.masked()), "write `name(a, b): SQL`");
        }
        all
    }

    fn kafka(&mut self, node: &Node) -> Option<Kafka> {
        let f = self.open_object(node, &grammar::KAFKA)?;
        let brokers = f.get("brokers").and_then(|n| self.columns(n, "`HOST:PORT`"));
        let security = f.get("security").and_then(|n| self.security(n));
        let topics = f.get("topics").and_then(|n| self.topic_creation(n)).unwrap_or_default();
        let brokers = brokers.and_then(|all| {
            let first = all.first()?.span;
            let list: Vec<_> = all.into_iter().map(|n| n.value).collect();
            Some(Spanned::new(list.join(","), first))
        });
        Some(Kafka { brokers: brokers?, security, topics })
    }

    fn security(&mut self, node: &Node) -> Option<Security> {
        let f = self.open_object(node, &grammar::SECURITY)?;
        let tls = match f.get("tls") {
            Some(n) if n.scalar().is_some() => self.boolean(n).filter(|on| *on).map(|_| Tls::default()),
            Some(n) => self.tls(n),
            None => None,
        };
        Some(Security { tls, sasl: f.get("sasl").and_then(|n| self.sasl(n)) })
    }

    fn tls(&mut self, node: &Node) -> Option<Tls> {
        let f = self.open_object(node, &grammar::TLS)?;
        let mut path = |name| f.get(name).and_then(|n| self.text(n, "a file")).map(|s| PathBuf::from(&s.text));
        let (ca, certificate, key) = (path("ca"), path("certificate"), path("key"));
        let key_password = f.get("key_password").and_then(|n| self.secret(n));
        for (one, other) in [("certificate", "key"), ("key", "certificate"), ("key_password", "key")] {
            if let (Some(entry), None) = (f.entry(one), f.entry(other)) {
                self.report(entry.key.span, format!("`{one}` without `{other}`"), format!("add `{other}`"));
            }
        }
        Some(Tls { ca, certificate, key, key_password })
    }

    fn sasl(&mut self, node: &Node) -> Option<Sasl> {
        let f = self.open_object(node, &grammar::SASL)?;
        let mechanism = f.get("mechanism").and_then(|n| self.choice(n, grammar::MECHANISMS));
        let username = f.get("username").and_then(|n| self.secret(n));
        let password = f.get("password").and_then(|n| self.secret(n));
        Some(Sasl { mechanism: mechanism?.to_owned(), username: username?, password: password? })
    }

    /// A text that no message shows, not even an excerpt of the file: `credentials` has seen to that.
    fn secret(&mut self, node: &Node) -> Option<Secret> {
        match node.scalar().filter(|s| !s.is_absent()) {
            Some(s) => Some(Secret::new(s.text.clone())),
            None => {
                self.problems.push(Diagnostic::at(node.key_span, "expected a text"));
                None
            }
        }
    }
}

/// The name and parameters of `name(a, b)`.
fn signature(text: &str) -> Option<(&str, Vec<String>)> {
    let word = |w: &str| !w.is_empty() && is_word(w);
    let (name, rest) = text.split_once('(')?;
    let inside = rest.trim_end().strip_suffix(')')?;
    let parameters: Vec<String> = match inside.trim() {
        "" => Vec::new(),
        _ => inside.split(',').map(|p| p.trim().to_owned()).collect(),
    };
    let distinct = parameters.iter().collect::<HashSet<_>>().len() == parameters.len();
    (word(name.trim_end()) && parameters.iter().all(|p| word(p)) && distinct).then(|| (name.trim_end(), parameters))
}
