//! `tail`: CSV, JSON for a terminal, and topics that do not exist yet.

use crate::harness::program::Fastdata;

#[test]
fn csv_has_a_header_and_the_columns_in_their_order() {
    let f = Fastdata::in_temp();
    let values = [
        r#"{"b":0.10,"a":"x,\"y\"","c":{"d":[1]}}"#,
        r#"{"a":"","b":null,"later":1}"#,
        r#"{"b":12345678901234567890123,"c":"two\nlines"}"#,
    ];
    f.file("in.jsonl", &(values.join("\n") + "\n"));
    f.args("seed --topic raw --from in.jsonl --key a").succeeds();
    let csv = "b,a,c\n0.10,\"x,\"\"y\"\"\",\"{\"\"d\"\":[1]}\"\n,\"\",\n12345678901234567890123,,\"two\nlines\"\n";
    f.args("tail --topic raw --until-end --output csv")
        .succeeds()
        .stdout(csv)
        .stderr("warning: fields that the first record does not have are left out: `later`; choose with `--columns`\n");
    let chosen = "later,_offset,_key,b\n,0,\"x,\"\"y\"\"\",0.10\n1,1,\"\",\n,2,,12345678901234567890123\n";
    f.args("tail --topic raw --until-end --output csv --columns later,_offset,_key,b")
        .succeeds()
        .stdout(chosen)
        .stderr("");
    f.args("tail --topic raw --count 1 --columns a").fails_with(2).stdout("");
    f.args("tail --topic raw --count 1 --output csv --format text").fails_with(2).stdout("");
    // Values without names get them from the option.
    f.file("p.yaml", "name: p\nsource: {topic: raw, schema: {a: string, b: double}}\nsteps: [{filter: b < 1}]\nsink: {topic: rows, format: csv}\n");
    f.args("run p.yaml --until-end --quiet").succeeds();
    let rows = "tail --topic rows --until-end --output csv";
    f.args(rows).succeeds().stdout("").stderr("warning: 1 record without a JSON object as value left out\n");
    let named = f.args(&format!("{rows} --format csv --columns a,b")).succeeds();
    named.stdout("a,b\n\"x,\"\"y\"\"\",0.1\n").stderr("");
}

#[test]
fn control_characters_in_json_are_escaped() {
    let f = Fastdata::in_temp();
    // JSON allows them as they are.
    f.file("in.jsonl", "{\"k\":\"a\u{7f}b\u{9b}c\u{202e}d\"}\n");
    f.args("seed --topic raw --from in.jsonl --key k").succeeds();
    let tail = f.args("tail --topic raw --until-end --output json").succeeds();
    let escaped = r#""key":"a\u007fb\u009bc\u202ed","value":{"k":"a\u007fb\u009bc\u202ed"}}"#;
    assert!(tail.stdout_text().trim_end().ends_with(escaped), "{:?}", tail.stdout_text());
    let fold = "steps: [{name: s, scan: {by: [k], init: {n: 0}, next: {n: n + 1}}}]";
    f.file("p.yaml", &format!("name: p\nsource: {{topic: raw, schema: {{k: string}}}}\n{fold}\nsink: out\n"));
    f.args("run p.yaml --until-end --quiet").succeeds();
    f.args("query p.yaml s --output json").succeeds().stdout("{\"k\":\"a\\u007fb\\u009bc\\u202ed\",\"n\":1}\n");
}

#[test]
fn tail_waits_for_a_topic_only_where_it_is_asked_to() {
    let f = Fastdata::in_temp();
    f.args("topics create raw").succeeds();
    let missing = "error: topic `rwa` does not exist; did you mean `raw`?\n";
    f.args("tail --topic rwa").fails_with(1).stdout("").stderr(missing);
    let waited = format!("waiting for the topic `rwa`\n{missing}");
    f.args("tail --topic rwa --wait=50ms").fails_with(1).stdout("").stderr(&waited);
    let mut tail = f.start("tail --topic late --wait --count 1 --output raw --data-dir other");
    assert_eq!(tail.next_stderr_line(), "waiting for the topic `late`");
    assert!(!f.dir().join("other").exists(), "waiting has made a log");
    f.file("in.jsonl", "{\"n\":1}\n").args("seed --topic late --from in.jsonl --data-dir other").succeeds();
    assert_eq!(tail.wait().code(), Some(0));
    let mut stdout = String::new();
    std::io::Read::read_to_string(tail.child().stdout.as_mut().unwrap(), &mut stdout).unwrap();
    assert_eq!(stdout, "{\"n\":1}\n");
}
