//! The manual: its pages by subject. `explain` prints them, `man` makes section 7 of them, `docs/` holds them.

mod blocks;
mod explain;
mod roff;
mod terminal;

pub(super) use explain::{ExplainArgs, execute};
pub(super) use roff::{escape, page as manual_page};

/// A page: `docs/SUBJECT.md`, part of the program.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
}

macro_rules! subjects {
    ($($name:literal)*) => {
        /// All pages, in the order in which a newcomer reads them.
        pub(super) const SUBJECTS: &[Subject] =
            &[$(Subject { name: $name, text: include_str!(concat!("../../../docs/", $name, ".md")) }),*];
    };
}

subjects! {
    "pipelines" "formats" "sql" "time" "models" "guarantees" "errors" "dead-letters" "edits" "operations" "kafka"
    "performance"
}

impl Subject {
    /// Its first heading.
    pub(super) fn title(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches("# ")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use blocks::{DocBlock, blocks};

    /// The pages that are for those who change the program.
    const NO_SUBJECTS: &[&str] = &["contributing"];

    #[test]
    fn every_page_is_a_subject() {
        let docs = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/docs")).unwrap();
        let names = docs.map(|page| page.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned());
        let mut pages: Vec<String> = names.filter(|name| !NO_SUBJECTS.contains(&name.as_str())).collect();
        let mut subjects: Vec<&str> = SUBJECTS.iter().map(|s| s.name).collect();
        pages.sort();
        subjects.sort_unstable();
        assert_eq!(pages, subjects);
    }

    /// Nothing of the language beyond what the renderers know.
    #[test]
    fn every_page_is_made_of_known_blocks() {
        for subject in SUBJECTS {
            let blocks = blocks(subject.text);
            assert!(matches!(&blocks[0], DocBlock::Heading { level: 1, .. }), "{}", subject.name);
            for block in blocks {
                let text = match block {
                    DocBlock::Paragraph(text) | DocBlock::Item { text, .. } | DocBlock::Heading { text, .. } => text,
                    DocBlock::Table(rows) => {
                        assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{}: {rows:?}", subject.name);
                        continue;
                    }
                    DocBlock::Code(_) => continue,
                };
                let foreign = ["> ", "* ", "![", "~~~", "<div", "<br"];
                assert!(!foreign.iter().any(|start| text.starts_with(start)), "{}: {text}", subject.name);
                assert!(text.matches('`').count().is_multiple_of(2), "{}: {text}", subject.name);
            }
        }
    }
}
