//! Whole files: what is read from good ones, and the exact messages for bad ones.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::formats::Format;
use std::collections::HashMap;
use std::time::Duration;

#[derive(Default)]
pub(super) struct Fake {
    pub(super) vars: HashMap<&'static str, &'static str>,
    pub(super) files: HashMap<&'static str, &'static str>,
}

impl Environment for Fake {
    fn var(&self, name: &str) -> Option<String> {
        self.vars.get(name).map(|v| (*v).to_owned())
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        let text = path.to_str().and_then(|p| self.files.get(p));
        text.map(|t| (*t).to_owned()).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such file"))
    }
}

pub(super) fn parse_with(text: &str, environment: &Fake) -> Result<Spec, Report> {
    let source = SourceText { name: "p.yaml".into(), text: text.into() };
    parse(Arc::new(source), Path::new("/base"), environment)
}

pub(super) fn good(text: &str) -> Spec {
    parse_with(text, &Fake::default()).unwrap_or_else(|report| panic!("{report}"))
}

pub(super) fn bad(text: &str) -> String {
    parse_with(text, &Fake::default()).map(|spec| format!("{spec:?}")).unwrap_err().to_string()
}

/// The operators as hints list them.
pub(super) fn operators() -> String {
    let keywords: Vec<_> = super::operators::OPERATORS.iter().map(|d| format!("`{}`", d.keyword())).collect();
    keywords.join(", ")
}

const DESIGN: &str = r#"name: wine-quality
source:
  topic: raw
  key: kind
  format: json
  schema: {id: bigint, kind: string, fixed_acidity: double, alcohol: double, ph: double, ts: timestamp}
  timestamp: ts
  watermark: {delay: 2s, idle: 10s, max_ahead: 1h}
steps:
  - filter: alcohol >= 9 AND ph < 4
  - name: scored
    score:
      model: wine
      inputs: [fixed_acidity, alcohol, ph]
      outputs: {quality: prediction}
  - name: per_minute
    from: scored
    window:
      tumbling: 1m
      by: [quality]
      select: {wines: count(*), mean_alcohol: avg(alcohol)}
      grace: 10s
      emit: final
sinks:
  - {from: scored, topic: scored}
  - {topic: quality-per-minute, key: quality}
delivery: exactly_once
commit_every: 100ms
errors: dead_letter
state: {store: memory, memory_limit: 1GiB}
functions: {strength(a, s): a * 10 + s}
kafka: {brokers: "${BROKERS}", topics: {replication: 3, retention: 7d, config: {compression.type: lz4, segment.ms: 600000}, create: true}, security: {tls: {ca: ca.pem}, sasl: {mechanism: SCRAM-SHA-512, username: u, password: "${file:pw}"}}}
"#;

/// The environment that the example of the design expects.
fn design_environment() -> Fake {
    Fake { vars: [("BROKERS", "a:1,b:2")].into(), files: [("/base/pw", "geheim\n")].into() }
}

#[test]
fn tombstones_are_skipped_unless_said() {
    let tombstones = |said: &str| {
        let file = format!("name: p\nsource: {{topic: r, schema: {{a: int}}{said}}}\nsink: out\n");
        parse_with(&file, &Fake::default()).unwrap().sources[0].tombstones
    };
    let said = ["", ", tombstones: skip", ", tombstones: keep", ", tombstones: dead_letter"].map(tombstones);
    assert_eq!(said, [Tombstones::Skip, Tombstones::Skip, Tombstones::Keep, Tombstones::DeadLetter]);
}

#[test]
fn texts_that_mean_null_belong_to_csv() {
    let parsed = |format: &str| {
        parse_with(
            &format!("name: p\nsource: {{topic: r, format: {format}, schema: {{a: int}}}}\nsink: out\n"),
            &Fake::default(),
        )
        .map(|spec| spec.sources[0].format.value.clone())
    };
    let csv = |nulls: &[&str]| Format::Csv { delimiter: b',', nulls: nulls.iter().map(|n| (*n).to_owned()).collect() };
    assert_eq!(parsed("csv, nulls: [NA, \"-\"]").unwrap(), csv(&["NA", "-"]));
    assert_eq!(parsed("csv, nulls: NA").unwrap(), csv(&["NA"]));
    let wrong = parsed("json, nulls: NA").unwrap_err().to_string();
    assert!(wrong.starts_with("error: only CSV has texts that mean null\n  --> p.yaml:2:"), "{wrong}");
}

#[test]
fn max_ahead_is_a_day_unless_said() {
    let max_ahead = |watermark: &str| {
        let file = format!("name: p\nsource: {{topic: r, schema: {{a: int}}{watermark}}}\nsink: out\n");
        parse_with(&file, &Fake::default()).unwrap().sources[0].watermark.max_ahead
    };
    let day = Some(Duration::from_secs(86_400));
    assert_eq!([max_ahead(""), max_ahead(", watermark: {delay: 1s}")], [day, day]);
    assert_eq!(max_ahead(", watermark: {max_ahead: none}"), None);
    assert_eq!(max_ahead(", watermark: {max_ahead: 36h}"), day.map(|d| d * 3 / 2));
}

#[test]
fn the_example_of_the_design_is_read() {
    let spec = parse_with(DESIGN, &design_environment()).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(spec.name.value, "wine-quality");
    assert_eq!(spec.sources[0].name.value, "raw");
    assert_eq!(spec.sources[0].schema.as_ref().unwrap().columns.fields().len(), 6);
    assert_eq!(spec.sources[0].watermark.max_ahead, Some(Duration::from_secs(3600)));
    let names: Vec<_> = spec.steps.iter().map(|s| (s.name.as_str(), s.from[0].name.as_str())).collect();
    assert_eq!(names, [("filter-1", "raw"), ("scored", "filter-1"), ("per_minute", "scored")]);
    let sinks: Vec<_> = spec.sinks.iter().map(|s| (s.from.name.as_str(), s.topic.as_str())).collect();
    assert_eq!(sinks, [("scored", "scored"), ("per_minute", "quality-per-minute")]);
    assert_eq!(spec.functions[0].name.value, "strength");
    assert_eq!(spec.functions[0].parameters, ["a", "s"]);
    assert_eq!(spec.functions[0].body.text, "a * 10 + s");
    assert_eq!(spec.state.memory_limit, Some(1 << 30));
    let kafka = spec.kafka.as_ref().unwrap();
    assert_eq!(kafka.brokers.value, "a:1,b:2");
    let config = [("compression.type", "lz4"), ("segment.ms", "600000")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    let kept = KeptFor::Time(Duration::from_secs(7 * 86_400));
    assert_eq!(kafka.topics, TopicCreation { replication: Some(3), kept, config: config.into(), create: true });
    let sasl = kafka.security.as_ref().unwrap().sasl.as_ref().unwrap();
    assert_eq!(sasl.password.expose(), "geheim");
    assert!(!format!("{spec:?}").contains("geheim"));
}

#[test]
fn sql_has_exact_spans_where_the_file_has_it_verbatim() {
    let text = "name: p\nsource: {topic: r, format: text}\nsteps:\n  - filter: a > 1\n  - filter: 'b > 2'\n  - filter: \"c\\t> 3\"\n  - filter: |\n      d > 4\n  - log\n";
    let spec = good(text);
    let sql: Vec<_> = spec
        .steps
        .iter()
        .filter_map(|s| match &s.operator {
            OperatorSpec::Filter(sql) => Some(sql),
            _ => None,
        })
        .collect();
    for (sql, exact) in sql.iter().zip([true, true, false, true]) {
        assert_eq!(sql.exact, exact, "{sql:?}");
        if exact {
            assert_eq!(&text[sql.span.start..sql.span.end], sql.text);
        }
    }
}

const FORMS: &str = r#"
name: forms
sources:
  a: {format: {csv: {delimiter: "\t"}}, schema: {x: "decimal(10,2)", y: list<string>}}
  b: {topic: t.b, format: {json: }, strict: true, schema: {x: "struct<p: int, q: date>"}}
  c: {format: text, key: value}
steps:
  - {name: plain, from: a, select: [x, y, order, odd name]}
  - set: {z: null, n: 1}
  - drop: z
  - rename: {x: xx}
  - flatten: y
  - {name: flat, flatten: {column: y, as: item}}
  - key_by: [x, item]
  - {name: split, branch: {big: x > 1, small: x < 0, else: rest}}
  - {name: joined, merge: [split.big, split.rest]}
  - {name: also, from: [split.small, joined], merge: true}
  - {name: fold, scan: {by: x, init: {f: 1}, next: {f: f * x}}}
  - {name: w, window: {tumbling: {size: 1m, offset: 5s}, select: {n: count(*)}, close_after: 30s}}
  - {name: v, from: fold, window: {tumbling: 1 h, offset: 1m, select: {n: sum(f)}, grace: 10s}}
  - {name: s, from: b, score: {model: {by: kind}, inputs: {fixed acidity: x, ph: x + 1}, when_missing: null, nulls: nan}}
  - {name: t, from: c, score: {model: wine, inputs: [value, length(value), "coalesce(value, '')"]}}
  - log
  - log: {every: 100, columns: value}
sinks:
  - from: w.late
    topic: late
    format: bytes
    partitions: 3
  - {from: w, topic: w}
  - {from: v, topic: v}
  - {from: s, topic: s, format: csv}
delivery: at_most_once
commit_every: 1s
errors: stop
functions:
  twice(x): x * 2
  one(): 1
kafka:
  brokers: [h:1, h:2]
  security: {tls: true}
"#;

#[test]
fn every_form_of_the_language_is_read() {
    let spec = good(FORMS);
    let steps: Vec<_> = spec
        .steps
        .iter()
        .map(|s| {
            let from: Vec<_> = s
                .from
                .iter()
                .map(|f| f.output.as_ref().map_or(f.name.clone(), |o| format!("{}.{o}", f.name)))
                .collect();
            format!("{} {} <- {}", s.operator.keyword(), s.name.value, from.join(", "))
        })
        .collect();
    let expected = "select plain <- a
set set-2 <- plain
drop drop-3 <- set-2
rename rename-4 <- drop-3
flatten flatten-5 <- rename-4
flatten flat <- flatten-5
key_by key_by-7 <- flat
branch split <- key_by-7
merge joined <- split.big, split.rest
merge also <- split.small, joined
scan fold <- also
window w <- fold
window v <- fold
score s <- b
score t <- c
log log-16 <- t
log log-17 <- log-16";
    assert_eq!(steps.join("\n"), expected);
    let texts = |all: &[(Name, Sql)]| all.iter().map(|(n, s)| format!("{}={}", n.value, s.text)).collect::<Vec<_>>();
    let OperatorSpec::Select(select) = &spec.steps[0].operator else { panic!() };
    assert_eq!(texts(select), ["x=x", "y=y", "order=\"order\"", "odd name=\"odd name\""]);
    let OperatorSpec::Set(set) = &spec.steps[1].operator else { panic!() };
    assert_eq!(texts(set), ["z=null", "n=1"]);
    assert!(matches!(spec.steps[9].operator, OperatorSpec::Merge));
    let OperatorSpec::Window(window) = &spec.steps[11].operator else { panic!() };
    let (size, offset) = (Duration::from_secs(60), Duration::from_secs(5));
    assert_eq!(window.kind, WindowKind::Tumbling { size, offset });
    assert_eq!(window.close_after, Some(Duration::from_secs(30)));
    let OperatorSpec::Score(score) = &spec.steps[13].operator else { panic!() };
    assert!(matches!(&score.model, ModelRef::By(column) if column.value == "kind"));
    assert_eq!((score.when_missing, score.nulls_as_nan), (WhenMissing::Null, true));
    let fields: Vec<_> = score.inputs.iter().map(|(n, s)| (n.as_ref().unwrap().as_str(), s.text.as_str())).collect();
    assert_eq!(fields, [("fixed acidity", "x"), ("ph", "x + 1")]);
    let OperatorSpec::Score(score) = &spec.steps[14].operator else { panic!() };
    let inputs: Vec<_> = score.inputs.iter().map(|(_, s)| (s.text.as_str(), s.exact)).collect();
    assert_eq!(inputs, [("\"value\"", false), ("length(value)", true), ("coalesce(value, '')", true)]);
    assert_eq!(spec.sources[0].format.value, Format::csv(b'\t'));
    assert_eq!(spec.sources[1].format.value, Format::Json { strict: true });
    assert_eq!(spec.sources[1].topic.value, "t.b");
    assert!(spec.sources[2].schema.is_none());
    assert_eq!((spec.sinks[0].from.name.as_str(), spec.sinks[0].from.output.as_deref()), ("w", Some("late")));
    assert_eq!((spec.delivery, spec.errors), (Delivery::AtMostOnce, ErrorPolicy::Stop));
    assert_eq!(spec.functions[1].parameters.len(), 0);
    let kafka = spec.kafka.unwrap();
    assert_eq!(kafka.brokers.value, "h:1,h:2");
    assert!(kafka.security.unwrap().tls.is_some());
}

mod environment;
mod grammar;
mod hostile;
mod mistakes;
mod topic_creation;
