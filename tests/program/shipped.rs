//! The shipped files are the ones that the program writes.

use crate::harness::program::Fastdata;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The files of a folder by name.
fn files(dir: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let file = |e: std::io::Result<fs::DirEntry>| {
        let e = e.unwrap();
        (e.file_name().into_string().unwrap(), fs::read_to_string(e.path()).unwrap())
    };
    entries.map(file).collect()
}

/// Asserts that the command writes exactly the files of a shipped folder.
fn assert_writes(command: &str, folder: &str) {
    let f = Fastdata::in_temp();
    f.args(&format!("{command} --dir made")).succeeds();
    let (made, shipped) = (files(&f.dir().join("made")), files(&root(folder)));
    let hint = format!("write them again with `fastdata {command} --dir {folder}`");
    assert_eq!(made.keys().collect::<Vec<_>>(), shipped.keys().collect::<Vec<_>>(), "{hint}");
    for (name, text) in &made {
        assert!(shipped[name] == *text, "{folder}/{name} is not what the program writes; {hint}");
    }
}

#[test]
fn the_manual_pages_are_current() {
    assert_writes("man", "man");
}

#[test]
fn the_completions_are_current() {
    assert_writes("completions", "completions");
}

#[test]
fn the_schema_of_pipeline_files_names_every_operator() {
    let f = Fastdata::in_temp();
    let schema = f.args("schema").succeeds();
    let schema: serde_json::Value = serde_json::from_str(schema.stdout_text()).unwrap();
    let text = schema.to_string();
    let operators = [
        "filter", "select", "set", "drop", "rename", "flatten", "key_by", "branch", "merge", "scan", "window", "score",
        "log",
    ];
    for operator in operators {
        assert!(text.contains(&format!("\"{operator}\":")), "{operator}");
    }
}

#[test]
fn every_pipeline_file_of_the_repository_is_valid() {
    let f = Fastdata::in_temp();
    let mut found = 0;
    for folder in ["pipelines", "examples", "tests/cases"] {
        found += valid_below(&f, &root(folder));
    }
    assert!(found > 20, "{found} pipeline files were found");
}

/// Validates the pipeline files below a folder, which are the YAML files with a line that starts with `source`; returns
/// their number.
fn valid_below(f: &Fastdata, dir: &Path) -> usize {
    let mut found = 0;
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found += valid_below(f, &path);
        } else if path.extension().is_some_and(|e| e == "yaml") {
            let text = fs::read_to_string(&path).unwrap();
            if text.lines().any(|l| l.starts_with("source")) {
                f.args(&format!("validate {}", path.display())).succeeds();
                found += 1;
            }
        }
    }
    found
}

#[test]
fn the_example_of_init_is_valid() {
    let f = Fastdata::in_temp();
    f.args("init").succeeds();
    let pipelines: Vec<String> = files(f.dir()).into_keys().filter(|n| n.ends_with(".yaml")).collect();
    assert_eq!(pipelines, ["pipeline.yaml"]);
    f.args("validate pipeline.yaml").succeeds();
}

/// Asserts that a command prints the text of a shipped file.
fn assert_prints(command: &str, shipped: &str) {
    let printed = Fastdata::in_temp().args(command).succeeds();
    let text = fs::read_to_string(root(shipped)).unwrap();
    assert!(
        printed.stdout_text() == text,
        "`fastdata {command}` does not print {shipped} but\n{}",
        printed.stdout_text()
    );
}

#[test]
fn the_schema_is_current() {
    assert_prints("schema", "pipelines/schema.json");
}

#[test]
fn the_graphs_are_current() {
    let wine = root("pipelines/wine.yaml");
    for format in ["text", "dot", "mermaid"] {
        assert_prints(&format!("graph {} --format {format}", wine.display()), &format!("tests/shipped/wine.{format}"));
    }
}

/// Fields whose values differ from run to run: times, the process, durations.
const VOLATILE_FIELDS: [&str; 10] = [
    "at",
    "instance",
    "started_at",
    "stopped_at",
    "reported_at",
    "memory_bytes",
    "watermark_behind_ms",
    "since",
    "committed_at",
    "count",
];

fn blank_volatile_fields(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if VOLATILE_FIELDS.contains(&name.as_str()) || name.ends_with("_us") {
                    *value = Value::Null;
                } else {
                    blank_volatile_fields(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(blank_volatile_fields),
        _ => {}
    }
}

#[test]
fn the_json_statistics_are_current() {
    let f = Fastdata::in_temp();
    f.args("seed --topic raw --count 1000").succeeds();
    f.args(&format!("publish-model {}", root("examples/wine/wine.pb").display())).succeeds();
    f.args(&format!("run {} --until-end --drain", root("pipelines/wine.yaml").display())).succeeds();
    let stats = f.args("stats wine-quality --output json").succeeds();
    let mut stats: Value = serde_json::from_str(stats.stdout_text()).unwrap();
    blank_volatile_fields(&mut stats);
    // The process and its host.
    stats["instances"][0]["name"] = Value::Null;
    let shipped = fs::read_to_string(root("tests/shipped/stats.json")).unwrap();
    assert_eq!(serde_json::to_string_pretty(&stats).unwrap() + "\n", shipped);
}
