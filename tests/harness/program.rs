//! Runs the binary in a folder of its own and checks exit code, stdout and stderr.
//!
//! A test is one chain of calls: `in_temp().args(..).fails_with(2).stderr(..)`. The environment of the machine
//! does not reach the program.

use super::wait;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use tempfile::TempDir;

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_fastdata");

/// Longest time that a run may take.
pub const RUN_TIMEOUT: Duration = Duration::from_secs(60);

/// Lines of stderr that are read ahead; the process waits if it writes more before they are asked for.
const MAX_LINES_READ_AHEAD: usize = 1_024;

/// A folder in which the program is run.
pub struct Fastdata {
    dir: TempDir,
}

/// A run that has not started.
pub struct Invocation {
    command: assert_cmd::Command,
    line: String,
}

/// A run that has ended.
pub struct Finished {
    line: String,
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Fastdata {
    /// An empty folder.
    pub fn in_temp() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The folder of the embedded log that the program uses here.
    pub fn log_dir(&self) -> PathBuf {
        self.dir().join(".fastdata")
    }

    /// Writes a file into the folder.
    pub fn file(&self, name: &str, text: &str) -> &Self {
        let path = self.dir().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// A run with these arguments, split at spaces. It is killed after [`RUN_TIMEOUT`].
    pub fn args(&self, line: &str) -> Invocation {
        let mut command = assert_cmd::Command::from_std(self.command(line));
        command.timeout(RUN_TIMEOUT);
        Invocation { command, line: line.into() }
    }

    /// Starts a process that runs beside the test. Its output is read from pipes.
    pub fn start(&self, line: &str) -> RunningProcess {
        let mut command = self.command(line);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        RunningProcess::spawn(command, line)
    }

    /// Starts a process that runs beside the test and reads its stdin from a pipe.
    pub fn start_with_input(&self, line: &str) -> RunningProcess {
        let mut command = self.command(line);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        RunningProcess::spawn(command, line)
    }

    /// Starts a process that runs beside the test and writes its stderr to a file in the folder.
    pub fn start_with_log(&self, line: &str, file: &str, env: &[(&str, String)]) -> RunningProcess {
        let mut command = self.command(line);
        command.envs(env.iter().map(|(name, value)| (name, value)));
        let log = fs::File::create(self.dir().join(file)).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        RunningProcess::spawn(command, line)
    }

    /// `FASTDATA_BIN` names another binary, such as an optimised one for long tests.
    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(std::env::var_os("FASTDATA_BIN").unwrap_or_else(|| BINARY.into()));
        command.args(line.split_whitespace()).current_dir(self.dir());
        remove_settings(&mut command);
        command
    }
}

/// Keeps the environment variables that set options of the program from a command.
pub fn remove_settings(command: &mut Command) {
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FASTDATA")) {
        command.env_remove(name);
    }
}

impl Invocation {
    /// Sets the input of the program.
    pub fn stdin(mut self, text: &str) -> Self {
        self.command.write_stdin(text);
        self
    }

    /// Lets the program run for this long.
    pub fn within(mut self, limit: Duration) -> Self {
        self.command.timeout(limit);
        self
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs to the end with any exit code.
    pub fn run(mut self) -> Finished {
        let output = self.command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program writes text");
        Finished {
            line: self.line,
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Runs; the exit code must be 0.
    pub fn succeeds(self) -> Finished {
        self.exits_with(0)
    }

    /// Runs; the exit code must be this one.
    pub fn fails_with(self, code: i32) -> Finished {
        self.exits_with(code)
    }

    fn exits_with(self, code: i32) -> Finished {
        let ended = self.run();
        assert_eq!(ended.code, Some(code), "{}", ended.describe());
        ended
    }
}

impl Finished {
    /// Asserts all of stdout.
    pub fn stdout(self, expected: &str) -> Self {
        assert_eq!(self.stdout, expected, "stdout of {}", self.describe());
        self
    }

    /// Asserts all of stderr.
    pub fn stderr(self, expected: &str) -> Self {
        assert_eq!(self.stderr, expected, "stderr of {}", self.describe());
        self
    }

    /// Asserts how stderr begins and ends; the text between them differs from run to run.
    pub fn stderr_around(self, head: &str, tail: &str) -> Self {
        assert!(self.stderr.starts_with(head) && self.stderr.ends_with(tail), "{}", self.describe());
        self
    }

    /// The exit code; `None` after a signal.
    pub fn code(&self) -> Option<i32> {
        self.code
    }

    pub fn stdout_text(&self) -> &str {
        &self.stdout
    }

    pub fn stderr_text(&self) -> &str {
        &self.stderr
    }

    fn describe(&self) -> String {
        let Self { line, code, stdout, stderr } = self;
        format!("`fastdata {line}`: exit code {code:?}\nstdout:\n{stdout}\nstderr:\n{stderr}")
    }
}

/// A running process. It is killed if the test fails.
pub struct RunningProcess {
    child: Child,
    line: String,
    /// The lines of stderr, from a thread that reads them since they were first asked for.
    stderr: Option<mpsc::Receiver<String>>,
}

impl RunningProcess {
    fn spawn(mut command: Command, line: &str) -> Self {
        Self { child: command.spawn().unwrap(), line: line.into(), stderr: None }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Suspends the process and waits until it is suspended: it may run on for a moment after the signal.
    pub fn suspend(&self) {
        self.signal("STOP");
        let stat = format!("/proc/{}/stat", self.id());
        wait::until("the process to be suspended", || {
            let stat = std::fs::read_to_string(&stat).unwrap();
            // The state follows the name, which is in parentheses.
            stat.rsplit(") ").next().unwrap().starts_with('T').then_some(())
        });
    }

    /// Waits for the end of the process.
    pub fn wait(&mut self) -> ExitStatus {
        let line = self.line.clone();
        super::wait::until(&format!("the end of `fastdata {line}`"), || self.child.try_wait().unwrap())
    }

    /// The next line of stderr with its end; `None` once the process has closed it.
    fn read_stderr_line(&mut self) -> Option<String> {
        let Self { child, stderr, line } = self;
        let lines = stderr.get_or_insert_with(|| {
            let mut pipe = BufReader::new(child.stderr.take().expect("stderr is a pipe"));
            let (send, lines) = mpsc::sync_channel(MAX_LINES_READ_AHEAD);
            std::thread::spawn(move || {
                loop {
                    let mut line = String::new();
                    if pipe.read_line(&mut line).unwrap() == 0 || send.send(line).is_err() {
                        return;
                    }
                }
            });
            lines
        });
        match lines.recv_timeout(RUN_TIMEOUT) {
            Ok(line) => Some(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                panic!("`fastdata {line}` has written no line to stderr for {RUN_TIMEOUT:?}, and has not closed it")
            }
        }
    }

    /// The next line of stderr; empty at its end.
    pub fn next_stderr_line(&mut self) -> String {
        self.read_stderr_line().unwrap_or_default().trim_end_matches('\n').to_owned()
    }

    /// The rest of stderr, until the process closes it: it must have ended or be about to.
    pub fn stderr_text(&mut self) -> String {
        std::iter::from_fn(|| self.read_stderr_line()).collect()
    }
}

impl Drop for RunningProcess {
    fn drop(&mut self) {
        // Both fail if the process has been waited for.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}
