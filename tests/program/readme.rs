//! The commands that README.md shows work as it shows them.
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
    let readme = fs::read_to_string(root.join("README.md")).expect("README.md");
    let blocks = blocks(&readme);
    assert!(!blocks.is_empty(), "README.md marks no block with `<!-- test: NAME -->`");
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
            "`{name}` of README.md: {} (124: after {BLOCK_TIMEOUT_SECONDS} s)\n{block}\nstdout:\n{out}\nstderr:\n{err}",
            output.status
        );
    }
}
