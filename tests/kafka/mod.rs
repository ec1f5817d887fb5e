//! Tests against a real Apache Kafka: what only brokers can show.
//!
//! Separate from the other tests because they need Java and Maven, and start a cluster of their own on the
//! loopback interface. Where either is missing they say that they are skipped; with `FASTDATA_REQUIRE_KAFKA=1`
//! that is a failure.

mod bounces;
mod bounded;
mod broker;
mod catch_up;
mod checker;
mod conformance;
mod delivery;
mod exact;
#[cfg(feature = "failpoints")]
mod failpoints;
mod faults;
mod feed;
mod group;
mod groups;
mod interop;
mod jars;
mod kills;
mod memory;
#[cfg(feature = "failpoints")]
mod mistakes;
mod query;
mod rebalances;
mod restore;
mod security;
mod segments;
mod signals;
mod topics;
mod waiting;
mod watch;
mod zombies;
