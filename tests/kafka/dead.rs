//! Dead letters on Kafka: replayed once each, in a transaction with the position of the replay.

use super::broker;
use crate::harness::program::Fastdata;

#[test]
fn a_replay_sends_each_record_once() {
    let Some(cluster) = broker::shared() else { return };
    let f = Fastdata::in_temp();
    let (brokers, name) = (cluster.listener("PLAINTEXT"), "dead-replay");
    let pipeline = |v: &str| {
        format!(
            "name: {name}\nsource: {{topic: {name}-in, schema: {{v: {v}}}}}\nsteps: [{{filter: v IS NOT NULL}}]\nsink: {{topic: {name}-out}}\n"
        )
    };
    f.file("strict.yaml", &pipeline("bigint"));
    f.file("lenient.yaml", &pipeline("string"));
    let command = |line: &str| f.args(&format!("{line} --brokers {brokers}"));
    let values = "{\"v\": \"one\"}\n{\"v\": 2}\n{\"v\": \"three\"}\n";
    command(&format!("seed --topic {name}-in --partitions 2 --from -")).stdin(values).succeeds();
    command("run strict.yaml --until-end").succeeds();
    command(&format!("dead replay {name}")).succeeds().stderr(&format!("sent 2 records to `{name}-in` again\n"));
    command(&format!("dead replay {name}")).succeeds().stderr("all dead letters were replayed before\n");
    command("run lenient.yaml --until-end").succeeds();
    let out = command(&format!("tail --topic {name}-out --until-end --output raw")).succeeds();
    let mut lines: Vec<&str> = out.stdout_text().lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["{\"v\":\"one\"}", "{\"v\":\"three\"}", "{\"v\":2}"]);
    let list = command(&format!("dead list {name} --output json")).succeeds();
    assert_eq!(list.stdout_text().matches("\"replayed\":1").count(), 2, "{}", list.stdout_text());
}
