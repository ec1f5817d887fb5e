//! Thirty-five versions of one pipeline file, each with the classes that decide what becomes of its state.

/// A pipeline file.
pub struct Variant {
    pub label: &'static str,
    pub steps: &'static str,
    /// The step with state.
    pub step: &'static str,
    /// The name under which the state is kept.
    pub state: &'static str,
    /// What its bytes mean.
    pub bytes: &'static str,
    /// What its rows have passed before.
    pub before: &'static str,
}

const fn variant(label: &'static str, steps: &'static str, bytes: &'static str, before: &'static str) -> Variant {
    Variant { label, steps, step: "counted", state: "counted", bytes, before }
}

/// A step `tally` that has the state of `counted`.
const fn renamed(label: &'static str, steps: &'static str, bytes: &'static str, before: &'static str) -> Variant {
    Variant { label, steps, step: "tally", state: "counted", bytes, before }
}

const COUNT: &str = "- {name: counted, scan: {by: [g], init: {c: 0}, next: {c: c + 1}}}";

/// Thirty-five versions of one file.
pub const VARIANTS: [Variant; 35] = [
    variant("count", COUNT, "count by g", ""),
    variant("spaces", "- {name: counted, scan: {by: [g], init: {c: 0}, next: {c: 'c  +  1'}}}", "count by g", ""),
    variant(
        "block style",
        "- name: counted\n  scan:\n    by: [g]\n    init: {c: 0}\n    next: {c: C + 1}",
        "count by g",
        "",
    ),
    variant("two at a time", "- {name: counted, scan: {by: [g], init: {c: 0}, next: {c: c + 2}}}", "twos by g", ""),
    variant("sum", "- {name: counted, scan: {by: [g], init: {c: 0}, next: {c: c + v}}}", "sum by g", ""),
    variant("from ten", "- {name: counted, scan: {by: [g], init: {c: 10}, next: {c: c + 1}}}", "from ten by g", ""),
    variant(
        "floating",
        "- {name: counted, scan: {by: [g], init: {c: CAST(0 AS double)}, next: {c: c + 1}}}",
        "floating by g",
        "",
    ),
    variant(
        "two columns",
        "- {name: counted, scan: {by: [g], init: {c: 0, s: 0}, next: {c: c + 1, s: s + v}}}",
        "count and sum by g",
        "",
    ),
    variant(
        "columns swapped",
        "- {name: counted, scan: {by: [g], init: {s: 0, c: 0}, next: {s: s + v, c: c + 1}}}",
        "sum and count by g",
        "",
    ),
    variant("other column", "- {name: counted, scan: {by: [g], init: {n: 0}, next: {n: n + 1}}}", "n by g", ""),
    variant("by key", "- {name: counted, scan: {by: [k], init: {c: 0}, next: {c: c + 1}}}", "count by k", ""),
    variant("by both", "- {name: counted, scan: {by: [g, k], init: {c: 0}, next: {c: c + 1}}}", "count by g, k", ""),
    variant("by both swapped", "- {name: counted, scan: {by: [k, g], init: {c: 0}, next: {c: c + 1}}}", "by k, g", ""),
    variant("by nothing", "- {name: counted, scan: {init: {c: 0}, next: {c: c + 1}}}", "count", ""),
    variant(
        "filter before",
        "- {name: f, filter: v > 0}\n- {name: counted, scan: {by: [g], init: {c: 0}, next: {c: c + 1}}}",
        "count by g",
        "v > 0",
    ),
    variant(
        "other filter before",
        "- {name: f, filter: v > 1}\n- {name: counted, scan: {by: [g], init: {c: 0}, next: {c: c + 1}}}",
        "count by g",
        "v > 1",
    ),
    variant(
        "set before",
        "- {name: f, set: {g: upper(g)}}\n- {name: counted, scan: {by: [g], init: {c: 0}, next: {c: c + 1}}}",
        "count by g",
        "upper",
    ),
    variant(
        "column added before",
        "- {name: f, set: {w: v + 1}}\n- {name: counted, scan: {by: [g], init: {c: 0}, next: {c: c + 1}}}",
        "count by g",
        "w",
    ),
    variant(
        "filter after",
        "- {name: counted, scan: {by: [g], init: {c: 0}, next: {c: c + 1}}}\n- {name: after, filter: c > 0}",
        "count by g",
        "",
    ),
    Variant {
        label: "renamed",
        steps: "- {name: tally, scan: {by: [g], init: {c: 0}, next: {c: c + 1}}}",
        step: "tally",
        state: "tally",
        bytes: "count by g",
        before: "",
    },
    renamed(
        "renamed with was",
        "- {name: tally, was: counted, scan: {by: [g], init: {c: 0}, next: {c: c + 1}}}",
        "count by g",
        "",
    ),
    renamed(
        "renamed with was and filter before",
        "- {name: f, filter: v > 0}\n- {name: tally, was: counted, scan: {by: [g], init: {c: 0}, next: {c: c + 1}}}",
        "count by g",
        "v > 0",
    ),
    renamed(
        "renamed with was and edited",
        "- {name: tally, was: counted, scan: {by: [g], init: {c: 0}, next: {c: c + 2}}}",
        "twos by g",
        "",
    ),
    renamed(
        "window renamed with was",
        "- {name: tally, was: counted, window: {tumbling: 1m, by: [g], select: {c: count(*)}}}",
        "minutes",
        "",
    ),
    Variant {
        label: "renamed with was misspelt",
        steps: "- {name: tally, was: conted, scan: {by: [g], init: {c: 0}, next: {c: c + 1}}}",
        step: "tally",
        state: "conted",
        bytes: "count by g",
        before: "",
    },
    variant("window", "- {name: counted, window: {tumbling: 1m, by: [g], select: {c: count(*)}}}", "minutes", ""),
    variant(
        "window of five",
        "- {name: counted, window: {tumbling: 5m, by: [g], select: {c: count(*)}}}",
        "five minutes",
        "",
    ),
    variant("window sum", "- {name: counted, window: {tumbling: 1m, by: [g], select: {c: sum(v)}}}", "sums", ""),
    variant(
        "window both",
        "- {name: counted, window: {tumbling: 1m, by: [g], select: {c: count(*), s: sum(v)}}}",
        "counts and sums",
        "",
    ),
    variant(
        "window both swapped",
        "- {name: counted, window: {tumbling: 1m, by: [g], select: {s: sum(v), c: count(*)}}}",
        "sums and counts",
        "",
    ),
    variant(
        "window column renamed",
        "- {name: counted, window: {tumbling: 1m, by: [g], select: {total: 'count( * ) + 0'}}}",
        "minutes",
        "",
    ),
    variant(
        "window grace",
        "- {name: counted, window: {tumbling: 1m, by: [g], select: {c: count(*)}, grace: 10s}}",
        "minutes",
        "",
    ),
    variant("window by key", "- {name: counted, window: {tumbling: 1m, by: [k], select: {c: count(*)}}}", "by k", ""),
    variant(
        "window filter",
        "- {name: f, filter: v > 0}\n- {name: counted, window: {tumbling: 1m, by: [g], select: {c: count(*)}}}",
        "minutes",
        "v > 0",
    ),
    variant("window mean", "- {name: counted, window: {tumbling: 1m, by: [g], select: {c: avg(v)}}}", "means", ""),
];
