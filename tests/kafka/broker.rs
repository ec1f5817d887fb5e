//! A cluster of Apache Kafka on the loopback interface, for one test process.
//!
//! Starting takes seconds, so most tests share one broker. A broker never outlives the process that started it:
//! a shell supervises it, reads from a pipe, and kills its child when the other end is closed. No other process is
//! ever signalled.

use super::{jars, segments};
use crate::harness::wait;
use fastdata::log::kafka::{KafkaLog, Settings};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The user and password of listeners with a login.
pub const USER: (&str, &str) = ("alice", "alice-secret");

/// The configuration of a cluster.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The number of nodes.
    pub nodes: u32,
    /// Adds listeners with a login, with TLS, and with both.
    pub secure: bool,
    /// Uses a JVM with a large heap instead of one that starts fast.
    pub benchmark: bool,
    /// Broker properties beside those of every test.
    pub properties: &'static [(&'static str, &'static str)],
}

/// Supervises a broker: terminates it on `stop`, kills it on any other input or at the end of the pipe.
const SUPERVISOR_SCRIPT: &str = r#"
"$@" >>"$LOG" 2>&1 </dev/null &
child=$!
read -r command
if [ "$command" = stop ]; then kill "$child"; else kill -9 "$child"; fi
wait "$child" 2>/dev/null
[ -n "$command" ] || rm -rf "$HOME_OF_CLUSTER"
"#;

/// One node without security.
pub const SINGLE_NODE: Plan = Plan { nodes: 1, secure: false, benchmark: false, properties: &[] };

/// Three nodes without security.
pub const THREE_NODES: Plan = Plan { nodes: 3, ..SINGLE_NODE };

/// A JVM that starts fast and needs little memory.
const FAST_START_JVM: &[&str] = &["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

/// A JVM for benchmarks. Each collection of the young generation pauses the broker for 20 to 50 ms on two cores;
/// with a young generation of this size there is one in half a minute, so that pauses do not dominate latencies.
const BENCHMARK_JVM: &[&str] = &["-Xmx2g", "-Xms2g", "-Xmn1600m", "-XX:+UseSerialGC", "-XX:+AlwaysPreTouch"];

struct Node {
    home: PathBuf,
    ports: BTreeMap<&'static str, u16>,
    running: Mutex<Option<Child>>,
}

/// A running cluster. It is stopped and removed when it is dropped.
pub struct Cluster {
    base: PathBuf,
    jvm: &'static [&'static str],
    classes: String,
    nodes: Vec<Node>,
}

/// The broker that tests share; `None` after a message that Kafka cannot be started.
pub fn shared() -> Option<&'static Cluster> {
    static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
    SHARED.get_or_init(|| start(SINGLE_NODE)).as_ref()
}

/// A cluster for one test; `None` after a message that Kafka cannot be started.
pub fn start(plan: Plan) -> Option<Cluster> {
    match jars::class_path() {
        Ok(classes) => Some(Cluster::start(classes, plan)),
        Err(why) => {
            assert!(std::env::var_os("FASTDATA_REQUIRE_KAFKA").is_none(), "Kafka is required: {why}");
            // What a test that passes writes with `eprintln!` is not shown.
            drop(writeln!(std::io::stderr(), "\ntests on Kafka are skipped, as it cannot be started: {why}"));
            None
        }
    }
}

/// Free ports below the ephemeral range, so that no connection takes one while its broker is down.
fn free_ports(n: usize) -> Vec<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = 15_000 + std::process::id() * 37 % 15_000;
    let mut found = Vec::new();
    while found.len() < n {
        let port = 15_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 15_000;
        let port = u16::try_from(port).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            found.push(port);
        }
    }
    found
}

impl Cluster {
    fn start(classes: String, plan: Plan) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("kafka-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let base = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&base).unwrap();
        if plan.secure {
            create_certificates(&base);
        }
        let mut kinds = vec!["PLAINTEXT", "CONTROLLER"];
        if plan.secure {
            kinds.extend(["SASL_PLAINTEXT", "SSL", "SASL_SSL"]);
        }
        let nodes: Vec<Node> = (1..=plan.nodes)
            .map(|i| Node {
                home: base.join(format!("node-{i}")),
                ports: kinds.iter().copied().zip(free_ports(kinds.len())).collect(),
                running: Mutex::new(None),
            })
            .collect();
        let cluster = Self { base, jvm: if plan.benchmark { BENCHMARK_JVM } else { FAST_START_JVM }, classes, nodes };
        cluster.format_storage(plan);
        (0..cluster.nodes.len()).for_each(|i| cluster.launch(i));
        (0..cluster.nodes.len()).for_each(|i| cluster.await_ready(i));
        cluster
    }

    /// The addresses of one kind of listener.
    pub fn listener(&self, kind: &str) -> String {
        let all: Vec<String> = self.nodes.iter().map(|n| format!("127.0.0.1:{}", n.ports[kind])).collect();
        all.join(",")
    }

    pub fn settings(&self) -> Settings {
        Settings::new(self.listener("PLAINTEXT"))
    }

    pub fn connect(&self) -> KafkaLog {
        KafkaLog::connect(&self.settings()).unwrap()
    }

    /// A file of the certificates of a secure cluster.
    pub fn tls(&self, file: &str) -> PathBuf {
        self.base.join("tls").join(file)
    }

    /// The folder with the files of a node's partitions.
    pub fn data_dir(&self, node: usize) -> PathBuf {
        self.nodes[node].home.join("data")
    }

    /// Copies the logs of the nodes, and their files of topics with this prefix, of transactions and of groups.
    pub fn save_evidence(&self, topic_prefix: &str, to: &Path) -> std::io::Result<()> {
        let is_evidence = |name: &str| {
            [topic_prefix, "__transaction_state-", "__consumer_offsets-"].iter().any(|t| name.starts_with(t))
        };
        for (i, node) in self.nodes.iter().enumerate() {
            let partitions =
                fs::read_dir(self.data_dir(i))?.flatten().filter(|d| is_evidence(&d.file_name().to_string_lossy()));
            for folder in partitions.map(|d| d.path()).chain([node.home.clone()]) {
                let to = to.join(format!("node-{i}")).join(folder.strip_prefix(&node.home).unwrap_or(&folder));
                fs::create_dir_all(&to)?;
                for file in fs::read_dir(&folder)?.flatten().filter(|f| f.path().is_file()) {
                    fs::copy(file.path(), to.join(file.file_name()))?;
                }
            }
        }
        Ok(())
    }

    /// The file on the first node that holds the batch at an offset, and the position in it where the batch ends.
    pub fn locate_batch(&self, topic: &str, partition: u32, offset: u64) -> (PathBuf, usize) {
        let files = segments::files(&self.data_dir(0).join(format!("{topic}-{partition}")));
        let found = files.into_iter().find_map(|file| {
            let batch = segments::batches(&file).into_iter().find(|b| b.first == offset)?;
            Some((file, batch.end))
        });
        found.unwrap_or_else(|| panic!("no batch at {offset}"))
    }

    /// A unique name for a topic or a group.
    pub fn name(&self, stem: &str) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        format!("{stem}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
    }

    fn java(&self, main: &str, home: &Path) -> Command {
        let mut command = Command::new(jars::java());
        command.args(self.jvm).args(["-XX:-UsePerfData", "-Xshare:auto"]);
        command.args(["-Djava.awt.headless=true", "-Djava.net.preferIPv4Stack=true"]);
        command.arg(format!("-Dlog4j2.configurationFile={}", home.join("log4j2.properties").display()));
        command.args(["-cp", &self.classes, main]).current_dir(home);
        command
    }

    fn format_storage(&self, plan: Plan) {
        let voters = self.listener("CONTROLLER");
        let voters: Vec<String> = (1..).zip(voters.split(',')).map(|(i, at): (u32, _)| format!("{i}@{at}")).collect();
        for (i, node) in (1..).zip(&self.nodes) {
            fs::create_dir_all(&node.home).unwrap();
            let listeners: Vec<String> =
                node.ports.iter().map(|(kind, port)| format!("{kind}://127.0.0.1:{port}")).collect();
            let mut text = String::new();
            for (key, value) in
                broker_properties(i, &node.home, &listeners.join(","), &voters.join(","), self.nodes.len())
            {
                writeln!(text, "{key}={value}").unwrap();
            }
            if plan.secure {
                text.push_str(&security_properties(&self.base.join("tls")));
            }
            plan.properties.iter().for_each(|(key, value)| writeln!(text, "{key}={value}").unwrap());
            let file = node.home.join("server.properties");
            fs::write(&file, text).unwrap();
            fs::write(node.home.join("log4j2.properties"), LOGGING).unwrap();
            let mut format = self.java("kafka.tools.StorageTool", &node.home);
            format.args(["format", "--cluster-id", "ZmFzdGRhdGEtdGVzdHMtMQ", "--config"]).arg(&file);
            for mechanism in plan.secure.then_some(["SCRAM-SHA-256", "SCRAM-SHA-512"]).into_iter().flatten() {
                format.args(["--add-scram", &format!("{mechanism}=[name={},password={}]", USER.0, USER.1)]);
            }
            let done = format.stdin(Stdio::null()).output().unwrap();
            assert!(done.status.success(), "storage: {}", String::from_utf8_lossy(&done.stderr));
        }
    }

    fn launch(&self, node: usize) {
        let home = &self.nodes[node].home;
        // The logs of earlier starts are kept: they may explain what is found later.
        let former = (1..).map(|start| home.join(format!("log.{start}"))).find(|path| !path.exists()).unwrap();
        drop(fs::rename(home.join("log"), former));
        File::create(home.join("log")).unwrap();
        let java = self.java("kafka.Kafka", home);
        let mut supervisor = Command::new("sh");
        supervisor
            .args(["-c", SUPERVISOR_SCRIPT, "supervisor"])
            .arg(java.get_program())
            .args(java.get_args())
            .arg(home.join("server.properties"));
        supervisor.env("LOG", home.join("log")).env("HOME_OF_CLUSTER", &self.base).current_dir(home);
        let child = supervisor.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        *self.running(node) = Some(child);
    }

    fn running(&self, node: usize) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.nodes[node].running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn await_ready(&self, node: usize) {
        let log = self.nodes[node].home.join("log");
        wait::until("a broker to start", || {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let ended = self.running(node).as_mut().is_none_or(|c| c.try_wait().is_ok_and(|s| s.is_some()));
            assert!(!ended && !text.contains("Exiting Kafka due to fatal"), "the broker ended: {text}");
            text.contains("Kafka Server started").then_some(())
        });
    }

    fn end(&self, node: usize, command: &str) {
        if let Some(mut supervisor) = self.running(node).take() {
            let sent = supervisor.stdin.take().map(|mut pipe| writeln!(pipe, "{command}"));
            supervisor.wait().unwrap();
            drop(sent);
        }
    }

    /// Kills a node.
    pub fn kill(&self, node: usize) {
        self.end(node, "kill");
    }

    /// Shuts a node down in an orderly way.
    pub fn stop(&self, node: usize) {
        self.end(node, "stop");
    }

    /// Starts a node again on its data.
    pub fn restart(&self, node: usize) {
        self.launch(node);
        self.await_ready(node);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        (0..self.nodes.len()).for_each(|i| self.end(i, "kill"));
        if std::thread::panicking() {
            eprintln!("the logs and data of the brokers are kept in {}", self.base.display());
        } else {
            drop(fs::remove_dir_all(&self.base));
        }
    }
}

const LOGGING: &str = "appender.o.type=Console\nappender.o.name=o\nappender.o.layout.type=PatternLayout\n\
    appender.o.layout.pattern=%d %-5p %c{1}: %m%n\nrootLogger.appenderRef.o.ref=o\nrootLogger.level=info\n";

/// The properties of one node: small and fast, with the durability settings of a production cluster.
fn broker_properties(id: u32, home: &Path, listeners: &str, voters: &str, nodes: usize) -> Vec<(&'static str, String)> {
    let replicas = nodes.min(3).to_string();
    let in_sync = if nodes >= 3 { "2" } else { "1" };
    // One of several nodes is fenced soon. A single node that is fenced because the machine stalls gives up its own
    // partitions and tears transactions: see `segments`.
    let session = if nodes >= 3 { "3000" } else { "30000" };
    let mut all = vec![
        ("node.id", id.to_string()),
        ("listeners", listeners.to_owned()),
        ("controller.quorum.voters", voters.to_owned()),
        ("log.dirs", home.join("data").display().to_string()),
    ];
    for key in
        ["offsets.topic.replication.factor", "transaction.state.log.replication.factor", "default.replication.factor"]
    {
        all.push((key, replicas.clone()));
    }
    let fixed = [
        ("process.roles", "broker,controller"),
        ("controller.listener.names", "CONTROLLER"),
        ("inter.broker.listener.name", "PLAINTEXT"),
        (
            "listener.security.protocol.map",
            "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL",
        ),
        ("transaction.state.log.min.isr", in_sync),
        ("min.insync.replicas", in_sync),
        ("auto.create.topics.enable", "false"),
        ("offsets.topic.num.partitions", "4"),
        ("transaction.state.log.num.partitions", "4"),
        ("group.initial.rebalance.delay.ms", "0"),
        ("group.min.session.timeout.ms", "500"),
        ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "1000"),
        ("log.cleaner.backoff.ms", "500"),
        ("log.cleaner.min.cleanable.ratio", "0.01"),
        ("log.cleaner.dedupe.buffer.size", "16777216"),
        ("broker.session.timeout.ms", session),
        ("broker.heartbeat.interval.ms", "500"),
        ("num.network.threads", "2"),
        ("num.io.threads", "4"),
    ];
    all.extend(fixed.map(|(key, value)| (key, value.to_owned())));
    all
}

fn security_properties(tls: &Path) -> String {
    let mut text = String::new();
    let module = |kind: &str, rest: &str| format!("org.apache.kafka.common.security.{kind}LoginModule required{rest};");
    for kind in ["sasl_plaintext", "sasl_ssl"] {
        let at = format!("listener.name.{kind}");
        writeln!(text, "{at}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512").unwrap();
        let plain = module("plain.Plain", &format!(" user_{}=\"{}\"", USER.0, USER.1));
        writeln!(text, "{at}.plain.sasl.jaas.config={plain}").unwrap();
        for scram in ["scram-sha-256", "scram-sha-512"] {
            writeln!(text, "{at}.{scram}.sasl.jaas.config={}", module("scram.Scram", "")).unwrap();
        }
    }
    for kind in ["ssl", "sasl_ssl"] {
        let at = format!("listener.name.{kind}.ssl");
        let (key, ca) = (tls.join("server.pem"), tls.join("ca.pem"));
        writeln!(text, "{at}.keystore.type=PEM\n{at}.keystore.location={}", key.display()).unwrap();
        writeln!(text, "{at}.truststore.type=PEM\n{at}.truststore.location={}", ca.display()).unwrap();
        writeln!(text, "{at}.client.auth=requested").unwrap();
    }
    text
}

/// Creates an authority, a certificate for the brokers, one for a client, and an authority that nobody trusts.
fn create_certificates(base: &Path) {
    let tls = base.join("tls");
    fs::create_dir_all(&tls).unwrap();
    let openssl = |args: &str| {
        let done = Command::new("openssl").args(args.split(' ')).current_dir(&tls).output().unwrap();
        assert!(done.status.success(), "openssl {args}: {}", String::from_utf8_lossy(&done.stderr));
    };
    for name in ["ca", "other"] {
        openssl(&format!(
            "req -x509 -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.pem -days 30 -subj /CN={name} -addext keyUsage=critical,keyCertSign,cRLSign"
        ));
    }
    for (name, extension) in
        [("server", "subjectAltName=IP:127.0.0.1,DNS:localhost"), ("client", "extendedKeyUsage=clientAuth")]
    {
        fs::write(tls.join(format!("{name}.ext")), extension).unwrap();
        openssl(&format!("req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"));
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile {name}.ext -out {name}.crt"
        ));
    }
    let pem = [fs::read(tls.join("server.key")).unwrap(), fs::read(tls.join("server.crt")).unwrap()].concat();
    fs::write(tls.join("server.pem"), pem).unwrap();
}
