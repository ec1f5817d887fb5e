//! The rules of the source that the compiler does not check.
//!
//! A module uses only those above it in `lib.rs`, and a room of the runtime only those above it in its `mod.rs`.
//! Files do not import one another in cycles. A type name is declared once, and a function takes few parameters.
//! Every file opens with its purpose and stays small. The wall clock is read in few places, and one module knows
//! Kafka's client.

mod declarations;
mod graph;

use graph::{Graph, Module};
use std::fs;
use std::path::{Path, PathBuf};

/// How many lines a file may have before its tests.
const MAX_FILE_LINES: usize = 400;

/// How large the median of the files' lengths may be.
const MAX_MEDIAN_LINES: usize = 150;

/// How many parameters a function may have beside `self`.
const MAX_PARAMETERS: usize = 5;

/// The files that may read the machine's clocks: the clock itself, the commands, and code that measures or waits.
const CLOCK_READERS: [&str; 13] = [
    "src/time/",
    "src/expr/functions/clock.rs",
    "src/cli/",
    "src/http/",
    "src/log/",
    "src/runtime/read/",
    "src/runtime/commit/",
    "src/runtime/group/",
    "src/runtime/recovery/changelogs.rs",
    "src/runtime/task/worker.rs",
    "src/runtime/run.rs",
    "src/runtime/cancel.rs",
    "src/runtime/operators/score/",
];

pub(crate) struct File {
    /// From the root of the repository, with `/`.
    path: String,
    text: String,
}

impl File {
    /// The lines that are not comments, with their numbers, up to the tests.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().take_while(|l| l.trim() != "#[cfg(test)]");
        let numbered = (1..).zip(lines);
        numbered.filter(|(_, l)| !l.trim_start().starts_with("//"))
    }

    /// The top-level module that the file belongs to.
    fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let module = inside.split('/').next()?.trim_end_matches(".rs");
        (!matches!(module, "lib" | "main")).then_some(module)
    }

    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &str) -> Vec<File> {
    fn walk(dir: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, into);
            } else if path.extension().is_some_and(|e| e == "rs") {
                into.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    walk(&root().join(folder), &mut paths);
    paths.sort();
    let file = |p: &PathBuf| File {
        path: p.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/"),
        text: fs::read_to_string(p).unwrap(),
    };
    paths.iter().map(file).collect()
}

/// The modules in the order of `lib.rs`.
fn order() -> Vec<String> {
    declared_modules("src/lib.rs")
}

/// The modules that a file declares, in their order.
fn declared_modules(file: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let name = |l: &str| Some(l.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';')?.to_owned());
    text.lines().filter_map(name).collect()
}

/// The top-level modules that a line names behind `crate::`.
fn used_modules(line: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut names = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => names.push(word(rest)),
            Some(list) => {
                let mut depth = 0_i32;
                let mut at_start = true;
                for (i, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => at_start = true,
                        c if at_start && !c.is_whitespace() => {
                            names.push(word(&list[i..]));
                            at_start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    names
}

fn assert_none(violations: &[String], rule: &str) {
    assert!(violations.is_empty(), "{rule}:\n  {}", violations.join("\n  "));
}

#[test]
fn a_module_uses_only_modules_above_it() {
    let order = order();
    let rank = |name: &str| order.iter().position(|m| m == name);
    assert!(order.len() >= 14 && rank("diagnostics") == Some(0), "the modules of lib.rs were not found: {order:?}");
    let mut violations = Vec::new();
    for file in sources("src") {
        let Some(own) = file.module() else { continue };
        let Some(at) = rank(own) else {
            violations.push(format!("{}: `{own}` is not in the list of lib.rs", file.path));
            continue;
        };
        let flat = file.path.matches('/').count() == 1 || file.path == format!("src/{own}/mod.rs");
        for (line, text) in file.code() {
            let mut names = used_modules(text);
            // In a module's first file `super` is the crate.
            if flat {
                names.extend(
                    text.match_indices("super::")
                        .flat_map(|(i, _)| used_modules(&format!("crate::{}", &text[i + 7..]))),
                );
            }
            for name in names.iter().filter(|n| *n != own) {
                if rank(name).is_some_and(|other| other > at) {
                    violations.push(format!("{}:{line}: `{own}` uses `{name}`, which is below it", file.path));
                }
            }
        }
    }
    assert_none(&violations, "a module may use only the modules above it in lib.rs");
}

#[test]
fn a_type_name_is_declared_once() {
    let types = declarations::types();
    assert!(types.len() > 300 && types.contains_key("Task"), "the scanner sees only {} types", types.len());
    assert_none(&declarations::ambiguous(&types), "rename the less general of two types");
}

#[test]
fn a_function_has_at_most_five_parameters() {
    let mut violations = Vec::new();
    for file in &sources("src") {
        for (line, name, count) in declarations::wide_functions(file, MAX_PARAMETERS) {
            violations.push(format!("{}:{line}: `{name}` has {count}", file.path));
        }
    }
    assert_none(&violations, "group parameters into a struct with a name of its own");
}

#[test]
fn a_room_of_the_runtime_uses_only_rooms_above_it() {
    let rooms = declared_modules("src/runtime/mod.rs");
    let rank = |module: &Module| {
        let inside = module.first().is_some_and(|m| m == "runtime").then(|| module.get(1)).flatten();
        inside.and_then(|room| rooms.iter().position(|r| r == room))
    };
    assert!(
        rooms.len() >= 8 && rooms.iter().any(|r| r == "fault"),
        "the modules of runtime/mod.rs were not found: {rooms:?}"
    );
    let mut violations = Vec::new();
    for (module, uses) in Graph::read().uses {
        let Some(own) = rank(&module) else { continue };
        let below = uses.iter().filter(|used| rank(used).is_some_and(|other| other > own));
        violations.extend(below.map(|used| format!("{} uses {}", module.join("/"), used.join("/"))));
    }
    assert_none(&violations, "a room may use only the rooms above it in runtime/mod.rs");
}

#[test]
fn files_do_not_import_one_another_in_cycles() {
    let cycles: Vec<String> = Graph::read().cycles().iter().map(|c| c.join(", ")).collect();
    assert_none(&cycles, "move what is shared to a file of its own, or reverse one of the imports");
}

#[test]
fn every_way_to_name_a_module_is_found() {
    assert_eq!(used_modules("use crate::log::{Log, Start};"), ["log"]);
    assert_eq!(used_modules("use crate::{log::{Log, Start}, plan, spec::Name};"), ["log", "plan", "spec"]);
    assert_eq!(used_modules("let x = crate::time::millis(crate::record::timestamp());"), ["time", "record"]);
    assert_eq!(used_modules("pub(in crate::formats) struct X;"), ["formats"]);
}

#[test]
fn every_file_opens_with_its_purpose() {
    let mut violations = Vec::new();
    for file in sources("src").iter().chain(&sources("tests")) {
        if !file.text.starts_with("//! ") {
            violations.push(file.path.clone());
        }
    }
    assert_none(&violations, "every file opens with `//!`");
}

#[test]
fn files_stay_small() {
    let mut lengths = Vec::new();
    let mut violations = Vec::new();
    for file in sources("src").iter().filter(|f| !f.is_test()).chain(&sources("tests")) {
        let lines = file.text.lines().take_while(|l| l.trim() != "#[cfg(test)]").count();
        if lines > MAX_FILE_LINES {
            violations.push(format!("{}: {lines} lines", file.path));
        }
        lengths.push(lines);
    }
    assert_none(&violations, "no file has more than 400 lines before its tests");
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median <= MAX_MEDIAN_LINES, "the median of {} files is {median} lines", lengths.len());
}

#[test]
fn the_client_of_kafka_is_named_in_one_module_only() {
    let name = "rdkafka";
    let violations = sources("src").into_iter().filter(|f| !f.path.starts_with("src/log/kafka"));
    let violations: Vec<_> = violations.flat_map(|f| lines_with(&f, &[name])).collect();
    assert_none(&violations, "only log/kafka knows the client of Kafka");
}

#[test]
fn the_clocks_of_the_machine_are_read_in_listed_files_only() {
    let allowed = |f: &File| f.is_test() || CLOCK_READERS.iter().any(|c| f.path.starts_with(c));
    let violations = sources("src").into_iter().filter(|f| !allowed(f));
    let violations: Vec<_> =
        violations.flat_map(|f| lines_with(&f, &["Instant::now", "SystemTime::now", "Utc::now"])).collect();
    assert_none(&violations, "take a `Clock`, or add the file to the list with its reason");
}

#[test]
fn every_queue_is_bounded() {
    let violations: Vec<_> =
        sources("src").iter().flat_map(|f| lines_with(f, &["unbounded", "mpsc::channel()"])).collect();
    assert_none(&violations, "every queue has a capacity");
}

fn lines_with(file: &File, words: &[&str]) -> Vec<String> {
    let hit = |l: &&(usize, &str)| words.iter().any(|w| l.1.contains(w));
    file.code().collect::<Vec<_>>().iter().filter(hit).map(|(n, _)| format!("{}:{n}", file.path)).collect()
}
