//! Hostile and broken files are refused at bounded cost, and never panic.
#![allow(clippy::unwrap_used)]

use super::super::read::{MAX_FILE_BYTES, MAX_NODES};
use super::{DESIGN, Fake, OperatorSpec, bad, design_environment, good, parse_with};
use proptest::prelude::*;

/// The first line of the only error.
fn refused(text: &str) -> String {
    let report = bad(text);
    assert_eq!(report.matches("error: ").count(), 1, "{}", &report[..report.len().min(2_000)]);
    report.lines().next().unwrap().to_owned()
}

#[test]
fn aliases_count_as_often_as_they_are_used() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..10 {
        let aliases = vec![format!("*a{}", i - 1); 10].join(", ");
        bomb += &format!("a{i}: &a{i} [{aliases}]\n");
    }
    let expected = format!("error: the file holds more than {MAX_NODES} values, each use of an alias counted");
    assert_eq!(refused(&bomb), expected);
    // Below the bound aliases are read.
    let below = "x: &x [1, 2]\nname: p\nsource: {topic: r, format: text}\nsink: out\ny: [*x, *x]\n";
    assert!(bad(below).contains("unknown field `x`"));
}

#[test]
fn merge_keys_do_not_multiply() {
    let mut bomb = String::from("m0: &m0 {a0: 1}\n");
    for i in 1..200 {
        bomb += &format!("m{i}: &m{i} {{<<: [*m{}, *m{}], a{i}: 1}}\n", i - 1, i - 1);
    }
    assert!(bad(&bomb).len() < 100_000);
}

#[test]
fn deep_nesting_is_refused_at_its_bound() {
    let expected = "error: lists and maps nest more than 64 deep";
    assert_eq!(refused(&"[".repeat(10_000)), expected);
    assert_eq!(refused(&"{a: ".repeat(10_000)), expected);
    assert_eq!(refused(&"- ".repeat(10_000)), expected);
    let steps: String = (0..10_000).map(|i| format!("{}a:\n", " ".repeat(i % 1_000))).collect();
    assert!(refused(&steps).starts_with("error: "), "{}", refused(&steps));
    let mut aliases = String::from("a0: &a0 [x]\n");
    for i in 1..70 {
        aliases += &format!("a{i}: &a{i} [*a{}]\n", i - 1);
    }
    assert_eq!(refused(&aliases), expected);
}

#[test]
fn a_large_file_is_refused_before_it_is_parsed() {
    assert_eq!(refused(&"#".repeat(MAX_FILE_BYTES + 1)), "error: the file is larger than 1 MiB");
    assert!(refused(&format!("[{}]", "a,".repeat(MAX_FILE_BYTES / 2 - 2))).contains("values"));
}

#[test]
fn a_hundred_errors_are_enough() {
    let file: String = (0..20_000).map(|i| format!("k{i}: 1\n")).collect();
    let report = bad(&file);
    assert!(report.starts_with("error: more than 100 errors; the others are not shown\n"), "{}", &report[..200]);
    assert_eq!(report.matches("error: ").count(), 101);
}

#[test]
fn an_alias_in_its_own_anchor_is_refused() {
    assert_eq!(refused("a: &a [*a]\n"), "error: this alias is inside its own anchor");
    assert_eq!(refused("a: *b\n"), "error: no anchor of this name comes before this alias");
}

#[test]
fn byte_order_marks_and_line_ends_of_windows_are_read() {
    let text = "name: p\nsource: {topic: r, format: text}\nsteps:\n  - filter: a > 1\nsink: out\n";
    let spec = good(&format!("\u{feff}{}", text.replace('\n', "\r\n")));
    let OperatorSpec::Filter(sql) = &spec.steps[0].operator else { panic!() };
    assert_eq!(&spec.source.text[sql.span.start..sql.span.end], "a > 1");
}

#[test]
fn anchors_and_merge_keys_are_read_as_yaml_has_them() {
    let spec = good(
        "name: p\nsources:\n  a: &a {format: csv, schema: {x: int}}\n  b: {<<: *a, format: json, topic: t}\n\
         steps:\n  - merge: [a, b]\nsink: out\n",
    );
    let topics: Vec<_> = spec.sources.iter().map(|s| (s.topic.as_str(), s.format.value.clone())).collect();
    use crate::formats::Format::{Csv, Json};
    assert_eq!(topics, [("a", Csv { delimiter: b',', nulls: vec![] }), ("t", Json { strict: false })]);
}

#[test]
fn a_file_that_is_not_utf8_is_located() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.yaml");
    std::fs::write(&path, b"name: p\nsource: \xff\n").unwrap();
    let error = super::read(&path, &Fake::default()).unwrap_err().to_string();
    assert!(error.starts_with("error: the file is not UTF-8 from here on\n"), "{error}");
    assert!(error.contains("p.yaml:2:9\n"), "{error}");
    let missing = super::read(&folder.path().join("none.yaml"), &Fake::default()).unwrap_err().to_string();
    assert!(missing.ends_with("none.yaml`: there is no such file; `fastdata init` writes an example"), "{missing}");
}

/// Pieces that break YAML in interesting ways.
const PIECES: [&str; 24] = [
    "", " ", "\n", "\t", ":", ": ", "- ", "[", "]", "{", "}", ",", "#", "&a ", "*a", "<<: ", "'", "\"", "|\n", "${",
    "}", "é", "\u{feff}", "---\n",
];

proptest! {
    #[test]
    fn no_change_of_a_file_makes_reading_panic(
        changes in prop::collection::vec((0..2_000_usize, 0..12_usize, 0..PIECES.len()), 1..4)
    ) {
        let mut text = DESIGN.to_owned();
        for (place, cut, piece) in changes {
            let at = place % (text.len() + 1);
            let range = text.floor_char_boundary(at)..text.floor_char_boundary((at + cut).min(text.len()));
            text.replace_range(range, PIECES[piece]);
        }
        match parse_with(&text, &design_environment()) {
            Ok(spec) => {
                for step in &spec.steps {
                    if let OperatorSpec::Filter(sql) = &step.operator && sql.exact {
                        prop_assert_eq!(&spec.source.text[sql.span.start..sql.span.end], &sql.text);
                    }
                }
            }
            Err(report) => prop_assert!(report.to_string().contains("error: ")),
        }
    }
}
