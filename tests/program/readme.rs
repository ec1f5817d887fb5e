//! The commands and the pipelines that README.md and the pages of the manual show work as they show them.
//!
//! Each block of shell commands after a line `<!-- test: NAME -->` is run, in the order of the file and in one folder.
//! Other blocks are not run here; `.ci/run` runs some of them.

use crate::harness::program::{BINARY, Fastdata, remove_settings};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Longest time that a block may take.
const BLOCK_TIMEOUT_SECONDS: &str = "300";

/// The marked blocks of a text, as name and commands.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(name) = line.trim().strip_prefix("<!-- test: ").and_then(|l| l.strip_suffix(" -->")) else { continue };
        let fence = lines.find(|l| !l.trim().is_empty()).unwrap_or_default();
        assert!(fence.starts_with("```sh"), "`{name}` is followed by `{fence}`, not by a block of ```sh");
        let block: Vec<&str> = lines.by_ref().take_while(|l| !l.starts_with("```")).collect();
        blocks.push((name.to_owned(), block.join("\n")));
    }
    blocks
}

#[test]
fn blocks_are_found_by_their_mark() {
    let text = "x\n```sh\nno\n```\n<!-- test: a -->\n```sh\none\ntwo\n```\n<!-- test: b -->\n\n```sh\nthree\n```\n";
    let found = blocks(text);
    assert_eq!(found, [("a".into(), "one\ntwo".into()), ("b".into(), "three".into())]);
}

#[test]
fn every_marked_command_works() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // In one folder, one after the other: the pages go on from what README has made.
    let blocks: Vec<(String, String)> = pages().iter().flat_map(|(_, text)| blocks(text)).collect();
    assert!(blocks.len() >= 3, "{} blocks are marked with `<!-- test: NAME -->`", blocks.len());
    let f = Fastdata::in_temp();
    for shared in ["pipelines", "examples"] {
        if root.join(shared).exists() {
            std::os::unix::fs::symlink(root.join(shared), f.dir().join(shared)).unwrap();
        }
    }
    let own = Path::new(BINARY).parent().unwrap().display().to_string();
    let path = format!("{own}:{}", std::env::var("PATH").unwrap_or_default());
    for (name, block) in blocks {
        // It ends all processes of a block.
        let mut command = Command::new("timeout");
        remove_settings(&mut command);
        command.args(["--kill-after=5", BLOCK_TIMEOUT_SECONDS, "bash", "-euo", "pipefail", "-c", &block]);
        let output = command.current_dir(f.dir()).env("PATH", &path).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(
            output.status.success(),
            "`{name}`: {} (124: after {BLOCK_TIMEOUT_SECONDS} s)\n{block}\nstdout:\n{out}\nstderr:\n{err}",
            output.status
        );
    }
}

/// README.md, then the pages of the manual by name.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|page| page.unwrap().path());
    let mut docs: Vec<_> = docs.filter(|page| page.extension().is_some_and(|e| e == "md")).collect();
    docs.sort();
    let all = std::iter::once(root.join("README.md")).chain(docs);
    all.map(|page| (page.display().to_string(), fs::read_to_string(&page).unwrap())).collect()
}

/// The source of examples that show only steps.
const SOURCE: &str = "source: {topic: raw, schema: {id: bigint, kind: string, alcohol: double, ph: double, ts: timestamp}, timestamp: ts}";

/// The examples of pipelines in a page. One that shows a part is completed.
fn pipelines(page: &str) -> Vec<String> {
    let examples = page.split("\n```yaml\n").skip(1).map(|rest| rest.split("\n```").next().unwrap());
    let complete = |example: &str| {
        let has = |key: &str| example.lines().any(|line| line.starts_with(key));
        let missing = |key: &str, text: &str| if has(key) { String::new() } else { format!("{text}\n") };
        let (name, source) = (missing("name:", "name: example"), missing("source", SOURCE));
        format!("{name}{source}{example}\n{}", missing("sink", "sink: out"))
    };
    examples.map(complete).collect()
}

#[test]
fn every_pipeline_is_valid() {
    let f = Fastdata::in_temp();
    let mut found = 0;
    for (page, text) in pages() {
        for example in pipelines(&text) {
            f.file("example.yaml", &example);
            let outcome = f.args("validate example.yaml").run();
            assert_eq!(outcome.code(), Some(0), "{page}\n{example}\n{}", outcome.stderr_text());
            found += 1;
        }
    }
    assert!(found > 6, "{found} examples were found");
}

/// A link to a file that is not there, or that leads out of the repository.
#[test]
fn every_link_leads_to_a_file() {
    for (page, text) in pages() {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap();
            let file = Path::new(&page).parent().unwrap().join(path);
            assert!(path.starts_with("https://") || path.is_empty() || file.exists(), "{page}: {target}");
        }
    }
}

/// A newcomer reads it to the end.
#[test]
fn readme_is_short() {
    let (_, readme) = pages().remove(0);
    assert!(readme.lines().count() < 200, "{} lines", readme.lines().count());
}
