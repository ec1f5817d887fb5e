//! The arguments of `fastdata seed`.

use crate::cli::arguments::{self, Rate};
use crate::cli::data_format::{self, DataFormat, FILE_FORMATS};
use std::path::PathBuf;

/// Write records to a topic
///
/// Without `--from` and `--generate`, writes 10,000 records of the built-in wine generator for pipelines/wine.yaml,
/// with their `kind` as the key. The topic is created if it does not exist. In a topic that has records, the event
/// time of generated records goes on after the last one.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata seed --topic raw                                   10,000 wines
  fastdata seed --topic raw --loop --rate 1000/s              wines until interrupted
  fastdata seed --topic orders --from orders.jsonl --key customer
  fastdata seed --topic wines --from wine.csv --delimiter ';'
  other-program | fastdata seed --topic events --from -
  fastdata seed --topic sensors --generate sensors.yaml --random-seed 7")]
pub(in crate::cli) struct SeedArgs {
    /// Topic to write to
    #[arg(long, short, value_name = "TOPIC")]
    pub(super) topic: String,

    /// File with records, or `-` for stdin: one JSON object per line, or separated values
    #[arg(long, value_name = "FILE", conflicts_with = "generate")]
    pub(super) from: Option<PathBuf>,

    /// Generator file that describes the records
    #[arg(long, value_name = "FILE")]
    pub(super) generate: Option<PathBuf>,

    /// Format of the file; default: what its extension says, else JSON
    #[arg(long, value_name = "FORMAT", requires = "from", value_parser = data_format::one_of(&FILE_FORMATS))]
    pub(super) format: Option<DataFormat>,

    /// Delimiter of separated values; default: a comma, or a tab in .tsv files
    #[arg(long, value_name = "CHARACTER", value_parser = arguments::delimiter, requires = "from")]
    pub(super) delimiter: Option<u8>,

    /// Column names, for a file without names in its first row
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', requires = "from")]
    pub(super) columns: Vec<String>,

    /// Column that becomes the record key; records with the same key go to the same partition
    #[arg(long, value_name = "COLUMN")]
    pub(super) key: Option<String>,

    /// Records per second, such as 1000/s or 90/m; default: as fast as possible
    #[arg(long, value_name = "RATE")]
    pub(super) rate: Option<Rate>,

    /// Stop after N records
    #[arg(long, short = 'n', value_name = "N")]
    pub(super) count: Option<u64>,

    /// Start over at the end of the records, until interrupted or until `--count` is reached
    #[arg(long = "loop")]
    pub(super) repeat: bool,

    /// Number of partitions of a topic that is created; default: 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) partitions: Option<u32>,

    /// Seed of the generator; the same seed gives the same records
    #[arg(long, value_name = "N", conflicts_with = "from")]
    pub(super) random_seed: Option<u64>,
}
