//! One file used by several handles and processes.
//!
//! The tests run themselves as the other process: with a folder in the environment, a test does the other
//! process's part and returns.

use super::*;

const READER_DIR: &str = "FASTDATA_TEST_READER_DIR";
const TESTS: &str = "log::embedded::tests::sharing::";

/// What a process of its own reads of `t`; that process closes the log before it ends.
fn values_in_another_process(dir: &TempDir, test: &str) -> Vec<String> {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{TESTS}{test}"), "--nocapture"])
        .env(READER_DIR, dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("values "));
    line.unwrap_or_else(|| panic!("{text}")).split(' ').map(str::to_owned).collect()
}

/// Does the part of the other process; false in the process that runs the test.
fn is_reader() -> bool {
    let Some(dir) = std::env::var_os(READER_DIR) else { return false };
    let log = EmbeddedLog::open(Path::new(&dir)).unwrap();
    println!("\nvalues {}", values(&log, 0).unwrap().join(" "));
    true
}

/// Whether this process holds a lock on the file that it keeps as long as it has the file open.
#[cfg(target_os = "linux")]
fn holds_lock(dir: &TempDir) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let inode = std::fs::metadata(dir.path().join(schema::DATABASE_FILE)).unwrap().ino();
    let (process, file) = (std::process::id().to_string(), format!(":{inode}"));
    let locks = std::fs::read_to_string("/proc/locks").unwrap();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    locks.lines().map(words).any(|words| words.contains(&process) && words.iter().any(|word| word.ends_with(&file)))
}

/// A process that opens and closes the file by itself loses the locks of all its connections.
#[test]
#[cfg(target_os = "linux")]
fn no_call_releases_the_locks_of_the_process() {
    let dir = filled();
    let log = EmbeddedLog::open(dir.path()).unwrap();
    append(&log, &["d"]).unwrap();
    assert!(holds_lock(&dir), "after an append");
    let mut reader = log.reader(&[(TopicPartition::new("t", 0), Offset(0))]).unwrap();
    reader.poll(FetchLimit::default(), Duration::ZERO).unwrap();
    assert!(holds_lock(&dir), "after a read");
    let separate = EmbeddedLog::open_separately(dir.path()).unwrap();
    assert!(holds_lock(&dir), "after it was opened again");
    drop(separate);
    drop(EmbeddedLog::open(dir.path()).unwrap());
    assert!(holds_lock(&dir), "after it was closed again");
    drop((log, reader));
    assert!(!holds_lock(&dir), "nothing is open");
}

#[test]
#[cfg(unix)]
fn handles_of_one_file_share_what_is_open() {
    let dir = filled();
    let link = TempDir::new().unwrap();
    let other_path = link.path().join("data");
    std::os::unix::fs::symlink(dir.path(), &other_path).unwrap();
    let first = EmbeddedLog::open(dir.path()).unwrap();
    for path in [dir.path(), &other_path] {
        let second = EmbeddedLog::open(path).unwrap();
        assert!(Arc::ptr_eq(&first.database, &second.database), "{}", path.display());
    }
    let before = first.database.signal.commits();
    append(&EmbeddedLog::open(dir.path()).unwrap(), &["d"]).unwrap();
    assert_eq!(first.database.signal.commits(), before + 1, "its readers wake at once");
}

/// SQLite deletes the write-ahead log when the last process closes the file. A process that loses its locks
/// does not count: another one then deletes the log that the first one still writes to.
#[test]
fn opening_a_second_handle_keeps_the_locks_of_the_first() {
    if is_reader() {
        return;
    }
    let read = |dir: &TempDir| values_in_another_process(dir, "opening_a_second_handle_keeps_the_locks_of_the_first");
    let dir = filled();
    let first = EmbeddedLog::open(dir.path()).unwrap();
    append(&first, &["d"]).unwrap();
    let second = EmbeddedLog::open(dir.path()).unwrap();
    assert_eq!(read(&dir), ["a", "b", "c", "d"]);
    append(&first, &["e"]).unwrap();
    append(&second, &["f"]).unwrap();
    drop(second);
    assert_eq!(read(&dir), ["a", "b", "c", "d", "e", "f"]);
    append(&first, &["g"]).unwrap();
    drop(first);
    assert_eq!(read(&dir), ["a", "b", "c", "d", "e", "f", "g"]);
}

/// What happens to a data folder while it is in use, with its name.
type Replacement = (&'static str, fn(&Path));

const REPLACEMENTS: [Replacement; 3] = [
    ("removed", |dir| std::fs::remove_dir_all(dir).unwrap()),
    ("moved", |dir| std::fs::rename(dir, dir.with_extension("moved")).unwrap()),
    ("replaced", |dir| {
        std::fs::rename(dir, dir.with_extension("moved")).unwrap();
        drop(EmbeddedLog::open(dir).unwrap());
    }),
];

fn assert_names_folder<T>(what: &str, dir: &Path, result: LogResult<T>) {
    match result.map(drop) {
        Err(LogError::Unusable(e)) if e.contains(&format!("`{}` was removed, moved or replaced", dir.display())) => {}
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn every_call_fails_once_the_folder_is_replaced() {
    for (name, replace) in REPLACEMENTS {
        let parent = TempDir::new().unwrap();
        let dir = parent.path().join("data");
        let log = EmbeddedLog::open(&dir).unwrap();
        log.create_topic("t", &with_partitions(1)).unwrap();
        append(&log, &["a", "b"]).unwrap();
        let at = TopicPartition::new("t", 0);
        let mut reader = log.reader(&[(at.clone(), Offset(0))]).unwrap();
        let mut waiting = log.reader(&[(at.clone(), Offset(2))]).unwrap();
        let mut member = log.join(&spec("one")).unwrap();
        let mut committer = member.committer().unwrap();
        assert_eq!(assigned(&mut *member).len(), 1);
        replace(&dir);
        let second = Duration::from_secs(1);
        let start = std::time::Instant::now();
        assert_names_folder(name, &dir, waiting.poll(FetchLimit::default(), second * 60));
        assert!(start.elapsed() < second, "{name}");
        assert_names_folder(name, &dir, reader.poll(FetchLimit::default(), second));
        assert_names_folder(name, &dir, member.poll(FetchLimit::default(), second));
        assert_names_folder(name, &dir, append(&log, &["c"]));
        assert_names_folder(name, &dir, committer.commit(&Transaction::default()));
        assert_names_folder(name, &dir, log.topics(None));
        assert_names_folder(name, &dir, log.resolve(&at, Start::Latest));
        assert_names_folder(name, &dir, log.reader(&[(at, Offset(0))]));
        assert_names_folder(name, &dir, member.leave());
    }
}

#[test]
fn a_commit_that_meets_the_removal_is_not_acknowledged() {
    let parent = TempDir::new().unwrap();
    let dir = parent.path().join("data");
    let log = EmbeddedLog::open(&dir).unwrap();
    let written = log.database.write(|_, _| {
        std::fs::remove_dir_all(&dir).unwrap();
        Ok(())
    });
    assert_names_folder("removed", &dir, written);
}

#[test]
fn a_moved_folder_can_be_opened_where_it_is() {
    let parent = TempDir::new().unwrap();
    let (dir, moved) = (parent.path().join("data"), parent.path().join("moved"));
    let log = EmbeddedLog::open(&dir).unwrap();
    log.create_topic("t", &with_partitions(1)).unwrap();
    append(&log, &["a"]).unwrap();
    std::fs::rename(&dir, &moved).unwrap();
    let opened = EmbeddedLog::open(&moved).unwrap();
    assert_eq!(append(&opened, &["b"]).unwrap(), [Offset(1)]);
    assert_eq!(values(&opened, 0).unwrap(), ["a", "b"]);
    assert_names_folder("moved", &dir, append(&log, &["c"]));
}
