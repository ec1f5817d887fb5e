//! Each promise of the manual and each page of `docs/` names tests, and these exist.

use std::fs;
use std::path::Path;

/// The page whose table lists promises and their tests, and its heading.
const PAGE: &str = "docs/guarantees.md";
const SECTION: &str = "# Guarantees\n";

/// Begins a paragraph of a manual page that names tests. The last paragraph of each page is one.
const TESTS_PARAGRAPH: &str = "\n\nTests: ";

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The paths of tests in a text, such as `kafka::kills`: what stands in backticks and is spelled like a path.
fn test_paths(text: &str) -> Vec<&str> {
    let is_path = |code: &&str| code.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '*'));
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

/// Whether a path names a module of tests, or a test in one. A last `*` stands for all of a module.
fn exists(path: &str) -> bool {
    let segments: Vec<&str> = path.split("::").filter(|s| *s != "*").collect();
    let Some((file, rest)) = file_of(&segments) else { return false };
    let text = read(&file);
    let has_module = |name: &str| text.lines().any(|l| l.trim_end_matches([';', '{', ' ']) == format!("mod {name}"));
    match rest {
        [] => true,
        [module] if has_module(module) => true,
        [name] => has_test(&text, name),
        [module, name] => has_module(module) && has_test(&text, name),
        _ => false,
    }
}

/// Whether a source has a function with this name under `#[test]`, or a case of this name in its `cases!`.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let declaration = format!("fn {name}(");
    let is_test = |at: usize| {
        let mut before = lines[..at].iter().rev().take_while(|l| l.starts_with("#[") || l.starts_with("//"));
        before.any(|l| *l == "#[test]")
    };
    let cases = text.split_once("\ncases! {").and_then(|(_, rest)| rest.split('}').next()).unwrap_or_default();
    (0..lines.len()).any(|at| lines[at].starts_with(&declaration) && is_test(at))
        || cases.split_whitespace().any(|case| case == name)
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
fn every_promise_names_tests_that_exist() {
    let page = read(PAGE);
    let promises = promises(&page);
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
        let paragraphs = text.split(TESTS_PARAGRAPH).skip(1).map(|rest| rest.split("\n\n").next().unwrap());
        let tests: Vec<Vec<&str>> = paragraphs.map(test_paths).collect();
        let missing: Vec<_> = tests.iter().flatten().filter(|path| !exists(path)).collect();
        assert!(missing.is_empty(), "{page} names {tests:?}; missing: {missing:?}");
        let last = text.rsplit("\n\n").next().unwrap();
        let named = last.starts_with(TESTS_PARAGRAPH.trim_start()) && tests.iter().all(|t| !t.is_empty());
        assert!(named, "{page} does not name its tests at its end: {tests:?}");
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
    for other in ["golden::check", "golden::Scenario", "program::promises::exists", "golden::window_late::window"] {
        assert!(!exists(other), "{other} is in the file, and is no test");
    }
    assert!(has_test("proptest! {\n    #[test]\n    #[ignore = \"x\"]\n    fn a(b in c()) {}\n}", "a"));
    assert_eq!(test_paths("`a::b_2`, `A`, `.ci/run`, `c d`, `E=1`"), ["a::b_2", "A"]);
    let table = format!("x\n{SECTION}\n| promise | test |\n| --- | --- |\n| a `b` | `c::d`, with `E=1` |\n\n## Next\n");
    assert_eq!(promises(&table), [("a `b`", vec!["c::d"])]);
}
