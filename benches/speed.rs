//! How fast a pipeline runs, as ratios that hold when the machine's speed drifts.
//!
//! `cargo bench` prints all of it; `cargo bench -- memory log latency swap start flat` chooses. Parts are
//! timed in turns with the whole, so that both see the same machine. To measure one core, run it under
//! `taskset -c 0`.

mod speed {
    pub(crate) mod flat;
    pub(crate) mod in_memory;
    pub(crate) mod latency;
    pub(crate) mod setup;
    pub(crate) mod start;
    pub(crate) mod swap;
    pub(crate) mod through_log;
}

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let all: [(&str, fn()); 6] = [
        ("memory", speed::in_memory::run),
        ("log", speed::through_log::run),
        ("latency", speed::latency::run),
        ("swap", speed::swap::run),
        ("start", speed::start::run),
        ("flat", speed::flat::run),
    ];
    for (name, run) in all {
        if chosen.is_empty() || chosen.iter().any(|c| c == name) {
            run();
        }
    }
}
