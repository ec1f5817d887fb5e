//! `source:` and `sources:`: topics, formats, schemas, watermarks. Sinks read their format here too.

use super::super::ast::{Name, SchemaSpec, SourceSpec, Tombstones, WatermarkOptions};
use super::super::field_type::ObjectType;
use super::super::grammar;
use super::super::node::{Node, Scalar};
use super::{Fields, Lowering};
use crate::diagnostics::{Diagnostic, Span, Spanned};
use crate::formats::Format;
use crate::record::{MAX_TYPE_BYTES, parse_type};
use arrow_schema::Field;
use std::sync::Arc;

impl Lowering<'_> {
    pub(super) fn sources(&mut self, f: &Fields<'_>) -> Vec<SourceSpec> {
        let mut all = Vec::new();
        if let Some(node) = f.get("source") {
            all.extend(self.source(node, &grammar::ONE_SOURCE, None));
        }
        if let Some(node) = f.get("sources") {
            let entries = self.entries(node, "a map of sources by name", "").unwrap_or_default();
            for (key, value) in entries {
                let name = self.check_name(key);
                all.extend(self.source(value, &grammar::SOURCE, name));
            }
        }
        match (f.entry("source"), f.entry("sources")) {
            (Some(_), Some(second)) => {
                self.report(second.key.span, "`source` and `sources` together", "put all sources under `sources`");
            }
            (None, None) if f.complete => self.report(
                f.key_span,
                "the file has no source",
                "add `source: {topic: TOPIC, schema: {COLUMN: TYPE}}`",
            ),
            _ => {}
        }
        all
    }

    fn source(&mut self, node: &Node, object: &'static ObjectType, name: Option<Name>) -> Option<SourceSpec> {
        let f = self.open_object(node, object)?;
        let topic = f.get("topic").and_then(|n| self.name(n, "a topic"));
        let unnamed = || Name::new(String::new(), f.key_span);
        let topic = topic.or_else(|| name.clone()).unwrap_or_else(unnamed);
        let name = name.unwrap_or_else(|| topic.clone());
        let key = f.get("key").and_then(|n| self.column(n));
        let mut format = self.format(&f, f.get("strict"));
        if let Some(node) = f.get("nulls") {
            self.nulls(node, &mut format.value);
        }
        let schema = f.get("schema").and_then(|n| self.schema(n));
        let typed = matches!(format.value, Format::Json { .. } | Format::Csv { .. });
        match f.entry("schema") {
            None if typed && f.complete => {
                let message = format!("the source `{}` has no schema", self.display_name(&name));
                let hint = "add `schema: {COLUMN: TYPE}`; `fastdata infer FILE` writes one from samples";
                self.report(f.key_span, message, hint);
            }
            Some(entry) if !typed => self.report(
                entry.key.span,
                "this format has one column, `value`, and takes no schema",
                "remove `schema`, or choose the format `json` or `csv`",
            ),
            _ => {}
        }
        let timestamp = f.get("timestamp").and_then(|n| self.sql(n));
        let watermark = f.get("watermark").and_then(|n| self.watermark(n)).unwrap_or_default();
        let tombstones = match f.get("tombstones").and_then(|n| self.choice(n, grammar::TOMBSTONES)) {
            Some("keep") => Tombstones::Keep,
            Some("dead_letter") => Tombstones::DeadLetter,
            _ => Tombstones::Skip,
        };
        Some(SourceSpec { name, topic, key, format, schema, timestamp, watermark, tombstones, span: f.key_span })
    }

    /// The format of a source or sink, JSON by default. `strict` is the field of that name beside `format`.
    pub(super) fn format(&mut self, f: &Fields<'_>, strict: Option<&Node>) -> Spanned<Format> {
        let (mut options, span) = match f.get("format") {
            Some(node) => (self.format_options(node), node.error_span()),
            None => (Format::Json { strict: false }, f.key_span),
        };
        if let Some(on) = strict.and_then(|n| self.boolean(n).map(|on| (on, n))) {
            match &mut options {
                Format::Json { strict } => *strict = on.0,
                _ => self.report(on.1.key_span, "only JSON has unknown fields", "remove `strict`"),
            }
        }
        Spanned::new(options, span)
    }

    fn format_options(&mut self, node: &Node) -> Format {
        let json = Format::Json { strict: false };
        if node.scalar().is_some() {
            return match self.choice(node, grammar::FORMATS) {
                Some("csv") => Format::csv(b','),
                Some("text") => Format::Text,
                Some("bytes") => Format::Bytes,
                _ => json,
            };
        }
        let Some(f) = self.open_object(node, &grammar::FORMAT) else { return json };
        if f.all().count() != 1 && f.complete {
            self.report(
                f.key_span,
                "`format` takes one format",
                "such as `format: json` or `format: {csv: {delimiter: \";\"}}`",
            );
        }
        if let Some(csv) = f.get("csv") {
            let options = Some(csv).filter(|n| !n.is_null()).and_then(|n| self.open_object(n, &grammar::CSV));
            let delimiter = options.and_then(|o| o.get("delimiter")).and_then(|n| self.delimiter(n));
            return Format::csv(delimiter.unwrap_or(b','));
        }
        let strict = f
            .get("json")
            .filter(|n| !n.is_null())
            .and_then(|n| self.open_object(n, &grammar::JSON))
            .and_then(|j| j.get("strict"));
        Format::Json { strict: strict.and_then(|n| self.boolean(n)).unwrap_or(false) }
    }

    fn delimiter(&mut self, node: &Node) -> Option<u8> {
        let expected = "one character between values, such as `\";\"` or `\"\\t\"`";
        match node.scalar().map(|s| s.text.as_bytes()) {
            Some([b]) if b.is_ascii() && !matches!(b, b'"' | b'\n' | b'\r') => Some(*b),
            _ => self.wrong_kind(node, expected),
        }
    }

    /// The texts that mean null: one or a list.
    fn nulls(&mut self, node: &Node, format: &mut Format) {
        let Format::Csv { nulls, .. } = format else {
            return self.report(node.key_span, "only CSV has texts that mean null", "remove `nulls`");
        };
        let items = match node.scalar() {
            Some(_) => vec![node],
            None => self.items(node, "a text or a list of texts").into_iter().flatten().collect(),
        };
        nulls.extend(items.into_iter().filter_map(|item| self.text(item, "a text").map(|s| s.text.clone())));
    }

    fn schema(&mut self, node: &Node) -> Option<SchemaSpec> {
        let entries = self.entries(node, "a map of columns and their types", "()<>")?;
        let (mut fields, mut names) = (Vec::new(), Vec::new());
        for (key, value) in &entries {
            if let Some(data_type) = self.data_type(key, value) {
                fields.push(Field::new(&key.text, data_type, true));
                names.push(key.span);
            } else {
                self.untyped_columns.insert(key.text.clone());
            }
            if key.text.is_empty() {
                self.problems.push(Diagnostic::at(key.span, "expected a column before `:`"));
            }
        }
        if entries.is_empty() {
            let hint = "add `COLUMN: TYPE`; `fastdata infer FILE` writes a schema from samples";
            self.report(node.key_span, "the schema has no columns", hint);
        }
        Some(SchemaSpec { columns: Arc::new(arrow_schema::Schema::new(fields)), names })
    }

    fn data_type(&mut self, key: &Scalar, node: &Node) -> Option<arrow_schema::DataType> {
        let scalar = self.text(node, "a type")?;
        if scalar.text.len() > MAX_TYPE_BYTES {
            let message = format!("this type is longer than {MAX_TYPE_BYTES} bytes");
            self.problems.push(Diagnostic::at(scalar.span, message));
            return None;
        }
        let error = match parse_type(&scalar.text) {
            Ok(data_type) => return Some(data_type),
            Err(error) => error,
        };
        if let Some(place) = grammar::SCHEMA_FROM.iter().find(|p| **p == key.text) {
            self.unsupported(key.span, place, ["COLUMN: TYPE"].into_iter());
        } else if scalar.unexpanded.is_some() {
            self.problems.push(Diagnostic::at(scalar.span, format!("`{}` is not replaced by a type", scalar.masked())));
        } else {
            let at = scalar.span.start + error.at.min(scalar.text.len());
            let span = match scalar.exact {
                true => Span::new(at, at + word_length(&scalar.text[error.at.min(scalar.text.len())..])),
                false => scalar.span,
            };
            self.problems.push(Diagnostic::at(span, error.message).maybe_hint(error.hint));
        }
        None
    }

    fn watermark(&mut self, node: &Node) -> Option<WatermarkOptions> {
        let f = self.open_object(node, &grammar::WATERMARK)?;
        Some(WatermarkOptions {
            delay: f.get("delay").and_then(|n| self.duration(n)).unwrap_or_default(),
            idle: f.get("idle").and_then(|n| self.positive(n)),
            max_ahead: match f.get("max_ahead") {
                Some(n) if n.scalar().is_some_and(|s| s.text == grammar::NO_LIMIT) => None,
                Some(n) => self.duration(n),
                None => WatermarkOptions::default().max_ahead,
            },
        })
    }
}

fn word_length(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len()).max(1)
}
