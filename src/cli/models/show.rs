//! `fastdata models show`: versions in detail. Each is read again with its model and loaded, one at a time.

use super::versions::{ModelVersion, PublishedState};
use crate::cli::exit::UserError;
use crate::cli::figures::bytes;
use crate::cli::output::OutputFormat;
use crate::cli::read_topic::{POLL_TIMEOUT, ProgressToEnd};
use crate::cli::table::{Table, TableColumn};
use crate::diagnostics::one_of;
use crate::log::{FetchLimit, Log, Reader, Start};
use crate::models::{ModelDescriptor, ServedModel, prepare};
use crate::record::{Fetched, Offset};
use crate::time::{Clock as _, SystemClock};
use anyhow::Context as _;
use serde_json::Value;

/// The versions that a name selects: an exact version, or else the one that serves, or else the newest. Without a
/// name, all that serve.
pub(super) fn choose<'a>(versions: &'a [ModelVersion], name: Option<&str>) -> anyhow::Result<Vec<&'a ModelVersion>> {
    let Some(name) = name else {
        return Ok(versions.iter().filter(|v| v.state == PublishedState::Serving).collect());
    };
    let readable = versions.iter().filter_map(|v| Some((v, v.descriptor.as_ref().ok()?)));
    let exact = readable.clone().find(|(v, d)| format!("{}@{}", d.name, v.offset) == name);
    let preferred = || {
        let named = readable.clone().filter(|(_, d)| d.name == name || d.served_as() == name);
        named.max_by_key(|(v, _)| (v.state == PublishedState::Serving, v.offset))
    };
    if let Some((version, _)) = exact.or_else(preferred) {
        return Ok(vec![version]);
    }
    let names: Vec<_> = readable.map(|(_, d)| d.name.as_str()).collect();
    let hint = one_of(name, names.iter().copied());
    Err(UserError::new(format!("there is no model `{name}`")).maybe_hint(hint).into())
}

/// A version with the signature of its model, or why the model cannot be loaded.
pub(super) fn describe(log: &dyn Log, version: &ModelVersion, output: OutputFormat) -> String {
    let mut object = version.summary();
    match load(log, version) {
        Ok(model) => {
            object["sha256"] = model.sha256.clone().into();
            object["signature"] = model.scorer.signature().to_string().into();
        }
        Err(error) => object["error"] = error.to_string().into(),
    }
    if output == OutputFormat::Json {
        return format!("{object}\n");
    }
    let mut table = Table::new([TableColumn::left(""), TableColumn::left("")]).without_headings();
    for (name, value) in object.as_object().into_iter().flatten() {
        let value = match value {
            Value::Null => continue,
            Value::String(value) if value.is_empty() => continue,
            Value::String(value) => value.clone(),
            Value::Number(n) if name == "bytes" => n.as_u64().map_or_else(String::new, bytes),
            other => other.to_string(),
        };
        table.row([name.replace('_', " "), value]);
    }
    table.to_string()
}

fn load(log: &dyn Log, version: &ModelVersion) -> anyhow::Result<ServedModel> {
    let end = log.resolve(&version.at, Start::Latest)?;
    let mut reader = log.reader(&[(version.at.clone(), version.offset)])?;
    let fetched = read_record(log, &mut *reader, version, end)?.context("its record no longer exists")?;
    let descriptor = ModelDescriptor::read(fetched.records.values.value(0))?;
    Ok(prepare(version.offset, &descriptor, SystemClock.now())?)
}

/// The record of a version, from a reader that stands at its offset; `None` if a later record or the end comes first.
fn read_record(
    log: &dyn Log,
    reader: &mut dyn Reader,
    version: &ModelVersion,
    end: Offset,
) -> anyhow::Result<Option<Fetched>> {
    let mut progress = ProgressToEnd::new(vec![(version.at.clone(), end)]);
    let limit = FetchLimit { records: 1, ..FetchLimit::default() };
    while !progress.is_at_end(log, reader.positions())? {
        if let Some(fetched) = reader.poll(limit, POLL_TIMEOUT)? {
            return Ok(Some(fetched).filter(|f| f.offsets[0] == version.offset.0));
        }
    }
    Ok(None)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::versions::tests::sample;
    use super::*;
    use crate::log::embedded::EmbeddedLog;
    use crate::log::{Append, LogResult, TopicConfig};
    use crate::record::{RecordsBuilder, TopicPartition};
    use std::time::Duration;

    /// A reader whose first polls return nothing, as while a broker is slow.
    struct SlowReader {
        reader: Box<dyn Reader>,
        empty_polls: u32,
    }

    impl Reader for SlowReader {
        fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<Option<Fetched>> {
            if self.empty_polls > 0 {
                self.empty_polls -= 1;
                return Ok(None);
            }
            self.reader.poll(limit, wait)
        }

        fn positions(&self) -> Vec<(TopicPartition, Offset)> {
            self.reader.positions()
        }

        fn pause(&mut self, of: &[TopicPartition], paused: bool) -> LogResult<()> {
            self.reader.pause(of, paused)
        }
    }

    #[test]
    fn a_version_is_read_from_a_log_that_is_slow_to_answer() {
        let folder = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(folder.path()).unwrap();
        log.create_topic("models", &TopicConfig { partitions: 1, ..TopicConfig::default() }).unwrap();
        let mut records = RecordsBuilder::default();
        (0..3_u8).for_each(|i| records.push(None, Some(&[i]), 0));
        let at = TopicPartition::new("models", 0);
        log.appender().unwrap().append(&[Append { to: at.clone(), records: records.finish() }]).unwrap();
        let versions = sample();
        let read = |start: i64, version: usize, end: i64| {
            let reader = log.reader(&[(at.clone(), Offset(start))]).unwrap();
            let mut reader = SlowReader { reader, empty_polls: 15 };
            let fetched = read_record(&log, &mut reader, &versions[version], Offset(end)).unwrap();
            fetched.map(|f| f.records.values.value(0).to_vec())
        };
        assert_eq!(read(1, 1, 3), Some(vec![1]));
        assert_eq!(read(2, 1, 3), None, "another record is not taken for it");
        assert_eq!(read(3, 3, 3), None, "the end comes first");
    }

    #[test]
    fn a_name_selects_the_serving_version_before_the_newest() {
        let versions = sample();
        let chosen = |name| choose(&versions, name).unwrap().iter().map(|v| v.offset.0).collect::<Vec<_>>();
        assert_eq!(chosen(Some("wine")), [2]);
        assert_eq!(chosen(Some("a@0")), [0]);
        assert_eq!(chosen(Some("c")), [3]);
        assert_eq!(chosen(None), [2, 4]);
        assert!(choose(&versions, Some("vine")).is_err());
    }
}
