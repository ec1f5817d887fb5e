//! The first hour of README.md, typed into three terminals.

use crate::harness::program::Fastdata;
use crate::harness::wait::until;
use std::fs;
use std::path::Path;

/// The blocks that the section begins with: what is typed into three terminals.
fn terminal_blocks(readme: &str) -> Vec<String> {
    let section = readme.split("\n## The commands of a day\n").nth(1).expect("the section");
    let section = section.split("<!-- test:").next().unwrap();
    let blocks = section.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap().trim().to_owned());
    // How the program gets onto the path is prose.
    blocks.collect()
}

/// The first hour in a fresh folder: each block in a process of its own, as three terminals would have it. Only the
/// second lot is smaller, because thirty thousand records at this rate take half a minute.
#[test]
fn three_terminals_do_what_readme_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).expect("README.md");
    let blocks = terminal_blocks(&readme);
    let [first, run, watch, more] = blocks.as_slice() else { panic!("not four blocks: {blocks:#?}") };
    let (f, started) = (Fastdata::in_temp(), std::time::Instant::now());
    let typed = |block: &str| {
        for line in block.lines() {
            let line = line.strip_prefix("fastdata ").unwrap_or_else(|| panic!("`{line}` is no command of fastdata"));
            f.args(&line.replace("--count 30000", "--count 3000")).succeeds();
        }
    };
    for name in ["pipeline.yaml", "wine.pb"] {
        fs::copy(root.join("examples/wine").join(name), f.dir().join(name)).unwrap();
    }
    // One level up, where README has it.
    let models = f.dir().parent().unwrap().join("models");
    let more = match models.exists() {
        false => more.replace("../models/wine.onnx", &root.join("examples/models/wine.onnx").display().to_string()),
        true => panic!("{} is in the way", models.display()),
    };
    typed(first);
    let one = |block: &str| f.start(block.strip_prefix("fastdata ").unwrap());
    let (mut run, mut watch) = (one(run), one(watch));
    // The number of versions that have scored, once everything is read.
    let versions_used = || {
        let stats = f.args("stats wine-quality --output json").run();
        let stats: serde_json::Value = serde_json::from_str(stats.stdout_text()).ok()?;
        let models = stats["steps"].as_array()?.iter().filter_map(|step| step["models"].as_array()).flatten();
        let used = models.filter(|model| model["usage"].as_u64() > Some(0)).count();
        (stats["sources"][0]["lag"] == 0).then_some(used)
    };
    until("the first lot to be graded", || versions_used().filter(|used| *used == 1));
    typed(&more);
    until("the second lot to be graded by both models", || versions_used().filter(|used| *used == 2));
    watch.signal("INT");
    assert_eq!(watch.wait().code(), Some(0), "{}", watch.stderr_text());
    run.signal("INT");
    assert_eq!(run.wait().code(), Some(0));
    let said = run.stderr_text();
    assert!(said.contains("wine-quality: 13,000 records read in "), "{said}");
    for part in ["by `wine@0`", "by `wine@1`", "to `quality-per-minute`"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("late") && !said.contains("remainder"), "{said}");
    println!("the first hour took {:.1?}", started.elapsed());
}
