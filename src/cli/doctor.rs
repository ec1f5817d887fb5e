//! `fastdata doctor`: checks the machine, and says how to fix what fails.
//!
//! It changes nothing: files that it writes as a probe are removed.

use super::backplane;
use super::context::CliContext;
use super::exit::{FailureReported, InvalidInputReported};
use super::figures::bytes;
use super::global::Global;
use super::table::{Table, TableColumn};
use crate::log::Log as _;
use crate::log::kafka::{KafkaLog, Settings};
use rusqlite::Connection;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Less free space on the disk gives a warning.
const MIN_FREE_DISK_BYTES: u64 = 1 << 30;
/// Less available memory gives a warning.
const MIN_AVAILABLE_MEMORY_BYTES: u64 = 512 << 20;

/// Check that this machine meets the requirements
///
/// Prints one line per check: ok, warn or fail, and how to fix it. The exit code is 1 if a check fails.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata doctor
  fastdata doctor --data-dir /mnt/data")]
pub(super) struct DoctorArgs {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

#[derive(Debug)]
struct DoctorCheck {
    verdict: Verdict,
    what: &'static str,
    found: String,
    advice: Option<String>,
}

impl DoctorCheck {
    fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self { verdict: Verdict::Ok, what, found: found.into(), advice: None }
    }

    fn problem(verdict: Verdict, what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict, what, found: found.into(), advice: Some(advice.into()) }
    }
}

pub(super) fn execute(_args: &DoctorArgs, context: &CliContext) -> anyhow::Result<()> {
    let kafka = backplane::settings(context.global(), None);
    let checks = run_checks(context.global(), &kafka);
    let columns = [TableColumn::left(""), TableColumn::left(""), TableColumn::left("")];
    let mut table = Table::new(columns).without_headings();
    for check in &checks {
        table.row([check.verdict.name(), check.what, check.found.as_str()]);
        check.advice.iter().for_each(|advice| table.row(["", "", advice.as_str()]));
    }
    context.printer().print(table)?;
    match checks.iter().any(|f| f.verdict == Verdict::Fail) {
        true if kafka.is_err() => Err(InvalidInputReported.into()),
        true => Err(FailureReported.into()),
        false => Ok(()),
    }
}

fn run_checks(global: &Global, kafka: &anyhow::Result<Option<Settings>>) -> Vec<DoctorCheck> {
    let folder = existing_ancestor(&global.data_dir);
    let writable = check_writable(&global.data_dir, &folder);
    let may_write = writable.verdict == Verdict::Ok;
    let mut checks = vec![DoctorCheck::ok("fastdata", env!("CARGO_PKG_VERSION")), writable];
    checks.push(DoctorCheck::ok("sqlite", format!("{}, built in", rusqlite::version())));
    if may_write {
        checks.push(check_write_ahead_log(&folder));
    }
    checks.extend([check_disk(&folder), check_cores(), check_memory(), check_terminal()]);
    checks.extend(check_kafka(kafka));
    checks
}

/// The folder itself, or its nearest ancestor that exists.
fn existing_ancestor(dir: &Path) -> PathBuf {
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    absolute.ancestors().find(|d| d.exists()).map_or(absolute.clone(), Path::to_owned)
}

fn check_writable(dir: &Path, folder: &Path) -> DoctorCheck {
    const WHAT: &str = "data folder";
    let advice = "choose another with `--data-dir DIR` or FASTDATA_DATA_DIR";
    if !folder.is_dir() {
        return DoctorCheck::problem(Verdict::Fail, WHAT, format!("`{}` is not a folder", folder.display()), advice);
    }
    let probe = folder.join(format!(".fastdata-doctor-{}", std::process::id()));
    let wrote = std::fs::write(&probe, b"probe");
    let _ = std::fs::remove_file(&probe);
    match wrote {
        Ok(()) if folder.ends_with(dir) || dir.exists() => {
            DoctorCheck::ok(WHAT, format!("{}, writable", dir.display()))
        }
        Ok(()) => DoctorCheck::ok(WHAT, format!("{}, created when needed", dir.display())),
        Err(e) => {
            DoctorCheck::problem(Verdict::Fail, WHAT, format!("cannot write into `{}`: {e}", folder.display()), advice)
        }
    }
}

fn check_write_ahead_log(folder: &Path) -> DoctorCheck {
    const WHAT: &str = "write-ahead log";
    let probe = folder.join(format!(".fastdata-doctor-{}.db", std::process::id()));
    let found = probe_wal(&probe);
    for suffix in ["", "-wal", "-shm"] {
        let mut name = probe.clone().into_os_string();
        name.push(suffix);
        let _ = std::fs::remove_file(name);
    }
    let advice =
        "put the data folder on a local disk: network file systems do not support shared memory between processes";
    match found {
        Ok(mode) if mode == "wal" => DoctorCheck::ok(WHAT, "works between processes"),
        Ok(mode) => {
            DoctorCheck::problem(Verdict::Fail, WHAT, format!("is refused: SQLite stays in mode `{mode}`"), advice)
        }
        Err(e) => DoctorCheck::problem(Verdict::Fail, WHAT, format!("fails: {e}"), advice),
    }
}

/// The journal mode that SQLite selects, once a second connection has read what the first one wrote.
fn probe_wal(file: &Path) -> rusqlite::Result<String> {
    let writer = Connection::open(file)?;
    let mode = writer.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    let reader = Connection::open(file)?;
    writer.execute_batch("CREATE TABLE probe (n INTEGER); INSERT INTO probe VALUES (1)")?;
    reader.query_row("SELECT n FROM probe", [], |row| row.get::<_, i64>(0))?;
    Ok(mode)
}

fn check_disk(folder: &Path) -> DoctorCheck {
    const WHAT: &str = "disk space";
    match free_bytes(folder) {
        Some(free) if free < MIN_FREE_DISK_BYTES => {
            let advice = "delete files, or create topics with a `--retention`";
            DoctorCheck::problem(Verdict::Warn, WHAT, format!("{} free", bytes(free)), advice)
        }
        Some(free) => DoctorCheck::ok(WHAT, format!("{} free", bytes(free))),
        None => DoctorCheck::problem(Verdict::Warn, WHAT, "unknown on this system", "check it yourself"),
    }
}

/// The free space that the POSIX program `df` reports; the standard library has no call for it.
fn free_bytes(folder: &Path) -> Option<u64> {
    let output = Command::new("df").arg("-Pk").arg(folder).output().ok().filter(|o| o.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    let kibibytes: u64 = text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

fn check_cores() -> DoctorCheck {
    match std::thread::available_parallelism() {
        Ok(cores) => DoctorCheck::ok("cores", cores.to_string()),
        Err(e) => DoctorCheck::problem(Verdict::Warn, "cores", format!("unknown: {e}"), "set `--workers N` for `run`"),
    }
}

fn check_memory() -> DoctorCheck {
    const WHAT: &str = "memory";
    match available_memory() {
        Some(available) if available < MIN_AVAILABLE_MEMORY_BYTES => {
            let advice = "set `state: {memory_limit: 256MiB}` in the pipeline file, or stop other programs";
            DoctorCheck::problem(Verdict::Warn, WHAT, format!("{} available", bytes(available)), advice)
        }
        Some(available) => DoctorCheck::ok(WHAT, format!("{} available", bytes(available))),
        None => DoctorCheck::problem(Verdict::Warn, WHAT, "unknown on this system", "check it yourself"),
    }
}

/// The memory that the kernel reports as available, at most the limit of the container.
fn available_memory() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find(|l| l.starts_with("MemAvailable:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|l| l.trim().parse::<u64>().ok());
    Some((kibibytes * 1024).min(limit.unwrap_or(u64::MAX)))
}

fn check_terminal() -> DoctorCheck {
    const WHAT: &str = "terminal";
    if !std::io::stdout().is_terminal() {
        return DoctorCheck::ok(WHAT, "none: `stats --follow` writes JSON lines");
    }
    match ratatui::crossterm::terminal::size() {
        Ok((columns, rows)) if columns < 80 || rows < 20 => {
            let advice = "`stats --follow` and `demo` need at least 80 by 20";
            DoctorCheck::problem(Verdict::Warn, WHAT, format!("{columns} by {rows}"), advice)
        }
        Ok((columns, rows)) => DoctorCheck::ok(WHAT, format!("{columns} by {rows}")),
        Err(e) => DoctorCheck::problem(
            Verdict::Warn,
            WHAT,
            format!("unknown size: {e}"),
            "`stats --follow` may not fit the screen",
        ),
    }
}

fn check_kafka(settings: &anyhow::Result<Option<Settings>>) -> Vec<DoctorCheck> {
    const WHAT: &str = "kafka";
    let advice = "leave out `--brokers` and unset FASTDATA_BROKERS to use the embedded log";
    let settings = match settings {
        Ok(Some(settings)) => settings,
        Ok(None) => return Vec::new(),
        Err(e) => return vec![DoctorCheck::problem(Verdict::Fail, WHAT, format!("{e:#}"), advice)],
    };
    let found = KafkaLog::connect(settings).and_then(|log| log.topics(None));
    let mut findings = vec![match found {
        Ok(topics) => DoctorCheck::ok(WHAT, format!("{} answers with {} topics", settings.brokers, topics.len())),
        Err(e) => DoctorCheck::problem(Verdict::Fail, WHAT, e.to_string(), advice),
    }];
    if settings.sends_clear_password() {
        let advice = "use TLS, or `sasl.mechanism` SCRAM-SHA-512";
        findings.push(DoctorCheck::problem(Verdict::Warn, "kafka password", "is sent in clear text", advice));
    }
    findings
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn checks_leave_no_files_behind() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("a/b");
        let folder = existing_ancestor(&data_dir);
        assert_eq!(folder, dir.path());
        assert_eq!(check_writable(&data_dir, &folder).verdict, Verdict::Ok);
        assert_eq!(check_write_ahead_log(&folder).verdict, Verdict::Ok);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_instead_of_the_data_folder_fails_with_advice() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let check = check_writable(file.path(), &existing_ancestor(file.path()));
        assert_eq!(check.verdict, Verdict::Fail);
        assert!(check.advice.unwrap().contains("--data-dir"));
    }
}
