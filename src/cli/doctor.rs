//! `fastdata doctor`: checks what fastdata needs of this machine, and says what to do.
//!
//! It changes nothing: what it writes to find out, it removes.

use super::backplane;
use super::context::Context;
use super::exit::Failed;
use super::global::Global;
use super::output::size;
use crate::log::Log as _;
use crate::log::kafka::KafkaLog;
use rusqlite::Connection;
use std::fmt;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Less free space than this is worth a warning.
const ROOM: u64 = 1 << 30;
/// Less memory than this is worth a warning.
const MEMORY: u64 = 512 << 20;

/// Check what fastdata needs of this machine
///
/// One line a check: ok, warn or fail, and what to do. Exit code 1 if one fails.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata doctor
  fastdata doctor --data-dir /mnt/data")]
pub(super) struct Args {}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        })
    }
}

#[derive(Debug)]
struct Finding {
    verdict: Verdict,
    what: &'static str,
    found: String,
    advice: Option<String>,
}

impl Finding {
    fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self { verdict: Verdict::Ok, what, found: found.into(), advice: None }
    }

    fn bad(verdict: Verdict, what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict, what, found: found.into(), advice: Some(advice.into()) }
    }
}

pub(super) fn execute(_args: &Args, context: &Context) -> anyhow::Result<()> {
    let findings = findings(context.global());
    let lines: String = findings
        .iter()
        .map(|f| {
            let advice =
                f.advice.as_ref().map_or_else(String::new, |advice| format!("\n                       {advice}"));
            format!("{:<4}  {:<15}  {}{advice}\n", f.verdict, f.what, f.found)
        })
        .collect();
    context.printer().print(lines)?;
    if findings.iter().any(|f| f.verdict == Verdict::Fail) { Err(Failed.into()) } else { Ok(()) }
}

fn findings(global: &Global) -> Vec<Finding> {
    let folder = existing(&global.data_dir);
    let writable = writable(&global.data_dir, &folder);
    let may_write = writable.verdict == Verdict::Ok;
    let mut findings = vec![Finding::ok("fastdata", env!("CARGO_PKG_VERSION")), writable];
    findings.push(Finding::ok("sqlite", format!("{}, built in", rusqlite::version())));
    if may_write {
        findings.push(write_ahead_log(&folder));
    }
    findings.extend([disk(&folder), cores(), memory(), terminal()]);
    findings.extend(kafka(global));
    findings
}

/// The folder itself, or the nearest one above it that is there.
fn existing(dir: &Path) -> PathBuf {
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    absolute.ancestors().find(|d| d.exists()).map_or(absolute.clone(), Path::to_owned)
}

fn writable(dir: &Path, folder: &Path) -> Finding {
    const WHAT: &str = "data folder";
    let advice = "choose another with `--data-dir DIR` or FASTDATA_DATA_DIR";
    if !folder.is_dir() {
        return Finding::bad(Verdict::Fail, WHAT, format!("`{}` is no folder", folder.display()), advice);
    }
    let probe = folder.join(format!(".fastdata-doctor-{}", std::process::id()));
    let wrote = std::fs::write(&probe, b"probe");
    let _ = std::fs::remove_file(&probe);
    match wrote {
        Ok(()) if folder.ends_with(dir) || dir.exists() => Finding::ok(WHAT, format!("{}, writable", dir.display())),
        Ok(()) => Finding::ok(WHAT, format!("{}, made when it is needed", dir.display())),
        Err(e) => Finding::bad(Verdict::Fail, WHAT, format!("cannot write into `{}`: {e}", folder.display()), advice),
    }
}

fn write_ahead_log(folder: &Path) -> Finding {
    const WHAT: &str = "write-ahead log";
    let probe = folder.join(format!(".fastdata-doctor-{}.db", std::process::id()));
    let found = probe_wal(&probe);
    for suffix in ["", "-wal", "-shm"] {
        let mut name = probe.clone().into_os_string();
        name.push(suffix);
        let _ = std::fs::remove_file(name);
    }
    let advice = "the embedded log needs a local disk: network file systems do not share memory between processes";
    match found {
        Ok(mode) if mode == "wal" => Finding::ok(WHAT, "works, also between processes"),
        Ok(mode) => Finding::bad(Verdict::Fail, WHAT, format!("is refused: SQLite stays in mode `{mode}`"), advice),
        Err(e) => Finding::bad(Verdict::Fail, WHAT, format!("fails: {e}"), advice),
    }
}

/// The journal mode that SQLite chose, after a second connection has seen what the first wrote.
fn probe_wal(file: &Path) -> rusqlite::Result<String> {
    let writer = Connection::open(file)?;
    let mode = writer.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    let reader = Connection::open(file)?;
    writer.execute_batch("CREATE TABLE probe (n INTEGER); INSERT INTO probe VALUES (1)")?;
    reader.query_row("SELECT n FROM probe", [], |row| row.get::<_, i64>(0))?;
    Ok(mode)
}

fn disk(folder: &Path) -> Finding {
    const WHAT: &str = "disk space";
    match free(folder) {
        Some(free) if free < ROOM => {
            let advice = "remove what is not needed, or give topics a `--retention`";
            Finding::bad(Verdict::Warn, WHAT, format!("{} free", size(free)), advice)
        }
        Some(free) => Finding::ok(WHAT, format!("{} free", size(free))),
        None => Finding::bad(Verdict::Warn, WHAT, "cannot be told on this system", "look at it yourself"),
    }
}

/// Free bytes as the POSIX program `df` tells them: the standard library has no call for it.
fn free(folder: &Path) -> Option<u64> {
    let output = Command::new("df").arg("-Pk").arg(folder).output().ok().filter(|o| o.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    let kibibytes: u64 = text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

fn cores() -> Finding {
    match std::thread::available_parallelism() {
        Ok(cores) => Finding::ok("cores", cores.to_string()),
        Err(e) => Finding::bad(Verdict::Warn, "cores", format!("cannot be told: {e}"), "give `run` its `--workers N`"),
    }
}

fn memory() -> Finding {
    const WHAT: &str = "memory";
    match available_memory() {
        Some(bytes) if bytes < MEMORY => {
            let advice = "set `state: {memory_limit: 256MiB}` in the pipeline file, or stop other programs";
            Finding::bad(Verdict::Warn, WHAT, format!("{} available", size(bytes)), advice)
        }
        Some(bytes) => Finding::ok(WHAT, format!("{} available", size(bytes))),
        None => Finding::bad(Verdict::Warn, WHAT, "cannot be told on this system", "look at it yourself"),
    }
}

/// What the kernel would give, and within a container not more than its limit.
fn available_memory() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find(|l| l.starts_with("MemAvailable:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|l| l.trim().parse::<u64>().ok());
    Some((kibibytes * 1024).min(limit.unwrap_or(u64::MAX)))
}

fn terminal() -> Finding {
    const WHAT: &str = "terminal";
    if !std::io::stdout().is_terminal() {
        return Finding::ok(WHAT, "none: `stats --follow` writes JSON lines here");
    }
    match ratatui::crossterm::terminal::size() {
        Ok((columns, rows)) if columns < 80 || rows < 20 => {
            let advice = "`stats --follow` and `demo` want at least 80 by 20";
            Finding::bad(Verdict::Warn, WHAT, format!("{columns} by {rows}"), advice)
        }
        Ok((columns, rows)) => Finding::ok(WHAT, format!("{columns} by {rows}")),
        Err(e) => Finding::bad(Verdict::Warn, WHAT, format!("of unknown size: {e}"), "`stats --follow` may look odd"),
    }
}

fn kafka(global: &Global) -> Option<Finding> {
    const WHAT: &str = "kafka";
    let advice = "leave out `--brokers` and unset FASTDATA_BROKERS to use the embedded log";
    let settings = match backplane::settings(global, None) {
        Ok(settings) => settings?,
        Err(e) => return Some(Finding::bad(Verdict::Fail, WHAT, format!("{e:#}"), advice)),
    };
    let found = KafkaLog::connect(&settings).and_then(|log| log.topics(None));
    Some(match found {
        Ok(topics) => Finding::ok(WHAT, format!("{} answers, {} topics", settings.brokers, topics.len())),
        Err(e) => Finding::bad(Verdict::Fail, WHAT, e.to_string(), advice),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn looking_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let (wished, folder) = (dir.path().join("a/b"), existing(&dir.path().join("a/b")));
        assert_eq!(folder, dir.path());
        assert_eq!(writable(&wished, &folder).verdict, Verdict::Ok);
        assert_eq!(write_ahead_log(&folder).verdict, Verdict::Ok);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_fails_and_says_what_to_do() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let finding = writable(file.path(), &existing(file.path()));
        assert_eq!(finding.verdict, Verdict::Fail);
        assert!(finding.advice.unwrap().contains("--data-dir"));
    }
}
