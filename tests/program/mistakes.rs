//! Mistakes of a user and their messages. The exit code is 2, or 1 if the environment is at fault.

use crate::harness::program::Fastdata;

const PIPELINE: &str =
    "name: p\nsource: {topic: raw, schema: {n: bigint}}\nsteps: [{filter: n > 1}]\nsink: {topic: out}\n";

#[test]
fn invalid_arguments_are_refused() {
    let f = Fastdata::in_temp();
    f.args("rnu").fails_with(2).stdout("");
    f.args("run").fails_with(2).stderr(
        "error: the following required arguments were not provided:
  <PIPELINE>...

Usage: fastdata run <PIPELINE>...

For more information, try '--help'.
",
    );
    f.args("run p.yaml --drain").fails_with(2).stdout("");
    f.args("seed --topic raw --count many").fails_with(2).stdout("");
}

/// What the user has said wrongly is 2; what may come right by itself is 1.
#[test]
fn the_exit_code_tells_whose_turn_it_is() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", PIPELINE).file("broken.yaml", "name: [").file("k.properties", "nonsense=1\n");
    f.file("tls.properties", "ssl.key.location=/nope\n");
    let tls = "kafka: {brokers: 'localhost:1', security: {tls: {ca: none.pem}}}\n";
    f.file("tls.yaml", &format!("{PIPELINE}{tls}"));
    f.args("topics create raw").succeeds();
    let wrong = [
        "doctor --brokers localhost:1 --kafka nonsense=1",
        "doctor --kafka acks=1",
        "doctor --brokers localhost:1 --kafka-config none.properties",
        "doctor --brokers localhost:1 --kafka-config k.properties",
        "run p.yaml --brokers localhost:1 --kafka nonsense=1",
        "stats --brokers localhost:1 --kafka nonsense=1",
        "run p.yaml --brokers localhost:1 --kafka ssl.ca.location=/nope",
        "topics list --brokers localhost:1 --kafka-config tls.properties",
        "run tls.yaml",
        "topics list --brokers localhost:1 --kafka security.protocol=ssl --kafka ssl.ca.location=p.yaml",
        "topics create x --replication 3",
        "topics create x --config min.insync.replicas=2",
        "topics create x --brokers localhost:1 --config retention.ms=5",
        "seed --topic raw --from none.jsonl",
        "seed --topic raw --generate none.yaml",
        "infer none.jsonl",
        "publish-model none.pb",
        "score none.onnx --input none.jsonl",
        "topics create raw",
        "topics create a/b",
        "query p.yaml none",
        "validate broken.yaml",
        "run p.yaml --backplane kafka",
        "run p.yaml --backplane embeded",
    ];
    for line in wrong {
        f.args(line).fails_with(2);
    }
    for line in ["tail --topic none --until-end", "topics describe none", "topics delete none --yes"] {
        f.args(line).fails_with(1);
    }
}

#[test]
fn a_file_of_the_connection_that_is_not_there_is_named() {
    let f = Fastdata::in_temp();
    f.file("k.properties", "# TLS\nssl.ca.location=/nope\n");
    let refused = "the Kafka property `ssl.ca.location` cannot be `/nope`: No such file or directory (os error 2)\n";
    let at = "topics list --brokers localhost:1";
    f.args(&format!("{at} --kafka ssl.ca.location=/nope")).fails_with(2).stderr(&format!("error: {refused}"));
    let expected = format!("error: k.properties:2: {refused}");
    f.args(&format!("{at} --kafka-config k.properties")).fails_with(2).stderr(&expected);
}

#[test]
fn settings_of_kafka_are_refused_for_a_topic_of_the_embedded_log() {
    let f = Fastdata::in_temp();
    f.args("topics create x --replication 3").fails_with(2).stdout("").stderr(
        "error: `--replication` is for topics of Kafka\nhint: add `--brokers HOST:PORT`, or leave it out to use the embedded log\n",
    );
    let own = f.args("topics create x --brokers localhost:1 --config cleanup.policy=compact").fails_with(2);
    own.stderr("error: `--config cleanup.policy` has an option of its own\nhint: use `--compacted`\n");
    assert!(!f.log_dir().exists());
}

/// What the file says about topics of Kafka does not hold for the embedded log.
#[test]
fn a_pipeline_that_makes_no_topics_on_kafka_makes_them_on_the_embedded_log() {
    let f = Fastdata::in_temp();
    let kafka = "kafka: {brokers: 'localhost:1', topics: {create: false, replication: 3, retention: 1s}}\n";
    f.file("p.yaml", &format!("{PIPELINE}{kafka}"));
    f.args("topics create raw").succeeds();
    f.args("validate p.yaml --online --backplane embedded").succeeds();
    f.args("run p.yaml --until-end --backplane embedded").succeeds();
    let made = f.args("topics list --output json").succeeds();
    assert!(made.stdout_text().contains(".progress\""), "{}", made.stdout_text());
}

#[test]
fn a_missing_topic_is_reported() {
    let f = Fastdata::in_temp();
    f.args("topics create raw").succeeds();
    f.args("tail --topic rwa --until-end")
        .fails_with(1)
        .stdout("")
        .stderr("error: topic `rwa` does not exist; did you mean `raw`?\n");
    f.file("p.yaml", &PIPELINE.replace("topic: raw", "topic: wines"));
    f.args("run p.yaml --until-end").fails_with(1).stdout("").stderr_around(
        "error: topic `wines`, which `p` reads, does not exist\nhint: make it with `fastdata topics create wines \
         --partitions 1`, or fill it with `fastdata seed --topic wines`",
        "\n",
    );
}

#[test]
fn a_missing_pipeline_file_is_reported() {
    let f = Fastdata::in_temp();
    f.args("run p.yaml").fails_with(2).stdout("").stderr(
        "error: cannot read the pipeline file `p.yaml`: there is no such file; `fastdata init` writes an example\n",
    );
}

#[test]
fn every_mistake_in_a_file_is_reported() {
    let f = Fastdata::in_temp();
    f.file(
        "p.yaml",
        "name: p
source: {topic: raw, schema: {n: bigit}}
steps:
  - fliter: n > 1
  - name: w
    window: {tumbling: 1 minuet, select: {n: count(*)}}
sinks:
  - {form: w, topic: out}
delivery: exactly_one
",
    );
    f.args("validate p.yaml").fails_with(2).stdout("").stderr(
        "error: unknown type `bigit`
  --> p.yaml:2:34
  |
2 | source: {topic: raw, schema: {n: bigit}}
  |                                  ^^^^^
hint: did you mean `bigint`?

error: unknown field `fliter` in a step
  --> p.yaml:4:5
  |
4 |   - fliter: n > 1
  |     ^^^^^^
hint: did you mean `filter`?

error: `1 minuet` is not a duration
  --> p.yaml:6:24
  |
6 |     window: {tumbling: 1 minuet, select: {n: count(*)}}
  |                        ^^^^^^^^
hint: write a whole number and a unit, such as `500ms`, `2s`, `10 min` or `1h 30m`

error: unknown field `form` in a sink
  --> p.yaml:8:6
  |
8 |   - {form: w, topic: out}
  |      ^^^^
hint: did you mean `from`?

error: unknown value `exactly_one`
  --> p.yaml:9:11
  |
9 | delivery: exactly_one
  |           ^^^^^^^^^^^
hint: did you mean `exactly_once`?
",
    );
}

/// A step that cannot be parsed hides neither the steps after it nor mistakes in the SQL of other steps.
#[test]
fn syntax_and_sql_mistakes_are_reported_together() {
    let f = Fastdata::in_temp();
    f.file(
        "p.yaml",
        "name: p
source: {topic: raw, schema: {n: bigit, b: double}}
steps:
  - fliter: b > 1
  - filter: c > 1
  - filter: n > 1
  - scan: {by: [b], inti: {k: 0}, next: {k: k + 1}}
  - filter: k > 1 AND q > 1
sink: {topic: out, key: nn}
",
    );
    // `n` and `k` are missing only because of mistakes that are reported already, so reading them is not reported. The
    // columns after a step that cannot be parsed are unknown, so `q` is not reported either.
    f.args("validate p.yaml").fails_with(2).stdout("").stderr(
        "error: unknown type `bigit`
  --> p.yaml:2:34
  |
2 | source: {topic: raw, schema: {n: bigit, b: double}}
  |                                  ^^^^^
hint: did you mean `bigint`?

error: unknown field `fliter` in a step
  --> p.yaml:4:5
  |
4 |   - fliter: b > 1
  |     ^^^^^^
hint: did you mean `filter`?

error: unknown column `c`
  --> p.yaml:5:13
  |
5 |   - filter: c > 1
  |             ^
hint: columns in scope: b

error: unknown field `inti` in `scan`
  --> p.yaml:7:21
  |
7 |   - scan: {by: [b], inti: {k: 0}, next: {k: k + 1}}
  |                     ^^^^
hint: did you mean `init`?
",
    );
}

#[test]
fn every_mistake_in_sql_is_reported() {
    let f = Fastdata::in_temp();
    f.file(
        "p.yaml",
        "name: p
source: {topic: raw, schema: {n: bigint, s: string}}
steps:
  - filter: m > 1
  - set: {a: uper(s), b: lenght(s)}
  - filter: n
sink: {topic: out, key: nn}
",
    );
    // A wrong expression does not hide later mistakes: its columns are in scope all the same.
    f.args("validate p.yaml").fails_with(2).stdout("").stderr(
        "error: unknown column `m`
  --> p.yaml:4:13
  |
4 |   - filter: m > 1
  |             ^
hint: columns in scope: n, s

error: unknown function `uper`
  --> p.yaml:5:14
  |
5 |   - set: {a: uper(s), b: lenght(s)}
  |              ^^^^
hint: did you mean `upper`?

error: unknown function `lenght`
  --> p.yaml:5:26
  |
5 |   - set: {a: uper(s), b: lenght(s)}
  |                          ^^^^^^
hint: did you mean `length`?

error: a condition is boolean, but this is bigint
  --> p.yaml:6:13
  |
6 |   - filter: n
  |             ^
hint: compare it with something, as in `… > 0`

error: unknown column `nn`
  --> p.yaml:7:25
  |
7 | sink: {topic: out, key: nn}
  |                         ^^
hint: did you mean `n`?
",
    );
}

#[test]
fn an_unusable_data_folder_is_reported() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", PIPELINE).file("occupied", "");
    f.args("run p.yaml --until-end --data-dir occupied").fails_with(2).stdout("").stderr(
        "error: `occupied` is a file, not a folder\nhint: name a folder for the embedded log with `--data-dir`\n",
    );
    for line in ["stats", "tail --topic raw", "topics list", "seed --topic raw", "models list", "query p.yaml raw"] {
        f.args(&format!("{line} --data-dir occupied/log")).fails_with(2).stdout("");
    }
    f.args("seed --topic raw --data-dir /proc/fastdata").fails_with(1).stdout("").stderr(
        "error: `/proc/fastdata` cannot be used (No such file or directory (os error 2)); make the folder and the \
         file writable, or name another folder with `--data-dir`\n",
    );
}

#[test]
fn a_bad_record_stops_a_run_with_errors_stop() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", &format!("{PIPELINE}errors: stop\n")).file("in.jsonl", "{\"n\": 5}\n{\"n\": \"x\"}\n");
    f.args("seed --topic raw --from in.jsonl").succeeds();
    f.args("run p.yaml --until-end").fails_with(1).stdout("").stderr(
        "error: record raw/0/1 could not be handled by `raw`: field `n`: expected a whole number, found string \"x\" \
         (byte 6)\nhint: `errors: dead_letter` sets such records aside and goes on\n",
    );
}

#[test]
fn a_pipeline_can_come_from_stdin() {
    let f = Fastdata::in_temp();
    f.args("validate -").stdin(PIPELINE).succeeds().stdout("").stderr("-: valid\n");
    f.args("graph -").stdin(PIPELINE).succeeds();
    f.args("validate -").stdin(&PIPELINE.replace("filter", "fliter")).fails_with(2).stdout("").stderr(
        "error: unknown field `fliter` in a step
  --> <stdin>:3:10
  |
3 | steps: [{fliter: n > 1}]
  |          ^^^^^^
hint: did you mean `filter`?
",
    );
}

/// A deployment that must not write into a folder beside the program says so once.
#[test]
fn kafka_by_name_never_falls_back_to_the_embedded_log() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", PIPELINE).file("k.yaml", &format!("{PIPELINE}kafka: {{brokers: 'localhost:1'}}\n"));
    let refusal = |said: &str| {
        format!(
            "error: `{said}` needs the address of Kafka\nhint: add `--brokers HOST:PORT` or FASTDATA_BROKERS, or leave \
             it out to use the embedded log\n"
        )
    };
    for line in ["run p.yaml --until-end", "seed --topic raw", "stats", "topics list", "validate p.yaml"] {
        let run = f.args(line).env("FASTDATA_BACKPLANE", "kafka");
        run.fails_with(2).stdout("").stderr(&refusal("--backplane kafka"));
        f.args(&format!("{line} --backplane kafka")).fails_with(2).stderr(&refusal("--backplane kafka"));
    }
    assert!(!f.log_dir().exists());
    f.args("validate k.yaml --backplane kafka").succeeds();
    // The flag beats the environment, and both beat the file.
    f.args("topics create raw --backplane embedded").env("FASTDATA_BROKERS", "localhost:1").succeeds();
    f.args("run k.yaml --until-end --backplane embedded").succeeds();
    f.args("run k.yaml --until-end").env("FASTDATA_BACKPLANE", "embedded").succeeds();
    f.args("topics list --backplane kafka").env("FASTDATA_BACKPLANE", "embedded").fails_with(2);
}

/// With `--log-format json` each line of stderr is an object: log lines, messages, errors of all kinds.
#[test]
fn all_of_stderr_is_json() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", PIPELINE).file("in.jsonl", "{\"n\": 5}\n");
    f.file("wrong.yaml", "name: p\nsource: {topic: raw, schema: {n: bigit}}\nsink: {topic: out, kye: n}\n");
    f.args("seed --topic raw --from in.jsonl").succeeds();
    let levels = |line: &str, env: &str| -> Vec<(String, serde_json::Value)> {
        let ended = f.args(line).env("FASTDATA_LOG_FORMAT", env).run();
        let event = |l: &str| serde_json::from_str(l).unwrap_or_else(|e| panic!("`{line}`: {e}: {l}"));
        let events: Vec<serde_json::Value> = ended.stderr_text().lines().map(event).collect();
        events.into_iter().map(|e| (e["level"].as_str().unwrap().to_owned(), e["fields"].clone())).collect()
    };
    for line in
        ["run", "rnu", "run p.yaml --drain", "run none.yaml", "run p.yaml --backplane kafka", "tail --topic none"]
    {
        for (line, env) in [(format!("{line} --log-format json"), "text"), (line.to_owned(), "json")] {
            let events = levels(&line, env);
            assert!(matches!(&*events, [(level, _)] if level == "ERROR"), "`{line}`: {events:?}");
        }
    }
    assert_eq!(levels("topics create x", "json")[0].0, "INFO");
    let found = levels("validate wrong.yaml", "json");
    let expected = serde_json::json!({
        "message": "unknown type `bigit`", "file": "wrong.yaml", "line": 2, "column": 34, "hint": "did you mean `bigint`?",
    });
    assert_eq!((found.len(), &found[0]), (2, &("ERROR".to_owned(), expected)));
}
