//! Generator files: `fastdata seed --generate FILE.yaml`.
//!
//! ```yaml
//! count: 10000                  # number of records; default: as many as requested
//! rate: 500/s                   # how fast they are written; default: as fast as possible
//! partitions: 4                 # of the topic, if it is created
//! key: sensor                   # the field that becomes the record key
//! time:                         # event time, which is also the record's timestamp
//!   start: 2026-01-01T00:00:00Z      # default: this in an empty topic, else where the topic ends
//!   step: 10ms                  # from one record to the next
//!   disorder: {share: 0.05, by: 2s}    # 5% are moved by up to 2 s, in either direction
//!   late: {share: 0.001, by: 1m}       # 0.1% are moved back by exactly 1 min
//! fields:
//!   id: {sequence: {start: 1, step: 1}}
//!   sensor: {zipf: {values: 50, skew: 1.1, prefix: s-}}     # s-1 is the most frequent
//!   site: {choice: {of: [north, south], weights: [3, 1]}}   # or `skew: 1.2`; else uniform
//!   celsius: {normal: {mean: 21, sd: 4, min: -20, max: 60, decimals: 2}}
//!   load: {uniform: {min: 0, max: 1, decimals: 3}}
//!   pause: {exponential: {mean: 30, max: 600, decimals: 1}}
//!   unit: {constant: C}
//!   trace: {hex: {digits: 16}}
//!   uuid: {uuid: {}}
//!   note: {words: {min: 2, max: 5}}
//!   at: {timestamp: rfc3339}    # or millis
//! nulls: {celsius: 0.01}        # 1% of the field's values are null
//! ```
//!
//! This file checks everything and reports each error with its location. The parser stops at the first
//! syntax error; all other errors are reported at once.

use super::distribution::Distribution;
use super::event_times::{DEFAULT_START_MS, EventTimes, Shift};
use super::sampler::FieldSampler;
use super::{Generate, Random};
use crate::diagnostics::{Diagnostic, Report, SourceText, Span, one_of};
use crate::record::RecordsBuilder;
use crate::time::rfc3339::parse_timestamp;
use rand::{RngExt as _, SeedableRng as _};
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_yaml::Spanned;
use std::sync::Arc;
use std::time::Duration;

/// A checked generator file.
#[derive(Clone, Debug)]
pub struct GenerateSpec {
    /// The number of records, if the file limits it.
    pub count: Option<u64>,
    /// Records per second, if the file limits the rate.
    pub rate: Option<f64>,
    /// Partitions of the topic, if it is created and the file sets them.
    pub partitions: Option<u32>,
    key: Option<usize>,
    event_times: EventTimes,
    /// Whether the file says when event time starts.
    has_start: bool,
    fields: Vec<GeneratedField>,
}

#[derive(Clone, Debug)]
struct GeneratedField {
    /// What precedes the value: brace or comma, name, colon.
    prefix: Vec<u8>,
    sampler: FieldSampler,
    /// The share of values that are null.
    nulls: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GeneratorFile {
    count: Option<u64>,
    rate: Option<Spanned<String>>,
    partitions: Option<Spanned<u32>>,
    key: Option<Spanned<String>>,
    #[serde(default)]
    time: TimeSpec,
    fields: Spanned<OrderedMap<Distribution>>,
    #[serde(default)]
    nulls: OrderedMap<f64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeSpec {
    start: Option<Spanned<String>>,
    step: Option<Spanned<String>>,
    disorder: Option<Spanned<ShiftSpec>>,
    late: Option<Spanned<ShiftSpec>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShiftSpec {
    share: f64,
    by: String,
}

/// A map that keeps the order of the file.
struct OrderedMap<T>(Vec<(Spanned<String>, Spanned<T>)>);

impl<T> Default for OrderedMap<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OrderedMap<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for InOrder<T> {
            type Value = OrderedMap<T>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map of fields")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OrderedMap<T>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(OrderedMap(pairs))
            }
        }
        deserializer.deserialize_map(InOrder(std::marker::PhantomData))
    }
}

fn span_of<T>(spanned: &Spanned<T>) -> Span {
    to_span(spanned.referenced.span())
}

fn to_span(span: serde_yaml::Span) -> Span {
    let at = |v: Option<u64>| v.and_then(|v| usize::try_from(v).ok()).unwrap_or(0);
    let start = at(span.byte_offset());
    Span::new(start, start + at(span.byte_len()).max(1))
}

impl GenerateSpec {
    /// Parses and checks a generator file.
    ///
    /// # Errors
    /// A report of all errors.
    pub fn parse(source: &Arc<SourceText>) -> Result<Self, Report> {
        let mut report = Report::new(source.clone());
        // Without this the values `y`, `no` and `on` of a choice would be booleans.
        let options = serde_yaml::options! { strict_booleans: true };
        match serde_yaml::from_str_with_options::<GeneratorFile>(&source.text, options) {
            Ok(file) => {
                let spec = file.check(&mut report);
                report.finish(Some(spec))
            }
            Err(error) => {
                report.push(syntax_error(error.without_snippet()));
                report.finish(None)
            }
        }
    }

    /// The generator of the records of a seed.
    #[must_use]
    pub fn generator(&self, seed: u64) -> Generator {
        Generator { spec: self.clone(), random: Random::seed_from_u64(seed), text: Vec::new() }
    }
}

/// A syntax error as a diagnostic.
fn syntax_error(error: &serde_yaml::Error) -> Diagnostic {
    use serde_yaml::{Error, MessageFormatter as _};
    let (message, hint) = match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            (format!("unknown field `{field}`"), one_of(field, expected.iter().copied()))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            (format!("unknown distribution `{variant}`"), one_of(variant, expected.iter().copied()))
        }
        Error::SerdeMissingField { field, .. } => (format!("the field `{field}` is missing"), None),
        other => (serde_yaml::UserMessageFormatter.format_message(other).into_owned(), None),
    };
    match error.location() {
        Some(location) => Diagnostic::at(to_span(location.span()), message).maybe_hint(hint),
        None => Diagnostic::whole(message).maybe_hint(hint),
    }
}

impl GeneratorFile {
    fn check(self, report: &mut Report) -> GenerateSpec {
        let rate = self.rate.and_then(|r| {
            let rate = parse_rate(&r.value);
            if rate.is_none() {
                let hint = "write it as a number per second, minute or hour: `1000/s`, `90/m`";
                report.push(Diagnostic::at(span_of(&r), format!("`{}` is not a rate", r.value)).hint(hint));
            }
            rate
        });
        if let Some(zero) = self.partitions.as_ref().filter(|p| p.value == 0) {
            report.push(Diagnostic::at(span_of(zero), "a topic has at least one partition"));
        }
        let names: Vec<&str> = self.fields.value.0.iter().map(|(n, _)| n.value.as_str()).collect();
        let find = |name: &Spanned<String>, report: &mut Report| {
            let found = names.iter().position(|n| *n == name.value);
            if found.is_none() {
                let hint = one_of(&name.value, names.iter().copied());
                report.push(
                    Diagnostic::at(span_of(name), format!("there is no field `{}`", name.value)).maybe_hint(hint),
                );
            }
            found
        };
        let key = self.key.as_ref().and_then(|k| find(k, report));
        let mut nulls = vec![0.0; names.len()];
        for (name, share) in &self.nulls.0 {
            let found = find(name, report);
            if let (Some(i), Some(share)) = (found, check_share(span_of(share), share.value, report)) {
                nulls[i] = share;
            }
        }
        if names.is_empty() {
            report.push(Diagnostic::at(span_of(&self.fields), "there are no fields"));
        }
        let has_start = self.time.start.is_some();
        let event_times = self.time.check(report);
        let mut fields = Vec::new();
        for (i, ((name, distribution), nulls)) in self.fields.value.0.into_iter().zip(nulls).enumerate() {
            let at = span_of(&distribution);
            let brace = if i == 0 { '{' } else { ',' };
            let prefix = format!("{brace}{}:", serde_json::Value::from(name.value)).into_bytes();
            match distribution.value.sampler() {
                Ok(sampler) => fields.push(GeneratedField { prefix, sampler, nulls }),
                Err(message) => report.push(Diagnostic::at(at, message)),
            }
        }
        let partitions = self.partitions.map(|p| p.value);
        GenerateSpec { count: self.count, rate, partitions, key, event_times, has_start, fields }
    }
}

fn check_share(at: Span, share: f64, report: &mut Report) -> Option<f64> {
    if (0.0..=1.0).contains(&share) {
        return Some(share);
    }
    report.push(Diagnostic::at(at, format!("the share {share} is not between 0 and 1")));
    None
}

fn parse_duration(at: Span, text: &str, report: &mut Report) -> Option<Duration> {
    let parsed = humantime::parse_duration(text);
    if parsed.is_err() {
        let message = format!("`{text}` is not a duration");
        report.push(Diagnostic::at(at, message).hint("write it like `100ms`, `2s` or `1m 30s`"));
    }
    parsed.ok()
}

impl TimeSpec {
    fn check(self, report: &mut Report) -> EventTimes {
        let start_ms = self.start.map_or(DEFAULT_START_MS, |text| {
            parse_timestamp(text.value.as_bytes()).unwrap_or_else(|| {
                let message = format!("`{}` is not a time", text.value);
                report.push(Diagnostic::at(span_of(&text), message).hint("write it like `2026-01-01T00:00:00Z`"));
                DEFAULT_START_MS
            })
        });
        let step = self.step.and_then(|text| parse_duration(span_of(&text), &text.value, report));
        let mut shift = |moved: Option<Spanned<ShiftSpec>>| {
            let moved = moved?;
            let at = span_of(&moved);
            let by = parse_duration(at, &moved.value.by, report)?;
            let share = check_share(at, moved.value.share, report)?;
            Some(Shift { share, by_ms: i64::try_from(by.as_millis()).unwrap_or(i64::MAX / 4).min(i64::MAX / 4) })
        };
        let disorder = shift(self.disorder).unwrap_or_default();
        let late = shift(self.late).unwrap_or_default();
        let step_ms = step.map_or(1.0, |s| s.as_secs_f64() * 1_000.0);
        EventTimes { start_ms, step_ms, disorder, late, count: 0 }
    }
}

/// Parses `1000/s`, `90/m` or `5/h` as records per second.
fn parse_rate(text: &str) -> Option<f64> {
    let (count, unit) = text.split_once('/')?;
    let count: f64 = count.trim().parse().ok()?;
    let seconds = match unit.trim() {
        "s" | "sec" | "second" => 1.0,
        "m" | "min" | "minute" => 60.0,
        "h" | "hour" => 3_600.0,
        _ => return None,
    };
    (count.is_finite() && count > 0.0).then_some(count / seconds)
}

/// Generates the records of a generator file.
#[derive(Clone, Debug)]
pub struct Generator {
    spec: GenerateSpec,
    random: Random,
    text: Vec<u8>,
}

impl Generate for Generator {
    fn start_after(&mut self, time: i64) {
        if !self.spec.has_start {
            self.spec.event_times.start_after(time);
        }
    }

    fn fill(&mut self, count: usize, out: &mut RecordsBuilder) {
        for _ in 0..count {
            let at = self.spec.event_times.next(&mut self.random);
            self.text.clear();
            let mut key = None;
            for (i, field) in self.spec.fields.iter_mut().enumerate() {
                self.text.extend_from_slice(&field.prefix);
                let start = self.text.len();
                if field.nulls > 0.0 && self.random.random_bool(field.nulls) {
                    self.text.extend_from_slice(b"null");
                } else {
                    field.sampler.write(at, &mut self.random, &mut self.text);
                    key = if self.spec.key == Some(i) { Some(start..self.text.len()) } else { key };
                }
            }
            self.text.push(b'}');
            let key = key.map(|range| key_text(&self.text[range]));
            out.push(key.as_deref(), Some(&self.text), at);
        }
    }
}

/// The record key for a field's JSON: the text of a string, any other value unchanged.
fn key_text(json: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    match json {
        [b'"', text @ .., b'"'] if !text.contains(&b'\\') => text.into(),
        [b'"', ..] => serde_json::from_slice::<String>(json).unwrap_or_default().into_bytes().into(),
        _ => json.into(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeMap;

    fn source(text: &str) -> Arc<SourceText> {
        Arc::new(SourceText { name: "g.yaml".into(), text: text.into() })
    }

    fn records(text: &str, count: usize) -> Vec<(Option<String>, i64, Value)> {
        let mut out = RecordsBuilder::default();
        let spec = GenerateSpec::parse(&source(text)).unwrap();
        spec.generator(5).fill(count, &mut out);
        let r = out.finish();
        let key = |i: usize| {
            arrow_array::Array::is_valid(&r.keys, i).then(|| String::from_utf8(r.keys.value(i).to_vec()).unwrap())
        };
        (0..r.len()).map(|i| (key(i), r.timestamps[i], serde_json::from_slice(r.values.value(i)).unwrap())).collect()
    }

    fn error(text: &str) -> String {
        GenerateSpec::parse(&source(text)).unwrap_err().to_string()
    }

    #[test]
    fn the_example_file_generates_what_it_describes() {
        let text = include_str!("../../examples/generate/sensors.yaml");
        let spec = GenerateSpec::parse(&source(text)).unwrap();
        assert_eq!((spec.count, spec.rate, spec.partitions), (Some(10_000), Some(500.0), Some(4)));
        let all = records(text, 20_000);
        let mut sensors = BTreeMap::new();
        let (mut nulls, mut late, mut moved) = (0, 0, 0);
        for (i, (key, at, value)) in (0i64..).zip(&all) {
            assert_eq!(value["id"], i + 1);
            assert_eq!(value["sensor"].as_str(), key.as_deref());
            *sensors.entry(key.clone().unwrap()).or_insert(0) += 1;
            assert_eq!(crate::time::rfc3339::parse_timestamp(value["at"].as_str().unwrap().as_bytes()), Some(*at));
            match value["celsius"].as_f64() {
                Some(c) => assert!((-20.0..=60.0).contains(&c)),
                None => nulls += 1,
            }
            let early = DEFAULT_START_MS + i * 10 - at;
            late += i32::from(early > 2_000);
            moved += i32::from(early != 0);
        }
        assert!(sensors["s-1"] > sensors["s-2"] && sensors["s-2"] > sensors["s-20"], "{sensors:?}");
        assert!(
            (100..320).contains(&nulls) && (5..60).contains(&late) && (800..1_250).contains(&moved),
            "{nulls} {late} {moved}"
        );
    }

    #[test]
    fn every_distribution_writes_valid_json() {
        let text = "fields:\n  u: {uniform: {min: -1, max: 1, decimals: 3}}\n  e: {exponential: {mean: 3}}\n  \
                    c: {choice: {of: [a, 2, null], weights: [1, 0, 0]}}\n  s: {choice: {of: [x, y], skew: 9}}\n  \
                    k: {constant: {n: \"\\\"\"}}\n  h: {hex: {digits: 5}}\n  i: {uuid: {}}\n  w: {words: {min: 2, max: 2}}\n  \
                    t: {timestamp: millis}\n  z: {zipf: {values: 3, skew: 1}}\n";
        for (key, at, v) in records(text, 200) {
            assert_eq!(key, None);
            assert!(v["u"].as_f64().unwrap().abs() <= 1.0 && v["e"].as_f64().unwrap() >= 0.0);
            assert_eq!((v["c"].as_str(), v["k"]["n"].as_str()), (Some("a"), Some("\"")));
            assert!(["x", "y"].contains(&v["s"].as_str().unwrap()));
            assert_eq!((v["h"].as_str().unwrap().len(), v["i"].as_str().unwrap().len()), (5, 36));
            assert_eq!((v["w"].as_str().unwrap().split(' ').count(), v["t"].as_i64()), (2, Some(at)));
            assert!((1..=3).contains(&v["z"].as_i64().unwrap()));
        }
    }

    #[test]
    fn errors_are_reported_with_their_location() {
        assert_eq!(
            error("fields:\n  a: {normel: {mean: 1}}\n"),
            "error: unknown distribution `normel`\n  --> g.yaml:2:7\n  |\n2 |   a: {normel: {mean: 1}}\n  |       ^^^^^^\n\
             hint: did you mean `normal`?\n"
        );
        let all = error("rate: 5\nkey: sensr\nfields:\n  sensor: {uniform: {min: 2, max: 1}}\n");
        let places: Vec<_> = all.lines().filter(|l| l.contains("-->") || l.starts_with("error")).collect();
        assert_eq!(
            places,
            [
                "error: `5` is not a rate",
                "  --> g.yaml:1:7",
                "error: there is no field `sensr`",
                "  --> g.yaml:2:6",
                "error: `min` 2 is greater than `max` 1",
                "  --> g.yaml:4:11"
            ]
        );
        assert!(error("fields: {a: {uuid: {}}}\ncuont: 5\n").contains("g.yaml:2:1"));
        assert!(error("fields: {}\n").contains("there are no fields"));
        assert!(error("").contains("error: "));
    }
}
