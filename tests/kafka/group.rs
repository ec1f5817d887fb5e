//! Several processes of one pipeline as one group, with records to read and somebody who watches.
//!
//! Separate from the cases, which say what befalls the group. Each case has a short version, which `cargo
//! test` runs, and a long one that the environment asks for:
//!
//! | variable | asks for |
//! | --- | --- |
//! | `FASTDATA_SEED` | the seed of what is random; it is printed at the end |
//! | `FASTDATA_RECORDS` | how many records at least |
//! | `FASTDATA_KILLS` | kills, in `kills` and `delivery` |
//! | `FASTDATA_ZOMBIES`, `FASTDATA_REBALANCES`, `FASTDATA_SIGTERMS` | what these cases do, so many times |
//! | `FASTDATA_KAFKA_KILLS=1` | the cases in which brokers die; `FASTDATA_BOUNCES`, `FASTDATA_OUTAGES` and `FASTDATA_OUTAGE_SECONDS` say how much |
//! | `FASTDATA_BACKLOG_GB` | the size of the backlog in `memory` |
//! | `FASTDATA_BIN` | another binary than that of this build, such as an optimised one |
//!
//! What instances said is kept where a case fails, and the place is printed.

use super::broker::Cluster;
use super::exact;
use super::feed::{Feed, Maker};
use super::watch::Watch;
use crate::harness::program::{Fastdata, Started};
use crate::harness::wait;
use fastdata::log::{Log as _, TopicConfig};
use rand::SeedableRng as _;
use rand_pcg::Pcg64;
use std::path::Path;
use std::time::{Duration, Instant};

/// A group that gives a dead member up soon, and ends what it has left open.
pub const QUICK: &str = "--kafka session.timeout.ms=2000 --kafka heartbeat.interval.ms=400 \
    --kafka transaction.timeout.ms=4000 --kafka message.timeout.ms=4000";

/// A number from the environment.
pub fn number<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).map_or(default, |v| v.parse().unwrap_or_else(|_| panic!("{name}={v} is no number")))
}

/// What is random in a case, and its seed.
pub fn random() -> (Pcg64, u64) {
    let seed = number("FASTDATA_SEED", 1);
    (Pcg64::seed_from_u64(seed), seed)
}

/// What is run, and over what.
pub struct Plan {
    /// What topics and logs are named after.
    pub stem: &'static str,
    /// The pipeline file; `NAME` stands for the pipeline's name.
    pub text: String,
    /// Arguments of each instance.
    pub with: String,
    pub instances: usize,
    pub partitions: u32,
    pub make: Maker,
    /// Records that may wait to be read.
    pub ahead: i64,
    /// Variables of each instance.
    pub env: Vec<(&'static str, String)>,
}

impl Plan {
    /// A fold and a window over the records of [`exact`].
    pub fn exact(stem: &'static str, ahead: i64) -> Self {
        let text = format!("{}{}", exact::SOURCE, exact::STEPS);
        let (with, make) = (QUICK.to_owned(), exact::record as Maker);
        Self { stem, text, with, instances: 3, partitions: exact::PARTITIONS, make, ahead, env: Vec::new() }
    }
}

/// Whether a process has said what is to happen when it is asked to end: before that, the system ends it.
fn hears(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|l| l.strip_prefix("SigCgt:"));
    caught.is_none_or(|c| u64::from_str_radix(c.trim(), 16).unwrap() & 1 << 14 > 0)
}

/// One process of the group.
pub struct Instance {
    /// The name of its client in the group, and of the file with what it says.
    pub name: String,
    pub process: Started,
}

/// The group.
pub struct Group<'a> {
    pub cluster: &'a Cluster,
    pub name: String,
    pub instances: Vec<Instance>,
    pub feed: Feed,
    pub watch: Watch,
    plan: Plan,
    f: Fastdata,
    started: usize,
    begun: Instant,
}

impl<'a> Group<'a> {
    /// Nobody is started, and nothing is written yet.
    pub fn new(cluster: &'a Cluster, plan: Plan) -> Self {
        let (log, name, f) = (cluster.connect(), cluster.name(plan.stem), Fastdata::in_temp());
        f.file("p.yaml", &plan.text.replace("NAME", &name));
        let (brokers, input) = (cluster.listener("PLAINTEXT"), format!("{name}-in"));
        log.create_topic(&input, &TopicConfig { partitions: plan.partitions, ..TopicConfig::default() }).unwrap();
        let watch = Watch::start(&brokers, &name, &input, plan.partitions);
        let feed = Feed::start(&brokers, input, plan.make);
        let begun = Instant::now();
        Self { cluster, name, instances: Vec::new(), feed, watch, plan, f, started: 0, begun }
    }

    /// All instances run, and have begun to read.
    pub fn started(cluster: &'a Cluster, plan: Plan) -> Self {
        let mut group = Self::new(cluster, plan);
        for _ in 0..group.plan.instances {
            let instance = group.start("");
            group.instances.push(instance);
        }
        group.go_on(1);
        group
    }

    /// One of the group's topics.
    pub fn topic(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.name)
    }

    /// Starts a process.
    pub fn start(&mut self, more: &str) -> Instance {
        self.start_in(more, &[])
    }

    /// Starts a process with variables of its own.
    pub fn start_in(&mut self, more: &str, env: &[(&str, String)]) -> Instance {
        self.started += 1;
        let env: Vec<(&str, String)> = self.plan.env.iter().chain(env).cloned().collect();
        let (name, brokers) = (format!("{}-{}", self.name, self.started), self.cluster.listener("PLAINTEXT"));
        let line = format!("run p.yaml --brokers {brokers} --kafka client.id={name} {} {more}", self.plan.with);
        let process = self.f.start_into(&line, &format!("{name}.log"), &env);
        Instance { name, process }
    }

    /// What an instance has said.
    pub fn said(&self, name: &str) -> String {
        std::fs::read_to_string(self.f.dir().join(format!("{name}.log"))).unwrap_or_default()
    }

    /// The records that were taken in for good.
    pub fn taken(&self) -> i64 {
        self.watch.positions().iter().sum()
    }

    /// Lets the feed go on; panics where an instance or the feed has ended.
    pub fn look(&mut self) {
        let ended =
            self.instances.iter_mut().find_map(|i| Some((i.process.child().try_wait().unwrap()?, i.name.clone())));
        if let Some((status, name)) = ended {
            panic!("{name} has ended: {status}\n{}", tail(&self.said(&name)));
        }
        self.feed.written();
        self.feed.allow(self.taken() + self.plan.ahead);
    }

    /// Looks again and again until something is so.
    pub fn until<T>(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Option<T>) -> T {
        wait::until(what, || {
            self.look();
            look(self)
        })
    }

    /// Until the group has taken in so many records more.
    pub fn go_on(&mut self, way: i64) {
        let end = self.taken() + way;
        while self.taken() < end {
            let at = self.taken();
            self.until(&format!("{} to move on from {at} on the way to {end}", self.name), |g| {
                (g.taken() > at).then_some(())
            });
        }
    }

    /// Until the position of each of these partitions has moved.
    pub fn all_go_on(&mut self, partitions: &[i32]) {
        let start = self.watch.positions();
        let moved = |at: &[i64]| partitions.iter().all(|p| at[*p as usize] > start[*p as usize]);
        self.until(&format!("partitions {partitions:?} to move on from {start:?}"), |g| {
            moved(&g.watch.positions()).then_some(())
        });
    }

    /// For so long, whatever happens.
    pub fn spend(&mut self, time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            self.look();
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// All partitions of the input.
    pub fn partitions(&self) -> Vec<i32> {
        (0..i32::try_from(self.plan.partitions).unwrap()).collect()
    }

    /// Until all instances are members and have partitions.
    pub fn complete(&mut self) {
        self.until("all instances to have partitions", |g| {
            let members = g.watch.members(&g.topic("in"))?;
            g.instances.iter().all(|i| members.get(&i.name).is_some_and(|p| !p.is_empty())).then_some(())
        });
    }

    /// Ends an instance as a crash would, and starts another in its place.
    pub fn kill(&mut self, which: usize) {
        self.instances[which].process.signal("KILL");
        self.instances[which].process.wait();
        self.instances[which] = self.start("");
    }

    /// Ends an instance in good order, while the others have enough to read; how long that took.
    pub fn leave(&mut self, which: usize) -> Duration {
        let mut leaving = self.instances.remove(which);
        self.until(&format!("{} to hear signals", leaving.name), |_| hears(leaving.process.child().id()).then_some(()));
        let start = Instant::now();
        leaving.process.signal("TERM");
        let status =
            self.until(&format!("the end of {}", leaving.name), |_| leaving.process.child().try_wait().unwrap());
        assert_eq!(status.code(), Some(0), "{} was asked to end\n{}", leaving.name, tail(&self.said(&leaving.name)));
        start.elapsed()
    }

    /// Writes until there are so many records at least, lets the group take in all of them, ends it in good
    /// order and closes every window. How many records there were.
    pub fn finish(&mut self, records: i64) -> i64 {
        while self.feed.allowed() < records {
            self.go_on(1);
        }
        self.plan.ahead = 0;
        let left = self.feed.allowed() - self.taken();
        self.go_on(left);
        while !self.instances.is_empty() {
            self.leave(0);
        }
        let mut last = self.start("--until-end --drain");
        let status = last.process.wait();
        assert_eq!(status.code(), Some(0), "{} was to read to the end\n{}", last.name, tail(&self.said(&last.name)));
        let written = self.feed.written();
        assert_eq!(self.taken(), written, "records that were taken in, and written");
        written
    }

    /// What each record has given is there exactly once; returns what was found.
    pub fn exact(&self, records: i64) -> String {
        let start = Instant::now();
        let folds = exact::folds(self.cluster, &self.topic("folded"), records, i64::eq);
        let counts = exact::counts(self.cluster, &self.topic("counted"), records);
        if !folds.exact() || !counts.exact() {
            exact::input(self.cluster, &self.topic("in"), records);
            panic!("{}: {}\n{}", self.name, folds.evidence(), counts.evidence());
        }
        let (took, checked) = (start - self.begun, start.elapsed());
        format!("{folds}; {counts}; ran {} s, checked in {} s", took.as_secs(), checked.as_secs())
    }
}

/// The end of what an instance said.
fn tail(said: &str) -> String {
    let lines: Vec<&str> = said.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
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
            "{}: what the instances said is {} in {}",
            self.name,
            if kept { "kept" } else { "lost" },
            to.display()
        );
        // A cluster that others use too is gone with the process.
        if let Err(e) = self.cluster.keep(&format!("{}.", self.name), &to) {
            eprintln!("what the brokers have of it is lost: {e}");
        }
        eprintln!(
            "seed {}, {:?} taken in, {} written",
            number("FASTDATA_SEED", 1),
            self.watch.positions(),
            self.feed.allowed()
        );
    }
}
