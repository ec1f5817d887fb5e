//! Text from outside reaches the terminal without control characters, whatever prints it.

use crate::harness::program::Fastdata;
use std::path::Path;

/// Sets the title, clears the screen, goes to the beginning of the line, reorders what follows.
const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\rx\u{9b}31m\u{202e}";

fn assert_harmless(f: &Fastdata, line: &str) {
    let ended = f.args(line).env("HOSTILE", HOSTILE).run();
    for text in [ended.stdout_text(), ended.stderr_text()] {
        let bad = text.chars().find(|c| (c.is_control() && !matches!(c, '\n' | '\t')) || *c == '\u{202e}');
        assert_eq!(bad, None, "`{line}`: {text:?}");
    }
    assert!(ended.code().is_some(), "{line}");
}

#[test]
fn control_characters_of_a_pipeline_file_are_not_printed() {
    let f = Fastdata::in_temp();
    let scalars =
        ["name: p", "name: \"${HOSTILE}\"", "name: p # §", "name: \"p§\"", "na§me: p", "name: [p§", "\"n§\": p"];
    for scalar in scalars {
        let text = format!(
            "{}\nsource: {{topic: raw, schema: {{'n§': bigint, s: string}}}}\nsteps:\n  - filter: \"s = '§' AND m > 1\"\n  \
             - {{name: '§', drop: ['§']}}\nsink: {{topic: 'o§', key: '§'}}\n",
            scalar
        );
        f.file("p.yaml", &text.replace('§', HOSTILE));
        assert_harmless(&f, "validate p.yaml");
    }
    let valid = "name: p\nsource: {topic: raw, schema: {'n§': bigint, s: string}}\nsteps:\n  - filter: \"s <> '§'\"\n  \
        - scan: {by: [s], init: {c: 0}, next: {c: \"c + \\\"n§\\\"\"}}\n  - log\nsink: out\n";
    f.file("p.yaml", &valid.replace('§', HOSTILE));
    f.file("in.jsonl", &format!("{}\n", serde_json::json!({"s": HOSTILE, format!("n{HOSTILE}"): 1})));
    f.args("seed --topic raw --from in.jsonl").succeeds();
    for line in [
        "validate p.yaml",
        "graph p.yaml",
        "graph p.yaml --format dot",
        "run p.yaml --until-end",
        "query p.yaml scan-2 --output text",
        "stats p",
        "infer in.jsonl",
        "preview p.yaml",
        "preview p.yaml --output json",
        "tail --topic raw --until-end",
        "tail --topic raw --until-end --output text",
    ] {
        assert_harmless(&f, line);
    }
}

#[test]
fn control_characters_of_records_and_models_are_not_printed() {
    let f = Fastdata::in_temp();
    f.file("in.jsonl", &format!("{}\n", serde_json::json!({"s": HOSTILE})));
    f.args("seed --topic raw --from in.jsonl").succeeds();
    assert_harmless(&f, "tail --topic raw --until-end");
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/wine/wine.pb");
    std::fs::copy(model, f.dir().join("m.pb")).unwrap();
    // Arguments are split at white space.
    let word = HOSTILE.replace('\r', "");
    f.args(&format!("publish-model m.pb --name n{word} --description d{word} --data-type t{word}")).run();
    for line in ["models list", "models show", "models list --output json", "models show --output json"] {
        assert_harmless(&f, line);
    }
}
