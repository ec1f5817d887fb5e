//! Records from a generator: the built-in wines, or the fields of a generator file.
//!
//! Generators never end; how many records are wanted is decided here.

use super::super::exit::WrongInput;
use super::super::values::Rate;
use super::{Args, Records, Source, key};
use crate::diagnostics::SourceText;
use crate::generate::Generate;
use crate::generate::spec::GenerateSpec;
use crate::generate::wine::Wine;
use crate::record::RecordsBuilder;
use serde_json::{Map, Value};
use std::path::Path;
use std::sync::Arc;

/// How many records a generator gives unless told.
const RECORDS: u64 = 10_000;
/// What is generated is the same each time unless told.
const SEED: u64 = 1;

struct Generated {
    generator: Box<dyn Generate>,
    key: Option<String>,
    scratch: RecordsBuilder,
    keyless: u64,
}

/// What the options say, else what the generator file says, else the defaults.
pub(super) fn open(args: &Args) -> anyhow::Result<Records> {
    let seed = args.random_seed.unwrap_or(SEED);
    let spec = args.generate.as_deref().map(read).transpose()?;
    let generator: Box<dyn Generate> = match &spec {
        None => Box::new(Wine::new(seed)),
        Some(spec) => Box::new(spec.generator(seed)),
    };
    let told = |of: fn(&GenerateSpec) -> Option<u64>| spec.as_ref().and_then(of);
    let count = if args.again { None } else { told(|s| s.count).or(Some(RECORDS)) };
    Ok(Records {
        total: args.count.or(count),
        rate: args.rate.or_else(|| spec.as_ref().and_then(|s| s.rate).map(Rate)),
        partitions: args.partitions.or_else(|| spec.as_ref().and_then(|s| s.partitions)),
        source: Box::new(Generated {
            generator,
            key: args.key.clone(),
            scratch: RecordsBuilder::default(),
            keyless: 0,
        }),
    })
}

fn read(file: &Path) -> anyhow::Result<GenerateSpec> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|e| WrongInput::new(format!("cannot read `{name}`: {e}")))?;
    Ok(GenerateSpec::parse(&Arc::new(SourceText { name, text }))?)
}

impl Source for Generated {
    fn fill(&mut self, max: usize, into: &mut RecordsBuilder) -> anyhow::Result<usize> {
        let Some(name) = &self.key else {
            self.generator.fill(max, into);
            return Ok(max);
        };
        self.generator.fill(max, &mut self.scratch);
        let records = self.scratch.finish();
        for (value, timestamp) in records.values.iter().zip(&records.timestamps) {
            let key = value.and_then(|v| key::of(v, name));
            if key.is_none() {
                check(value.unwrap_or_default(), name)?;
                self.keyless += 1;
            }
            into.push(key.as_deref(), value, *timestamp);
        }
        Ok(max)
    }

    fn remark(&self) -> Option<String> {
        let name = self.key.as_ref().filter(|_| self.keyless > 0)?;
        Some(key::remark(self.keyless, name))
    }
}

/// All generated records have the same fields, so one that lacks the key's is enough to know.
fn check(value: &[u8], name: &str) -> Result<(), WrongInput> {
    match serde_json::from_slice::<Map<String, Value>>(value) {
        Ok(fields) if !fields.contains_key(name) => Err(key::missing(name, fields.keys().map(String::as_str))),
        _ => Ok(()),
    }
}
