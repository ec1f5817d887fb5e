//! Tests against a real Apache Kafka: what only brokers can show.
//!
//! Separate from the other tests because they need Java and Maven, and start a cluster of their own on the
//! loopback interface. Where either is missing they say that they are skipped; with `FASTDATA_REQUIRE_KAFKA=1`
//! that is a failure.

mod broker;
mod checker;
mod conformance;
mod faults;
mod groups;
mod instances;
mod jars;
mod security;
mod topics;
