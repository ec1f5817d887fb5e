//! The pipeline and the records of the benchmarks: 213-byte JSON, a filter that five in six records
//! pass, an 11-32-32-3 network, JSON output.

use fastdata::expr::Functions;
use fastdata::models::{ModelDescriptor, ModelFormat};
use fastdata::plan::{self, Physical};
use fastdata::record::{Records, RecordsBuilder};
use fastdata::spec::{self, Environment};
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const BATCH: usize = 4096;

pub(crate) const PIPELINE: &str = "
name: bench
source:
  topic: raw
  schema: {id: bigint, f0: double, f1: double, f2: double, f3: double, f4: double, f5: double, f6: double, f7: double, f8: double, f9: double, f10: double, kind: string}
steps:
  - filter: f10 >= 9 AND f8 < 4
  - score:
      model: wine
      inputs: [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10]
      outputs: {grade: prediction}
  - select: {id: id, kind: kind, grade: grade}
sink: scored
";

struct EmptyEnvironment;

impl Environment for EmptyEnvironment {
    fn var(&self, _name: &str) -> Option<String> {
        None
    }
    fn file(&self, _path: &Path) -> std::io::Result<String> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

pub(crate) fn pipeline() -> Arc<Physical> {
    let source = fastdata::diagnostics::SourceText { name: "bench.yaml".into(), text: PIPELINE.into() };
    let spec = spec::parse(Arc::new(source), Path::new("."), &EmptyEnvironment).unwrap_or_else(|e| panic!("{e}"));
    Arc::new(plan::compile(&spec, &Functions::new()).unwrap_or_else(|e| panic!("{e}")))
}

/// The descriptor of the model under a name.
pub(crate) fn model(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/wine/wine.pb");
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    ModelDescriptor::of(name, "wine", ModelFormat::Tensorflow, bytes).write()
}

/// Records `first..first + rows`, with timestamps `now`.
pub(crate) fn records(first: usize, rows: usize, now: i64) -> Records {
    let mut built = RecordsBuilder::default();
    let mut text = String::new();
    for i in first..first + rows {
        // A linear congruential generator is cheap and gives the same records on every machine.
        let mut x = (i as u64).wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut next = |low: f64, high: f64| {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            low + (x >> 11) as f64 / (1u64 << 53) as f64 * (high - low)
        };
        text.clear();
        let kind = ["red", "white", "rose"][i % 3];
        let f = [next(4., 12.), next(0.1, 1.2), next(0., 0.8), next(1., 8.), next(0.04, 0.2), next(2., 60.)];
        let g = [next(8., 150.), next(0.99, 1.003), next(2.9, 3.9), next(0.4, 1.3), next(8., 14.)];
        write!(
            text,
            "{{\"id\":{i},\"f0\":{:.4},\"f1\":{:.5},\"f2\":{:.5},\"f3\":{:.4},\"f4\":{:.6},\"f5\":{:.4},",
            f[0], f[1], f[2], f[3], f[4], f[5]
        )
        .expect("a string takes all writes");
        write!(text, "\"f6\":{:.4},\"f7\":{:.7},\"f8\":{:.6},\"f9\":{:.6},\"f10\":{:.5},\"kind\":\"{kind}\",\"note\":\"bottled at the estate\"}}", g[0], g[1], g[2], g[3], g[4]).expect("a string takes all writes");
        built.push(None, Some(text.as_bytes()), now);
    }
    built.finish()
}

pub(crate) fn per_second(records: usize, took: Duration) -> f64 {
    records as f64 / took.as_secs_f64()
}

pub(crate) fn quantile(sorted: &[Duration], q: f64) -> Duration {
    sorted[((sorted.len() as f64 * q) as usize).min(sorted.len() - 1)]
}

/// Resident memory of this process, KiB.
pub(crate) fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").trim().parse().unwrap_or(0)
}
