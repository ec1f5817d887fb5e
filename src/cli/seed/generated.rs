//! Records from a generator: the built-in wines, or the fields of a generator file.
//!
//! Generators never end; this file sets the number of records.

use super::super::arguments::Rate;
use super::super::exit::UserError;
use super::args::SeedArgs;
use super::key;
use super::source::{RecordSource, SeedPlan};
use crate::diagnostics::SourceText;
use crate::formats::json_field_text;
use crate::generate::Generate;
use crate::generate::spec::GenerateSpec;
use crate::generate::wine::Wine;
use crate::record::RecordsBuilder;
use serde_json::{Map, Value};
use std::path::Path;
use std::sync::Arc;

const DEFAULT_RECORDS: u64 = 10_000;
const DEFAULT_SEED: u64 = 1;

struct Generated {
    generator: Box<dyn Generate>,
    key: Option<String>,
    buffer: RecordsBuilder,
    without_key: u64,
}

/// Options beat the generator file, which beats the defaults.
pub(super) fn open(args: &SeedArgs) -> anyhow::Result<SeedPlan> {
    let seed = args.random_seed.unwrap_or(DEFAULT_SEED);
    let spec = args.generate.as_deref().map(read).transpose()?;
    let generator: Box<dyn Generate> = match &spec {
        None => Box::new(Wine::new(seed)),
        Some(spec) => Box::new(spec.generator(seed)),
    };
    let count = spec.as_ref().and_then(|s| s.count).or(Some(DEFAULT_RECORDS)).filter(|_| !args.repeat);
    Ok(SeedPlan {
        total: args.count.or(count),
        rate: args.rate.or_else(|| spec.as_ref().and_then(|s| s.rate).map(Rate)),
        partitions: args.partitions.or_else(|| spec.as_ref().and_then(|s| s.partitions)),
        source: Box::new(Generated {
            generator,
            key: args.key.clone(),
            buffer: RecordsBuilder::default(),
            without_key: 0,
        }),
    })
}

fn read(file: &Path) -> anyhow::Result<GenerateSpec> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|e| UserError::new(format!("cannot read `{name}`: {e}")))?;
    Ok(GenerateSpec::parse(&Arc::new(SourceText { name, text }))?)
}

impl RecordSource for Generated {
    fn fill(&mut self, max: usize, into: &mut RecordsBuilder) -> anyhow::Result<usize> {
        let Some(name) = &self.key else {
            self.generator.fill(max, into);
            return Ok(max);
        };
        self.generator.fill(max, &mut self.buffer);
        let records = self.buffer.finish();
        for (value, timestamp) in records.values.iter().zip(&records.timestamps) {
            let key = value.and_then(|v| json_field_text(v, name));
            if key.is_none() {
                check_column(value.unwrap_or_default(), name)?;
                self.without_key += 1;
            }
            into.push(key.as_deref(), value, *timestamp);
        }
        Ok(max)
    }

    fn start_after(&mut self, time: i64) {
        self.generator.start_after(time);
    }

    fn warning(&self) -> Option<String> {
        let name = self.key.as_ref().filter(|_| self.without_key > 0)?;
        Some(key::without_key_warning(self.without_key, name))
    }
}

/// All generated records have the same fields, so one record shows whether the key column exists.
fn check_column(value: &[u8], name: &str) -> Result<(), UserError> {
    match serde_json::from_slice::<Map<String, Value>>(value) {
        Ok(fields) if !fields.contains_key(name) => Err(key::unknown_column(name, fields.keys().map(String::as_str))),
        _ => Ok(()),
    }
}
