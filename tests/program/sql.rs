//! `docs/sql.md`: its examples give what the page says, and what it calls an error is one.

use crate::harness::program::Fastdata;
use std::path::Path;

/// The rows of the tables of examples: an expression and its value in JSON.
fn examples(page: &str) -> Vec<(String, String)> {
    let mut examples = Vec::new();
    let mut in_table = false;
    for line in page.lines() {
        in_table = if line == "| expression | gives |" { true } else { in_table && line.starts_with('|') };
        let cells = line.strip_prefix("| `").and_then(|l| l.strip_suffix("` |")).and_then(|l| l.rsplit_once("` | `"));
        if let Some((sql, value)) = cells.filter(|_| in_table) {
            examples.push((sql.to_owned(), value.to_owned()));
        }
    }
    examples
}

#[test]
fn the_examples_of_the_manual_give_what_it_says() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/sql.md")).unwrap();
    let examples = examples(&page);
    assert!(examples.len() > 20, "{} examples were found", examples.len());
    let quoted = |sql: &str| format!("'{}'", sql.replace('\'', "''"));
    let columns: String =
        examples.iter().enumerate().map(|(i, (sql, _))| format!("      c{i}: {}\n", quoted(sql))).collect();
    let f = Fastdata::in_temp();
    f.file(
        "p.yaml",
        &format!("name: p\nsource: {{topic: raw, schema: {{x: bigint}}}}\nsteps:\n  - select:\n{columns}sink: out\n"),
    );
    f.file("in.jsonl", "{\"x\":1}\n");
    f.args("seed --topic raw --from in.jsonl").succeeds();
    f.args("run p.yaml --until-end").succeeds();
    let row = f.args("tail --topic out --until-end --output raw").succeeds().stdout_text().to_owned();
    let expected: Vec<String> =
        examples.iter().enumerate().map(|(i, (_, value))| format!("\"c{i}\":{value}")).collect();
    assert_eq!(row, format!("{{{}}}\n", expected.join(",")));
}

#[test]
fn a_string_that_is_compared_with_a_number_is_an_error_of_the_file() {
    let f = Fastdata::in_temp();
    f.file(
        "p.yaml",
        "name: p\nsource: {topic: raw, schema: {fare: string, ts: timestamp}}\nsteps:\n  - filter: ts > \
         '2026-01-01T00:00:00Z' AND fare > 20\nsink: out\n",
    );
    f.args("validate p.yaml").fails_with(2).stdout("").stderr(
        "error: the string `fare` stands where a number is needed
  --> p.yaml:4:45
  |
4 |   - filter: ts > '2026-01-01T00:00:00Z' AND fare > 20
  |                                             ^^^^^^^^^
hint: say how it is read: `CAST(fare AS double)`, or `TRY_CAST`, which gives null where it is none
",
    );
}

#[test]
fn integers_out_of_range_are_errors_of_their_record_or_group() {
    let f = Fastdata::in_temp();
    f.file(
        "p.yaml",
        "name: p
source: {topic: raw, schema: {n: bigint, i: int}, key: n}
steps:
  - {name: negated, set: {m: -n, k: abs(i)}}
  - {name: w, window: {tumbling: 1m, select: {total: sum(n), rows: count(*)}}}
sinks:
  - {from: negated, topic: negated}
  - {from: w, topic: totals}
",
    );
    let rows = [
        "{\"n\":9223372036854775807,\"i\":1}",
        "{\"n\":-9223372036854775808,\"i\":1}",
        "{\"n\":5,\"i\":-2147483648}",
        "{\"n\":5,\"i\":-7}",
    ];
    f.file("in.jsonl", &rows.map(|row| format!("{row}\n")).concat());
    f.args("seed --topic raw --from in.jsonl").succeeds();
    f.args("run p.yaml --until-end --drain").succeeds();
    let tail = |topic: &str, output: &str| {
        f.args(&format!("tail --topic {topic} --until-end --output {output}")).succeeds().stdout_text().to_owned()
    };
    assert_eq!(
        tail("negated", "raw"),
        "{\"n\":9223372036854775807,\"i\":1,\"m\":-9223372036854775807,\"k\":1}\n{\"n\":5,\"i\":-7,\"m\":-5,\"k\":7}\n"
    );
    assert_eq!(tail("totals", "raw"), "");
    let dead = tail("p.dead", "json");
    for error in [
        "`-n`: Overflow happened on: 0 - -9223372036854775808",
        "overflow on abs(-2147483648)",
        "`sum(n)`: the sum 9223372036854775812 is out of the range of bigint",
    ] {
        assert!(dead.contains(error), "{error} is not in {dead}");
    }
    assert_eq!(dead.lines().count(), 3, "{dead}");
}
