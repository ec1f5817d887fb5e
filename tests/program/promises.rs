//! Each promise of README.md and each page of `docs/` names tests, and these exist.

use std::fs;
use std::path::Path;

/// The section of README.md whose table lists promises and their tests.
const SECTION: &str = "## What is promised\n";

/// Begins the last paragraph of a manual page, which names its tests.
const TESTS_PARAGRAPH: &str = "\n\nTests: ";

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The paths of tests in a text, such as `kafka::kills`: what stands in backticks and is spelled like a path.
fn test_paths(text: &str) -> Vec<&str> {
    let is_path = |code: &&str| code.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '_' | ':' | '*'));
    text.split('`').skip(1).step_by(2).filter(is_path).collect()
}

/// The source file of the longest module that a path begins with, and the rest of the path.
fn file_of<'a>(segments: &'a [&'a str]) -> Option<(String, &'a [&'a str])> {
    (1..=segments.len()).rev().find_map(|length| {
        let module = segments[..length].join("/");
        let files = ["tests", "src"].map(|root| [format!("{root}/{module}.rs"), format!("{root}/{module}/mod.rs")]);
        let is_file = |file: &String| Path::new(env!("CARGO_MANIFEST_DIR")).join(file).is_file();
        Some((files.into_iter().flatten().find(is_file)?, &segments[length..]))
    })
}

/// Whether a path names a module of tests, or a function or case in one. A last `*` stands for all of a module.
fn exists(path: &str) -> bool {
    let segments: Vec<&str> = path.split("::").filter(|s| *s != "*").collect();
    let Some((file, rest)) = file_of(&segments) else { return false };
    let text = read(&file);
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    rest.iter().all(|name| text.split(|c| !is_word(c)).any(|word| word == *name))
}

/// Each promise in the table of a text, with its tests.
fn promises(text: &str) -> Vec<(&str, Vec<&str>)> {
    let (_, section) = text.split_once(SECTION).expect("the section on promises");
    let rows = section.split("\n## ").next().unwrap().lines().filter(|l| l.starts_with("| "));
    let cells = rows.filter_map(|row| row.trim_matches(['|', ' ']).rsplit_once(" | "));
    // The first two rows are the head of the table.
    cells.skip(2).map(|(promise, tests)| (promise, test_paths(tests))).collect()
}

#[test]
fn every_promise_of_the_readme_names_tests_that_exist() {
    let readme = read("README.md");
    let promises = promises(&readme);
    assert!(promises.len() > 20, "{} promises were found", promises.len());
    for (promise, tests) in promises {
        let missing: Vec<_> = tests.iter().filter(|path| !exists(path)).collect();
        assert!(!tests.is_empty() && missing.is_empty(), "`{promise}` names {tests:?}; missing: {missing:?}");
    }
}

#[test]
fn every_manual_page_names_tests_that_exist() {
    for page in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")).unwrap() {
        let page = format!("docs/{}", page.unwrap().file_name().to_str().unwrap());
        let text = read(&page);
        let tests = text.rsplit_once(TESTS_PARAGRAPH).map(|(_, tests)| test_paths(tests)).unwrap_or_default();
        let missing: Vec<_> = tests.iter().filter(|path| !exists(path)).collect();
        assert!(!tests.is_empty() && missing.is_empty(), "{page} names {tests:?}; missing: {missing:?}");
    }
}

#[test]
fn a_test_is_found_by_its_module_and_its_name() {
    for path in ["kafka::kills", "golden::*", "golden::window_late", "log::conformance", "log::embedded::tests"] {
        assert!(exists(path), "{path}");
    }
    for path in ["kafka::kill", "golden::windows_late", "program::signals::a_signal", "nothing"] {
        assert!(!exists(path), "{path}");
    }
    let table = format!("x\n{SECTION}\n| promise | test |\n| --- | --- |\n| a `b` | `c::d`, with `E=1` |\n\n## Next\n");
    assert_eq!(promises(&table), [("a `b`", vec!["c::d"])]);
}
