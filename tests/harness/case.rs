//! A case: a pipeline, what its topics hold at start, and what they must hold at the end.
//!
//! Separate from running it, which is done in several ways. A folder of `tests/cases/` holds
//! `pipeline.yaml`, `in/TOPIC.jsonl`, `out/TOPIC.jsonl`, and where the pipeline scores `models/*`; each
//! line is `{"partition", "key", "value" | "base64", "timestamp", "headers"}`.

use super::record::{Record, Topics};
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

/// A case.
pub struct Case {
    pub dir: PathBuf,
    /// The text of the pipeline file.
    pub text: String,
    pub input: Topics,
    pub output: Topics,
    /// Model files in the order in which they are published.
    pub models: Vec<PathBuf>,
    /// Samples that `log` steps print, `STEP JSON` a line.
    pub samples: Vec<String>,
}

impl Case {
    /// Reads a folder.
    pub fn read(name: &str) -> Self {
        let dir = folder().join(name);
        let text = fs::read_to_string(dir.join("pipeline.yaml")).unwrap_or_else(|e| panic!("case {name}: {e}"));
        let mut models: Vec<PathBuf> =
            fs::read_dir(dir.join("models")).into_iter().flatten().map(|f| f.unwrap().path()).collect();
        models.retain(|m| m.extension().is_some_and(|e| e != "py"));
        models.sort();
        let samples = fs::read_to_string(dir.join("samples.txt")).unwrap_or_default();
        let samples = samples.lines().map(str::to_owned).collect();
        let case =
            Self { text, input: topics(&dir.join("in")), output: topics(&dir.join("out")), models, samples, dir };
        assert!(!case.input.is_empty() && !case.output.is_empty(), "case {name} holds no records");
        case
    }

    /// Whether the result depends on the number of partitions; the comment says why.
    pub fn fixed_partitions(&self) -> bool {
        self.text.lines().any(|l| l.starts_with("# partitions: fixed"))
    }
}

/// The folder of all cases.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

fn topics(dir: &Path) -> Topics {
    let mut topics = Topics::new();
    for file in fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
        let path = file.unwrap().path();
        let topic = path.file_name().unwrap().to_str().unwrap().strip_suffix(".jsonl").expect("a file of records");
        for line in fs::read_to_string(&path).unwrap().lines() {
            let (partition, record) = Record::read(line);
            topics.entry((topic.to_owned(), partition)).or_default().push(record);
        }
    }
    topics
}

/// The records of all topics on another number of partitions: those of one key stay together and in
/// order, those without a key go round. Partitions that were are read together by least timestamp.
pub fn on_partitions(topics: &Topics, count: u32) -> Topics {
    let mut left: BTreeMap<&(String, u32), VecDeque<&Record>> =
        topics.iter().map(|(at, r)| (at, r.iter().collect())).collect();
    let mut spread = Topics::new();
    let mut turn = 0;
    while let Some(at) =
        left.iter().filter(|(_, r)| !r.is_empty()).min_by_key(|(_, r)| r[0].timestamp).map(|(at, _)| *at)
    {
        let record = left.get_mut(at).unwrap().pop_front().unwrap();
        let partition = match &record.key {
            Some(key) => key.iter().fold(7_u32, |h, b| h.wrapping_mul(31).wrapping_add(u32::from(*b))) % count,
            None => {
                turn += 1;
                turn % count
            }
        };
        spread.entry((at.0.clone(), partition)).or_default().push(record.clone());
    }
    spread
}
