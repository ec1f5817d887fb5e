//! The language as data: every field, what it takes and what it means.
//!
//! Separate because lowering (which fields there are), hints (what was meant) and the JSON Schema (what an
//! editor offers) all read this one table and so cannot differ. It reads no file.

use super::shape::{Field, Object, Shape, Word, field, later, later_word, word};

const NAMES: Shape = Shape::Any(&[Shape::Text, Shape::List(&Shape::Text)]);
const ASSIGNMENTS: Shape = Shape::Map(&Shape::Sql);

pub(super) static PIPELINE: Object = Object {
    name: "the file",
    required: &["name"],
    fields: &[
        field("name", Shape::Name, "the application id: consumer group, transactional ids, state and statistics"),
        field("source", Shape::Object(&ONE_SOURCE), "the only source, named by its topic"),
        field("sources", Shape::Map(&Shape::Object(&SOURCE)), "sources by name"),
        field(
            "steps",
            Shape::List(&Shape::Any(&[Shape::Object(&STEP), Shape::Choice(BARE_STEPS)])),
            "what is done to the records, in order; each step reads the one before it unless it has a `from`",
        ),
        field("sink", SINK_SHAPE, "the only sink: a topic, or a map with a topic"),
        field("sinks", Shape::List(&SINK_SHAPE), "where results are written"),
        field("delivery", Shape::Choice(DELIVERY), "what a reader of the sinks may see after a fault"),
        field("commit_every", Shape::Duration, "the longest time between commits, 1ms to 1h; default `100ms`"),
        field("errors", Shape::Choice(ERRORS), "what happens to records that cannot be handled"),
        field("state", Shape::Object(&STATE), "where state lives and how large it may grow"),
        field("functions", Shape::Map(&Shape::Sql), "SQL macros of this file: `name(a, b): SQL`"),
        field("kafka", Shape::Object(&KAFKA), "the connection to Kafka; without it the embedded log is used"),
        later("tests"),
    ],
};

const FORMAT_SHAPE: Shape = Shape::Any(&[Shape::Choice(FORMATS), Shape::Object(&FORMAT)]);
const SINK_SHAPE: Shape = Shape::Any(&[Shape::Name, Shape::Object(&SINK)]);

pub(super) static ONE_SOURCE: Object = Object { name: "`source`", required: &["topic"], fields: SOURCE_FIELDS };
pub(super) static SOURCE: Object = Object { name: "a source", required: &[], fields: SOURCE_FIELDS };

const SOURCE_FIELDS: &[Field] = &[
    field("topic", Shape::Name, "the topic to read; under `sources` the default is the source's name"),
    field("key", Shape::Text, "the column that the record key repeats"),
    field("format", FORMAT_SHAPE, "how values are encoded; default `json`"),
    field("strict", Shape::Switch, "JSON fields that the schema does not name are errors"),
    field("schema", Shape::Map(&Shape::Type), "columns and their types; `fastdata infer FILE` writes it from samples"),
    field("timestamp", Shape::Sql, "event time: a column or SQL; default the record's own timestamp"),
    field("watermark", Shape::Object(&WATERMARK), "how event time moves on"),
    later("table"),
];

pub(super) static FORMATS: &[Word] = &[
    word("json", "one JSON object a record"),
    word("csv", "one line of separated values a record"),
    word("text", "the value as one string column `value`"),
    word("bytes", "the value as one bytes column `value`"),
    later_word("avro"),
    later_word("protobuf"),
];

pub(super) static FORMAT: Object = Object {
    name: "`format`",
    required: &[],
    fields: &[
        field("json", Shape::Object(&JSON), "one JSON object a record"),
        field("csv", Shape::Object(&CSV), "one line of separated values a record"),
        later("avro"),
        later("protobuf"),
    ],
};

pub(super) static JSON: Object = Object {
    name: "`json`",
    required: &[],
    fields: &[field("strict", Shape::Switch, "fields that the schema does not name are errors")],
};

pub(super) static CSV: Object = Object {
    name: "`csv`",
    required: &[],
    fields: &[field("delimiter", Shape::Text, "the character between values; default `,`")],
};

/// Keys of `schema:` that name a place to take it from instead of a column.
pub(super) static SCHEMA_FROM: &[&str] = &["avro", "protobuf", "registry"];

pub(super) static WATERMARK: Object = Object {
    name: "`watermark`",
    required: &[],
    fields: &[
        field("delay", Shape::Duration, "how far the watermark stays behind the newest event time; default `0s`"),
        field("idle", Shape::Duration, "a partition without records for this long holds nothing back"),
        field("max_ahead", Shape::Duration, "a record further than this in the future is an error record"),
    ],
};

pub(super) static BARE_STEPS: &[Word] = &[word("log", "prints samples of the records")];

pub(super) static STEP: Object = Object {
    name: "a step",
    required: &[],
    fields: &[
        field("name", Shape::Name, "the step's name; default `OPERATOR-N`"),
        field(
            "from",
            NAMES,
            "what it reads: a source, a step, or an extra output such as `a.late`; default the step before",
        ),
        field("filter", Shape::Sql, "keeps the rows for which the condition is true"),
        field("select", Shape::Any(&[ASSIGNMENTS, Shape::List(&Shape::Text)]), "replaces all columns"),
        field("set", ASSIGNMENTS, "adds or replaces some columns"),
        field("drop", NAMES, "removes columns"),
        field("rename", Shape::Map(&Shape::Text), "renames columns: `OLD: NEW`"),
        field(
            "flatten",
            Shape::Any(&[Shape::Text, Shape::Object(&FLATTEN)]),
            "turns each element of a list column into a row",
        ),
        field("key_by", NAMES, "makes the record key from columns"),
        field(
            "branch",
            ASSIGNMENTS,
            "splits by the first condition that is true: `OUTPUT: SQL`; `else: OUTPUT` names the rest",
        ),
        field(
            "merge",
            Shape::Any(&[Shape::List(&Shape::Text), Shape::Switch]),
            "joins several inputs with the same columns into one",
        ),
        field("scan", Shape::Object(&SCAN), "a running fold"),
        field("window", Shape::Object(&WINDOW), "groups by key and time"),
        field("score", Shape::Object(&SCORE), "scores with the model of the day"),
        field("log", Shape::Any(&[Shape::Switch, Shape::Object(&LOG)]), "prints samples of the records"),
        later("dedup"),
        later("aggregate"),
        later("join"),
        later("sql"),
        later("changes"),
    ],
};

pub(super) static FLATTEN: Object = Object {
    name: "`flatten`",
    required: &["column"],
    fields: &[
        field("column", Shape::Text, "the list column"),
        field("as", Shape::Text, "the name of the element's column; default the list column's"),
    ],
};

pub(super) static SCAN: Object = Object {
    name: "`scan`",
    required: &["init", "next"],
    fields: &[
        field("by", NAMES, "the key of the fold; default one fold a partition"),
        field("init", ASSIGNMENTS, "the state columns before the first row: constant SQL"),
        field("next", ASSIGNMENTS, "the state columns after each row: SQL over the row and the state"),
    ],
};

pub(super) static WINDOW: Object = Object {
    name: "`window`",
    required: &["tumbling", "select"],
    fields: &[
        field(
            "tumbling",
            Shape::Any(&[Shape::Duration, Shape::Object(&TUMBLING)]),
            "windows of this size, side by side",
        ),
        field("offset", Shape::Duration, "moves the starts of the windows from the epoch"),
        field("by", NAMES, "group columns; default one group"),
        field("select", ASSIGNMENTS, "result columns: SQL over aggregates"),
        field("grace", Shape::Duration, "a window stays open this long after its end; default `0s`"),
        field("emit", Shape::Choice(EMIT), "when results leave"),
        field("close_after", Shape::Duration, "closes on the wall clock when no newer record comes"),
        later("hopping"),
        later("session"),
        later("sliding"),
        later("last"),
        later("combine"),
        later("changes"),
    ],
};

pub(super) static TUMBLING: Object = Object {
    name: "`tumbling`",
    required: &["size"],
    fields: &[
        field("size", Shape::Duration, "the length of each window"),
        field("offset", Shape::Duration, "moves the starts of the windows from the epoch"),
    ],
};

pub(super) static EMIT: &[Word] =
    &[word("final", "once, when the window closes"), later_word("updates"), later_word("every")];

pub(super) static SCORE: Object = Object {
    name: "`score`",
    required: &["model", "inputs"],
    fields: &[
        field(
            "model",
            Shape::Any(&[Shape::Text, Shape::Object(&MODEL)]),
            "the data type served, or `{by: COLUMN}` to route on a column",
        ),
        field(
            "inputs",
            Shape::Any(&[Shape::List(&Shape::Sql), ASSIGNMENTS]),
            "what the model reads: columns or SQL in order, or `MODEL FIELD: SQL`",
        ),
        field("outputs", ASSIGNMENTS, "columns to add: SQL over the model's outputs; default `prediction`"),
        field("when_missing", Shape::Choice(WHEN_MISSING), "what happens to records while there is no model"),
        field("nulls", Shape::Choice(NULLS), "what a null feature of a tensor model becomes; default a bad record"),
    ],
};

pub(super) static MODEL: Object = Object {
    name: "`model`",
    required: &["by"],
    fields: &[field("by", Shape::Text, "the column that names the data type")],
};

pub(super) static WHEN_MISSING: &[Word] = &[
    word("wait", "holds the input and says so (default)"),
    word("drop", "drops the record"),
    word("dead_letter", "makes it a dead letter"),
    word("null", "output columns are null"),
];

pub(super) static NULLS: &[Word] = &[word("nan", "not a number")];

pub(super) static LOG: Object = Object {
    name: "`log`",
    required: &[],
    fields: &[
        field("every", Shape::Number, "prints one row in this many; default 1"),
        field("columns", NAMES, "only these columns; default all"),
    ],
};

pub(super) static SINK: Object = Object {
    name: "a sink",
    required: &["topic"],
    fields: &[
        field("from", Shape::Text, "what it writes: a step, a source or an extra output; default the last step"),
        field("topic", Shape::Name, "the topic to write"),
        field("key", Shape::Text, "the column that becomes the record key"),
        field("format", FORMAT_SHAPE, "how values are encoded; default `json`"),
        field("partitions", Shape::Number, "partitions to make the topic with, where it is not there"),
        later("changes"),
    ],
};

pub(super) static DELIVERY: &[Word] = &[
    word("exactly_once", "each record's effect once (default)"),
    word("at_least_once", "each record's effect at least once"),
    word("at_most_once", "each record's effect at most once"),
];

pub(super) static ERRORS: &[Word] = &[
    word("dead_letter", "they go to the topic `NAME.dead` (default)"),
    word("stop", "the first one stops the run"),
    word("drop", "they are counted"),
];

pub(super) static STATE: Object = Object {
    name: "`state`",
    required: &[],
    fields: &[
        field("store", Shape::Choice(STORES), "where state lives"),
        field("memory_limit", Shape::Size, "client queues, windows, tables and models together, such as `1GiB`"),
        field(
            "standby",
            Shape::Number,
            "copies of each task's state that other instances of the group keep; default none",
        ),
        later("ttl"),
    ],
};

pub(super) static STORES: &[Word] = &[word("memory", "in memory (default)"), later_word("disk")];

pub(super) static KAFKA: Object = Object {
    name: "`kafka`",
    required: &["brokers"],
    fields: &[
        field("brokers", NAMES, "bootstrap servers: `HOST:PORT`"),
        field("security", Shape::Object(&SECURITY), "encryption and login"),
    ],
};

pub(super) static SECURITY: Object = Object {
    name: "`security`",
    required: &[],
    fields: &[
        field("tls", Shape::Any(&[Shape::Switch, Shape::Object(&TLS)]), "encryption (TLS)"),
        field("sasl", Shape::Object(&SASL), "login (SASL)"),
    ],
};

pub(super) static TLS: Object = Object {
    name: "`tls`",
    required: &[],
    fields: &[
        field("ca", Shape::Text, "file with the certificates of the authorities to trust; default the system's"),
        field("certificate", Shape::Text, "file with the client's certificate"),
        field("key", Shape::Text, "file with the client's private key"),
        field("key_password", Shape::Text, "the password of the key; take it from `${VAR}` or `${file:PATH}`"),
    ],
};

pub(super) static SASL: Object = Object {
    name: "`sasl`",
    required: &["mechanism", "username", "password"],
    fields: &[
        field("mechanism", Shape::Choice(MECHANISMS), "how to log in"),
        field("username", Shape::Text, "who logs in"),
        field("password", Shape::Text, "the password; take it from `${VAR}` or `${file:PATH}`"),
    ],
};

pub(super) static MECHANISMS: &[Word] = &[
    word("PLAIN", "user and password as they are; use it with `tls`"),
    word("SCRAM-SHA-256", "a challenge with SHA-256"),
    word("SCRAM-SHA-512", "a challenge with SHA-512"),
    later_word("OAUTHBEARER"),
    later_word("GSSAPI"),
];
