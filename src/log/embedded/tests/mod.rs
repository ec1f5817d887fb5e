//! What the embedded log guarantees beyond conformance: files, faults, leases, retention.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod sharing;

use super::connection::OpenMode;
use super::database::Database;
use super::retention::Retention;
use super::row_codec::{self, FetchedBuilder};
use super::{EmbeddedLog, schema, topics, trim};
use crate::log::conformance::{self, Fixture};
use crate::log::{
    Append, FetchLimit, GroupEvent, GroupSpec, Log, LogError, LogResult, Member, Start, TopicConfig, Transaction,
};
use crate::record::{Offset, Partition, Records, RecordsBuilder, TopicPartition};
use crate::time::{Clock as _, SystemClock};
use proptest::prelude::*;
use rusqlite::Connection;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;

struct LogFolder {
    dir: TempDir,
    shared: Option<EmbeddedLog>,
}

impl Fixture for LogFolder {
    fn open(&self) -> Box<dyn Log> {
        match &self.shared {
            Some(log) => Box::new(log.clone()),
            None => Box::new(open_separately(self.dir.path())),
        }
    }

    fn prefix(&self) -> String {
        "case".into()
    }

    fn dense(&self) -> bool {
        true
    }

    fn exclusive(&self) -> bool {
        true
    }
}

/// A handle as another process would have it.
fn open_separately(dir: &Path) -> EmbeddedLog {
    drop(EmbeddedLog::open(dir).unwrap());
    EmbeddedLog::open_separately(dir).unwrap()
}

fn conforms(shared: bool) {
    let failed: Vec<String> = conformance::suite()
        .iter()
        .filter_map(|case| {
            let dir = TempDir::new().unwrap();
            let shared = shared.then(|| EmbeddedLog::open(dir.path()).unwrap());
            (case.run)(&LogFolder { dir, shared }).err().map(|e| format!("{}: {e}", case.name))
        })
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn conforms_with_one_handle_per_client() {
    conforms(false);
}

#[test]
fn conforms_with_one_shared_handle() {
    conforms(true);
}

fn records(words: &[&str]) -> Records {
    let mut b = RecordsBuilder::default();
    for word in words {
        b.push(Some(word.as_bytes()), Some(word.as_bytes()), 1);
    }
    b.finish()
}

fn with_partitions(partitions: u32) -> TopicConfig {
    TopicConfig { partitions, ..TopicConfig::default() }
}

fn append(log: &EmbeddedLog, words: &[&str]) -> LogResult<Vec<Offset>> {
    log.appender()?.append(&[Append { to: TopicPartition::new("t", 0), records: records(words) }])
}

fn values(log: &EmbeddedLog, from: i64) -> LogResult<Vec<String>> {
    let at = TopicPartition::new("t", 0);
    let end = log.resolve(&at, Start::Latest)?;
    let mut reader = log.reader(&[(at, Offset(from))])?;
    let mut all = Vec::new();
    while reader.positions()[0].1 < end {
        if let Some(fetched) = reader.poll(FetchLimit::default(), Duration::ZERO)? {
            let texts = fetched.records.values.iter().map(|v| String::from_utf8_lossy(v.unwrap_or(b"-")).into_owned());
            all.extend(texts);
        }
    }
    Ok(all)
}

/// A folder with a topic `t` that holds `a`, `b` and `c`, all of it in the file itself.
fn filled() -> TempDir {
    let dir = TempDir::new().unwrap();
    let log = EmbeddedLog::open(dir.path()).unwrap();
    log.create_topic("t", &with_partitions(1)).unwrap();
    append(&log, &["a", "b", "c"]).unwrap();
    dir
}

#[test]
fn a_record_over_the_limit_is_refused_with_its_size() {
    let dir = filled();
    let log = EmbeddedLog::open_with_max_record_bytes(dir.path(), 10).unwrap();
    append(&log, &["12345"]).unwrap();
    let refused = append(&log, &["1", "123456"]);
    assert!(matches!(&refused, Err(LogError::TooLarge { bytes: 12, limit, .. }) if limit.bytes == 10), "{refused:?}");
    assert_eq!(values(&log, 0).unwrap(), ["a", "b", "c", "12345"]);
}

fn file(dir: &TempDir) -> std::path::PathBuf {
    dir.path().join(schema::DATABASE_FILE)
}

#[test]
fn records_survive_closing_and_reopening() {
    let dir = filled();
    let log = EmbeddedLog::open(dir.path()).unwrap();
    assert_eq!(values(&log, 0).unwrap(), ["a", "b", "c"]);
    assert_eq!(append(&log, &["d"]).unwrap(), [Offset(3)]);
    assert_eq!(values(&log, 2).unwrap(), ["c", "d"]);
}

fn open_error(dir: &Path) -> LogError {
    EmbeddedLog::open(dir).map(|_| ()).unwrap_err()
}

#[test]
fn foreign_file_is_refused_and_not_changed() {
    let dir = TempDir::new().unwrap();
    std::fs::write(file(&dir), vec![b'x'; 5000]).unwrap();
    assert!(matches!(open_error(dir.path()), LogError::Corrupt(e) if e.contains("is not a log of fastdata")));
    std::fs::write(file(&dir), b"SQLite").unwrap();
    assert!(matches!(open_error(dir.path()), LogError::Corrupt(e) if e.contains("is not a log of fastdata")));
    std::fs::remove_file(file(&dir)).unwrap();
    rusqlite::Connection::open(file(&dir)).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let before = std::fs::read(file(&dir)).unwrap();
    assert!(matches!(open_error(dir.path()), LogError::Corrupt(e) if e.contains("of another program")));
    assert_eq!(std::fs::read(file(&dir)).unwrap(), before);
}

#[test]
fn later_format_is_refused_with_its_number() {
    let dir = filled();
    rusqlite::Connection::open(file(&dir)).unwrap().pragma_update(None, "user_version", 7).unwrap();
    assert!(
        matches!(open_error(dir.path()), LogError::Unusable(e) if e.contains("format 7") && e.contains("format 1"))
    );
}

#[test]
fn truncated_file_is_reported_as_torn() {
    let dir = filled();
    let whole = std::fs::read(file(&dir)).unwrap();
    for len in [whole.len() / 2, whole.len() - 1] {
        std::fs::write(file(&dir), &whole[..len]).unwrap();
        assert!(matches!(open_error(dir.path()), LogError::Corrupt(e) if e.contains("is torn")), "{len} bytes");
    }
    std::fs::remove_file(file(&dir)).unwrap();
    std::fs::write(dir.path().join("fastdata.db-wal"), b"left over").unwrap();
    assert!(matches!(open_error(dir.path()), LogError::Corrupt(e) if e.contains("write-ahead log is there")));
}

#[test]
fn damage_is_an_error_or_changes_nothing() {
    let dir = filled();
    let whole = std::fs::read(file(&dir)).unwrap();
    let mut named = 0;
    for at in (0..whole.len()).step_by(1013) {
        let mut damaged = whole.clone();
        for byte in damaged.iter_mut().skip(at).take(600) {
            *byte ^= 0x5a;
        }
        std::fs::write(file(&dir), &damaged).unwrap();
        for rest in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(dir.path().join(format!("{}{rest}", schema::DATABASE_FILE)));
        }
        match EmbeddedLog::open(dir.path()).and_then(|log| values(&log, 0)) {
            Ok(read) => assert_eq!(read, ["a", "b", "c"], "damage at byte {at}"),
            Err(LogError::Corrupt(_) | LogError::Unusable(_) | LogError::UnknownTopic { .. }) => named += 1,
            Err(e) => panic!("damage at byte {at}: {e}"),
        }
    }
    assert!(named > 0);
}

#[test]
fn damaged_row_is_reported_with_topic_and_offset() {
    let dir = filled();
    let conn = rusqlite::Connection::open(file(&dir)).unwrap();
    let mut data: Vec<u8> = conn.query_row("SELECT data FROM batches", [], |r| r.get(0)).unwrap();
    *data.last_mut().unwrap() ^= 1;
    conn.execute("UPDATE batches SET data = ?1", [data]).unwrap();
    let read = values(&EmbeddedLog::open(dir.path()).unwrap(), 0);
    assert!(matches!(read, Err(LogError::Corrupt(e)) if e.contains("`t/0` from offset 0")));
}

#[test]
fn missing_row_is_an_error() {
    let dir = filled();
    let log = EmbeddedLog::open(dir.path()).unwrap();
    append(&log, &["d"]).unwrap();
    append(&log, &["e"]).unwrap();
    let conn = rusqlite::Connection::open(file(&dir)).unwrap();
    conn.execute("DELETE FROM batches WHERE id & 0xffffffffff = 3", []).unwrap();
    assert!(matches!(values(&log, 0), Err(LogError::Corrupt(e)) if e.contains("offset 3")));
    assert!(matches!(values(&log, 3), Err(LogError::Corrupt(e)) if e.contains("offset 3")));
    conn.execute("DELETE FROM batches WHERE id & 0xffffffffff = 0", []).unwrap();
    assert!(matches!(values(&log, 1), Err(LogError::Corrupt(e)) if e.contains("offset 1")));
}

#[test]
fn data_folder_that_is_a_file_is_open_error() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("taken");
    std::fs::write(&path, "x").unwrap();
    assert!(matches!(open_error(&path), LogError::Unusable(e) if e.contains("is a file, not a folder")));
}

#[test]
fn open_existing_creates_nothing() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("none");
    let opened = EmbeddedLog::open_existing(&path).map(|_| ());
    assert!(matches!(opened, Err(LogError::NoLog(folder)) if folder == path.display().to_string()));
    assert!(!path.exists());
}

#[test]
fn immutable_log_can_be_read_and_refuses_writes() {
    let dir = filled();
    let mut database = Database::open(dir.path(), row_codec::MAX_RECORD_BYTES).unwrap();
    Arc::get_mut(&mut database).unwrap().mode = OpenMode::Immutable;
    let log = EmbeddedLog { database };
    assert_eq!(values(&log, 0).unwrap(), ["a", "b", "c"]);
    assert!(matches!(append(&log, &["d"]), Err(LogError::Unusable(e)) if e.contains("for reading only")));
    let spec = GroupSpec { group: "g".into(), topics: vec![], instance: String::new(), ..GroupSpec::default() };
    assert!(matches!(log.join(&spec).map(|_| ()), Err(LogError::Unusable(_))));
}

#[cfg(unix)]
#[test]
fn read_only_folder_can_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let dir = filled();
    let allow = |mode| std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(mode)).unwrap();
    std::fs::set_permissions(file(&dir), std::fs::Permissions::from_mode(0o444)).unwrap();
    allow(0o555);
    let superuser = std::fs::write(dir.path().join("probe"), "").is_ok();
    let log = EmbeddedLog::open(dir.path());
    if !superuser {
        let log = log.unwrap();
        assert_eq!(values(&log, 0).unwrap(), ["a", "b", "c"]);
        assert!(matches!(append(&log, &["d"]), Err(LogError::Unusable(_))));
    }
    allow(0o755);
}

#[test]
fn full_disk_rolls_back_the_transaction() {
    let dir = filled();
    let log = EmbeddedLog::open(dir.path()).unwrap();
    append(&log, &["d"]).unwrap();
    let pages = {
        let slot = log.database.writer.lock().unwrap();
        let conn = &slot.as_ref().unwrap().conn;
        let pages: i64 = conn.query_row("PRAGMA page_count", [], |r| r.get(0)).unwrap();
        conn.execute_batch(&format!("PRAGMA max_page_count = {}", pages + 2)).unwrap();
        pages
    };
    assert!(pages > 1);
    let large = "x".repeat(1 << 20);
    assert!(matches!(append(&log, &["e", &large]), Err(LogError::Unusable(e)) if e.contains("no space left")));
    assert_eq!(values(&log, 0).unwrap(), ["a", "b", "c", "d"]);
    assert_eq!(append(&log, &["e"]).unwrap(), [Offset(4)]);
}

fn spec(instance: &str) -> GroupSpec {
    GroupSpec {
        group: "a group/ä".into(), topics: vec!["t".into()], instance: instance.into(), ..GroupSpec::default()
    }
}

fn assigned(member: &mut dyn Member) -> Vec<(TopicPartition, Option<Offset>)> {
    match member.poll(FetchLimit::default(), Duration::ZERO).unwrap() {
        GroupEvent::Assigned(partitions) => partitions,
        other => panic!("{other:?}"),
    }
}

const CHILD_DIR: &str = "FASTDATA_TEST_LEASE_HOLDER_DIR";

/// The test runs itself as the other process, which commits and then waits to be killed.
#[test]
fn lease_of_a_killed_process_is_free_and_its_commit_is_visible() {
    let transaction = || Transaction {
        results: vec![Append { to: TopicPartition::new("t", 0), records: records(&["out"]) }],
        offsets: vec![(TopicPartition::new("t", 0), Offset(2))],
        ..Transaction::default()
    };
    if let Some(dir) = std::env::var_os(CHILD_DIR) {
        let log = EmbeddedLog::open(Path::new(&dir)).unwrap();
        let mut member = log.join(&spec("the first")).unwrap();
        member.committer().unwrap().commit(&transaction()).unwrap();
        println!("\nready");
        std::io::stdout().flush().unwrap();
        std::io::stdin().lines().count();
        return;
    }
    let dir = filled();
    let log = EmbeddedLog::open(dir.path()).unwrap();
    let name = "log::embedded::tests::lease_of_a_killed_process_is_free_and_its_commit_is_visible";
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD_DIR, dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "ready"));
    match log.join(&spec("the second")).map(|_| ()) {
        Err(LogError::GroupTaken { holder, .. }) => {
            assert!(holder.contains(&format!("process {} (the first), since 20", child.id())), "{holder}");
        }
        other => panic!("{other:?}"),
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let mut member = log.join(&spec("the second")).unwrap();
    assert_eq!(assigned(&mut *member), [(TopicPartition::new("t", 0), Some(Offset(2)))]);
    assert_eq!(values(&log, 0).unwrap(), ["a", "b", "c", "out"]);
}

#[test]
fn committer_without_the_lease_is_fenced() {
    let dir = filled();
    let log = EmbeddedLog::open(dir.path()).unwrap();
    let mut first = log.join(&spec("the first")).unwrap();
    let mut committer = first.committer().unwrap();
    std::fs::remove_dir_all(dir.path().join("locks")).unwrap();
    std::fs::create_dir(dir.path().join("locks")).unwrap();
    let second = log.join(&spec("the second")).unwrap();
    let done = committer.commit(&Transaction::default());
    assert!(matches!(done, Err(LogError::Fenced { group }) if group == "a group/ä"));
    second.leave().unwrap();
}

/// Runs housekeeping as the next write would at this time.
fn run_retention(log: &EmbeddedLog, now: i64) {
    let file = &log.database.file;
    let at = TopicPartition::new("t", 0);
    log.database
        .write(|conn, _| {
            let part = topics::find(conn, file, &at)?;
            Retention::default().apply(conn, file, &[(&at, &part)], usize::MAX, now)
        })
        .unwrap();
}

#[test]
fn rows_expire_by_age_and_by_size_except_the_last() {
    let dir = TempDir::new().unwrap();
    let log = EmbeddedLog::open(dir.path()).unwrap();
    log.create_topic("t", &with_partitions(1)).unwrap();
    let at = TopicPartition::new("t", 0);
    for time in [1_000, 2_000, 30_000] {
        let mut b = RecordsBuilder::default();
        b.push(None, Some(b"xy"), time);
        b.push(None, Some(b"xy"), time - 500);
        log.appender().unwrap().append(&[Append { to: at.clone(), records: b.finish() }]).unwrap();
    }
    log.database.write(|conn, _| Ok(conn.execute("UPDATE topics SET retention_ms = 10000", []).unwrap())).unwrap();
    run_retention(&log, 11_500);
    let earliest = || log.resolve(&at, Start::Earliest).unwrap();
    assert_eq!(earliest(), Offset(2));
    assert!(matches!(values(&log, 1), Err(LogError::OffsetOutOfRange { earliest: Offset(2), .. })));
    run_retention(&log, 90_000);
    assert_eq!(earliest(), Offset(4));
    assert_eq!(values(&log, 4).unwrap(), ["xy", "xy"]);
    log.delete_topic("t").unwrap();
    log.create_topic("t", &TopicConfig { retention_bytes: Some(5), ..with_partitions(1) }).unwrap();
    for _ in 0..5 {
        append(&log, &["z"]).unwrap();
    }
    run_retention(&log, 0);
    let info = log.topics(Some("t")).unwrap().pop().unwrap().partitions[0];
    assert_eq!((info.earliest, info.end, info.bytes), (Offset(3), Offset(5), Some(4)));
}

#[test]
fn each_topic_expires_however_busy_another_is() {
    let dir = TempDir::new().unwrap();
    let log = EmbeddedLog::open(dir.path()).unwrap();
    let file = &log.database.file;
    let topics = ["busy", "quiet"].map(|topic| TopicPartition::new(topic, 0));
    for at in &topics {
        log.create_topic(&at.topic, &TopicConfig { retention: Some(Duration::from_secs(10)), ..with_partitions(1) })
            .unwrap();
        for time in [1_000, 90_000] {
            let mut records = RecordsBuilder::default();
            records.push(None, Some(b"xy"), time);
            log.appender().unwrap().append(&[Append { to: at.clone(), records: records.finish() }]).unwrap();
        }
    }
    // As two transactions right after one another, each of which writes one of the topics.
    let housekeeping = |conn: &Connection, retention: &mut Retention, at: &TopicPartition| {
        let part = topics::find(conn, file, at)?;
        retention.apply(conn, file, &[(at, &part)], 1, 90_000)
    };
    let mut retention = Retention::default();
    for at in &topics {
        log.database.write(|conn, _| housekeeping(conn, &mut retention, at)).unwrap();
    }
    assert_eq!(topics.map(|at| log.resolve(&at, Start::Earliest).unwrap()), [Offset(1), Offset(1)]);
}

#[test]
fn new_records_do_not_wait_for_the_backlog_of_another_partition() {
    let dir = TempDir::new().unwrap();
    let log = EmbeddedLog::open(dir.path()).unwrap();
    log.create_topic("t", &with_partitions(2)).unwrap();
    let [long, new] = [0, 1].map(|partition| TopicPartition::new("t", partition));
    let words = |count: usize| {
        let mut records = RecordsBuilder::default();
        (0..count).for_each(|_| records.push(None, Some(b"x"), 0));
        records.finish()
    };
    let backlog = 200_000;
    log.appender().unwrap().append(&[Append { to: long.clone(), records: words(backlog) }]).unwrap();
    let mut reader = log.reader(&[(long, Offset(0)), (new.clone(), Offset(0))]).unwrap();
    let limit = FetchLimit { records: 1, ..FetchLimit::default() };
    let mut next = || reader.poll(limit, Duration::ZERO).unwrap().unwrap().origin.partition;
    assert_eq!(next(), Partition(0));
    log.appender().unwrap().append(&[Append { to: new, records: words(1) }]).unwrap();
    let waited = (1..backlog).position(|_| next() == Partition(1));
    assert!(waited.is_some_and(|records| records < backlog / 2), "{waited:?}");
}

#[test]
fn rows_left_by_a_trim_are_unreadable_and_deleted_later() {
    let dir = TempDir::new().unwrap();
    let log = EmbeddedLog::open(dir.path()).unwrap();
    log.create_topic("t", &TopicConfig { retention: Some(Duration::from_secs(1 << 40)), ..with_partitions(1) })
        .unwrap();
    let at = TopicPartition::new("t", 0);
    for word in ["a", "b", "c", "d"] {
        append(&log, &[word, word]).unwrap();
    }
    let rows = || -> Vec<(i64, i64)> {
        let conn = log.database.connect().unwrap();
        let mut query = conn.prepare("SELECT id & 0xffffffffff, bytes FROM batches ORDER BY id").unwrap();
        query.query_map([], |r| Ok((r.get(0)?, r.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let bytes = || log.topics(Some("t")).unwrap()[0].partitions[0].bytes;
    // The state after a trim whose budget was used up after one row.
    log.database
        .write(|conn, _| {
            let part = topics::find(conn, &log.database.file, &at)?;
            conn.execute("UPDATE partitions SET earliest = 5", []).unwrap();
            trim::delete_rows(conn, &log.database.file, part.id, 5, &mut 1)
        })
        .unwrap();
    assert_eq!((rows(), bytes()), (vec![(2, 4), (4, 4), (6, 4)], Some(12)));
    assert_eq!(values(&log, 5).unwrap(), ["c", "d", "d"]);
    assert!(matches!(values(&log, 4), Err(LogError::OffsetOutOfRange { earliest: Offset(5), .. })));
    assert_eq!(log.resolve(&at, Start::Time(0)).unwrap(), Offset(5));
    run_retention(&log, 1000);
    assert_eq!((rows(), bytes()), (vec![(4, 4), (6, 4)], Some(8)));
    assert_eq!(log.resolve(&at, Start::Earliest).unwrap(), Offset(5));
    log.delete_records(&[(at.clone(), Offset(6))]).unwrap();
    assert_eq!((rows(), bytes()), (vec![(6, 4)], Some(4)));
    assert_eq!(values(&log, 6).unwrap(), ["d", "d"]);
}

#[test]
fn trim_without_effect_writes_nothing() {
    let dir = filled();
    let log = EmbeddedLog::open(dir.path()).unwrap();
    let trim = || log.delete_records(&[(TopicPartition::new("t", 0), Offset(2))]).unwrap();
    let wal = || std::fs::metadata(dir.path().join("fastdata.db-wal")).unwrap().len();
    trim();
    let before = wal();
    trim();
    assert_eq!(wal(), before);
}

fn create_compacted(log: &EmbeddedLog) {
    log.create_topic("t", &TopicConfig { compacted: true, ..with_partitions(1) }).unwrap();
}

/// Makes the next write begin a compaction round however little was written.
fn force_compaction(log: &EmbeddedLog) {
    let sql = "UPDATE partitions SET clean_records = 0, clean = -1000000";
    log.database.write(|conn, _| Ok(conn.execute(sql, []).unwrap())).unwrap();
}

#[test]
fn deletions_are_kept_until_every_group_has_read_them() {
    let dir = TempDir::new().unwrap();
    let log = EmbeddedLog::open(dir.path()).unwrap();
    create_compacted(&log);
    append(&log, &["a", "b"]).unwrap();
    let mut b = RecordsBuilder::default();
    b.push(Some(b"a"), None, 0);
    log.appender().unwrap().append(&[Append { to: TopicPartition::new("t", 0), records: b.finish() }]).unwrap();
    let mut member = log.join(&spec("x")).unwrap();
    let mut committer = member.committer().unwrap();
    let mut commit = |next| {
        let offsets = vec![(TopicPartition::new("t", 0), Offset(next))];
        committer.commit(&Transaction { offsets, ..Transaction::default() }).unwrap();
    };
    let mut after = |next, now| {
        commit(next);
        force_compaction(&log);
        run_retention(&log, now);
        values(&log, 0).unwrap()
    };
    let later = SystemClock.now() + 86_400_000;
    assert_eq!(after(2, later), ["b", "-"]);
    assert_eq!(after(3, SystemClock.now()), ["b", "-"]);
    assert_eq!(after(3, later), ["b"]);
    assert_eq!(log.topics(Some("t")).unwrap().pop().unwrap().partitions[0].bytes, Some(2));
}

#[test]
fn deletions_are_kept_as_long_as_the_log_promises() {
    let dir = TempDir::new().unwrap();
    let log = EmbeddedLog::open(dir.path()).unwrap();
    create_compacted(&log);
    append(&log, &["a", "b"]).unwrap();
    let before = SystemClock.now();
    let mut b = RecordsBuilder::default();
    b.push(Some(b"a"), None, 0);
    log.appender().unwrap().append(&[Append { to: TopicPartition::new("t", 0), records: b.finish() }]).unwrap();
    let after = SystemClock.now();
    let compacted_at = |now| {
        force_compaction(&log);
        run_retention(&log, now);
        values(&log, 0).unwrap()
    };
    let promised = i64::try_from(log.deletion_retention().as_millis()).unwrap();
    assert_eq!(compacted_at(before + promised), ["b", "-"]);
    assert_eq!(compacted_at(after + promised + 1), ["b"]);
}

#[test]
fn compaction_bounds_size_and_keeps_the_table() {
    let dir = TempDir::new().unwrap();
    let log = EmbeddedLog::open(dir.path()).unwrap();
    create_compacted(&log);
    let at = TopicPartition::new("t", 0);
    let mut held = std::collections::BTreeMap::new();
    let mut random = 1_u64;
    let mut appender = log.appender().unwrap();
    let mut follower = open_separately(dir.path()).reader(&[(at.clone(), Offset(0))]).unwrap();
    let mut followed = std::collections::BTreeMap::new();
    let follow = |held: &mut std::collections::BTreeMap<Vec<u8>, Vec<u8>>, reader: &mut dyn crate::log::Reader| {
        while let Some(f) = reader.poll(FetchLimit::default(), Duration::ZERO).unwrap() {
            for (key, value) in f.records.keys.iter().zip(f.records.values.iter()) {
                match value {
                    Some(value) => held.insert(key.unwrap().to_vec(), value.to_vec()),
                    None => held.remove(key.unwrap()),
                };
            }
        }
    };
    for round in 0..150 {
        let mut b = RecordsBuilder::default();
        for i in 0..1000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let key = (random >> 33).to_le_bytes()[..2].to_vec();
            let value = (random >> 60 > 0).then(|| format!("{round}/{i}").into_bytes());
            b.push(Some(&key), value.as_deref(), i64::from(round));
            match value {
                Some(value) => held.insert(key, value),
                None => held.remove(&key),
            };
        }
        appender.append(&[Append { to: at.clone(), records: b.finish() }]).unwrap();
        if round % 7 == 0 {
            follow(&mut followed, &mut *follower);
        }
    }
    follow(&mut followed, &mut *follower);
    assert!(followed == held);
    let mut restored = std::collections::BTreeMap::new();
    follow(&mut restored, &mut *log.reader(&[(at.clone(), Offset(0))]).unwrap());
    assert!(restored == held);
    let (rows, bytes): (i64, i64) = log
        .database
        .connect()
        .unwrap()
        .query_row("SELECT count(*), sum(bytes) FROM batches", [], |r| Ok((r.get(0)?, r.get(1)?)))
        .unwrap();
    let all: i64 = restored.iter().map(|(k, v)| i64::try_from(k.len() + v.len()).unwrap()).sum();
    assert!(bytes < 3 * all && rows < 150, "{rows} rows, {bytes} bytes for {all}");
    assert_eq!(log.topics(Some("t")).unwrap()[0].partitions[0].bytes, u64::try_from(bytes).ok());
}

#[test]
fn interrupted_topic_deletion_is_resumed() {
    let dir = filled();
    let log = EmbeddedLog::open(dir.path()).unwrap();
    log.database.write(|conn, _| topics::delete(conn, &log.database.file, "t")).unwrap();
    let rows = || -> i64 {
        let sql = "SELECT (SELECT count(*) FROM batches) + (SELECT count(*) FROM garbage)";
        log.database.connect().unwrap().query_row(sql, [], |r| r.get(0)).unwrap()
    };
    assert_eq!(rows(), 2);
    EmbeddedLog::open(dir.path()).unwrap();
    assert_eq!(rows(), 0);
}

#[test]
fn wal_stays_bounded_while_a_reader_follows() {
    let dir = filled();
    let log = EmbeddedLog::open(dir.path()).unwrap();
    let mut reader = open_separately(dir.path()).reader(&[(TopicPartition::new("t", 0), Offset(0))]).unwrap();
    let large = "x".repeat(1 << 20);
    for _ in 0..300 {
        append(&log, &[&large]).unwrap();
        while reader.poll(FetchLimit::default(), Duration::ZERO).unwrap().is_some() {}
    }
    let wal = std::fs::metadata(dir.path().join("fastdata.db-wal")).unwrap().len();
    assert!(wal < 150 << 20, "{wal} bytes");
}

#[test]
fn concurrent_writers_lose_nothing() {
    let dir = filled();
    let written = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let log = open_separately(dir.path());
                for _ in 0..40 {
                    append(&log, &["x", "y"]).unwrap();
                    written.fetch_add(2, Ordering::Relaxed);
                }
            });
        }
    });
    let log = EmbeddedLog::open(dir.path()).unwrap();
    assert_eq!(values(&log, 3).unwrap(), ["x", "y"].repeat(120));
    assert_eq!(written.into_inner(), 240);
}

type Plain = (Option<Vec<u8>>, Option<Vec<u8>>, i64, Option<Vec<u8>>);

fn any_records() -> impl Strategy<Value = Vec<Plain>> {
    let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..9));
    proptest::collection::vec((bytes(), bytes(), prop_oneof![Just(7), any::<i64>()], bytes()), 1..20)
}

fn built(plain: &[Plain]) -> Records {
    let mut b = RecordsBuilder::default();
    for (key, value, time, header) in plain {
        let headers: &[(&str, Option<&[u8]>)] = &[("h", header.as_deref())];
        let headers = if header.is_some() { headers } else { &[] };
        b.push_with(key.as_deref(), value.as_deref(), *time, headers);
    }
    b.finish()
}

proptest! {
    #[test]
    fn rows_decode_to_what_was_encoded(one in any_records(), two in any_records(), cut in any::<prop::sample::Index>()) {
        let from = cut.index(one.len());
        let gaps: Vec<i64> = (90..).step_by(3).take(two.len()).collect();
        let mut row = Vec::new();
        let mut builder = FetchedBuilder::default();
        row_codec::encode(&built(&one), None, from, one.len() - from, &mut row);
        builder.add(10, &row).unwrap();
        row_codec::encode(&built(&two), Some(&gaps), 0, two.len(), &mut row);
        builder.add(90, &row).unwrap();
        let read = builder.finish(Arc::new(TopicPartition::new("t", 0)));
        let expected = built(&[&one[from..], &two[..]].concat());
        prop_assert_eq!(&read.records.keys, &expected.keys);
        prop_assert_eq!(&read.records.values, &expected.values);
        prop_assert_eq!(&read.records.timestamps, &expected.timestamps);
        let headers = |r: &Records, i: usize| -> Vec<(String, Option<Vec<u8>>)> {
            r.headers.iter().flat_map(|h| h.row(i).map(|(n, v)| (String::from_utf8_lossy(n).into_owned(), v.map(<[u8]>::to_vec)))).collect()
        };
        for i in 0..expected.len() {
            prop_assert_eq!(headers(&read.records, i), headers(&expected, i));
        }
        let offsets: Vec<i64> = (10..).take(one.len() - from).chain(gaps).collect();
        prop_assert_eq!(read.offsets.to_vec(), offsets);
    }

    #[test]
    fn changed_row_is_open_error(one in any_records(), at in any::<prop::sample::Index>(), by in 1..=255u8, short in any::<bool>()) {
        let mut row = Vec::new();
        row_codec::encode(&built(&one), None, 0, one.len(), &mut row);
        let i = at.index(row.len());
        if short { row.truncate(i) } else { row[i] ^= by }
        prop_assert!(FetchedBuilder::default().add(0, &row).is_err());
    }
}
