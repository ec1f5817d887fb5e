//! The `--output` option of commands that list or show something.

/// For a person or for a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum OutputFormat {
    /// Text in lines or a table
    Text,
    /// One JSON object per line
    Json,
}
