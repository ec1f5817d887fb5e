//! Generator files: `fastdata seed --generate FILE.yaml`.
//!
//! ```yaml
//! count: 10000                  # how many records; default: as many as asked for
//! rate: 500/s                   # how fast they are written; default: as fast as possible
//! partitions: 4                 # of the topic, where it is made
//! key: sensor                   # the field that becomes the record key
//! time:                         # event time, which is also the record's timestamp
//!   start: 2026-01-01T00:00:00Z
//!   step: 10ms                  # from a record to the next
//!   disorder: {share: 0.05, by: 2s}    # 5% are moved by up to 2 s, to either side
//!   late: {share: 0.001, by: 1m}       # 0.1% are moved back by just 1 min
//! fields:
//!   id: {sequence: {start: 1, step: 1}}
//!   sensor: {zipf: {values: 50, skew: 1.1, prefix: s-}}     # s-1 is the most frequent
//!   site: {choice: {of: [north, south], weights: [3, 1]}}   # or `skew: 1.2`; else all alike
//!   celsius: {normal: {mean: 21, sd: 4, min: -20, max: 60, decimals: 2}}
//!   load: {uniform: {min: 0, max: 1, decimals: 3}}
//!   pause: {exponential: {mean: 30, max: 600, decimals: 1}}
//!   unit: {constant: C}
//!   trace: {hex: {digits: 16}}
//!   uuid: {uuid: {}}
//!   note: {words: {min: 2, max: 5}}
//!   at: {timestamp: rfc3339}    # or millis
//! nulls: {celsius: 0.01}        # so many of a field's values are null
//! ```
//!
//! Separate from the samplers, which trust their parameters: here everything is checked, and what is
//! wrong is reported with its place. The parser stops at the first fault of syntax; all faults of
//! meaning are reported at once.

use super::clock::{Clock, START, Shift};
use super::distribution::Distribution;
use super::sampler::Sampler;
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

/// What a generator file says.
#[derive(Clone, Debug)]
pub struct GenerateSpec {
    /// How many records, where the file says so.
    pub count: Option<u64>,
    /// Records a second to write, where the file says so.
    pub rate: Option<f64>,
    /// Partitions to make the topic with, where the file says so.
    pub partitions: Option<u32>,
    key: Option<usize>,
    clock: Clock,
    fields: Vec<Field>,
}

#[derive(Clone, Debug)]
struct Field {
    /// What stands before the value: brace or comma, name, colon.
    prefix: Vec<u8>,
    sampler: Sampler,
    nulls: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    count: Option<u64>,
    rate: Option<Spanned<String>>,
    partitions: Option<Spanned<u32>>,
    key: Option<Spanned<String>>,
    #[serde(default)]
    time: Time,
    fields: Spanned<Pairs<Distribution>>,
    #[serde(default)]
    nulls: Pairs<f64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Time {
    start: Option<Spanned<String>>,
    step: Option<Spanned<String>>,
    disorder: Option<Spanned<Moved>>,
    late: Option<Spanned<Moved>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Moved {
    share: f64,
    by: String,
}

/// A map in the order of the file.
struct Pairs<T>(Vec<(Spanned<String>, Spanned<T>)>);

impl<T> Default for Pairs<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for InOrder<T> {
            type Value = Pairs<T>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map of fields")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<T>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(InOrder(std::marker::PhantomData))
    }
}

fn place<T>(spanned: &Spanned<T>) -> Span {
    span(spanned.referenced.span())
}

fn span(span: serde_yaml::Span) -> Span {
    let at = |v: Option<u64>| v.and_then(|v| usize::try_from(v).ok()).unwrap_or(0);
    let start = at(span.byte_offset());
    Span::new(start, start + at(span.byte_len()).max(1))
}

impl GenerateSpec {
    /// Reads a generator file.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(source: &Arc<SourceText>) -> Result<Self, Report> {
        let mut report = Report::new(source.clone());
        // Else the values `y`, `no` and `on` of a choice would turn into booleans.
        let options = serde_yaml::options! { strict_booleans: true };
        match serde_yaml::from_str_with_options::<File>(&source.text, options) {
            Ok(file) => {
                let spec = file.check(&mut report);
                report.finish(Some(spec))
            }
            Err(error) => {
                report.push(syntax(error.without_snippet()));
                report.finish(None)
            }
        }
    }

    /// The records of a seed.
    #[must_use]
    pub fn generator(&self, seed: u64) -> Generator {
        Generator { spec: self.clone(), random: Random::seed_from_u64(seed), text: Vec::new() }
    }
}

/// A fault of syntax, in the words of every other report.
fn syntax(error: &serde_yaml::Error) -> Diagnostic {
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
        Some(location) => Diagnostic::at(span(location.span()), message).maybe_hint(hint),
        None => Diagnostic::whole(message).maybe_hint(hint),
    }
}

impl File {
    fn check(self, report: &mut Report) -> GenerateSpec {
        let rate = self.rate.and_then(|r| {
            let rate = per_second(&r.value);
            if rate.is_none() {
                let hint = "write it as a number by second, minute or hour: `1000/s`, `90/m`";
                report.push(Diagnostic::at(place(&r), format!("`{}` is not a rate", r.value)).hint(hint));
            }
            rate
        });
        if let Some(zero) = self.partitions.as_ref().filter(|p| p.value == 0) {
            report.push(Diagnostic::at(place(zero), "a topic has at least one partition"));
        }
        let names: Vec<&str> = self.fields.value.0.iter().map(|(n, _)| n.value.as_str()).collect();
        let find = |name: &Spanned<String>, report: &mut Report| {
            let found = names.iter().position(|n| *n == name.value);
            if found.is_none() {
                let hint = one_of(&name.value, names.iter().copied());
                report
                    .push(Diagnostic::at(place(name), format!("there is no field `{}`", name.value)).maybe_hint(hint));
            }
            found
        };
        let key = self.key.as_ref().and_then(|k| find(k, report));
        let mut nulls = vec![0.0; names.len()];
        for (name, share) in &self.nulls.0 {
            let found = find(name, report);
            if let (Some(i), Some(share)) = (found, share_of(place(share), share.value, report)) {
                nulls[i] = share;
            }
        }
        if names.is_empty() {
            report.push(Diagnostic::at(place(&self.fields), "there are no fields"));
        }
        let clock = self.time.check(report);
        let mut fields = Vec::new();
        for (i, ((name, distribution), nulls)) in self.fields.value.0.into_iter().zip(nulls).enumerate() {
            let at = place(&distribution);
            let brace = if i == 0 { '{' } else { ',' };
            let prefix = format!("{brace}{}:", serde_json::Value::from(name.value)).into_bytes();
            match distribution.value.sampler() {
                Ok(sampler) => fields.push(Field { prefix, sampler, nulls }),
                Err(message) => report.push(Diagnostic::at(at, message)),
            }
        }
        GenerateSpec { count: self.count, rate, partitions: self.partitions.map(|p| p.value), key, clock, fields }
    }
}

fn share_of(at: Span, share: f64, report: &mut Report) -> Option<f64> {
    if (0.0..=1.0).contains(&share) {
        return Some(share);
    }
    report.push(Diagnostic::at(at, format!("the share {share} is not between 0 and 1")));
    None
}

fn duration(at: Span, text: &str, report: &mut Report) -> Option<Duration> {
    let parsed = humantime::parse_duration(text);
    if parsed.is_err() {
        let message = format!("`{text}` is not a duration");
        report.push(Diagnostic::at(at, message).hint("write it like `100ms`, `2s` or `1m 30s`"));
    }
    parsed.ok()
}

impl Time {
    fn check(self, report: &mut Report) -> Clock {
        let start = self.start.map_or(START, |text| {
            parse_timestamp(text.value.as_bytes()).unwrap_or_else(|| {
                let message = format!("`{}` is not a time", text.value);
                report.push(Diagnostic::at(place(&text), message).hint("write it like `2026-01-01T00:00:00Z`"));
                START
            })
        });
        let step = self.step.and_then(|text| duration(place(&text), &text.value, report));
        let mut shift = |moved: Option<Spanned<Moved>>| {
            let moved = moved?;
            let at = place(&moved);
            let by = duration(at, &moved.value.by, report)?;
            let share = share_of(at, moved.value.share, report)?;
            Some(Shift { share, by: i64::try_from(by.as_millis()).unwrap_or(i64::MAX / 4).min(i64::MAX / 4) })
        };
        let disorder = shift(self.disorder).unwrap_or_default();
        let late = shift(self.late).unwrap_or_default();
        Clock { start, step: step.map_or(1.0, |s| s.as_secs_f64() * 1_000.0), disorder, late, count: 0 }
    }
}

/// `1000/s`, `90/m`, `5/h` as records a second.
fn per_second(text: &str) -> Option<f64> {
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

/// Makes the records of a generator file.
#[derive(Clone, Debug)]
pub struct Generator {
    spec: GenerateSpec,
    random: Random,
    text: Vec<u8>,
}

impl Generate for Generator {
    fn fill(&mut self, count: usize, out: &mut RecordsBuilder) {
        for _ in 0..count {
            let at = self.spec.clock.next(&mut self.random);
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

/// The key of a field's JSON: a string's text, anything else as it stands.
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
    fn the_example_file_gives_what_it_says() {
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
            let early = START + i * 10 - at;
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
    fn every_distribution_writes_json_of_its_kind() {
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
    fn what_is_wrong_is_shown_where_it_stands() {
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
