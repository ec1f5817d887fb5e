//! Which file uses which, read from the paths in the sources.
//!
//! A path that begins with `crate::`, `super::` or `self::`, and a `use` of a child module, is followed through
//! re-exports to the file that defines its target. A file that only re-exports its children, or calls them by a path
//! such as `child::function()`, does not count as using them: a module and its children are one unit.

use super::{File, sources};
use std::collections::{BTreeMap, BTreeSet};

/// The path of a module below the crate, such as `runtime/task/round`.
pub(super) type Module = Vec<String>;

/// The files of the crate, apart from tests, and what each uses.
pub(super) struct Graph {
    pub(super) uses: BTreeMap<Module, BTreeSet<Module>>,
}

/// A path that a file names, from the crate's root.
struct NamedPath {
    path: Vec<String>,
    reexport: bool,
}

pub(super) fn module(file: &File) -> Option<Module> {
    let inside = file.path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let mut module: Module = inside.split('/').map(str::to_owned).collect();
    if matches!(inside, "lib" | "main") || file.is_test() {
        return None;
    }
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    Some(module)
}

impl Graph {
    pub(super) fn read() -> Self {
        let files: BTreeMap<Module, File> = sources("src").into_iter().filter_map(|f| Some((module(&f)?, f))).collect();
        let modules: BTreeSet<Module> = files.keys().cloned().collect();
        let named: BTreeMap<&Module, Vec<NamedPath>> = files.iter().map(|(m, f)| (m, named(f, m, &modules))).collect();
        let mut reexports: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
        for (module, paths) in &named {
            for NamedPath { path, .. } in paths.iter().filter(|n| n.reexport) {
                let name = path.last().into_iter().cloned();
                reexports.insert(module.iter().cloned().chain(name).collect(), path.clone());
            }
        }
        let mut uses = BTreeMap::new();
        for (module, paths) in named {
            let own: &mut BTreeSet<Module> = uses.entry(module.clone()).or_default();
            for NamedPath { path, reexport } in paths {
                let Some(target) = resolve(&path, &modules, &reexports) else { continue };
                let child = target.starts_with(module);
                if target != *module && !(reexport && child) {
                    own.insert(target);
                }
            }
        }
        Self { uses }
    }

    /// Groups of files that use one another in a cycle.
    pub(super) fn cycles(&self) -> Vec<Vec<String>> {
        let reach: BTreeMap<&Module, BTreeSet<&Module>> = self.uses.keys().map(|m| (m, self.reached_from(m))).collect();
        let mut cycles = BTreeSet::new();
        for (module, reached) in &reach {
            let cycle: Vec<String> = reached
                .iter()
                .filter(|other| reach.get(*other).is_some_and(|back| back.contains(module)))
                .map(|m| m.join("/"))
                .collect();
            if cycle.len() > 1 {
                cycles.insert(cycle);
            }
        }
        cycles.into_iter().collect()
    }

    fn reached_from(&self, from: &Module) -> BTreeSet<&Module> {
        let mut reached = BTreeSet::new();
        let mut pending: Vec<&Module> = self.uses[from].iter().collect();
        while let Some(next) = pending.pop() {
            if reached.insert(next) {
                pending.extend(self.uses.get(next).into_iter().flatten());
            }
        }
        reached
    }
}

/// The file that defines what a path names.
fn resolve(
    path: &[String],
    modules: &BTreeSet<Module>,
    reexports: &BTreeMap<Vec<String>, Vec<String>>,
) -> Option<Module> {
    let mut path = path.to_vec();
    for _ in 0..8 {
        let hop = (1..=path.len()).find_map(|n| Some((n, reexports.get(&path[..n]).filter(|to| **to != path[..n])?)));
        let Some((n, to)) = hop else { break };
        path = to.iter().cloned().chain(path[n..].iter().cloned()).collect();
    }
    (1..=path.len()).rev().map(|n| path[..n].to_vec()).find(|m| modules.contains(m))
}

/// All paths in a file that begin in this crate.
fn named(file: &File, module: &[String], modules: &BTreeSet<Module>) -> Vec<NamedPath> {
    let code: String = file.code().map(|(_, l)| l.split(" // ").next().unwrap_or(l).to_owned() + "\n").collect();
    let mut all = Vec::new();
    for (at, _) in code.match_indices("::") {
        let start = code[..at].rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |i| i + 1);
        if code[..start].ends_with("::") {
            continue;
        }
        let before = &code[..start];
        let statement = &before[before.rfind([';', '}']).map_or(0, |i| i + 1)..];
        let using = statement.trim_end().ends_with("use");
        let reexport =
            using && statement.trim_start().lines().last().is_some_and(|l| l.trim_start().starts_with("pub"));
        for relative in tree(&code[start..]) {
            let rooted = relative.first().is_some_and(|r| matches!(r.as_str(), "crate" | "super" | "self"));
            if let Some(path) = absolute(&relative, module, modules).filter(|_| rooted || using) {
                all.push(NamedPath { path, reexport });
            }
        }
    }
    all
}

fn absolute(path: &[String], module: &[String], modules: &BTreeSet<Module>) -> Option<Vec<String>> {
    let ups = path.iter().take_while(|p| *p == "super").count();
    let rest = |n: usize| path[n..].iter().cloned();
    let base = match path.first()?.as_str() {
        "crate" => return Some(rest(1).collect()),
        "super" => return Some(module[..module.len().checked_sub(ups)?].iter().cloned().chain(rest(ups)).collect()),
        "self" => return Some(module.iter().cloned().chain(rest(1)).collect()),
        child => module.iter().cloned().chain([child.to_owned()]).collect::<Module>(),
    };
    modules.contains(&base).then(|| module.iter().cloned().chain(rest(0)).collect())
}

/// The paths of a tree such as `a::{b, c::{d, self}}` at the start of a text.
fn tree(text: &str) -> Vec<Vec<String>> {
    let word = |t: &str| t.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let (mut path, mut rest) = (Vec::new(), text);
    loop {
        let next = word(rest);
        if next.is_empty() {
            break;
        }
        rest = &rest[next.len()..];
        path.push(next);
        match rest.strip_prefix("::") {
            Some(more) => rest = more,
            None => return vec![path],
        }
    }
    let Some(list) = rest.strip_prefix('{') else { return vec![path] };
    let (mut depth, mut start, mut branches) = (0, 0, Vec::new());
    for (i, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                branches.push(&list[start..i]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                branches.push(&list[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    let nonempty = branches.iter().map(|b| b.trim()).filter(|b| !b.is_empty());
    let below = nonempty.flat_map(|b| if b == "self" { vec![Vec::new()] } else { tree(b) });
    below.map(|b| path.iter().cloned().chain(b).collect()).collect()
}

#[test]
fn a_tree_of_paths_is_read_to_its_leaves() {
    let read = |text: &str| tree(text).into_iter().map(|p| p.join("::")).collect::<Vec<_>>();
    assert_eq!(
        read("crate::log::{self, Log, kafka::{A, B}};"),
        ["crate::log", "crate::log::Log", "crate::log::kafka::A", "crate::log::kafka::B"]
    );
    assert_eq!(read("super::round::Round<'_>"), ["super::round::Round"]);
}

#[test]
fn a_cycle_is_found() {
    let module = |m: &str| vec![m.to_owned()];
    let uses = [("a", "b"), ("b", "c"), ("c", "b")].map(|(m, of)| (module(m), BTreeSet::from([module(of)])));
    assert_eq!(Graph { uses: uses.into() }.cycles(), [["b", "c"]]);
}
