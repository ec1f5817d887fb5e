//! `fastdata validate --online`: reports all that prevents a pipeline from running on its backplane, and changes
//! nothing.
//!
//! The messages are the same on both backplanes: `kafka::topics` runs this check too.

use crate::harness::program::{Fastdata, Invocation};

const SCHEMA: &str = "schema: {id: bigint, kind: string}";

/// Two merged sources, a fold by their key, a model, and a sink.
fn pipeline(name: &str) -> String {
    format!(
        "name: {name}
sources:
  {name}-orders: {{key: kind, {SCHEMA}}}
  {name}-refunds: {{key: kind, {SCHEMA}}}
steps:
  - name: all
    merge: [{name}-orders, {name}-refunds]
  - name: counted
    scan: {{by: [kind], init: {{n: 0}}, next: {{n: n + 1}}}}
  - name: scored
    score: {{model: {name}, inputs: [n]}}
sink: {{topic: {name}-out}}
"
    )
}

/// A pipeline that is validated against a backplane.
struct Validation<'a> {
    f: &'a Fastdata,
    name: &'a str,
    /// Selects the backplane.
    flags: &'a str,
    /// Precedes every other message: no model is published.
    warning: String,
}

/// Takes a backplane without topics to a valid one. `flags` selects the backplane, `at` is its name in messages.
pub fn assert_checks_and_changes_nothing(f: &Fastdata, name: &str, flags: &str, at: &str) {
    f.file("p.yaml", &pipeline(name));
    let warning = format!(
        "warning: topic `models` has no model that serves `{name}`: records wait for one
  --> p.yaml:11:20
   |
11 |     score: {{model: {name}, inputs: [n]}}
   |                    {}
hint: publish one with `fastdata publish-model FILE --data-type {name}`
",
        carets(name)
    );
    let validation = Validation { f, name, flags, warning };
    validation.reports_missing_sources();
    validation.reports_unequal_partition_counts();
    validation.accepts_valid_sources(at);
    validation.reports_invalid_internal_topics();
}

fn carets(text: &str) -> String {
    "^".repeat(text.len())
}

impl Validation<'_> {
    fn run(&self, line: &str) -> Invocation {
        self.f.args(&format!("{line} {}", self.flags))
    }

    fn fails_with(&self, errors: &str) {
        let expected = format!("{}{errors}", self.warning);
        self.run("validate p.yaml --online").fails_with(2).stdout("").stderr(&expected);
    }

    fn reports_missing_sources(&self) {
        let missing = |suffix: &str, line: usize| {
            let topic = format!("{}-{suffix}", self.name);
            format!(
                "error: topic `{topic}` does not exist
  --> p.yaml:{line}:3
  |
{line} |   {topic}: {{key: kind, {SCHEMA}}}
  |   {}
hint: ",
                carets(&topic)
            )
        };
        let finished = self.run("validate p.yaml --online").fails_with(2).stdout("");
        let (stderr, warning) = (finished.stderr_text(), &self.warning);
        assert!(stderr.starts_with(&format!("{warning}{}", missing("orders", 3))), "{stderr}");
        assert!(stderr.contains(&format!("\n\n{}", missing("refunds", 4))), "{stderr}");
    }

    fn reports_unequal_partition_counts(&self) {
        let name = self.name;
        self.run(&format!("topics create {name}-orders --partitions 2")).succeeds();
        self.run(&format!("topics create {name}-refunds --partitions 3")).succeeds();
        self.fails_with(&format!(
            "error: the inputs of `counted` do not have the same number of partitions: `{name}-orders` has 2, `{name}-refunds` has 3
  --> p.yaml:9:5
  |
9 |     scan: {{by: [kind], init: {{n: 0}}, next: {{n: n + 1}}}}
  |     ^^^^
hint: make them equal, or put a `key_by` before it
"
        ));
    }

    fn accepts_valid_sources(&self, at: &str) {
        let (name, warning) = (self.name, &self.warning);
        self.run(&format!("topics delete {name}-refunds --yes")).succeeds();
        self.run(&format!("topics create {name}-refunds --partitions 2")).succeeds();
        let expected = format!("{warning}p.yaml: valid on {at}\n");
        self.run("validate p.yaml --online").succeeds().stdout("").stderr(&expected);
    }

    /// Internal topics with a wrong layout are reported; an existing sink topic is accepted.
    fn reports_invalid_internal_topics(&self) {
        let name = self.name;
        self.run(&format!("topics create {name}.counted.state --partitions 1 --compacted")).succeeds();
        self.run(&format!("topics create {name}.progress")).succeeds();
        self.run(&format!("topics create {name}-out --partitions 7")).succeeds();
        let before = self.own_topics();
        self.fails_with(&format!(
            "error: topic `{name}.progress` is not compacted: it must keep the latest record of each key
  --> p.yaml:1:7
  |
1 | name: {name}
  |       {}
hint: delete it, or rename the pipeline

error: topic `{name}.counted.state`, which holds the state of `counted`, has 1 partitions where 2 are needed, as many as what is read has
  --> p.yaml:9:5
  |
9 |     scan: {{by: [kind], init: {{n: 0}}, next: {{n: n + 1}}}}
  |     ^^^^
hint: start over with `--from earliest`, which makes it anew
",
            carets(name)
        ));
        assert_eq!(self.own_topics(), before, "validation has changed topics");
    }

    /// The listed topics of this pipeline. Other tests use the same backplane; column widths depend on their topics.
    fn own_topics(&self) -> Vec<String> {
        let listed = self.run("topics list").succeeds();
        let single_spaced = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        listed.stdout_text().lines().filter(|l| l.starts_with(self.name)).map(single_spaced).collect()
    }
}

#[test]
fn the_embedded_log_is_checked_and_not_changed() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", &pipeline("shop"));
    f.args("validate p.yaml --online").fails_with(1).stdout("").stderr(
        "error: there is no log in `.fastdata`: nothing was written there yet; `fastdata seed --topic raw` writes first \
         records, and `--data-dir` names another folder\n",
    );
    assert!(!f.log_dir().exists(), "validation has created a log");
    f.args("topics create other").succeeds();
    assert_checks_and_changes_nothing(&f, "shop", "", ".fastdata");
}

#[test]
fn a_published_model_is_found() {
    let f = Fastdata::in_temp();
    let wine = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/wine/wine.pb");
    let names = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/wine/pipeline.yaml");
    f.args("topics create raw").succeeds();
    f.args(&format!("publish-model {wine}")).succeeds();
    f.args(&format!("validate {names} --online")).succeeds().stderr(&format!("{names}: valid on .fastdata\n"));
}
