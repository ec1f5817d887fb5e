//! A golden case: a pipeline, its input records, and the records that its sinks must hold at the end.
//!
//! A folder of `tests/cases/` holds `pipeline.yaml`, `in/TOPIC.jsonl`, `out/TOPIC.jsonl`, and `models/*` if the
//! pipeline scores. Each line of a topic is `{"partition", "key", "value" | "base64", "timestamp", "headers"}`.

use super::record::{Record, Topics};
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

/// A golden case.
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
    /// Loads a case from its folder.
    pub fn load(name: &str) -> Self {
        let dir = cases_folder().join(name);
        let text = fs::read_to_string(dir.join("pipeline.yaml")).unwrap_or_else(|e| panic!("case {name}: {e}"));
        let mut models: Vec<PathBuf> =
            fs::read_dir(dir.join("models")).into_iter().flatten().map(|f| f.unwrap().path()).collect();
        models.retain(|m| m.extension().is_some_and(|e| e != "py"));
        models.sort();
        let samples = fs::read_to_string(dir.join("samples.txt")).unwrap_or_default();
        let samples = samples.lines().map(str::to_owned).collect();
        let case = Self {
            text,
            input: read_topics(&dir.join("in")),
            output: read_topics(&dir.join("out")),
            models,
            samples,
            dir,
        };
        assert!(!case.input.is_empty() && !case.output.is_empty(), "case {name} has no records");
        case
    }

    /// Whether the result depends on the number of partitions. The comment in the pipeline file says why.
    pub fn fixed_partitions(&self) -> bool {
        self.text.lines().any(|l| l.starts_with("# partitions: fixed"))
    }
}

/// The folder of all cases.
pub fn cases_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

fn read_topics(dir: &Path) -> Topics {
    let mut topics = Topics::new();
    for file in fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
        let path = file.unwrap().path();
        let topic = path.file_name().unwrap().to_str().unwrap().strip_suffix(".jsonl").expect("a `.jsonl` file");
        for line in fs::read_to_string(&path).unwrap().lines() {
            let (partition, record) = Record::parse_case_line(line);
            topics.entry((topic.to_owned(), partition)).or_default().push(record);
        }
    }
    topics
}

/// Distributes the records of all topics over `partition_count` partitions. Records of one key stay together
/// and in order; records without a key go round robin. The old partitions are merged by least timestamp.
pub fn redistribute(topics: &Topics, partition_count: u32) -> Topics {
    let mut remaining: BTreeMap<&(String, u32), VecDeque<&Record>> =
        topics.iter().map(|(at, r)| (at, r.iter().collect())).collect();
    let mut redistributed = Topics::new();
    let mut round_robin = 0;
    while let Some(at) =
        remaining.iter().filter(|(_, r)| !r.is_empty()).min_by_key(|(_, r)| r[0].timestamp).map(|(at, _)| *at)
    {
        let record = remaining.get_mut(at).unwrap().pop_front().unwrap();
        let partition = match &record.key {
            Some(key) => {
                key.iter().fold(7_u32, |h, b| h.wrapping_mul(31).wrapping_add(u32::from(*b))) % partition_count
            }
            None => {
                round_robin += 1;
                round_robin % partition_count
            }
        };
        redistributed.entry((at.0.clone(), partition)).or_default().push(record.clone());
    }
    redistributed
}
