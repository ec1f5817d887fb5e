//! Several processes of one pipeline as one consumer group, with a thread that writes input and one that monitors
//! the committed positions.
//!
//! The tests decide what happens to the group. Each has a short form, which `cargo test` runs, and a long form that
//! the environment requests:
//!
//! | variable | sets |
//! | --- | --- |
//! | `FASTDATA_SEED` | the random seed, which is printed at the end |
//! | `FASTDATA_RECORDS` | the least number of records |
//! | `FASTDATA_KILLS` | the kills in `kills` and `delivery` |
//! | `FASTDATA_ZOMBIES` | the zombies of each delivery in `zombies` |
//! | `FASTDATA_REBALANCES`, `FASTDATA_SIGTERMS` | the repetitions in `rebalances` and `signals` |
//! | `FASTDATA_FAILPOINTS` | the runs in `failpoints` |
//! | `FASTDATA_BOUNCES`, `FASTDATA_OUTAGES`, `FASTDATA_OUTAGE_SECONDS` | kills and outages of brokers |
//! | `FASTDATA_MISTAKES=1` | plant all mistakes in `mistakes` |
//! | `FASTDATA_CASE` | run only cases with this text in their names, in `mistakes` and `conformance` |
//! | `FASTDATA_BACKLOG_GB`, `FASTDATA_RESTORE_MB` | the size of the backlog in `memory` and of the state in `restore` |
//! | `FASTDATA_KAFKA_QUOTA`, `FASTDATA_KAFKA_BACKLOG` | bytes per second and records in `quotas` |
//! | `FASTDATA_BIN` | another binary than that of this build, such as an optimised one |
//!
//! Tests that kill or stop brokers for minutes are `#[ignore]`: `cargo test -- --ignored kafka::` runs them.
//!
//! If a test fails, the logs of the instances are kept and their folder is printed.

use super::broker::Cluster;
use super::exact;
use super::feed::{Feed, RecordFn};
use super::monitor::GroupMonitor;
use crate::harness::program::{Fastdata, RunningProcess};
use crate::harness::topics::topic_config;
use crate::harness::wait;
use fastdata::log::Log as _;
use rand::SeedableRng as _;
use rand_pcg::Pcg64;
use std::path::Path;
use std::time::{Duration, Instant};

/// Arguments with short time-outs: the group soon removes a dead member and aborts its transaction.
pub const FAST_FAILOVER: &str = "--kafka session.timeout.ms=2000 --kafka heartbeat.interval.ms=400 \
    --kafka transaction.timeout.ms=4000 --kafka message.timeout.ms=4000";

/// Lines at the end of a log that a failure shows.
const SHOWN_LOG_LINES: usize = 40;

/// Time between two extensions of the feed while a test lets time pass.
const FEED_INTERVAL: Duration = Duration::from_millis(1);

/// A number from the environment.
pub fn number<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).map_or(default, |v| v.parse().unwrap_or_else(|_| panic!("{name}={v} is not a number")))
}

/// The random numbers of a test, and their seed.
pub fn random() -> (Pcg64, u64) {
    let seed = number("FASTDATA_SEED", 1);
    (Pcg64::seed_from_u64(seed), seed)
}

/// The pipeline of a group, its instances and its input.
pub struct GroupPlan {
    /// The prefix of topic and log names.
    pub stem: &'static str,
    /// The pipeline file; `NAME` stands for the pipeline's name.
    pub pipeline: String,
    /// Arguments of each instance.
    pub args: String,
    pub instances: usize,
    pub partitions: u32,
    pub record: RecordFn,
    /// Records that may be written and not yet consumed.
    pub max_lag: i64,
    /// Environment variables of each instance.
    pub env: Vec<(&'static str, String)>,
}

impl GroupPlan {
    /// A fold and a window over the records of [`exact`].
    pub fn exact(stem: &'static str, max_lag: i64) -> Self {
        Self {
            stem,
            pipeline: format!("{}{}", exact::SOURCE, exact::STEPS),
            args: FAST_FAILOVER.to_owned(),
            instances: 3,
            partitions: exact::PARTITIONS,
            record: exact::record,
            max_lag,
            env: Vec::new(),
        }
    }
}

/// Whether a process has installed its handler for SIGTERM. Before that the signal kills it.
fn handles_sigterm(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|l| l.strip_prefix("SigCgt:"));
    caught.is_none_or(|c| u64::from_str_radix(c.trim(), 16).unwrap() & 1 << 14 > 0)
}

/// A process of the group.
pub struct Instance {
    /// The client id in the group, and the stem of the log file.
    pub name: String,
    pub process: RunningProcess,
}

/// The group, its input and its monitor.
pub struct Group<'a> {
    pub cluster: &'a Cluster,
    pub name: String,
    pub instances: Vec<Instance>,
    pub feed: Feed,
    pub monitor: GroupMonitor,
    plan: GroupPlan,
    f: Fastdata,
    spawned: usize,
    created_at: Instant,
}

impl<'a> Group<'a> {
    /// A group without instances; nothing is written yet.
    pub fn new(cluster: &'a Cluster, plan: GroupPlan) -> Self {
        let (log, name, f) = (cluster.connect(), cluster.name(plan.stem), Fastdata::in_temp());
        f.file("p.yaml", &plan.pipeline.replace("NAME", &name));
        let (brokers, input) = (cluster.listener("PLAINTEXT"), format!("{name}-in"));
        log.create_topic(&input, &topic_config(plan.partitions)).unwrap();
        let monitor = GroupMonitor::start(&brokers, &name, &input, plan.partitions);
        let feed = Feed::start(&brokers, input, plan.record);
        let created_at = Instant::now();
        Self { cluster, name, instances: Vec::new(), feed, monitor, plan, f, spawned: 0, created_at }
    }

    /// A group whose instances have been started and have consumed a record.
    pub fn running(cluster: &'a Cluster, plan: GroupPlan) -> Self {
        let mut group = Self::new(cluster, plan);
        for _ in 0..group.plan.instances {
            let instance = group.spawn("");
            group.instances.push(instance);
        }
        group.await_records(1);
        group
    }

    /// One of the group's topics.
    pub fn topic(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.name)
    }

    /// Replaces the pipeline file; `NAME` stands for the pipeline's name. Instances that run keep theirs.
    pub fn edit(&self, pipeline: &str) {
        self.f.file("p.yaml", &pipeline.replace("NAME", &self.name));
    }

    /// Starts a process with additional arguments.
    pub fn spawn(&mut self, args: &str) -> Instance {
        self.spawn_with_env(args, &[])
    }

    /// Starts a process with additional arguments and environment variables.
    pub fn spawn_with_env(&mut self, args: &str, env: &[(&str, String)]) -> Instance {
        self.spawned += 1;
        let env: Vec<(&str, String)> = self.plan.env.iter().chain(env).cloned().collect();
        let (name, brokers) = (format!("{}-{}", self.name, self.spawned), self.cluster.listener("PLAINTEXT"));
        let line = format!("run p.yaml --brokers {brokers} --kafka client.id={name} {} {args}", self.plan.args);
        let process = self.f.start_with_log(&line, &format!("{name}.log"), &env);
        Instance { name, process }
    }

    /// What an instance has written to stderr.
    pub fn log_of(&self, name: &str) -> String {
        std::fs::read_to_string(self.f.dir().join(format!("{name}.log"))).unwrap_or_default()
    }

    /// What a command of fastdata prints about the group.
    pub fn command(&self, line: &str) -> String {
        let line = format!("{line} --brokers {}", self.cluster.listener("PLAINTEXT"));
        self.f.args(&line).succeeds().stdout_text().to_owned()
    }

    /// The number of records before the committed positions.
    pub fn consumed(&self) -> i64 {
        self.monitor.positions().iter().sum()
    }

    /// Lets the feed write more; panics if an instance has ended or the feed has failed.
    fn check(&mut self) {
        let exited =
            self.instances.iter_mut().find_map(|i| Some((i.process.child().try_wait().unwrap()?, i.name.clone())));
        if let Some((status, name)) = exited {
            panic!("{name} has ended: {status}\n{}", tail(&self.log_of(&name)));
        }
        self.feed.written();
        self.feed.allow_up_to(self.consumed() + self.plan.max_lag);
    }

    /// Waits for a condition while the feed continues.
    pub fn wait_until<T>(&mut self, condition: &str, mut check: impl FnMut(&mut Self) -> Option<T>) -> T {
        wait::until(condition, || {
            self.check();
            check(self)
        })
    }

    /// Waits until the group has consumed this many more records.
    pub fn await_records(&mut self, records: i64) {
        let end = self.consumed() + records;
        while self.consumed() < end {
            let at = self.consumed();
            self.wait_until(&format!("{} to advance from {at} towards {end}", self.name), |g| {
                (g.consumed() > at).then_some(())
            });
        }
    }

    /// Waits until the position of each of these partitions has advanced.
    pub fn await_progress_in(&mut self, partitions: &[i32]) {
        let start = self.monitor.positions();
        let advanced = |at: &[i64]| partitions.iter().all(|p| at[*p as usize] > start[*p as usize]);
        self.wait_until(&format!("partitions {partitions:?} to advance from {start:?}"), |g| {
            advanced(&g.monitor.positions()).then_some(())
        });
    }

    /// Keeps the feed going for this time. For tests in which only the passing of time matters.
    pub fn keep_running_for(&mut self, time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            self.check();
            std::thread::park_timeout(FEED_INTERVAL);
        }
    }

    /// All partitions of the input.
    pub fn partitions(&self) -> Vec<i32> {
        (0..i32::try_from(self.plan.partitions).unwrap()).collect()
    }

    /// Waits until each instance is a member of the group and has partitions.
    pub fn await_assignment(&mut self) {
        self.wait_until("all instances to have partitions", |g| {
            let members = g.monitor.members(&g.topic("in"))?;
            g.instances.iter().all(|i| members.get(&i.name).is_some_and(|p| !p.is_empty())).then_some(())
        });
    }

    /// Kills an instance and starts another in its place.
    pub fn kill(&mut self, which: usize) {
        self.instances[which].process.signal("KILL");
        self.instances[which].process.wait();
        self.instances[which] = self.spawn("");
    }

    /// Ends an instance with SIGTERM while the others continue; returns how long that took.
    pub fn terminate(&mut self, which: usize) -> Duration {
        let mut leaving = self.instances.remove(which);
        self.wait_until(&format!("{} to handle SIGTERM", leaving.name), |_| {
            handles_sigterm(leaving.process.child().id()).then_some(())
        });
        let start = Instant::now();
        leaving.process.signal("TERM");
        let status =
            self.wait_until(&format!("the end of {}", leaving.name), |_| leaving.process.child().try_wait().unwrap());
        assert_eq!(status.code(), Some(0), "{} got SIGTERM\n{}", leaving.name, tail(&self.log_of(&leaving.name)));
        start.elapsed()
    }

    /// Writes at least this many records, waits until the group has consumed all, terminates the instances and
    /// closes every window. Returns the number of records.
    pub fn finish(&mut self, records: i64) -> i64 {
        while self.feed.allowed() < records {
            self.await_records(1);
        }
        self.plan.max_lag = 0;
        let remaining = self.feed.allowed() - self.consumed();
        self.await_records(remaining);
        while !self.instances.is_empty() {
            self.terminate(0);
        }
        let mut last = self.spawn("--until-end --drain");
        let status = last.process.wait();
        assert_eq!(status.code(), Some(0), "{} did not read to the end\n{}", last.name, tail(&self.log_of(&last.name)));
        let written = self.feed.written();
        assert_eq!(self.consumed(), written, "consumed and written records");
        written
    }

    /// Asserts that each result is there exactly once; returns a summary.
    pub fn assert_exactly_once(&self, records: i64) -> String {
        let start = Instant::now();
        let folds = exact::folds(self.cluster, &self.topic("folded"), records, i64::eq);
        let counts = exact::counts(self.cluster, &self.topic("counted"), records);
        if !folds.exact() || !counts.exact() {
            exact::assert_input(self.cluster, &self.topic("in"), records);
            panic!("{}: {}\n{}", self.name, folds.evidence(), counts.evidence());
        }
        let (took, checked) = (start - self.created_at, start.elapsed());
        format!("{folds}; {counts}; ran {} s, checked in {} s", took.as_secs(), checked.as_secs())
    }
}

/// The last lines of a log.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LOG_LINES)..].join("\n")
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("failed-{}-{}", self.name, std::process::id()));
        let files = std::fs::read_dir(self.f.dir()).into_iter().flatten().flatten();
        let kept = std::fs::create_dir_all(&to).is_ok()
            && files.filter(|f| f.path().is_file()).all(|f| std::fs::copy(f.path(), to.join(f.file_name())).is_ok());
        eprintln!(
            "{}: the logs of the instances are {} in {}",
            self.name,
            if kept { "kept" } else { "lost" },
            to.display()
        );
        // A shared cluster is removed when the process ends.
        if let Err(e) = self.cluster.save_evidence(&format!("{}.", self.name), &to) {
            eprintln!("the data of the brokers is lost: {e}");
        }
        eprintln!(
            "seed {}, {:?} consumed, {} written",
            number("FASTDATA_SEED", 1),
            self.monitor.positions(),
            self.feed.allowed()
        );
    }
}
