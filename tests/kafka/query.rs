//! `fastdata stats` and `fastdata query` on a group of several processes: the instances, and the state of all of them
//! together.

use super::broker::{self, Cluster};
use crate::harness::program::{Fastdata, RunningProcess};
use crate::harness::topics::topic_config;
use crate::harness::wait;
use fastdata::log::{Append, Log as _};
use fastdata::record::{RecordsBuilder, TopicPartition};
use serde_json::Value;

struct Group<'a> {
    cluster: &'a Cluster,
    name: String,
    f: Fastdata,
}

impl<'a> Group<'a> {
    /// Sixty records of five sensors in two partitions; the window groups by another column.
    fn new(cluster: &'a Cluster) -> Self {
        let (name, f) = (cluster.name("seen"), Fastdata::in_temp());
        f.file(
            "p.yaml",
            &format!(
                "name: {name}
source: {{topic: {name}-in, key: sensor, schema: {{i: bigint, sensor: string, kind: string, ts: timestamp}}, timestamp: ts, watermark: {{delay: 1h}}}}
commit_every: 50ms
steps:
  - name: folded
    scan: {{by: [sensor], init: {{n: 0, last: 0}}, next: {{n: n + 1, last: i}}}}
  - name: counted
    from: {name}-in
    window: {{tumbling: 1m, by: [kind], select: {{n: count(*), sum: sum(i)}}}}
sinks:
  - {{from: folded, topic: {name}-folded}}
  - {{from: counted, topic: {name}-counted}}
"
            ),
        );
        let log = cluster.connect();
        let topic = format!("{name}-in");
        log.create_topic(&topic, &topic_config(2)).unwrap();
        let mut parts = [RecordsBuilder::default(), RecordsBuilder::default()];
        for i in 0..60_i64 {
            let value = format!(r#"{{"i":{i},"sensor":"s{}","kind":"k{}","ts":{}}}"#, i % 5, i % 3, i * 2_000);
            // Not the partitions that Kafka's own clients would choose.
            let part = &mut parts[usize::try_from(i % 5 % 2).unwrap()];
            part.push(Some(format!("s{}", i % 5).as_bytes()), Some(value.as_bytes()), i);
        }
        let to = (0..).map(|p| TopicPartition::new(topic.as_str(), p));
        let appends: Vec<Append> =
            to.zip(parts).map(|(to, mut records)| Append { to, records: records.finish() }).collect();
        log.appender().unwrap().append(&appends).unwrap();
        Self { cluster, name, f }
    }

    fn brokers(&self) -> String {
        format!("--brokers {}", self.cluster.listener("PLAINTEXT"))
    }

    fn start(&self) -> RunningProcess {
        self.f.start(&format!("run p.yaml --quiet --kafka session.timeout.ms=6000 {}", self.brokers()))
    }

    fn stats(&self) -> Value {
        let stats = self.f.args(&format!("stats {} --output json {}", self.name, self.brokers())).run();
        serde_json::from_str(stats.stdout_text()).unwrap_or_default()
    }

    fn query(&self, args: &str) -> String {
        self.f.args(&format!("query p.yaml {args} {}", self.brokers())).succeeds().stdout_text().to_owned()
    }
}

/// The process, the state and the tasks of each instance.
fn instances(stats: &Value) -> Vec<(u32, String, Vec<String>)> {
    let all = stats["instances"].as_array().into_iter().flatten().map(|i| {
        let process = i["name"].as_str().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap();
        let tasks = i["tasks"].as_array().unwrap().iter().map(|t| t.as_str().unwrap().to_owned()).collect();
        (process, i["state"].as_str().unwrap().to_owned(), tasks)
    });
    all.collect()
}

/// The result of a kind in a window.
fn expected_count(kind: i64, window: i64) -> String {
    let records = (0..60).filter(|i| i % 3 == kind && i * 2 / 60 == window);
    format!(
        "{{\"kind\":\"k{kind}\",\"n\":{},\"sum\":{},\"window_start\":\"1970-01-01T00:0{window}:00.000Z\",\
         \"window_end\":\"1970-01-01T00:0{}:00.000Z\"}}\n",
        records.clone().count(),
        records.sum::<i64>(),
        window + 1
    )
}

#[test]
fn stats_lists_instances_and_query_reads_the_state_of_all() {
    let Some(cluster) = broker::shared() else { return };
    let group = Group::new(cluster);
    let (mut first, mut second) = (group.start(), group.start());
    wait::until("both instances to have their tasks", || {
        let stats = group.stats();
        let all = instances(&stats);
        let runs = |which: &RunningProcess, expected: &[&str]| {
            all.iter().any(|(process, state, tasks)| *process == which.id() && state == "running" && *tasks == expected)
        };
        let (zero, one) = (["0/0", "1/0"], ["0/1", "1/1"]);
        let shared = (runs(&first, &zero) && runs(&second, &one)) || (runs(&first, &one) && runs(&second, &zero));
        (shared && stats["sources"][0]["read"] == 60).then_some(())
    });
    let all = [0, 1, 2].map(|kind| [0, 1].map(|window| expected_count(kind, window)));
    let expected: String = [0, 1].map(|w| all.iter().map(|windows| windows[w].clone()).collect::<String>()).concat();
    wait::until("all records to be counted", || (group.query("counted") == expected).then_some(()));
    assert_eq!(group.query("counted --key k1"), all[1].concat());
    assert_eq!(group.query("counted --key k1 --window 60000"), all[1][1]);
    let folds: String = (0..5).map(|s| format!("{{\"sensor\":\"s{s}\",\"n\":12,\"last\":{}}}\n", 55 + s)).collect();
    assert_eq!(group.query("folded"), folds);
    assert_eq!(group.query("folded --key s3"), "{\"sensor\":\"s3\",\"n\":12,\"last\":58}\n");

    // One of three instances gets no task; which one, the group decides.
    let mut third = group.start();
    wait::until("a third instance, and one without tasks", || {
        assert_eq!(third.child().try_wait().unwrap(), None, "{}", third.stderr_text());
        let all = instances(&group.stats());
        let mut tasks: Vec<String> = all.iter().map(|(_, _, tasks)| tasks.join(" ")).collect();
        tasks.sort();
        let running = all.iter().all(|(_, state, _)| state == "running");
        (running && tasks == ["", "0/0 1/0", "0/1 1/1"]).then_some(())
    });
    third.signal("TERM");
    assert_eq!(third.wait().code(), Some(0), "{}", third.stderr_text());

    first.signal("TERM");
    assert_eq!(first.wait().code(), Some(0), "{}", first.stderr_text());
    let stats = wait::until("the second instance to have all tasks", || {
        let stats = group.stats();
        let tasks = ["0/0", "0/1", "1/0", "1/1"];
        instances(&stats).iter().any(|(process, _, of)| *process == second.id() && *of == tasks).then_some(stats)
    });
    assert_eq!((&stats["state"], &stats["stopped_at"]), (&"running".into(), &Value::Null), "{stats:#}");
    let stopped = |which: &RunningProcess, stats: &Value| {
        instances(stats).iter().any(|(process, state, _)| *process == which.id() && state == "stopped")
    };
    assert!(stopped(&first, &stats) && stopped(&third, &stats), "{stats:#}");
    let text = group.f.args(&format!("stats {} {}", group.name, group.brokers())).succeeds().stdout_text().to_owned();
    assert!(text.contains("3 instances") && text.contains("\ninstance "), "{text}");
    second.signal("TERM");
    assert_eq!(second.wait().code(), Some(0), "{}", second.stderr_text());
    let stats = group.stats();
    assert!(stopped(&second, &stats) && stats["state"] == "stopped", "{stats:#}");
    assert_eq!(group.query("folded"), folds);
}
