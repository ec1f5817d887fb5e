//! Local copies of state: of tasks that this instance ran before their partition was revoked, standby copies, and the
//! files of the last run. A restore starts from a copy and reads only the changes after it.
//!
//! The changelog is the truth. A copy holds all changes before one offset of its changelog. It may hold later ones too;
//! reading them again changes nothing.

use crate::files;
use crate::record::{Offset, TopicPartition};
use crate::runtime::commit::changelog_position::{ChangelogPosition, MAX_COPY_AGE_MS};
use crate::state::StateEntries;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The first line of a file.
const MAGIC: &str = "fastdata state 1";

/// The state of one partition of a changelog.
#[derive(Debug, PartialEq)]
pub(in crate::runtime) struct StateCopy {
    pub(in crate::runtime) position: ChangelogPosition,
    pub(in crate::runtime) rows: StateEntries,
}

/// All copies of a run.
#[derive(Debug, Default)]
pub(in crate::runtime) struct StateCopies {
    copies: Mutex<BTreeMap<TopicPartition, StateCopy>>,
    folder: Option<PathBuf>,
    /// The greatest age of a copy; less than [`MAX_COPY_AGE_MS`] if the log keeps deletions for a shorter time.
    max_age: Option<Duration>,
}

impl StateCopies {
    /// Without copies in memory; `folder`, if any, holds the files of the last run.
    pub(in crate::runtime) fn new(folder: Option<PathBuf>) -> Self {
        Self { copies: Mutex::default(), folder, max_age: None }
    }

    /// Sets the greatest age of a copy: the log may lack deletions that an older one has missed.
    pub(in crate::runtime) fn valid_for(self, max_age: Duration) -> Self {
        Self { max_age: Some(max_age), ..self }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<TopicPartition, StateCopy>> {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::runtime) fn put(&self, at: TopicPartition, copy: StateCopy) {
        self.lock().insert(at, copy);
    }

    /// The copy of a partition of the topic with this identity, from memory or else from its file; `None` if it is too
    /// old.
    pub(in crate::runtime) fn take(&self, at: &TopicPartition, id: &str, now: i64) -> Option<StateCopy> {
        let held = self.lock().remove(at);
        let copy = held.or_else(|| self.folder.as_ref().and_then(|folder| load(&file(folder, at))));
        let max_age = self.max_age.map_or(MAX_COPY_AGE_MS, crate::time::millis);
        let is_young = |p: &ChangelogPosition| p.is_fresh(now) && now.saturating_sub(p.at) <= max_age;
        copy.filter(|copy| *copy.position.id == *id && !id.is_empty() && is_young(&copy.position))
    }

    /// Drops the copies in memory.
    pub(in crate::runtime) fn clear(&self) {
        self.lock().clear();
    }

    /// Writes all copies to files, so that the next run reads only the later changes.
    pub(in crate::runtime) fn save(&self, now: i64) {
        let Some(folder) = &self.folder else { return };
        let held = self.lock();
        let worth = |StateCopy { position, rows }: &StateCopy| {
            !position.id.is_empty() && position.is_fresh(now) && !position.is_filed(rows.len(), now)
        };
        for (at, copy) in held.iter().filter(|(_, copy)| worth(copy)) {
            if let Err(e) = save(folder, &file(folder, at), copy) {
                // A folder that is read-only or full takes the others no better.
                tracing::warn!(
                    "the state of `{at}` could not be saved in {}: {e}; the next run reads it from its changelog, which takes longer",
                    folder.display()
                );
                return;
            }
        }
    }
}

fn file(folder: &Path, at: &TopicPartition) -> PathBuf {
    folder.join(format!("{}.{}", at.topic, at.partition))
}

fn save(folder: &Path, path: &Path, copy: &StateCopy) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    // Readers see the old file or the new one, never a part of one.
    let draft =
        path.with_extension(format!("{}.{}", path.extension().unwrap_or_default().display(), std::process::id()));
    let mut to = Hashing { to: BufWriter::new(std::fs::File::create(&draft)?), hash: Sha256::new() };
    // The age of a file is the age of its state, not of the file.
    let ChangelogPosition { id, next, at, .. } = &copy.position;
    writeln!(to, "{MAGIC} {id} {next} {at} {}", copy.rows.len())?;
    for (key, value) in &copy.rows {
        for bytes in [key, value] {
            to.write_all(&u32::try_from(bytes.len()).map_err(io::Error::other)?.to_le_bytes())?;
            to.write_all(bytes)?;
        }
    }
    let digest = to.hash.clone().finalize();
    to.write_all(&digest)?;
    let written = to.to.into_inner().map_err(io::IntoInnerError::into_error)?;
    written.sync_all()?;
    files::rename_durably(&draft, path)
}

/// The copy in a file; `None` if it is missing or damaged.
fn load(path: &Path) -> Option<StateCopy> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        // Where the folder cannot even be one, saving says so.
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return None,
        Err(e) => {
            tracing::warn!("{} could not be read: {e}; the state is read from its changelog", path.display());
            return None;
        }
    };
    let copy = parse(&bytes);
    if copy.is_none() {
        tracing::warn!("{} is not whole; the state is read from its changelog", path.display());
    }
    copy
}

fn parse(bytes: &[u8]) -> Option<StateCopy> {
    let (body, digest) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
    if Sha256::digest(body).as_slice() != digest {
        return None;
    }
    let end = body.iter().position(|b| *b == b'\n')?;
    let head = std::str::from_utf8(&body[..end]).ok()?.strip_prefix(MAGIC)?;
    let mut words = head.split_ascii_whitespace();
    let id: Arc<str> = words.next()?.into();
    let mut number = || words.next()?.parse::<i64>().ok();
    let (next, at, count) = (Offset(number()?), number()?, number()?);
    let mut rest = &body[end + 1..];
    let mut piece = || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (piece, after) = after.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        rest = after;
        Some(piece.to_vec())
    };
    let rows: Option<StateEntries> = (0..count).map(|_| Some((piece()?, piece()?))).collect();
    Some(StateCopy { position: ChangelogPosition { id, next, at, filed: Some((next, at)) }, rows: rows? })
}

/// Hashes the bytes that pass through it.
struct Hashing<W> {
    to: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.to.write(bytes)?;
        self.hash.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn copy(words: &[(&str, &str)]) -> StateCopy {
        let rows = words.iter().map(|(k, v)| (k.as_bytes().to_vec(), v.as_bytes().to_vec())).collect();
        StateCopy { position: ChangelogPosition::new("one", Offset(7), 1_000), rows }
    }

    #[test]
    fn a_file_gives_back_what_was_saved_for_the_same_topic_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let at = TopicPartition::new("p.step.state", 3);
        let saved = StateCopies::new(Some(folder.path().join("state")));
        saved.put(at.clone(), copy(&[("a", "1"), ("", ""), ("b", "22")]));
        saved.save(1_500);
        let fresh = || StateCopies::new(Some(folder.path().join("state")));
        let back = fresh().take(&at, "one", 2_000).unwrap();
        assert_eq!((back.position.next, back.position.filed), (Offset(7), Some((Offset(7), 1_000))));
        assert_eq!(back.rows, copy(&[("a", "1"), ("", ""), ("b", "22")]).rows);
        assert_eq!(fresh().take(&at, "another", 2_000), None);
        assert_eq!(fresh().take(&at, "one", 1_001 + MAX_COPY_AGE_MS), None);
        assert_eq!(fresh().take(&TopicPartition::new("p.step.state", 4), "one", 2_000), None);
    }

    /// A read-only folder refuses in the same way, but not to root.
    #[test]
    fn where_no_file_can_be_written_nothing_is_saved_and_nothing_fails() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let at = TopicPartition::new("p.step.state", 3);
        let copies = StateCopies::new(Some(file.join("state")));
        copies.put(at.clone(), copy(&[("a", "1")]));
        copies.save(1_000);
        assert!(copies.take(&at, "one", 1_000).is_some(), "the copy in memory");
        assert!(copies.take(&at, "one", 1_000).is_none());
    }

    #[test]
    fn a_copy_in_memory_grows_old_as_a_file_does_and_a_file_is_as_old_as_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let at = TopicPartition::new("p.step.state", 3);
        let copies = StateCopies::new(Some(folder.path().to_owned()));
        let taken = |copies: &StateCopies, now| copies.take(&at, "one", now).is_some();
        for (now, fresh) in
            [(999, false), (1_000, true), (1_000 + MAX_COPY_AGE_MS, true), (1_001 + MAX_COPY_AGE_MS, false)]
        {
            copies.put(at.clone(), copy(&[("a", "1")]));
            assert_eq!(taken(&copies, now), fresh, "at {now}");
        }
        copies.put(at.clone(), copy(&[("a", "1")]));
        copies.save(1_000 + MAX_COPY_AGE_MS / 2);
        let next = || StateCopies::new(Some(folder.path().to_owned()));
        assert!(taken(&next(), 1_000 + MAX_COPY_AGE_MS));
        assert!(!taken(&next(), 1_001 + MAX_COPY_AGE_MS), "it is older than the file");
    }

    #[test]
    fn no_copy_is_taken_that_is_older_than_the_deletions_of_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let at = TopicPartition::new("p.step.state", 3);
        let log = crate::log::embedded::EmbeddedLog::open(&folder.path().join("log")).unwrap();
        let retention = crate::log::Log::deletion_retention(&log);
        let copies = || StateCopies::new(Some(folder.path().to_owned())).valid_for(retention / 2);
        let limit = crate::time::millis(retention / 2);
        let saved = copies();
        saved.put(at.clone(), copy(&[("a", "1")]));
        saved.save(1_000);
        for (now, taken) in [(1_000 + limit, true), (1_001 + limit, false)] {
            saved.put(at.clone(), copy(&[("a", "1")]));
            assert_eq!(saved.take(&at, "one", now).is_some(), taken, "from memory at {now}");
            assert_eq!(copies().take(&at, "one", now).is_some(), taken, "from the file at {now}");
        }
    }

    #[test]
    fn a_file_is_written_anew_where_much_has_come_since_or_it_grows_old() {
        let position = |next, filed| ChangelogPosition {
            next: Offset(next),
            filed,
            ..ChangelogPosition::new("one", Offset(0), 0)
        };
        assert!(!position(10, None).is_filed(100, 5));
        assert!(position(1_010, Some((Offset(10), 5))).is_filed(100, 5));
        assert!(!position(1_011, Some((Offset(10), 5))).is_filed(100, 5));
        assert!(position(10_010, Some((Offset(10), 5))).is_filed(100_000, 5));
        assert!(!position(10, Some((Offset(10), 5))).is_filed(100, 5 + MAX_COPY_AGE_MS / 2));
    }

    #[test]
    fn a_file_that_is_torn_or_changed_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let at = TopicPartition::new("s", 0);
        let copies = StateCopies::new(Some(folder.path().to_owned()));
        copies.put(at.clone(), copy(&[("a", "1"), ("b", "2")]));
        copies.save(1_000);
        let path = file(folder.path(), &at);
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            assert_eq!(parse(&whole[..cut]), None, "cut at {cut}");
        }
        for i in 0..whole.len() {
            let mut changed = whole.clone();
            changed[i] ^= 1;
            assert_eq!(parse(&changed), None, "changed at {i}");
        }
        assert!(parse(&whole).is_some());
    }
}
