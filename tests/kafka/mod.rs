//! Tests against a real Apache Kafka.
//!
//! They need Java and Maven and start clusters on the loopback interface. If either is missing they are skipped
//! with a message; with `FASTDATA_REQUIRE_KAFKA=1` that is a failure.

#[cfg(feature = "failpoints")]
mod audit;
mod bounces;
mod bounded;
mod broker;
mod catch_up;
mod checker;
mod conformance;
mod dead;
mod delivery;
mod exact;
#[cfg(feature = "failpoints")]
mod failpoints;
mod faults;
mod feed;
mod group;
mod groups;
mod hanging_transactions;
mod headers;
mod interop;
mod jars;
mod kills;
mod life;
mod lost_input;
mod memory;
#[cfg(feature = "failpoints")]
mod mistakes;
mod monitor;
mod names;
mod panics;
mod passwords;
mod preview;
mod query;
mod quotas;
mod racks;
mod rebalances;
mod record_limits;
mod restore;
mod rights;
mod security;
mod segments;
mod signals;
mod starts;
mod timestamps;
mod topic_settings;
mod topics;
mod unequal_partitions;
mod upgrade;
mod waiting;
mod wire;
mod zombies;
