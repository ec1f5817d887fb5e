//! Runs the binary in a folder of its own and says what it must answer.
//!
//! Separate so that a test through the binary is one sentence: `in_temp().args(..).fails_with(2).stderr(..)`.
//! Nothing of the machine's own settings reaches the program.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_fastdata");

/// A folder in which the program is run.
pub struct Fastdata {
    dir: TempDir,
}

/// One run to come.
pub struct Call {
    command: assert_cmd::Command,
    line: String,
}

/// One run that has ended.
pub struct Ended {
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

    /// A run with these arguments, cut at spaces.
    pub fn args(&self, line: &str) -> Call {
        let mut command = assert_cmd::Command::from_std(self.command(line));
        command.timeout(Duration::from_secs(60));
        Call { command, line: line.into() }
    }

    /// A process that goes on while the test does; its output is kept for the end.
    pub fn start(&self, line: &str) -> Started {
        let mut command = self.command(line);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Started { child: command.spawn().unwrap(), line: line.into() }
    }

    /// A process that goes on while the test does; what it says goes to a file in the folder.
    pub fn start_into(&self, line: &str, file: &str, env: &[(&str, String)]) -> Started {
        let mut command = self.command(line);
        command.envs(env.iter().map(|(name, value)| (name, value)));
        let said = fs::File::create(self.dir().join(file)).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        Started { child: command.spawn().unwrap(), line: line.into() }
    }

    /// `FASTDATA_BIN` names another binary, such as an optimised one for tests that take long.
    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(std::env::var_os("FASTDATA_BIN").unwrap_or_else(|| BINARY.into()));
        command.args(line.split_whitespace()).current_dir(self.dir());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FASTDATA")) {
            command.env_remove(name);
        }
        command
    }
}

impl Call {
    /// What the program reads.
    pub fn stdin(mut self, text: &str) -> Self {
        self.command.write_stdin(text);
        self
    }

    /// Runs to the end, whatever that is.
    pub fn run(mut self) -> Ended {
        let output = self.command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program writes text");
        Ended { line: self.line, code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Runs, and exits with 0.
    pub fn succeeds(self) -> Ended {
        self.fails_with(0)
    }

    /// Runs, and exits with this code.
    pub fn fails_with(self, code: i32) -> Ended {
        let ended = self.run();
        assert_eq!(ended.code, Some(code), "{}", ended.shown());
        ended
    }
}

impl Ended {
    /// The data is exactly this.
    pub fn stdout(self, expected: &str) -> Self {
        assert_eq!(self.stdout, expected, "stdout of {}", self.shown());
        self
    }

    /// The talk is exactly this.
    pub fn stderr(self, expected: &str) -> Self {
        assert_eq!(self.stderr, expected, "stderr of {}", self.shown());
        self
    }

    /// The talk begins and ends with these: between them is what differs from run to run.
    pub fn stderr_around(self, head: &str, tail: &str) -> Self {
        assert!(self.stderr.starts_with(head) && self.stderr.ends_with(tail), "{}", self.shown());
        self
    }

    /// The data.
    pub fn data(&self) -> &str {
        &self.stdout
    }

    /// The talk.
    pub fn talk(&self) -> &str {
        &self.stderr
    }

    fn shown(&self) -> String {
        let Self { line, code, stdout, stderr } = self;
        format!("`fastdata {line}`: exit code {code:?}\nstdout:\n{stdout}\nstderr:\n{stderr}")
    }
}

/// A process under way; it is killed where the test fails.
pub struct Started {
    child: Child,
    line: String,
}

impl Started {
    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The process itself.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until it has ended.
    pub fn wait(&mut self) -> ExitStatus {
        let line = self.line.clone();
        super::wait::until(&format!("the end of `fastdata {line}`"), || self.child.try_wait().unwrap())
    }

    /// The next line of what it says; empty once it says no more.
    pub fn line(&mut self) -> String {
        let (mut line, mut byte) = (Vec::new(), [0]);
        let talk = self.child.stderr.as_mut().unwrap();
        while talk.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    }

    /// What it said, once it has ended.
    pub fn talk(&mut self) -> String {
        let mut text = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Has ended already where the test went well.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
