//! The shape of the source: what the compiler does not hold.
//!
//! A module uses only those above it in `lib.rs`, a room of the runtime only those above it in its `mod.rs`,
//! and no files use one another in a circle; a type's name is used once; files open by saying what they own and
//! stay small; the wall clock is read in few places; one module knows Kafka's client.

mod graph;

use graph::{Graph, Module};
use std::fs;
use std::path::{Path, PathBuf};

/// Most lines of a file before its tests.
const LONGEST: usize = 400;

/// The median of the files' lengths stays below this.
const MEDIAN: usize = 150;

/// Who may read a clock of the machine: the clock itself, commands, and what measures or waits at the rim.
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
    listed("src/lib.rs")
}

/// The modules that a file declares, in its order.
fn listed(file: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let name = |l: &str| Some(l.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';')?.to_owned());
    text.lines().filter_map(name).collect()
}

/// The top-level modules that a line names behind `crate::`.
fn used(line: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut names = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => names.push(word(rest)),
            Some(list) => {
                let mut depth = 0_i32;
                let mut fresh = true;
                for (i, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => fresh = true,
                        c if fresh && !c.is_whitespace() => {
                            names.push(word(&list[i..]));
                            fresh = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    names
}

fn assert_none(faults: &[String], rule: &str) {
    assert!(faults.is_empty(), "{rule}:\n  {}", faults.join("\n  "));
}

#[test]
fn a_module_uses_only_modules_above_it() {
    let order = order();
    let place = |name: &str| order.iter().position(|m| m == name);
    assert!(order.len() >= 14 && place("diagnostics") == Some(0), "the list of lib.rs was not understood: {order:?}");
    let mut faults = Vec::new();
    for file in sources("src") {
        let Some(own) = file.module() else { continue };
        let Some(at) = place(own) else {
            faults.push(format!("{}: `{own}` is not in the list of lib.rs", file.path));
            continue;
        };
        let flat = file.path.matches('/').count() == 1 || file.path == format!("src/{own}/mod.rs");
        for (line, text) in file.code() {
            let mut names = used(text);
            // In a module's first file `super` is the crate.
            if flat {
                names.extend(
                    text.match_indices("super::").flat_map(|(i, _)| used(&format!("crate::{}", &text[i + 7..]))),
                );
            }
            for name in names.iter().filter(|n| *n != own) {
                if place(name).is_some_and(|other| other > at) {
                    faults.push(format!("{}:{line}: `{own}` uses `{name}`, which stands below it", file.path));
                }
            }
        }
    }
    assert_none(&faults, "a module may use only the modules above it in lib.rs");
}

#[test]
fn a_room_of_the_runtime_uses_only_rooms_above_it() {
    let rooms = listed("src/runtime/mod.rs");
    let place = |module: &Module| {
        let inside = module.first().is_some_and(|m| m == "runtime").then(|| module.get(1)).flatten();
        inside.and_then(|room| rooms.iter().position(|r| r == room))
    };
    assert!(rooms.len() >= 8 && rooms[0] == "cancel", "the list of runtime/mod.rs was not understood: {rooms:?}");
    let mut faults = Vec::new();
    for (module, uses) in Graph::read().uses {
        let Some(own) = place(&module) else { continue };
        let below = uses.iter().filter(|used| place(used).is_some_and(|other| other > own));
        faults.extend(below.map(|used| format!("{} uses {}", module.join("/"), used.join("/"))));
    }
    assert_none(&faults, "a room may use only the rooms above it in runtime/mod.rs");
}

#[test]
fn no_files_use_one_another_in_a_circle() {
    let cycles: Vec<String> = Graph::read().cycles().iter().map(|c| c.join(", ")).collect();
    assert_none(&cycles, "move what is shared to a file of its own, or turn one of the uses round");
}

#[test]
fn the_scanner_sees_every_way_to_name_a_module() {
    assert_eq!(used("use crate::log::{Log, Start};"), ["log"]);
    assert_eq!(used("use crate::{log::{Log, Start}, plan, spec::Name};"), ["log", "plan", "spec"]);
    assert_eq!(used("let x = crate::time::millis(crate::record::timestamp());"), ["time", "record"]);
    assert_eq!(used("pub(in crate::formats) struct X;"), ["formats"]);
}

#[test]
fn every_file_opens_by_saying_what_it_is() {
    let mut faults = Vec::new();
    for file in sources("src").iter().chain(&sources("tests")) {
        if !file.text.starts_with("//! ") {
            faults.push(file.path.clone());
        }
    }
    assert_none(&faults, "every file opens with `//!`");
}

#[test]
fn files_stay_small() {
    let mut lengths = Vec::new();
    let mut faults = Vec::new();
    for file in sources("src").iter().filter(|f| !f.is_test()).chain(&sources("tests")) {
        let lines = file.text.lines().take_while(|l| l.trim() != "#[cfg(test)]").count();
        if lines > LONGEST {
            faults.push(format!("{}: {lines} lines", file.path));
        }
        lengths.push(lines);
    }
    assert_none(&faults, "no file has more than 400 lines before its tests");
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median <= MEDIAN, "the median of {} files is {median} lines", lengths.len());
}

#[test]
fn the_client_of_kafka_is_named_in_one_module_only() {
    let name = "rdkafka";
    let strays = sources("src").into_iter().filter(|f| !f.path.starts_with("src/log/kafka"));
    let strays: Vec<_> = strays.flat_map(|f| places(&f, &[name])).collect();
    assert_none(&strays, "only log/kafka knows the client of Kafka");
}

#[test]
fn the_clock_of_the_machine_is_read_at_the_rim_only() {
    let allowed = |f: &File| f.is_test() || CLOCK_READERS.iter().any(|c| f.path.starts_with(c));
    let strays = sources("src").into_iter().filter(|f| !allowed(f));
    let strays: Vec<_> = strays.flat_map(|f| places(&f, &["Instant::now", "SystemTime::now", "Utc::now"])).collect();
    assert_none(&strays, "take a `Clock`, or add the file to the list with its reason");
}

#[test]
fn every_queue_is_bounded() {
    let strays: Vec<_> = sources("src").iter().flat_map(|f| places(f, &["unbounded", "mpsc::channel()"])).collect();
    assert_none(&strays, "every queue has a capacity");
}

fn places(file: &File, words: &[&str]) -> Vec<String> {
    let hit = |l: &&(usize, &str)| words.iter().any(|w| l.1.contains(w));
    file.code().collect::<Vec<_>>().iter().filter(hit).map(|(n, _)| format!("{}:{n}", file.path)).collect()
}
