//! The file of `run --from FILE`: topic, partition and the offset of the first record to read, as YAML or JSON.
//!
//! ```yaml
//! orders: {0: 1200, 1: 1187}
//! ```

use super::env::ProcessEnvironment;
use super::node::{Node, NodeValue, Scalar};
use super::problems::Problems;
use super::read;
use crate::diagnostics::{Diagnostic, Report, SourceText, Span, nearest};
use crate::record::{Offset, TopicPartition};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Which offsets of a topic can be read, by partition: the oldest, and the end.
pub type TopicBounds = Vec<(Offset, Offset)>;

/// A file of positions.
#[derive(Debug)]
pub struct Positions {
    source: Arc<SourceText>,
    topics: Vec<(String, Span)>,
    offsets: BTreeMap<TopicPartition, (Offset, Span)>,
}

impl Positions {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// All problems with the text.
    pub fn parse(source: Arc<SourceText>) -> Result<Self, Report> {
        let mut problems = Problems::new(source.clone());
        let mut positions = Self { source: source.clone(), topics: Vec::new(), offsets: BTreeMap::new() };
        if source.text.trim().is_empty() {
            problems.push(Diagnostic::whole("the file is empty").hint(FORM));
        } else if let Some(root) = read::parse_tree(&source, Path::new("."), &ProcessEnvironment, &mut problems) {
            positions.add_topics(&root, &mut problems);
        }
        positions.source = problems.redacted_source();
        problems.into_report().finish(Some(positions))
    }

    fn add_topics(&mut self, root: &Node, problems: &mut Problems) {
        let NodeValue::Map(topics) = &root.value else {
            let message = format!("expected a map of topics, found {}", root.describe());
            return problems.push(Diagnostic::at(root.error_span(), message).hint(FORM));
        };
        for entry in topics {
            self.topics.push((entry.key.text.clone(), entry.key.span));
            let NodeValue::Map(partitions) = &entry.value.value else {
                let message = format!("expected a map of partitions, found {}", entry.value.describe());
                problems.push(Diagnostic::at(entry.value.error_span(), message).hint(FORM));
                continue;
            };
            for partition in partitions {
                let number = number::<u32>(&partition.key, "the number of a partition", problems);
                let offset = match &partition.value.value {
                    NodeValue::Scalar(s) => number_at::<i64>(s, partition.value.error_span(), "an offset", problems),
                    _ => {
                        let message = format!("expected an offset, found {}", partition.value.describe());
                        problems.push(Diagnostic::at(partition.value.error_span(), message).hint(FORM));
                        None
                    }
                };
                let (Some(number), Some(offset)) = (number, offset) else { continue };
                let at = TopicPartition::new(entry.key.text.as_str(), number);
                let position = (Offset(offset), partition.value.error_span());
                if let Some((_, earlier)) = self.offsets.insert(at, position) {
                    let line = problems.line(earlier);
                    let message = format!("partition {number} is given twice; the first is in line {line}");
                    problems.push(Diagnostic::at(partition.key.span, message).hint("remove one of them"));
                }
            }
        }
    }

    /// The topics that it names.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.topics.iter().map(|(topic, _)| topic.as_str())
    }

    /// The positions, if all of them are in topics that are read. `bounds` has every topic that is read.
    ///
    /// # Errors
    /// All topics that are not read, and all partitions and offsets that do not exist.
    pub fn check(&self, bounds: &BTreeMap<Arc<str>, TopicBounds>) -> Result<BTreeMap<TopicPartition, Offset>, Report> {
        let mut report = Report::new(self.source.clone());
        for (topic, span) in self.topics.iter().filter(|(topic, _)| !bounds.contains_key(topic.as_str())) {
            let known: Vec<&str> = bounds.keys().map(|topic| &**topic).collect();
            let hint = match nearest(topic, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it reads `{}`", known.join("`, `")),
            };
            report.push(Diagnostic::at(*span, format!("the pipeline reads no topic `{topic}`")).hint(hint));
        }
        for (at, (offset, span)) in &self.offsets {
            let Some(of_topic) = bounds.get(&at.topic) else { continue };
            let problem = match of_topic.get(at.partition.0 as usize) {
                None => Some(format!(
                    "`{}` has {} partitions, and none is numbered {}",
                    at.topic,
                    of_topic.len(),
                    at.partition
                )),
                Some((oldest, end)) if !(*oldest..=*end).contains(offset) => {
                    Some(format!("`{at}` has records from offset {oldest} to {end}, and none at {offset}"))
                }
                Some(_) => None,
            };
            if let Some(problem) = problem {
                report.push(Diagnostic::at(*span, problem));
            }
        }
        report.finish(Some(self.offsets.iter().map(|(at, (offset, _))| (at.clone(), *offset)).collect()))
    }
}

const FORM: &str = "write the offset of each partition by topic, such as `orders: {0: 1200, 1: 1187}`";

fn number<T: std::str::FromStr>(scalar: &Scalar, what: &str, problems: &mut Problems) -> Option<T> {
    number_at(scalar, scalar.span, what, problems)
}

fn number_at<T: std::str::FromStr>(scalar: &Scalar, at: Span, what: &str, problems: &mut Problems) -> Option<T> {
    let digits = !scalar.text.is_empty() && scalar.text.bytes().all(|b| b.is_ascii_digit());
    let number = digits.then(|| scalar.text.parse().ok()).flatten();
    if number.is_none() {
        let message = format!("expected {what}, found `{}`", scalar.masked());
        problems.push(Diagnostic::at(at, message).hint(FORM));
    }
    number
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Positions, Report> {
        Positions::parse(Arc::new(SourceText { name: "at.yaml".into(), text: text.into() }))
    }

    fn errors(report: Report) -> Vec<String> {
        let line = |at: usize, text: &str| text[..at].matches('\n').count() + 1;
        let text = report.source.text.clone();
        report
            .diagnostics()
            .iter()
            .map(|d| format!("{}: {}", line(d.span.map_or(0, |s| s.start), &text), d.message))
            .collect()
    }

    fn bounds() -> BTreeMap<Arc<str>, TopicBounds> {
        [("in".into(), vec![(Offset(0), Offset(9)), (Offset(5), Offset(9))])].into()
    }

    #[test]
    fn yaml_and_json_say_the_same() {
        let expected: BTreeMap<_, _> =
            [(TopicPartition::new("in", 0), Offset(3)), (TopicPartition::new("in", 1), Offset(9))].into();
        for text in ["in:\n  0: 3\n  1: 9\n", r#"{"in": {"0": 3, "1": 9}}"#] {
            assert_eq!(parsed(text).unwrap().check(&bounds()).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn every_mistake_has_its_line() {
        let text = "in:\n  0: -1\n  one: 2\n  1: [3]\n  2: 4\n  02: 4\nother: 7\n";
        let expected = [
            "2: expected an offset, found `-1`",
            "3: expected the number of a partition, found `one`",
            "4: expected an offset, found a list",
            "6: partition 2 is given twice; the first is in line 5",
            "7: expected a map of partitions, found `7`",
        ];
        assert_eq!(errors(parsed(text).unwrap_err()), expected);
        assert_eq!(errors(parsed(" \n").unwrap_err()), ["1: the file is empty"]);
        assert_eq!(errors(parsed("[1]").unwrap_err()), ["1: expected a map of topics, found a list"]);
        let wrong = parsed("in: {0: 10, 1: 4, 2: 0}\nim: {0: 1}\n").unwrap();
        let expected = [
            "1: `in/0` has records from offset 0 to 9, and none at 10",
            "1: `in/1` has records from offset 5 to 9, and none at 4",
            "1: `in` has 2 partitions, and none is numbered 2",
            "2: the pipeline reads no topic `im`",
        ];
        assert_eq!(errors(wrong.check(&bounds()).unwrap_err()), expected);
    }
}
