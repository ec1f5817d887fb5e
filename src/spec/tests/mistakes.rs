//! The exact messages for mistakes that people make. One test per mistake.
#![allow(clippy::unwrap_used)]

use super::{bad, operators};

#[test]
fn an_unknown_field_names_the_nearest() {
    let file = "name: p\nsource: {topic: r, format: text}\nstpes: []\nsink: out\n";
    assert_eq!(
        bad(file),
        r#"error: unknown field `stpes` in the file
  --> p.yaml:3:1
  |
3 | stpes: []
  | ^^^^^
hint: did you mean `steps`?
"#
    );
}

#[test]
fn a_duplicate_key_cites_the_first() {
    let file = "name: p\nsource: {topic: r, format: text}\nsink: out\nname: q\n";
    assert_eq!(
        bad(file),
        r#"error: `name` is defined twice; the first is in line 1
  --> p.yaml:4:1
  |
4 | name: q
  | ^^^^
hint: remove one of them
"#
    );
}

#[test]
fn a_missing_name_says_what_it_is_for() {
    let file = "source: {topic: r, format: text}\nsink: out\n";
    assert_eq!(
        bad(file),
        r#"error: the file has no `name`
  --> p.yaml:1:1
  |
1 | source: {topic: r, format: text}
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
hint: add `name`: the application id: consumer group, transactional ids, state and statistics
"#
    );
}

#[test]
fn a_missing_schema_names_the_command_that_writes_one() {
    let file = "name: p\nsource:\n  topic: r\nsink: out\n";
    assert_eq!(
        bad(file),
        r#"error: the source `r` has no schema
  --> p.yaml:2:1
  |
2 | source:
  | ^^^^^^
hint: add `schema: {COLUMN: TYPE}`; `fastdata infer FILE` writes one from samples
"#
    );
}

#[test]
fn a_wrong_type_is_located_inside_the_text() {
    let file = "name: p\nsource: {topic: r, schema: {a: list<bigit>}}\nsink: out\n";
    assert_eq!(
        bad(file),
        r#"error: unknown type `bigit`
  --> p.yaml:2:37
  |
2 | source: {topic: r, schema: {a: list<bigit>}}
  |                                     ^^^^^
hint: did you mean `bigint`?
"#
    );
}

#[test]
fn a_type_that_yaml_splits_is_shown_whole() {
    let file = "name: p\nsource: {topic: r, schema: {a: decimal(10,2), b: int}}\nsink: out\n";
    assert_eq!(
        bad(file),
        r#"error: YAML splits `decimal(10,2)` at its comma
  --> p.yaml:2:32
  |
2 | source: {topic: r, schema: {a: decimal(10,2), b: int}}
  |                                ^^^^^^^^^^^^^
hint: inside `{…}` and `[…]` put it in quotes: `"decimal(10,2)"`
"#
    );
}

#[test]
fn sql_that_yaml_splits_is_shown_whole() {
    let file = "name: p\nsource: {topic: r, schema: {a: int}}\nsteps:\n  - set: {b: coalesce(a, 0, 1)}\n  - score: {model: m, inputs: [coalesce(a, 0), a]}\nsink: out\n";
    assert_eq!(
        bad(file),
        r#"error: YAML splits `coalesce(a, 0, 1)` at its comma
  --> p.yaml:4:14
  |
4 |   - set: {b: coalesce(a, 0, 1)}
  |              ^^^^^^^^^^^^^^^^^
hint: inside `{…}` and `[…]` put it in quotes: `"coalesce(a, 0, 1)"`

error: YAML splits `coalesce(a, 0)` at its comma
  --> p.yaml:5:32
  |
5 |   - score: {model: m, inputs: [coalesce(a, 0), a]}
  |                                ^^^^^^^^^^^^^^
hint: inside `{…}` and `[…]` put it in quotes: `"coalesce(a, 0)"`
"#
    );
}

#[test]
fn an_unset_variable_is_located() {
    let file = "name: p\nsource: {topic: \"in-${TOPIC}\", format: text}\nsink: out\n";
    assert_eq!(
        bad(file),
        r#"error: the variable `TOPIC` is not set
  --> p.yaml:2:21
  |
2 | source: {topic: "in-${TOPIC}", format: text}
  |                     ^^^^^^^^
hint: set it, or give a default: `${TOPIC:-…}`
"#
    );
}

#[test]
fn an_unknown_operator_names_the_nearest() {
    let file = "name: p\nsource: {topic: r, schema: {a: int}}\nsteps:\n  - filtr: a > 1\nsink: out\n";
    assert_eq!(
        bad(file),
        r#"error: unknown field `filtr` in a step
  --> p.yaml:4:5
  |
4 |   - filtr: a > 1
  |     ^^^^^
hint: did you mean `filter`?
"#
    );
}

#[test]
fn a_step_has_one_operator() {
    let file = "name: p\nsource: {topic: r, schema: {a: int}}\nsteps:\n  - filter: a > 1\n    drop: a\n  - name: empty\nsink: out\n";
    assert_eq!(
        bad(file),
        r#"error: a step has one operator, this one has `filter` and `drop`
  --> p.yaml:5:5
  |
5 |     drop: a
  |     ^^^^
hint: make `drop` a step of its own

error: this step has no operator
  --> p.yaml:6:5
  |
6 |   - name: empty
  |     ^^^^
hint: add one of {operators}
"#
        .replace("{operators}", &operators())
    );
}

#[test]
fn a_duplicate_name_cites_the_first() {
    let file = "name: p\nsource: {topic: r, schema: {a: int}}\nsteps:\n  - {name: x, filter: a > 1}\n  - {name: x, filter: a > 2}\nsink: out\n";
    assert_eq!(
        bad(file),
        r#"error: the name `x` is used twice; the first is in line 4
  --> p.yaml:5:12
  |
5 |   - {name: x, filter: a > 2}
  |            ^
hint: sources and steps need different names
"#
    );
}

#[test]
fn an_unknown_input_names_the_nearest() {
    let file = "name: p\nsource: {topic: raw, schema: {a: int}}\nsteps:\n  - {name: big, from: rwa, filter: a > 1}\nsink: {topic: out, from: bigg}\n";
    assert_eq!(
        bad(file),
        r#"error: no source or step is named `rwa`
  --> p.yaml:4:23
  |
4 |   - {name: big, from: rwa, filter: a > 1}
  |                       ^^^
hint: did you mean `raw`?

error: no source or step is named `bigg`
  --> p.yaml:5:26
  |
5 | sink: {topic: out, from: bigg}
  |                          ^^^^
hint: did you mean `big`?
"#
    );
}

#[test]
fn an_output_that_a_step_does_not_have() {
    let file = "name: p\nsource: {topic: raw, schema: {a: int}}\nsteps:\n  - {name: big, filter: a > 1}\n  - {name: w, window: {tumbling: 1m, select: {n: count(*)}}}\nsinks:\n  - {topic: o1, from: big.late}\n  - {topic: o2, from: w.lat}\n";
    assert_eq!(
        bad(file),
        r#"error: the step `big` (filter) has no output `late`
  --> p.yaml:7:23
  |
7 |   - {topic: o1, from: big.late}
  |                       ^^^^^^^^
hint: write `from: big`; only `branch` and `window` (`late`) have extra outputs

error: the step `w` (window) has no output `lat`
  --> p.yaml:8:23
  |
8 |   - {topic: o2, from: w.lat}
  |                       ^^^^^
hint: did you mean `late`?
"#
    );
}

#[test]
fn a_cycle_names_its_steps() {
    let file = "name: p\nsource: {topic: raw, schema: {a: int}}\nsteps:\n  - {name: a, from: c, filter: a > 1}\n  - {name: b, filter: a > 1}\n  - {name: c, filter: a > 1}\n  - {name: d, from: raw, filter: a > 1}\nsink: out\n";
    assert_eq!(
        bad(file),
        r#"error: steps form a cycle: `a` → `b` → `c` → `a`
  --> p.yaml:4:21
  |
4 |   - {name: a, from: c, filter: a > 1}
  |                     ^
hint: let one of them read something else
"#
    );
}

#[test]
fn what_nothing_reads_is_an_error() {
    let file = "name: p\nsources:\n  raw: {schema: {a: int}}\n  other: {format: text}\nsteps:\n  - {name: lost, from: raw, filter: a > 1}\n  - {from: raw, filter: a > 2}\nsink: out\n";
    assert_eq!(
        bad(file),
        r#"error: nothing reads the source `other`
  --> p.yaml:4:3
  |
4 |   other: {format: text}
  |   ^^^^^
hint: let a step or sink have `from: other`, or remove it

error: nothing reads the step `lost`
  --> p.yaml:6:29
  |
6 |   - {name: lost, from: raw, filter: a > 1}
  |                             ^^^^^^
hint: add a sink with `from: lost`, let a step read it, or remove it
"#
    );
}

#[test]
fn durations_and_sizes_need_units() {
    let file = "name: p\nsource: {topic: r, schema: {a: int}, watermark: {delay: 5, idle: 0s, max_ahead: soon}}\nsink: out\ncommit_every: 2h\nstate: {memory_limit: 1024}\n";
    assert_eq!(
        bad(file),
        r#"error: `5` has no unit
  --> p.yaml:2:57
  |
2 | source: {topic: r, schema: {a: int}, watermark: {delay: 5, idle: 0s, max_ahead: soon}}
  |                                                         ^
hint: write `5ms`, `5s`, `5m` or `5h`

error: expected more than zero, found `0s`
  --> p.yaml:2:66
  |
2 | source: {topic: r, schema: {a: int}, watermark: {delay: 5, idle: 0s, max_ahead: soon}}
  |                                                                  ^^
hint: such as `1m`

error: `soon` is not a duration
  --> p.yaml:2:81
  |
2 | source: {topic: r, schema: {a: int}, watermark: {delay: 5, idle: 0s, max_ahead: soon}}
  |                                                                                 ^^^^
hint: write a whole number and a unit, such as `500ms`, `2s`, `10 min` or `1h 30m`

error: `2h` is longer than an hour
  --> p.yaml:4:15
  |
4 | commit_every: 2h
  |               ^^
hint: write `1ms` to `1h`

error: `1024` has no unit
  --> p.yaml:5:23
  |
5 | state: {memory_limit: 1024}
  |                       ^^^^
hint: write `1024MiB` or `1024GiB`
"#
    );
}

/// What an operator reads and makes is not known where it is not supported, so nothing that follows is reported.
#[test]
fn an_unsupported_operator_is_one_error() {
    for operator in [
        "join: {with: b, on: {a: a}, within: 1m}",
        "aggregate: {by: [a], select: {n: count(*)}}",
        "dedup: {by: [a], within: 1m}",
        "sql: SELECT a FROM b",
    ] {
        let keyword = operator.split(':').next().unwrap();
        for from in ["", "from: a, "] {
            let file = format!(
                "name: p\nsources:\n  b: {{schema: {{a: int, n: int}}}}\n  a: {{schema: {{a: int}}}}\nsteps:\n  - {{{from}name: x, {operator}}}\n  \
                 - filter: z > 1\n  - {{from: x.late, filter: n > 1}}\nsink: out\n"
            )
            .replace("sql: SELECT a FROM b", "sql: 'SELECT a FROM b'");
            let report = bad(&file);
            let head = format!("error: `{keyword}` is not supported by this version of fastdata\n");
            assert!(report.starts_with(&head) && report.matches("error:").count() == 1, "{report}");
        }
    }
}

#[test]
fn topics_of_the_program_are_no_sinks() {
    let file = "name: p\nsources: {p.dead: {format: text}, raw: {schema: {a: string}}}\nsteps:\n  - {name: x, from: raw, scan: {by: [a], init: {n: 0}, next: {n: n + 1}}}\nsinks:\n  - models\n  - p.progress\n  - p.x.state\n  - p.x.by\n  - {topic: p.y.state}\n  - {from: p.dead, topic: models.status}\n";
    assert_eq!(
        bad(file),
        r#"error: the topic `p.dead` holds the dead letters of this pipeline: the pipeline would read what it writes
  --> p.yaml:2:11
  |
2 | sources: {p.dead: {format: text}, raw: {schema: {a: string}}}
  |           ^^^^^^
hint: read it with another pipeline

error: the topic `models` holds models, which `fastdata publish-model` writes
  --> p.yaml:6:5
  |
6 |   - models
  |     ^^^^^^
hint: write to another topic

error: the topic `p.progress` holds the positions and counters of this pipeline
  --> p.yaml:7:5
  |
7 |   - p.progress
  |     ^^^^^^^^^^
hint: write to another topic

error: the topic `p.x.state` holds the state of the step `x`
  --> p.yaml:8:5
  |
8 |   - p.x.state
  |     ^^^^^^^^^
hint: write to another topic

error: the topic `p.x.by` holds the input of the step `x`, by key
  --> p.yaml:9:5
  |
9 |   - p.x.by
  |     ^^^^^^
hint: write to another topic

error: the topic `models.status` holds models, which `fastdata publish-model` writes
  --> p.yaml:11:27
   |
11 |   - {from: p.dead, topic: models.status}
   |                           ^^^^^^^^^^^^^
hint: write to another topic
"#
    );
}

#[test]
fn a_reserved_field_is_not_an_unknown_one() {
    let file = "name: p\nsource: {topic: r, table: {key: a}, schema: {a: int}}\nsteps:\n  - window: {hopping: {size: 5m, every: 1m}, select: {n: count(*)}}\n  - dedup: {by: a, within: 1m}\nsink: out\nstate: {store: disk}\n";
    assert_eq!(
        bad(file),
        r#"error: `table` is not supported by this version of fastdata
  --> p.yaml:2:20
  |
2 | source: {topic: r, table: {key: a}, schema: {a: int}}
  |                    ^^^^^
hint: supported here: `topic`, `key`, `format`, `strict`, `nulls`, `schema`, `timestamp`, `watermark`, `tombstones`

error: `hopping` is not supported by this version of fastdata
  --> p.yaml:4:14
  |
4 |   - window: {hopping: {size: 5m, every: 1m}, select: {n: count(*)}}
  |              ^^^^^^^
hint: supported here: `tumbling`, `offset`, `by`, `select`, `grace`, `emit`, `close_after`

error: `dedup` is not supported by this version of fastdata
  --> p.yaml:5:5
  |
5 |   - dedup: {by: a, within: 1m}
  |     ^^^^^
hint: supported here: `name`, `from`, `was`, {operators}

error: `disk` is not supported by this version of fastdata
  --> p.yaml:7:16
  |
7 | state: {store: disk}
  |                ^^^^
hint: supported here: `memory`
"#
        .replace("{operators}", &operators())
    );
}

#[test]
fn several_sources_need_a_from() {
    let file = "name: p\nsources:\n  a: {format: text}\n  b: {format: text}\nsteps:\n  - filter: \"true\"\n  - {from: b, filter: \"true\"}\nsink: out\n";
    assert_eq!(
        bad(file),
        r#"error: several sources, and no `from` says which one this reads
  --> p.yaml:6:5
  |
6 |   - filter: "true"
  |     ^^^^^^
hint: add `from:` with one of `a`, `b`
"#
    );
}

#[test]
fn a_pipeline_does_not_write_what_it_reads() {
    let file = "name: p\nsource: {topic: r, format: text}\nsink: r\n";
    assert_eq!(
        bad(file),
        r#"error: the topic `r` is also read, in line 2: the pipeline would never end
  --> p.yaml:3:7
  |
3 | sink: r
  |       ^
hint: write to another topic
"#
    );
}

#[test]
fn a_wrong_kind_of_value_says_what_was_found() {
    let file = "name: [p]\nsource: raw\nsteps: {filter: a}\nsink: out\n";
    assert_eq!(
        bad(file),
        r#"error: expected a name, found a list
  --> p.yaml:1:1
  |
1 | name: [p]
  | ^^^^

error: expected a map with `topic`, `key`, `format`, `strict`, found `raw`
  --> p.yaml:2:9
  |
2 | source: raw
  |         ^^^

error: expected a list of steps, found a map
  --> p.yaml:3:1
  |
3 | steps: {filter: a}
  | ^^^^^
"#
    );
}

#[test]
fn a_value_that_is_none_of_the_choices() {
    let file = "name: p\nsource: {topic: r, format: jsno, schema: {a: int}}\nsink: out\nerrors: ignore\ndelivery: exactly_onec\n";
    assert_eq!(
        bad(file),
        r#"error: unknown value `jsno`
  --> p.yaml:2:28
  |
2 | source: {topic: r, format: jsno, schema: {a: int}}
  |                            ^^^^
hint: did you mean `json`?

error: unknown value `ignore`
  --> p.yaml:4:9
  |
4 | errors: ignore
  |         ^^^^^^
hint: expected one of `dead_letter`, `stop`, `drop`

error: unknown value `exactly_onec`
  --> p.yaml:5:11
  |
5 | delivery: exactly_onec
  |           ^^^^^^^^^^^^
hint: did you mean `exactly_once`?
"#
    );
}

#[test]
fn a_name_with_a_space() {
    let file = "name: my pipeline\nsource: {topic: r, format: text}\nsink: \"\"\n";
    assert_eq!(
        bad(file),
        r#"error: ` ` is not allowed in the name `my pipeline`
  --> p.yaml:1:7
  |
1 | name: my pipeline
  |       ^^^^^^^^^^^
hint: a name has letters, digits, `.`, `_` and `-`

error: expected a topic, found an empty text
  --> p.yaml:3:1
  |
3 | sink: ""
  | ^^^^
"#
    );
}

#[test]
fn a_branch_is_read_by_its_outputs() {
    let file = "name: p\nsource: {topic: r, schema: {a: int}}\nsteps:\n  - name: split\n    branch: {big: a > 9, else: small}\n  - filter: a < 3\nsinks:\n  - out\n  - {from: split, topic: other}\n";
    assert_eq!(
        bad(file),
        r#"error: `split` is a branch: only its outputs can be read
  --> p.yaml:6:5
  |
6 |   - filter: a < 3
  |     ^^^^^^
hint: add `from:` with one of `split.big`, `split.small`

error: `split` is a branch: only its outputs can be read
  --> p.yaml:9:12
  |
9 |   - {from: split, topic: other}
  |            ^^^^^
hint: add `from:` with one of `split.big`, `split.small`
"#
    );
}

#[test]
fn merge_needs_two_and_others_take_one() {
    let file = "name: p\nsources:\n  a: {format: text}\n  b: {format: text}\nsteps:\n  - {name: m, merge: [a]}\n  - {from: [a, b], filter: \"true\"}\nsink: out\n";
    assert_eq!(
        bad(file),
        r#"error: `merge` needs at least two inputs
  --> p.yaml:6:15
  |
6 |   - {name: m, merge: [a]}
  |               ^^^^^
hint: name them: `merge: [a, b]`

error: `filter` reads one input
  --> p.yaml:7:16
  |
7 |   - {from: [a, b], filter: "true"}
  |                ^
hint: join several with a `merge` step before
"#
    );
}

#[test]
fn a_tab_is_no_indentation() {
    let file = "name: p\nsource:\n\ttopic: r\n";
    assert_eq!(
        bad(file),
        r#"error: a tab where YAML allows only spaces
  --> p.yaml:3:2
  |
3 |  topic: r
  |  ^
hint: indent with spaces
"#
    );
}

#[test]
fn a_colon_inside_a_plain_text() {
    let file = "name: p\nsource:\n  topic: r\n  schema:\n    a: struct<b: bigint>\n";
    assert_eq!(
        bad(file),
        r#"error: `: ` is not allowed here
  --> p.yaml:5:16
  |
5 |     a: struct<b: bigint>
  |                ^
hint: put a text that holds `: ` in quotes, such as `"struct<a: bigint>"`
"#
    );
}

#[test]
fn a_bracket_that_is_not_closed() {
    let file = "name: p\nsource: {topic: r\nsink: out\n";
    assert_eq!(
        bad(file),
        r#"error: the `{` in line 2 is not closed
  --> p.yaml:3:5
  |
3 | sink: out
  |     ^
hint: add the closing bracket, or the `,` before this
"#
    );
}

#[test]
fn a_second_document() {
    let file = "name: p\nsource: {topic: r, format: text}\nsink: out\n---\nname: q\n";
    assert_eq!(
        bad(file),
        r#"error: a second document begins here
  --> p.yaml:4:1
  |
4 | ---
  | ^^^
hint: a file holds one pipeline: put the other into a file of its own
"#
    );
}

#[test]
fn a_name_that_makes_the_name_of_an_internal_topic_too_long() {
    let file = |name: &str, step: &str| {
        format!(
            "name: {name}\nsource: {{topic: r, schema: {{a: int}}}}\nsteps:\n  - name: {step}\n    scan: {{init: {{n: 0}}, next: {{n: n + 1}}}}\nsink: out\n"
        )
    };
    // `NAME.progress` has 249 characters, and so has `NAME.STEP.state`.
    super::good(&file(&"p".repeat(240), "s"));
    super::good(&file(&"p".repeat(200), &"s".repeat(42)));
    let report = bad(&file(&"p".repeat(241), "s"));
    assert!(report.contains(".progress` would be longer than 249 characters\n  --> p.yaml:1:7\n"), "{report}");
    let report = bad(&file(&"p".repeat(200), &"s".repeat(43)));
    assert!(report.contains(".state` would be longer than 249 characters\n  --> p.yaml:4:11\n"), "{report}");
}

#[test]
fn a_name_that_no_topic_or_group_can_have() {
    for name in [".", ".."] {
        let report = bad(&format!("name: \"{name}\"\nsource: {{topic: r, schema: {{a: int}}}}\nsink: out\n"));
        assert!(report.contains(&format!("error: `{name}` cannot be a name\n  --> p.yaml:1:8\n")), "{report}");
        let report = bad(&format!("name: p\nsource: {{topic: r, schema: {{a: int}}}}\nsink: {{topic: \"{name}\"}}\n"));
        assert!(report.contains(&format!("error: `{name}` cannot be a name\n  --> p.yaml:3:16\n")), "{report}");
    }
}

#[test]
fn a_pipeline_without_a_sink() {
    let file = "name: p\nsource: {topic: r, schema: {a: int}}\nsteps:\n  - filter: a > 1\n";
    assert_eq!(
        bad(file),
        r#"error: the pipeline writes nowhere
  --> p.yaml
hint: add `sink: TOPIC`, or a `log` step to print the records
"#
    );
}

#[test]
fn a_wrong_function_signature() {
    let file = "name: p\nsource: {topic: r, format: text}\nsink: out\nfunctions:\n  f(a): a + 1\n  F(b): b\n  g: 1\n";
    assert_eq!(
        bad(file),
        r#"error: the function `F(b)` is defined twice; the first is in line 5
  --> p.yaml:6:3
  |
6 |   F(b): b
  |   ^^^^
hint: functions need different names, whatever their case

error: `g` is not the signature of a function
  --> p.yaml:7:3
  |
7 |   g: 1
  |   ^
hint: write `name(a, b): SQL`; names have letters, digits and `_`
"#
    );
}

#[test]
fn an_empty_file() {
    let file = "# nothing\n";
    assert_eq!(
        bad(file),
        r#"error: the file is empty
  --> p.yaml
hint: a pipeline begins with `name: NAME`; `fastdata init` writes an example
"#
    );
}

#[test]
fn a_file_that_is_a_list() {
    let file = "- name: p\n";
    assert_eq!(
        bad(file),
        r#"error: expected a map with `name`, `source`, `sources`, `steps`, found a list
  --> p.yaml:1:1
  |
1 | - name: p
  | ^^^^^^^^^
"#
    );
}

#[test]
fn the_fields_of_a_window() {
    let file = "name: p\nsource: {topic: r, schema: {a: int}}\nsteps:\n  - window: {tumbling: {size: 1m, offset: 2m}, by: [a, a], grace: 1.5s, emit: updates}\nsink: out\n";
    assert_eq!(
        bad(file),
        r#"error: `window` has no `select`
  --> p.yaml:4:5
  |
4 |   - window: {tumbling: {size: 1m, offset: 2m}, by: [a, a], grace: 1.5s, emit: updates}
  |     ^^^^^^
hint: add `select`: result columns: SQL over aggregates

error: the offset is not shorter than the window
  --> p.yaml:4:43
  |
4 |   - window: {tumbling: {size: 1m, offset: 2m}, by: [a, a], grace: 1.5s, emit: updates}
  |                                           ^^
hint: write one below the window's size

error: `a` is listed twice; the first is in line 4
  --> p.yaml:4:56
  |
4 |   - window: {tumbling: {size: 1m, offset: 2m}, by: [a, a], grace: 1.5s, emit: updates}
  |                                                        ^
hint: remove one of them

error: `updates` is not supported by this version of fastdata
  --> p.yaml:4:79
  |
4 |   - window: {tumbling: {size: 1m, offset: 2m}, by: [a, a], grace: 1.5s, emit: updates}
  |                                                                               ^^^^^^^
hint: supported here: `final`
"#
    );
}

#[test]
fn the_columns_of_a_scan() {
    let file = "name: p\nsource: {topic: r, schema: {a: int}}\nsteps:\n  - scan: {init: {n: 0, m: 1}, next: {n: n + 1}}\nsink: out\n";
    assert_eq!(
        bad(file),
        r#"error: `m` has no value in `next`
  --> p.yaml:4:25
  |
4 |   - scan: {init: {n: 0, m: 1}, next: {n: n + 1}}
  |                         ^
hint: `init` and `next` name the same columns
"#
    );
}

#[test]
fn five_mistakes_are_five_errors() {
    let file = "name: p\nsource: {topic: r, schema: {a: bigit}}\nsteps:\n  - filtr: a > 1\n  - {name: x, from: nowhere, filter: a > 1}\n  - window: {tumbling: 60, select: {n: count(*)}}\nsink: {topic: out, key: a, formt: csv}\n";
    assert_eq!(
        bad(file),
        r#"error: unknown type `bigit`
  --> p.yaml:2:32
  |
2 | source: {topic: r, schema: {a: bigit}}
  |                                ^^^^^
hint: did you mean `bigint`?

error: unknown field `filtr` in a step
  --> p.yaml:4:5
  |
4 |   - filtr: a > 1
  |     ^^^^^
hint: did you mean `filter`?

error: no source or step is named `nowhere`
  --> p.yaml:5:21
  |
5 |   - {name: x, from: nowhere, filter: a > 1}
  |                     ^^^^^^^
hint: expected one of `r`, `step-1`, `x`, `window-3`

error: `60` has no unit
  --> p.yaml:6:24
  |
6 |   - window: {tumbling: 60, select: {n: count(*)}}
  |                        ^^
hint: write `60ms`, `60s`, `60m` or `60h`

error: unknown field `formt` in a sink
  --> p.yaml:7:28
  |
7 | sink: {topic: out, key: a, formt: csv}
  |                            ^^^^^
hint: did you mean `format`?
"#
    );
}

/// `was:` with a step that is still there, twice, with a step that keeps no state, with its own name, and not a name.
#[test]
fn state_belongs_to_one_step() {
    let file = |steps: &str| format!("name: p\nsource: {{topic: r, format: text}}\nsteps:\n{steps}sink: out\n");
    let scan = "scan: {init: {c: 0}, next: {c: c + 1}}";
    let first = |steps: &str| {
        bad(&file(steps))
            .lines()
            .filter(|l| l.starts_with("error") || l.starts_with("hint"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(
        bad(&file(&format!("  - {{name: a, {scan}}}\n  - {{name: b, was: a, {scan}}}\n"))),
        r#"error: `a` is a step of this file, in line 4, which has the state itself
  --> p.yaml:5:20
  |
5 |   - {name: b, was: a, scan: {init: {c: 0}, next: {c: c + 1}}}
  |                    ^
hint: remove `was`, or give that step another name and its own `was`
"#
    );
    assert_eq!(
        first(&format!("  - {{name: b, was: a, {scan}}}\n  - {{name: c, was: a, {scan}}}\n")),
        "error: two steps go on with the state of `a`; the first is in line 4\nhint: remove one `was`: that step begins without state"
    );
    assert_eq!(
        first(&format!("  - {{name: b, was: a, {scan}}}\n  - {{name: c, was: b, {scan}}}\n")),
        "error: `b` is a step of this file, in line 4, which has the state itself\nhint: remove `was`, or give that step another name and its own `was`"
    );
    assert_eq!(
        first("  - {name: b, was: a, filter: value > '1'}\n"),
        "error: a `filter` keeps no state that it could go on with\nhint: remove `was`; only `scan` and `window` keep state"
    );
    assert_eq!(
        first(&format!("  - {{name: a, was: a, {scan}}}\n")),
        "error: the step is named `a`, so that this is no earlier name of it\nhint: remove `was`"
    );
    assert!(
        first(&format!("  - {{name: b, was: 'a b', {scan}}}\n"))
            .starts_with("error: ` ` is not allowed in the name `a b`")
    );
    let kept = file(&format!("  - {{name: b, was: a, {scan}}}\n")).replace("sink: out", "sink: p.a.state");
    assert!(bad(&kept).starts_with("error: the topic `p.a.state` holds the state of the step `b`"), "{}", bad(&kept));
}
