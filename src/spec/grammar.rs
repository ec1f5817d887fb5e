//! The language as data: every field, what it takes and what it means. The fields of an operator are in
//! `operators`.
//!
//! Lowering, hints and the JSON Schema all read this table, so they cannot differ.

use super::field_type::{EnumValue, FieldDef, FieldType, NAMES, ObjectType, field, reserved, reserved_value, value};
use super::operators::{LOG, OPERATORS, RESERVED};
use crate::record::parse_type;

pub(super) static PIPELINE: ObjectType = ObjectType {
    name: "the file",
    required: &["name"],
    fields: &[
        field("name", FieldType::Name, "the application id: consumer group, transactional ids, state and statistics"),
        field("source", FieldType::Object(&ONE_SOURCE), "the only source, named by its topic"),
        field("sources", FieldType::Map(&FieldType::Object(&SOURCE)), "sources by name"),
        field(
            "steps",
            FieldType::List(&FieldType::AnyOf(&[FieldType::Object(&STEP), FieldType::Choice(BARE_STEPS)])),
            "what is done to the records, in order; each step reads the one before it unless it has a `from`",
        ),
        field("sink", SINK_TYPE, "the only sink: a topic, or a map with a topic"),
        field("sinks", FieldType::List(&SINK_TYPE), "where results are written"),
        field("delivery", FieldType::Choice(DELIVERY), "what a reader of the sinks may see after a fault"),
        field("commit_every", FieldType::Duration, "the longest time between commits, 1ms to 1h; default `100ms`"),
        field("errors", FieldType::Choice(ERRORS), "what happens to records that cannot be handled"),
        field("state", FieldType::Object(&STATE), "where state lives and how large it may grow"),
        field("functions", FieldType::Map(&FieldType::Sql), "SQL macros of this file: `name(a, b): SQL`"),
        field("kafka", FieldType::Object(&KAFKA), "the connection to Kafka; without it the embedded log is used"),
        reserved("tests"),
    ],
};

const FORMAT_TYPE: FieldType = FieldType::AnyOf(&[FieldType::Choice(FORMATS), FieldType::Object(&FORMAT)]);
const SINK_TYPE: FieldType = FieldType::AnyOf(&[FieldType::Name, FieldType::Object(&SINK)]);

pub(super) static ONE_SOURCE: ObjectType = ObjectType { name: "`source`", required: &["topic"], fields: SOURCE_FIELDS };
pub(super) static SOURCE: ObjectType = ObjectType { name: "a source", required: &[], fields: SOURCE_FIELDS };

const SOURCE_FIELDS: &[FieldDef] = &[
    field("topic", FieldType::Name, "the topic to read; under `sources` the default is the source's name"),
    field("key", FieldType::Text, "the column that the record key repeats"),
    field("format", FORMAT_TYPE, "how values are encoded; default `json`"),
    field("strict", FieldType::Boolean, "JSON fields that the schema does not name are errors"),
    field("nulls", NAMES, "texts that mean null in CSV, such as `[\"NA\"]`; an empty value always does"),
    field(
        "schema",
        FieldType::Map(&FieldType::Type),
        "columns and their types; `fastdata infer FILE` writes it from samples",
    ),
    field("timestamp", FieldType::Sql, "event time: a column or SQL; default the record's own timestamp"),
    field("watermark", FieldType::Object(&WATERMARK), "how event time moves on"),
    field("tombstones", FieldType::Choice(TOMBSTONES), "what becomes of records with a null value"),
    reserved("table"),
];

pub(super) static TOMBSTONES: &[EnumValue] = &[
    value("skip", "they count as filtered and move no watermark (default)"),
    value("keep", "each is a row of nulls, on which `_value_null` is true"),
    value("dead_letter", "they are handled as `errors` says"),
];

pub(super) static FORMATS: &[EnumValue] = &[
    value("json", "one JSON object a record"),
    value("csv", "one line of separated values a record"),
    value("text", "the value as one string column `value`"),
    value("bytes", "the value as one bytes column `value`"),
    reserved_value("avro"),
    reserved_value("protobuf"),
];

pub(super) static FORMAT: ObjectType = ObjectType {
    name: "`format`",
    required: &[],
    fields: &[
        field("json", FieldType::Object(&JSON), "one JSON object a record"),
        field("csv", FieldType::Object(&CSV), "one line of separated values a record"),
        reserved("avro"),
        reserved("protobuf"),
    ],
};

pub(super) static JSON: ObjectType = ObjectType {
    name: "`json`",
    required: &[],
    fields: &[field("strict", FieldType::Boolean, "fields that the schema does not name are errors")],
};

pub(super) static CSV: ObjectType = ObjectType {
    name: "`csv`",
    required: &[],
    fields: &[field("delimiter", FieldType::Text, "the character between values; default `,`")],
};

/// Keys of `schema:` that say where to take it from instead of declaring a column.
pub(super) static SCHEMA_FROM: &[&str] = &["avro", "protobuf", "registry"];

pub(super) static WATERMARK: ObjectType = ObjectType {
    name: "`watermark`",
    required: &[],
    fields: &[
        field("delay", FieldType::Duration, "how far the watermark stays behind the newest event time; default `0s`"),
        field("idle", FieldType::Duration, "a partition without records for this long holds nothing back"),
        field(
            "max_ahead",
            FieldType::AnyOf(&[FieldType::Duration, FieldType::Choice(MAX_AHEAD)]),
            "a record further than this in the future is an error record; default `1d`",
        ),
    ],
};

/// Turns a limit off.
pub(super) const NO_LIMIT: &str = "none";

static MAX_AHEAD: &[EnumValue] = &[value(NO_LIMIT, "no time is too far in the future")];

/// Operators that need no value: `- log`.
pub(super) static BARE_STEPS: &[EnumValue] = &[value(LOG.keyword(), LOG.field.doc)];

/// The fields of a step that are no operator.
pub(super) const STEP_OWN: &[FieldDef] = &[
    field("name", FieldType::Name, "the step's name; default `OPERATOR-N`"),
    field(
        "from",
        NAMES,
        "what it reads: a source, a step, or an extra output such as `a.late`; default the step before",
    ),
    field("was", FieldType::Name, "the first name of a renamed step with state: it goes on with that state"),
];

/// The fields of a step: its own, then one for each operator, then those that are reserved.
const STEP_FIELDS: &[FieldDef] = &{
    let reserved_from = STEP_OWN.len() + OPERATORS.len();
    let mut all = [STEP_OWN[0]; STEP_OWN.len() + OPERATORS.len() + RESERVED.len()];
    let mut i = 0;
    while i < all.len() {
        all[i] = match i {
            _ if i < STEP_OWN.len() => STEP_OWN[i],
            _ if i < reserved_from => OPERATORS[i - STEP_OWN.len()].field,
            _ => RESERVED[i - reserved_from],
        };
        i += 1;
    }
    all
};

pub(super) static STEP: ObjectType = ObjectType { name: "a step", required: &[], fields: STEP_FIELDS };

pub(super) static SINK: ObjectType = ObjectType {
    name: "a sink",
    required: &["topic"],
    fields: &[
        field("from", FieldType::Text, "what it writes: a step, a source or an extra output; default the last step"),
        field("topic", FieldType::Name, "the topic to write"),
        field("key", FieldType::Text, "the column that becomes the record key"),
        field("format", FORMAT_TYPE, "how values are encoded; default `json`"),
        field("partitions", FieldType::Number, "partitions to make the topic with, where it is not there"),
        reserved("changes"),
    ],
};

pub(super) static DELIVERY: &[EnumValue] = &[
    value("exactly_once", "each record's effect once (default)"),
    value("at_least_once", "each record's effect at least once"),
    value("at_most_once", "each record's effect at most once"),
];

pub(super) static ERRORS: &[EnumValue] = &[
    value("dead_letter", "they go to the topic `NAME.dead` (default)"),
    value("stop", "the first one stops the run"),
    value("drop", "they are counted"),
];

pub(super) static STATE: ObjectType = ObjectType {
    name: "`state`",
    required: &[],
    fields: &[
        field("store", FieldType::Choice(STORES), "where state lives"),
        field("memory_limit", FieldType::Size, "client queues, windows, tables and models together, such as `1GiB`"),
        field(
            "standby",
            FieldType::Number,
            "copies of each task's state that other instances of the group keep; default none",
        ),
        reserved("ttl"),
    ],
};

pub(super) static STORES: &[EnumValue] = &[value("memory", "in memory (default)"), reserved_value("disk")];

pub(super) static KAFKA: ObjectType = ObjectType {
    name: "`kafka`",
    required: &["brokers"],
    fields: &[
        field("brokers", NAMES, "bootstrap servers: `HOST:PORT`"),
        field("security", FieldType::Object(&SECURITY), "encryption and login"),
        field("topics", FieldType::Object(&TOPIC_CREATION), "how the topics that a run makes are made"),
    ],
};

pub(super) static TOPIC_CREATION: ObjectType = ObjectType {
    name: "`topics`",
    required: &[],
    fields: &[
        field("replication", FieldType::Number, "how many brokers keep each partition; default the cluster's"),
        field(
            "retention",
            FieldType::AnyOf(&[FieldType::Duration, FieldType::Choice(KEPT)]),
            "how long outputs and dead letters are kept; default: outputs for ever, dead letters `30d`",
        ),
        field("config", FieldType::Map(&FieldType::Text), "settings of Kafka for these topics, by Kafka's names"),
        field("create", FieldType::Boolean, "`false`: nothing is made, and a missing topic is an error"),
    ],
};

static KEPT: &[EnumValue] = &[value(NO_LIMIT, "nothing is removed for its age")];

pub(super) static SECURITY: ObjectType = ObjectType {
    name: "`security`",
    required: &[],
    fields: &[
        field("tls", FieldType::AnyOf(&[FieldType::Boolean, FieldType::Object(&TLS)]), "encryption (TLS)"),
        field("sasl", FieldType::Object(&SASL), "login (SASL)"),
    ],
};

pub(super) static TLS: ObjectType = ObjectType {
    name: "`tls`",
    required: &[],
    fields: &[
        field("ca", FieldType::Text, "file with the certificates of the authorities to trust; default the system's"),
        field("certificate", FieldType::Text, "file with the client's certificate"),
        field("key", FieldType::Text, "file with the client's private key"),
        field("key_password", FieldType::Text, "the password of the key; take it from `${VAR}` or `${file:PATH}`"),
    ],
};

pub(super) static SASL: ObjectType = ObjectType {
    name: "`sasl`",
    required: &["mechanism", "username", "password"],
    fields: &[
        field("mechanism", FieldType::Choice(MECHANISMS), "how to log in"),
        field("username", FieldType::Text, "who logs in"),
        field("password", FieldType::Text, "the password; take it from `${VAR}` or `${file:PATH}`"),
    ],
};

pub(super) static MECHANISMS: &[EnumValue] = &[
    value("PLAIN", "user and password as they are; use it with `tls`"),
    value("SCRAM-SHA-256", "a challenge with SHA-256"),
    value("SCRAM-SHA-512", "a challenge with SHA-512"),
    reserved_value("OAUTHBEARER"),
    reserved_value("GSSAPI"),
];

/// Whether a text is a word of the language, so that it gives nothing away: a field, an operator, a value of a choice, the
/// name of a type.
pub(super) fn is_language(text: &str) -> bool {
    matches!(text, "true" | "false" | "null")
        || parse_type(text).is_ok_and(|t| !t.is_nested())
        || object_names(&PIPELINE, text, &mut Vec::new())
}

fn object_names(object: &'static ObjectType, text: &str, seen: &mut Vec<&'static str>) -> bool {
    if seen.contains(&object.name) {
        return false;
    }
    seen.push(object.name);
    object.fields.iter().any(|f| f.name == text || type_names(&f.field_type, text, seen))
}

fn type_names(field_type: &'static FieldType, text: &str, seen: &mut Vec<&'static str>) -> bool {
    match field_type {
        FieldType::Choice(values) => values.iter().any(|v| v.name == text),
        FieldType::Object(object) => object_names(object, text, seen),
        FieldType::List(inner) | FieldType::Map(inner) => type_names(inner, text, seen),
        FieldType::AnyOf(all) => all.iter().any(|t| type_names(t, text, seen)),
        FieldType::Name
        | FieldType::Text
        | FieldType::Sql
        | FieldType::Type
        | FieldType::Boolean
        | FieldType::Number
        | FieldType::Duration
        | FieldType::Size
        | FieldType::Reserved => false,
    }
}
