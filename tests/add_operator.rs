//! The recipe for a new operator is complete: existing operators are named in the files of the recipe and in no
//! others, no match over operators has a wildcard arm, and every operator has a golden case.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Where an operator is named; a path that ends in `/` is a folder. `docs/contributing.md` has the same list.
const RECIPE: [&str; 6] = [
    "src/spec/ast.rs",
    "src/spec/operators/",
    "src/plan/op.rs",
    "src/plan/resolve/",
    "src/runtime/operators/",
    "src/runtime/operators/build.rs",
];

/// Operators whose names mean nothing else in the source.
const SAMPLES: [&str; 5] = ["rename", "flatten", "key_by", "branch", "merge"];

/// Operators of one file whose names are also other words: only their variants and types are looked for.
const COMMON_WORDS: [&str; 6] = ["filter", "select", "set", "drop", "scan", "log"];

/// Further files that name an operator, and why.
const BEYOND_THE_RECIPE: [(&str, &str); 2] = [
    // `query` shows its state. The recipe says so.
    ("scan", "src/runtime/inspect/query/mod.rs"),
    // A step may be this word alone.
    ("log", "src/spec/lower/step.rs"),
];

/// Nodes of a plan that no step of a pipeline file creates: code may distinguish them from operators.
const INTERNAL_NODES: [&str; 2] = ["Sink", "Repartition"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The sources under a folder, or one file: path and text without tests.
fn sources(path: &str) -> Vec<(String, String)> {
    let full = root().join(path);
    if full.is_file() {
        let text = fs::read_to_string(full).unwrap();
        let code: Vec<&str> = text.lines().take_while(|l| l.trim() != "#[cfg(test)]").collect();
        return vec![(path.to_owned(), code.join("\n"))];
    }
    let mut names: Vec<String> =
        fs::read_dir(full).unwrap().map(|d| d.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let names = names.into_iter().filter(|n| n != "tests" && n != "tests.rs");
    let paths = names.map(|n| format!("{path}/{n}"));
    paths.filter(|p| p.ends_with(".rs") || root().join(p).is_dir()).flat_map(|p| sources(&p)).collect()
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

fn camel(keyword: &str) -> String {
    keyword.split('_').map(|part| format!("{}{}", part[..1].to_ascii_uppercase(), &part[1..])).collect()
}

/// Whether code names an operator by its variant in the enums of operators, or by a type of its own.
fn names_its_types(text: &str, keyword: &str) -> bool {
    let camel = camel(keyword);
    let is_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
    let own = |path: &str| {
        let variant = ["Op::", "OperatorSpec::"].iter().any(|of| path.strip_prefix(of) == Some(&camel));
        let types = [format!("{camel}Spec"), format!("{camel}Plan"), format!("{camel}Operator")];
        variant || types.iter().any(|t| path.rsplit("::").next() == Some(t))
    };
    text.lines().filter(|l| !is_comment(l)).any(|line| line.split(|c| !is_path(c)).any(own))
}

/// Whether code names an operator: by its keyword as a literal, its module, or a type or constant named after it.
/// `.flatten()` and a mention in a message do not count.
fn names(text: &str, keyword: &str) -> bool {
    let camel = camel(keyword);
    let upper = keyword.to_ascii_uppercase();
    let code = || text.lines().filter(|l| !is_comment(l));
    let literal = format!("\"{keyword}\"");
    let module = [format!("mod {keyword};"), format!("{keyword}::")];
    let identifiers = [camel.clone(), format!("{camel}Spec"), format!("{camel}Plan"), upper];
    let word = |c: char| !c.is_alphanumeric() && c != '_';
    code().any(|line| {
        line.contains(&literal)
            || module.iter().any(|m| line.contains(m.as_str()))
            || line.split(word).any(|w| identifiers.iter().any(|i| i == w))
    })
}

/// What is wrong with the files that name an operator.
fn strays(files: &[String]) -> Vec<String> {
    let mut strays = Vec::new();
    for file in files {
        if !RECIPE.iter().any(|place| if place.ends_with('/') { file.starts_with(place) } else { file == place }) {
            strays.push(format!("{file} is not in the recipe"));
        }
    }
    for place in RECIPE {
        let is_place = |f: &&String| *f != place && RECIPE.contains(&f.as_str());
        let own = files.iter().filter(|f| f.starts_with(place) && !f.ends_with("/mod.rs") && !is_place(f)).count();
        match own {
            0 if !files.iter().any(|f| f.starts_with(place)) => strays.push(format!("nothing in {place}")),
            0 | 1 => {}
            _ => strays.push(format!("{own} files of {place} beside its mod.rs")),
        }
    }
    strays
}

#[test]
fn an_operator_touches_the_files_of_the_recipe_and_no_others() {
    let all = sources("src");
    for keyword in SAMPLES {
        let files: Vec<String> = all.iter().filter(|(_, text)| names(text, keyword)).map(|(p, _)| p.clone()).collect();
        let strays = strays(&files);
        assert!(strays.is_empty(), "`{keyword}`:\n  {}\nit is named in {files:#?}", strays.join("\n  "));
    }
}

#[test]
fn an_operator_with_a_common_name_is_named_in_no_further_files() {
    let is_listed =
        |file: &str| RECIPE.iter().any(|place| file == *place || place.ends_with('/') && file.starts_with(place));
    let mut found = BTreeSet::new();
    for (file, text) in sources("src") {
        let named = COMMON_WORDS.iter().filter(|keyword| names_its_types(&text, keyword));
        found.extend(named.filter(|_| !is_listed(&file)).map(|keyword| (*keyword, file.clone())));
    }
    let expected = BEYOND_THE_RECIPE.map(|(keyword, file)| (keyword, file.to_owned()));
    assert_eq!(found, BTreeSet::from(expected));
    assert!(names_its_types("Op::Filter(_) => x", "filter") && names_its_types("use a::{SetPlan, b};", "set"));
    assert!(!names_its_types("ErrorPolicy::Drop\nimpl Drop for X\nfilter::filter()\nOp::SetX", "drop"));
}

#[test]
fn the_check_of_the_recipe_finds_one_file_too_many_and_one_too_few() {
    let good = [
        "src/plan/op.rs",
        "src/plan/resolve/mod.rs",
        "src/plan/resolve/project.rs",
        "src/runtime/operators/build.rs",
        "src/runtime/operators/flatten.rs",
        "src/runtime/operators/mod.rs",
        "src/spec/ast.rs",
        "src/spec/operators/mod.rs",
    ];
    let with = |more: &[&str]| good.iter().chain(more).map(|f| (*f).to_owned()).collect::<Vec<_>>();
    assert_eq!(strays(&with(&[])), [""; 0]);
    assert_eq!(strays(&with(&["src/plan/explain.rs"])), ["src/plan/explain.rs is not in the recipe"]);
    let two = strays(&with(&["src/runtime/operators/window/open.rs"]));
    assert_eq!(two, ["2 files of src/runtime/operators/ beside its mod.rs"]);
    assert_eq!(strays(&with(&[])[1..]), ["nothing in src/plan/op.rs"]);

    assert!(names("    Op::KeyBy(by) => x,", "key_by") && names("mod key_by;", "key_by"));
    assert!(names("let f: FlattenPlan = y;", "flatten") && names("of(&FLATTEN)", "flatten"));
    assert!(!names("x.flatten().collect()\n// Flatten\n\"use a `flatten` step\"\n#[serde(flatten)]", "flatten"));
}

/// The lines of wildcard arms, and of `matches!`, over the enums of operators.
fn wildcards(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let indent = |l: &str| l.len() - l.trim_start().len();
    let over_operators = |pattern: &str| {
        pattern.split(|c: char| !c.is_alphanumeric() && !matches!(c, ':' | '_')).any(|path| {
            let variant = ["Op::", "OperatorSpec::", "Self::"].iter().find_map(|e| path.strip_prefix(e));
            variant.is_some_and(|v| !INTERNAL_NODES.contains(&v))
        })
    };
    let catches_all = |line: &str| {
        let pattern = line.trim_start().split(" => ").next().unwrap_or_default();
        let pattern = pattern.split(" if ").next().unwrap_or_default();
        line.contains("=>") && pattern.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    };
    let mut found = BTreeSet::new();
    for (i, line) in lines.iter().enumerate().filter(|(_, l)| !is_comment(l)) {
        if let Some((_, inside)) = line.split_once("matches!(")
            && over_operators(&inside.replace("Self::", ""))
        {
            found.insert(i);
        }
        let Some((pattern, _)) = line.split_once("=>") else { continue };
        if !over_operators(pattern) {
            continue;
        }
        let inside = |j: &usize| lines[*j].trim().is_empty() || indent(lines[*j]) >= indent(line);
        let arms = (0..i).rev().take_while(inside).chain((i..lines.len()).take_while(inside));
        found.extend(arms.filter(|j| indent(lines[*j]) == indent(line) && catches_all(lines[*j])));
    }
    found.into_iter().map(|i| format!("{}: {}", i + 1, lines[i].trim())).collect()
}

#[test]
fn no_match_over_operators_has_a_wildcard_arm() {
    let mut found = Vec::new();
    for (path, text) in ["src/spec", "src/plan", "src/runtime/operators/build.rs"].into_iter().flat_map(sources) {
        found.extend(wildcards(&text).into_iter().map(|line| format!("{path}:{line}")));
    }
    assert!(
        found.is_empty(),
        "name every variant, so that the compiler lists what a new one needs:\n  {}",
        found.join("\n  ")
    );
}

#[test]
fn the_check_of_wildcards_finds_each_form() {
    let of = |arms: &str| wildcards(&format!("fn f(op: &Op) {{\n    match op {{\n{arms}\n    }}\n}}"));
    assert_eq!(of("        Op::Filter(_) => 1,\n        _ => 2,"), ["4: _ => 2,"]);
    assert_eq!(of("        _ if x => 2,\n        Op::Filter(_) => 1,"), ["3: _ if x => 2,"]);
    assert_eq!(
        of("        OperatorSpec::Set(s) => {\n            s\n        }\n        other => other,"),
        ["6: other => other,"]
    );
    assert_eq!(
        of("        Op::Filter(_) => match x {\n            _ => 1,\n        },\n        Op::Merge => 2,"),
        [""; 0]
    );
    assert_eq!(wildcards("let x = matches!(op, Op::Scan(_) | Op::Sink(_));").len(), 1);
    assert_eq!(wildcards("let x = matches!(op, Op::Sink(_));\nmatch y {\n    Some(1) => 1,\n    _ => 2,\n}"), [""; 0]);
}

#[test]
fn every_operator_of_the_language_has_a_golden_case() {
    let schema = fastdata::spec::json_schema();
    let operators = schema["$defs"]["each_step"]["oneOf"].as_array().unwrap();
    let keywords: Vec<&str> = operators.iter().map(|o| o["required"][0].as_str().unwrap()).collect();
    assert!(SAMPLES.iter().all(|s| keywords.contains(s)), "{keywords:?}");
    let missing: Vec<_> = keywords.iter().filter(|k| !root().join("tests/cases").join(k).is_dir()).collect();
    assert!(missing.is_empty(), "no case in tests/cases for {missing:?}");
}

#[test]
fn the_manual_lists_the_recipe() {
    let page = fs::read_to_string(root().join("docs/contributing.md")).unwrap();
    let (_, section) = page.split_once("## Adding an operator\n").unwrap();
    let section = section.split("\n#").next().unwrap();
    for place in RECIPE.iter().chain(&["tests/cases/", "tests/golden.rs"]) {
        assert!(section.contains(&format!("`{place}")), "the recipe does not name {place}");
    }
}
