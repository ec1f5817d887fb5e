//! The properties of the clients: what each kind of client gets unless a property overrides it, and what none may set.

/// How long a transaction may stay open. A killed instance blocks readers for no longer than this.
const TRANSACTION_TIMEOUT_MS: &str = "10000";

/// Properties that users cannot set, mostly because exactly-once depends on them, each with the reason.
pub(super) const FIXED_PROPERTIES: &[(&str, &str)] = &[
    ("acks", "a record counts as written only when all replicas have it"),
    ("allow.auto.create.topics", "a topic with a mistyped name would come into being"),
    ("auto.offset.reset", "an offset that does not exist is an error, never a silent jump"),
    ("bootstrap.servers", "set `--brokers` or `kafka: {brokers: …}`"),
    ("check.crcs", "damaged records would be taken for good ones"),
    ("enable.auto.commit", "offsets are committed in the same transaction as the results"),
    ("enable.auto.offset.store", "offsets are committed in the same transaction as the results"),
    ("enable.gapless.guarantee", "the transaction already decides what is written"),
    ("enable.idempotence", "without it a retried record is written twice"),
    ("enable.partition.eof", "the end of a partition is how a restart knows that its state is complete"),
    ("group.id", "the group is named after the pipeline: change its `name:`"),
    ("group.protocol", "the partitions of all inputs must be assigned together"),
    ("isolation.level", "results of aborted transactions would be read"),
    ("log.queue", "log lines are read by fastdata"),
    ("offset.store.method", "the brokers keep the offsets, in the transaction of the results"),
    ("partition.assignment.strategy", "partitions with the same number must meet in one instance"),
    ("transactional.id", "it is derived from the pipeline's name, so that a restart ends what was left open"),
];

/// librdkafka's other names for some properties. They are mapped to one name, so that the later of two settings wins.
pub(super) const ALIASES: &[(&str, &str)] = &[
    ("compression.codec", "compression.type"),
    ("delivery.timeout.ms", "message.timeout.ms"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("metadata.broker.list", "bootstrap.servers"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("request.required.acks", "acks"),
    ("retries", "message.send.max.retries"),
    ("sasl.mechanisms", "sasl.mechanism"),
];

/// Defaults of every client; properties override them.
pub(super) const CLIENT_DEFAULTS: &[(&str, &str)] = &[
    ("allow.auto.create.topics", "false"),
    ("client.id", "fastdata"),
    // A restarted broker is found within a second: an open transaction does not last much longer.
    ("reconnect.backoff.max.ms", "1000"),
    ("socket.keepalive.enable", "true"),
    ("topic.metadata.refresh.interval.ms", "30000"),
];

pub(super) const CONSUMER: &[(&str, &str)] = &[
    ("auto.offset.reset", "error"),
    ("check.crcs", "true"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("enable.partition.eof", "true"),
    ("isolation.level", "read_committed"),
    // After a full queue, fetching resumes soon: the default of a second would starve a fast pipeline.
    ("fetch.queue.backoff.ms", "10"),
    ("queued.max.messages.kbytes", "16384"),
    ("queued.min.messages", "10000"),
];

/// The size of a batch unless the property `batch.size` sets another: librdkafka's default.
pub(super) const DEFAULT_BATCH_BYTES: usize = 1_000_000;

/// A broker reports the end of a partition only after it has waited this long for more.
pub(super) const READER: &[(&str, &str)] = &[("fetch.wait.max.ms", "50")];

pub(super) const MEMBER: &[(&str, &str)] = &[
    ("group.protocol", "classic"),
    ("partition.assignment.strategy", "range"),
    ("session.timeout.ms", "10000"),
    // The default of the client.
    ("max.poll.interval.ms", "300000"),
    ("heartbeat.interval.ms", "1000"),
];

pub(super) const PRODUCER: &[(&str, &str)] =
    &[("acks", "all"), ("linger.ms", "1"), (MESSAGE_TIMEOUT, "8000"), ("queue.buffering.max.kbytes", "65536")];

/// A retried record is written once; everything sent becomes visible together.
pub(super) const TRANSACTIONS: &[(&str, &str)] =
    &[("enable.idempotence", "true"), (TRANSACTION_TIMEOUT, TRANSACTION_TIMEOUT_MS)];

/// The property that limits a transaction.
pub(super) const TRANSACTION_TIMEOUT: &str = "transaction.timeout.ms";

/// The property that limits how long a record may take to arrive.
pub(super) const MESSAGE_TIMEOUT: &str = "message.timeout.ms";

/// A retried record is written once, as far as the brokers remember the producer.
pub(super) const AT_LEAST_ONCE: &[(&str, &str)] = &[("enable.idempotence", "true")];

/// No record is retried: it is not known whether the first attempt arrived.
pub(super) const AT_MOST_ONCE: &[(&str, &str)] = &[("enable.idempotence", "false"), ("message.send.max.retries", "0")];
