//! Benchmarks: how fast a pipeline runs, as ratios that hold when the machine's speed drifts.
//!
//! `cargo bench` prints all of them; `cargo bench -- memory log latency swap start flat kafka kafka-latency` selects
//! some. The parts of a pipeline and the whole are timed alternately, so that both see the same machine. To measure
//! one core, run it under `taskset -c 0`.

mod speed {
    pub(crate) mod flat;
    pub(crate) mod in_memory;
    pub(crate) mod kafka;
    pub(crate) mod latency;
    pub(crate) mod setup;
    pub(crate) mod start;
    pub(crate) mod swap;
    pub(crate) mod through_log;
}

/// The Kafka cluster of the tests.
#[path = "../tests/kafka"]
#[allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "shared with the tests, which use all of it")]
mod cluster {
    pub(crate) mod broker;
    pub(crate) mod jars;
    pub(crate) mod segments;
}

#[path = "../tests/harness"]
#[allow(unreachable_pub, reason = "shared with the tests")]
mod harness {
    pub(crate) mod wait;
}

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.split_first() {
        Some((role, rest)) if role == "kafka-copy" => return speed::kafka::copy::run(rest),
        Some((role, rest)) if role == "kafka-pace" => return speed::kafka::pace::run(rest),
        _ => {}
    }
    let selected: Vec<String> = args.into_iter().filter(|a| !a.starts_with('-')).collect();
    let benchmarks: [(&str, fn()); 8] = [
        ("memory", speed::in_memory::run),
        ("log", speed::through_log::run),
        ("latency", speed::latency::run),
        ("swap", speed::swap::run),
        ("start", speed::start::run),
        ("flat", speed::flat::run),
        ("kafka", speed::kafka::run),
        ("kafka-latency", speed::kafka::latency::run),
    ];
    for (name, run) in benchmarks {
        if selected.is_empty() || selected.iter().any(|s| s == name) {
            run();
        }
    }
}
