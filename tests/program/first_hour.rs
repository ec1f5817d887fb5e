//! What a newcomer sees in the first hour: what a run says of itself, and what commands say where there is nothing yet.

use crate::harness::program::{BINARY, Fastdata, remove_settings};
use crate::harness::topics::total_end;
use crate::harness::wait::until;
use fastdata::log::embedded::EmbeddedLog;
use serde_json::{Value, json};
use std::process::Command;

/// Reads two topics, has a row for every kind of counter, and writes two topics.
pub const PIPELINE: &str = "name: p
sources:
  raw: {schema: {kind: string, n: bigint, ts: timestamp}, timestamp: ts}
  more: {schema: {kind: string, n: bigint, ts: timestamp}, timestamp: ts}
steps:
  - merge: [raw, more]
  - {name: kept, filter: n > 0}
  - {name: per_kind, window: {tumbling: 1m, by: [kind], select: {rows: count(*)}}}
sinks:
  - {from: kept, topic: kept}
  - {topic: counts}
";

/// Three bad records, of two kinds of errors; a late one; four filtered ones; two windows, of which one closes.
pub fn feed(f: &Fastdata) {
    let record = |n: i64, second: &str| format!("{{\"kind\":\"red\",\"n\":{n},\"ts\":\"2026-01-01T00:{second}Z\"}}\n");
    let bad = "{\"n\":\"x\"}\n{\"n\":\"yy\"}\n{\"kind\":7}\n";
    let raw = [record(1, "00:10"), record(2, "05:20"), record(3, "00:30")].concat();
    f.file("raw.jsonl", &(raw + bad)).file("more.jsonl", &record(0, "05:30").repeat(4));
    f.args("seed --topic raw --from raw.jsonl").succeeds();
    f.args("seed --topic more --from more.jsonl").succeeds();
}

/// A text without the time that a run took and its rate.
fn without_time(text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for line in lines.iter_mut().filter(|l| l.contains(" read in ")) {
        let end = line.find(" read in ").unwrap() + " read in ".len();
        line.truncate(end);
    }
    lines.join("\n") + "\n"
}

#[test]
fn a_bounded_run_ends_with_what_it_has_done() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", PIPELINE);
    feed(&f);
    let ended = f.args("run p.yaml --until-end").succeeds().stdout("");
    assert_eq!(
        without_time(ended.stderr_text()),
        "p: 10 records read in \n  \
         read        4  from `more`\n              \
                     6  from `raw`\n  \
         written     3  to `kept`\n              \
                     1  to `counts`\n  \
         filtered    4\n  \
         dead        3  to `p.dead`; most often (2): field `n`: expected a whole number, found string \"x\" (byte 5)\n  \
         into state  3\n  \
         open        1  windows in `per_kind`\n\
         `fastdata tail --topic p.dead --until-end` shows them, each with its reason\n\
         `--drain` closes the windows that are open at the end\n"
    );
    // Only what this run does counts.
    let again = f.args("run p.yaml --until-end --drain").succeeds();
    assert_eq!(
        without_time(again.stderr_text()),
        "p: 0 records read in \n  \
         read     0  from `more`\n           \
                  0  from `raw`\n  \
         written  0  to `kept`\n           \
                  1  to `counts`\n\
         everything was read before; `--from earliest` starts over\n"
    );
}

#[test]
fn where_stderr_is_json_the_summary_is_one_object() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", PIPELINE);
    feed(&f);
    let ended = f.args("run p.yaml --until-end --drain --log-format json").succeeds();
    let lines: Vec<Value> = ended.stderr_text().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let summary = &lines.last().unwrap()["fields"];
    let shown =
        ["pipeline", "read", "written", "filtered", "late", "dead", "dead_topic", "dead_reason_count", "remainder"];
    let shown: Value =
        shown.iter().map(|name| ((*name).to_owned(), summary[*name].clone())).collect::<serde_json::Map<_, _>>().into();
    let expected = json!({
        "pipeline": "p", "read": {"more": 4, "raw": 6}, "written": {"kept": 3, "counts": 2}, "filtered": 4, "late": 0,
        "dead": 3, "dead_topic": "p.dead", "dead_reason_count": 2, "remainder": 0,
    });
    assert_eq!(shown, expected, "{summary}");
    assert!(summary["seconds"].as_f64().unwrap() > 0.0 && summary["rate"].as_f64().unwrap() > 0.0, "{summary}");
    assert_eq!((&summary["models"], &summary["open_windows"]), (&json!({}), &json!({})));
}

#[test]
fn quiet_is_quiet() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", PIPELINE);
    feed(&f);
    f.args("run p.yaml --until-end --quiet").succeeds().stdout("").stderr("");
    f.args("tail --topic raw --until-end --output json --format csv --quiet").succeeds().stderr("");
}

#[test]
fn a_run_that_goes_on_says_that_it_sets_records_aside() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", PIPELINE).file("bad.jsonl", &"{\"n\":\"x\"}\n".repeat(20_000));
    f.args("topics create more").succeeds();
    f.args("seed --topic raw --from bad.jsonl").succeeds();
    let mut run = f.start("run p.yaml");
    let line = until("the line about the dead letters", || {
        let line = run.next_stderr_line();
        line.contains("aside").then_some(line)
    });
    assert!(line.starts_with("warning: `p` has set ") && line.contains(" records aside in `p.dead`; "), "{line}");
    assert!(line.ends_with("field `n`: expected a whole number, found string \"x\" (byte 5)"), "{line}");
    let hint = "hint: `fastdata tail --topic p.dead --until-end` shows them, each with its reason";
    assert_eq!(run.next_stderr_line(), hint);
    let log = EmbeddedLog::open(&f.log_dir()).unwrap();
    until("all dead letters", || (total_end(&log, "p.dead")? == 20_000).then_some(()));
    run.signal("INT");
    assert_eq!(run.wait().code(), Some(0));
    let rest = run.stderr_text();
    assert!(
        !rest.contains("aside") && rest.contains("dead        20,000") || rest.contains("dead     20,000"),
        "{rest}"
    );
}

/// The summary counts dead letters and says where they were dropped.
#[test]
fn dropped_records_are_counted() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", &format!("{PIPELINE}errors: drop\n"));
    feed(&f);
    let ended = f.args("run p.yaml --until-end --drain").succeeds();
    assert!(ended.stderr_text().contains("\n  dead        3  dropped\n"), "{}", ended.stderr_text());
}

/// Runs the program on a terminal of its own.
fn on_terminal(f: &Fastdata, line: &str) -> String {
    let mut command = Command::new("script");
    remove_settings(&mut command);
    command.args(["--quiet", "--return", "--command", &format!("{BINARY} {line}"), "/dev/null"]);
    let ended = command.current_dir(f.dir()).stdin(std::process::Stdio::null()).output().unwrap();
    let text = String::from_utf8(ended.stdout).unwrap();
    assert!(ended.status.success(), "{line}: {text}");
    text
}

#[test]
fn a_run_on_a_terminal_shows_a_line_that_makes_way_for_what_is_printed() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", PIPELINE);
    feed(&f);
    // Enough that the run goes on for a while.
    f.args("seed --topic raw --count 30000").succeeds();
    let erase = "\r\u{1b}[2K";
    let text = on_terminal(&f, "run p.yaml --until-end");
    assert!(text.starts_with(&format!("{erase}p: 0 read")), "{text:?}");
    let shown: Vec<&str> = text.split(erase).collect();
    assert!(shown[1..shown.len() - 1].iter().all(|line| line.starts_with("p: ") && !line.contains('\n')), "{text:?}");
    assert!(shown.last().unwrap().starts_with("p: 30,010 records read in "), "{text:?}");
    for options in ["--quiet", "--log-format json"] {
        let text = on_terminal(&f, &format!("run p.yaml --until-end {options}"));
        assert!(!text.contains('\u{1b}'), "{options}: {text:?}");
    }
}

#[test]
fn where_there_is_no_log_commands_say_so_and_make_nothing() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", PIPELINE);
    let commands = [
        "stats",
        "stats p",
        "stats --follow",
        "tail --topic raw",
        "tail --topic raw --until-end",
        "models list",
        "models show",
        "query p.yaml per_kind",
        "topics list",
        "topics describe raw",
        "topics delete raw --yes",
    ];
    for line in commands {
        f.args(line).fails_with(1).stdout("").stderr(
            "error: there is no log in `.fastdata`: nothing was written there yet; `fastdata seed --topic raw` writes \
             first records, and `--data-dir` names another folder\n",
        );
        assert_eq!(std::fs::read_dir(f.dir()).unwrap().count(), 1, "`{line}` has made something");
    }
}

#[test]
fn common_mistakes_in_sql_have_their_hint() {
    let f = Fastdata::in_temp();
    let check = |filter: &str, expected: &str| {
        let schema = "{zone: string, tag: string, xs: list<bigint>, tags: 'map<string, bigint>'}";
        f.file(
            "p.yaml",
            &format!("name: p\nsource: {{topic: raw, schema: {schema}}}\nsteps:\n  - filter: {filter}\nsink: out\n"),
        );
        let ended = f.args("validate p.yaml").run();
        let lines = ended.stderr_text().lines().filter(|l| l.starts_with("error: ") || l.starts_with("hint: "));
        assert_eq!(lines.collect::<Vec<_>>().join("\n"), expected, "{filter}");
    };
    check("zone = \"SoHo\"", "error: unknown column `SoHo`\nhint: strings take single quotes: 'SoHo'");
    check("zone = \"it's\"", "error: unknown column `it's`\nhint: strings take single quotes: 'it''s'");
    check(
        "zone = \"tagg\"",
        "error: unknown column `tagg`\nhint: did you mean `tag`? Strings take single quotes: 'tagg'",
    );
    check("zone = SoHo", "error: unknown column `SoHo`\nhint: columns in scope: zone, tag, xs, tags");
    let counts =
        "error: a list has no item 0: SQL counts from 1\nhint: the first item is `xs[1]`, the last one `xs[-1]`";
    check("xs[0] > 1", counts);
    check("xs[1] > 1 AND abs(xs[0]) > 2", counts);
    check("xs[1] > 1 AND xs[-1] > 2 AND tags['0'] > 1", "");
}

#[test]
fn a_run_without_its_source_says_what_to_type() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", PIPELINE);
    f.args("topics create more --partitions 3 --data-dir here").succeeds();
    let missing = f.args("run p.yaml --data-dir here").fails_with(1).stdout("");
    let expected = "error: topic `raw`, which `p` reads, does not exist\nhint: make it with `fastdata topics create raw \
                    --partitions 3 --data-dir here`, or fill it with `fastdata seed --topic raw --data-dir here`";
    assert!(missing.stderr_text().starts_with(expected), "{}", missing.stderr_text());
    let help = f.args("run --help").succeeds();
    let can_wait = help.stdout_text().contains("--wait");
    assert_eq!(missing.stderr_text().contains("`--wait`"), can_wait, "{}", missing.stderr_text());
}
