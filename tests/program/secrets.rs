//! What `${…}` brings into a pipeline file is printed nowhere: canaries in each scalar, in turn.

use crate::harness::program::Fastdata;
use std::fmt::Write as _;

/// A file in which each scalar that can come from `${…}` is written as `«VALUE|CANARY»`: what it is, and what it is
/// replaced by where it comes from the environment.
const PIPELINE: &str = "name: «wine|zq7xcanary»
source:
  topic: «raw|zq7xcanary»
  key: «kind|zq7xcanary»
  format: «json|zq7xcanary»
  schema: {id: «bigint|zq7xcanary», «kind|zq7xcanary»: string, alcohol: double, ts: timestamp}
  timestamp: «ts|zq7xcanary»
  watermark: {delay: «2s|7391357ms», idle: «10s|7391357ms», max_ahead: «400d|7391357ms»}
steps:
  - name: «kept|zq7xcanary»
    filter: «alcohol > 9|kind = 'zq7xcanary'»
  - set: {«a|zq7xcanary»: «alcohol + 1|concat(kind, 'zq7xcanary')», c: «louder(kind)|CAST(concat(kind, 'zq7xcanary') AS bigint)»}
  - rename: {«a|zq7xcanary»: «b|zq7xcanary»}
  - drop: [«b|zq7xcanary»]
  - key_by: [«kind|zq7xcanary»]
  - name: sorted
    branch: {«strong|zq7xcanary»: «alcohol > 12|kind = 'zq7xcanary'»}
    from: «kept|zq7xcanary»
  - name: all
    merge: [«sorted.strong|zq7xcanary», kept]
  - log: {every: «1|73913», columns: [«kind|zq7xcanary»]}
  - name: folded
    scan: {by: [«kind|zq7xcanary»], init: {«n|zq7xcanary»: «0|'zq7xcanary'»}, next: {n: «n + 1|concat(n, 'zq7xcanary')»}}
  - name: counted
    from: kept
    window:
      tumbling: «1m|7391357ms»
      by: [«kind|zq7xcanary»]
      select: {«n|zq7xcanary»: «count(*)|max('zq7xcanary')»}
      grace: «10s|7391357ms»
      close_after: «30s|7391357ms»
  - name: scored
    from: kept
    score:
      model: «wine|zq7xcanary»
      inputs: [«alcohol|zq7xcanary»]
      outputs: {«quality|zq7xcanary»: «prediction|concat('zq7xcanary', prediction)»}
      when_missing: «drop|zq7xcanary»
sinks:
  - {from: «folded|zq7xcanary», topic: «folds|zq7xcanary», key: «kind|zq7xcanary», format: json, partitions: «1|73913»}
  - {from: counted, topic: counts, format: {csv: {delimiter: «;|zq7xcanary»}}}
  - {from: scored, topic: scores}
  - {from: key_by-5, topic: keyed}
delivery: «exactly_once|zq7xcanary»
commit_every: «100ms|1739135ms»
errors: «dead_letter|zq7xcanary»
state: {store: «memory|zq7xcanary», memory_limit: «1GiB|739135MiB», standby: «1|73913»}
functions: {«louder(s)|zq7xcanary(s)»: «upper(s)|concat(s, 'zq7xcanary')»}
";

const KAFKA: &str = "kafka:
  brokers: «localhost:1|zq7xcanary:1»
  security:
    tls: {ca: «ca.pem|zq7xcanary», certificate: «c.pem|zq7xcanary», key: «k.pem|zq7xcanary», key_password: «x|zq7xcanary»}
    sasl: {mechanism: «PLAIN|zq7xcanary», username: «user|zq7xcanary», password: «pw|zq7xcanary»}
";

/// Mistakes beside the canary.
const MISTAKES: &str = "mistake: 1\nsecurty: {password: zq7xliteral}\n";

/// A text that fits nowhere, of pieces that a message could repeat.
const UNFIT: &str = "zq7xone zq7xtwo('zq7xthree";

/// The file with the scalar of this number from `${CANARY}`, and the canary that fits there.
fn with_canary(template: &str, number: usize) -> Option<(String, String)> {
    let (mut file, mut canary) = (String::new(), None);
    for (i, piece) in template.split('«').enumerate() {
        let Some((scalar, rest)) = piece.split_once('»') else {
            file.push_str(piece);
            continue;
        };
        let (value, fit) = scalar.split_once('|').unwrap();
        if i == number {
            canary = Some(fit.to_owned());
            file.push_str("\"${CANARY}\"");
        } else {
            write!(file, "\"{value}\"").unwrap();
        }
        file.push_str(rest);
    }
    canary.map(|canary| (file, canary))
}

/// Whether a text shows a piece of a canary, also in another form.
fn shows_canary(text: &str) -> bool {
    let text = text.to_lowercase().replace(',', "");
    ["zq7x", "7391357", "1739135", "73913", "2h 3m 11s", "28m 59s"].iter().any(|piece| text.contains(piece))
}

fn assert_hidden(f: &Fastdata, line: &str, canary: &str, file: &str) {
    let ended = f.args(line).env("CANARY", canary).run();
    let (stdout, stderr) = (ended.stdout_text(), ended.stderr_text());
    assert!(!shows_canary(stdout) && !shows_canary(stderr), "`{line}` shows `{canary}`:\n{stdout}\n{stderr}\n{file}");
    assert!(matches!(ended.code(), Some(0..=2)), "`{line}` ended with {:?}:\n{stderr}", ended.code());
}

#[test]
fn what_comes_from_the_environment_is_printed_nowhere() {
    let f = Fastdata::in_temp();
    let plain = with_canary(&format!("{PIPELINE}«|»"), PIPELINE.matches('«').count() + 1).unwrap().0;
    f.file("plain.yaml", plain.trim_end_matches("\"${CANARY}\""));
    f.args("validate plain.yaml").succeeds();
    f.file("in.jsonl", "{\"id\": 1, \"kind\": \"red\", \"alcohol\": 11, \"ts\": 0}\n{\"id\": \"x\"}\n");
    f.args("seed --topic raw --from in.jsonl").succeeds();
    let mut number = 0;
    while let Some((file, canary)) = with_canary(PIPELINE, {
        number += 1;
        number
    }) {
        f.file("p.yaml", &file).file("wrong.yaml", &format!("{file}{MISTAKES}"));
        for canary in [canary.as_str(), UNFIT] {
            assert_hidden(&f, "validate wrong.yaml", canary, &file);
            assert_hidden(&f, "run p.yaml --until-end -vv", canary, &file);
        }
        for command in
            ["graph p.yaml", "graph p.yaml --format dot", "graph p.yaml --format mermaid", "run p.yaml --dry-run"]
                .iter()
                .chain(&["run p.yaml --until-end --log-format json"])
        {
            assert_hidden(&f, command, &canary, &file);
        }
        assert_hidden(&f, "query p.yaml nothing", &canary, &file);
    }
    assert!(number > 45, "{number}");
}

#[test]
fn the_connection_to_kafka_is_printed_nowhere() {
    let f = Fastdata::in_temp();
    let mut number = 0;
    let template = format!("name: p\nsource: {{topic: raw, format: text}}\nsink: out\n{KAFKA}");
    while let Some((file, canary)) = with_canary(&template, {
        number += 1;
        number
    }) {
        f.file("p.yaml", &file).file("wrong.yaml", &format!("{file}{MISTAKES}"));
        for canary in [canary.as_str(), UNFIT] {
            for command in ["validate p.yaml", "validate wrong.yaml", "graph p.yaml"] {
                assert_hidden(&f, command, canary, &file);
            }
        }
    }
    assert_eq!(number, 9);
}

/// A message shows what the file says in the place of a value, and stays readable beside a short one.
#[test]
fn messages_show_the_variable() {
    let f = Fastdata::in_temp();
    f.file(
        "p.yaml",
        "name: p
source: {topic: '${TOPIC}', schema: {n: bigint}}
steps:
  - filter: n > ${MIN} AND ${TOKEN} = 'x'
  - filter: n > ${MIN} AND m > 1
sink: out
",
    );
    let run = |line: &str| f.args(line).env("TOPIC", "raw").env("MIN", "1").env("TOKEN", "hunter2");
    run("validate p.yaml").fails_with(2).stdout("").stderr(
        "error: unknown column `${TOKEN}`
  --> p.yaml:4:13
  |
4 |   - filter: n > ${MIN} AND ${TOKEN} = 'x'
  |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
hint: columns in scope: n

error: unknown column `m`
  --> p.yaml:5:13
  |
5 |   - filter: n > ${MIN} AND m > 1
  |             ^^^^^^^^^^^^^^^^^^^^
hint: columns in scope: n
",
    );
    f.file(
        "p.yaml",
        "name: p\nsource: {topic: '${TOPIC}', schema: {n: bigint}}\nsteps: [{filter: 'n > ${MIN}'}]\nsink: out\n",
    );
    run("graph p.yaml").succeeds().stdout(
        "pipeline p
sub-topology 0
  source ${TOPIC} (topic ${TOPIC})
    columns n: bigint
  filter filter-1 <- ${TOPIC}: n > ${MIN}
    columns n: bigint
  sink sink:out <- filter-1: topic out
",
    );
    run("run p.yaml --until-end").fails_with(1).stderr_around(
        "error: topic `${TOPIC}`, which `p` reads, does not exist\nhint: make it with `fastdata topics create ${TOPIC} \
         --partitions 1`, or fill it with `fastdata seed --topic ${TOPIC}`",
        "\n",
    );
}

/// The errors of records, in dead letters and where they stop a run, and the rows that `log` prints.
#[test]
fn errors_of_records_show_no_value() {
    let f = Fastdata::in_temp();
    let pipeline = "name: p
source: {topic: raw, schema: {s: string}}
steps:
  - set: {n: \"CAST(concat(s, '${TOKEN}') AS bigint)\", t: \"'${TOKEN}'\"}
  - log
sink: out
";
    f.file("p.yaml", pipeline).file("stop.yaml", &format!("{}errors: stop\n", pipeline.replace(": p\n", ": q\n")));
    f.file("ok.yaml", &pipeline.replace(": p\n", ": r\n").replace("CAST(concat(s, '${TOKEN}') AS bigint)", "1"));
    f.file("in.jsonl", "{\"s\": \"x\"}\n");
    f.args("seed --topic raw --from in.jsonl").succeeds();
    let token = "hunter2-it''s\"a\\n";
    f.args("run p.yaml --until-end").env("TOKEN", token).succeeds();
    let letters = f.args("tail --topic p.dead --until-end --output json").succeeds();
    assert!(letters.stdout_text().contains("fastdata-error"), "{}", letters.stdout_text());
    for line in ["run stop.yaml --until-end", "run ok.yaml --until-end"] {
        let ended = f.args(line).env("TOKEN", token).run();
        let text = format!("{}{}{}", letters.stdout_text(), ended.stderr_text(), ended.stdout_text());
        assert!(text.contains("${TOKEN}") && !text.contains("hunter2"), "{text}");
    }
}
