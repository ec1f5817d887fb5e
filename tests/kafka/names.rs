//! `validate` reports names that Kafka would refuse, at their place in the file.

use super::broker;
use crate::harness::program::Fastdata;

#[test]
fn a_name_too_long_for_the_topics_of_a_pipeline_is_refused() {
    let f = Fastdata::in_temp();
    let pipeline = |name: &str, step: &str| {
        format!(
            "name: {name}\nsource: {{topic: in, schema: {{k: string}}}}\nsteps:\n  - name: {step}\n    scan: {{by: [k], init: {{n: 0}}, next: {{n: n + 1}}}}\nsink: out\n"
        )
    };
    // `NAME.progress` and `NAME.STEP.state` have 249 characters.
    f.file("fits.yaml", &pipeline(&"p".repeat(240), "a"));
    f.args("validate fits.yaml").succeeds();
    f.file("long.yaml", &pipeline(&"p".repeat(241), "a"));
    let ended = f.args("validate long.yaml").fails_with(2);
    assert!(ended.stderr_text().contains("long.yaml:1:7"), "{}", ended.stderr_text());
    assert!(ended.stderr_text().contains(".progress` would be longer than 249 characters"), "{}", ended.stderr_text());
    f.file("step.yaml", &pipeline(&"p".repeat(200), &"s".repeat(43)));
    let ended = f.args("validate step.yaml").fails_with(2);
    assert!(ended.stderr_text().contains("step.yaml:4:11"), "{}", ended.stderr_text());
    assert!(ended.stderr_text().contains(".state` would be longer than 249 characters"), "{}", ended.stderr_text());
}

const PIPELINE: &str = "name: NAME\nsource: {topic: NAME-in, schema: {k: string}}\nsteps:\n  - name: counted\n    scan: {by: [k], init: {n: 0}, next: {n: n + 1}}\nsink: NAME-out\n";

/// The longest name of a client with which Kafka lets it join a group.
const MAX_CLIENT_NAME_BYTES: usize = 32_730;

#[test]
fn a_client_name_that_kafka_does_not_take_is_refused() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", &PIPELINE.replace("NAME", "names"));
    let long = "x".repeat(MAX_CLIENT_NAME_BYTES + 1);
    for property in ["client.id", "group.instance.id"] {
        let refused = format!(
            "the Kafka property `{property}` cannot have this value: it has 32731 bytes, and Kafka takes at most 32730\n"
        );
        f.file("kafka.properties", &format!("# names\nlinger.ms=5\n{property}={long}\n"));
        for command in ["validate p.yaml", "run p.yaml", "tail --topic in"] {
            let with = |option: &str| f.args(&format!("{command} --brokers 127.0.0.1:9 {option}")).fails_with(2);
            with(&format!("--kafka {property}={long}")).stderr(&format!("error: {refused}"));
            with("--kafka-config kafka.properties").stderr(&format!("error: kafka.properties:3: {refused}"));
        }
    }
    let unknown =
        "error: the Kafka property `client.di` cannot be `x`: No such configuration property: \"client.di\"\n";
    f.args("validate p.yaml --brokers 127.0.0.1:9 --kafka client.di=x").fails_with(2).stderr(unknown);
}

#[test]
fn the_longest_client_name_joins_a_group() {
    let Some(cluster) = broker::shared() else { return };
    let (f, name, brokers) = (Fastdata::in_temp(), cluster.name("names"), cluster.listener("PLAINTEXT"));
    f.file("p.yaml", &PIPELINE.replace("NAME", &name)).file("in.jsonl", "{\"k\": \"a\"}\n");
    f.args(&format!("seed --topic {name}-in --from in.jsonl --brokers {brokers}")).succeeds();
    let longest = "x".repeat(MAX_CLIENT_NAME_BYTES);
    f.args(&format!("run p.yaml --until-end --brokers {brokers} --kafka client.id={longest}")).succeeds();
}
