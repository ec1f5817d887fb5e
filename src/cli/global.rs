//! The options that every command accepts, before or after its name.
//!
//! A flag beats the environment, which beats the default.

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// The folder of the embedded log.
pub(super) const DEFAULT_DATA_DIR: &str = ".fastdata";

const HEADING: &str = "Global options";

#[derive(Args, Debug)]
pub(super) struct Global {
    /// Folder of the embedded log; created if it does not exist
    #[arg(long, global = true, value_name = "DIR", env = "FASTDATA_DATA_DIR", default_value = DEFAULT_DATA_DIR)]
    #[arg(hide_env_values = true, help_heading = HEADING)]
    pub(super) data_dir: PathBuf,

    /// Kafka brokers to use instead of the embedded log
    #[arg(long, global = true, value_name = "HOST:PORT,...", env = "FASTDATA_BROKERS")]
    #[arg(hide_env_values = true, help_heading = HEADING)]
    pub(super) brokers: Option<String>,

    /// Where topics are: without it Kafka if brokers are given, else the embedded log
    #[arg(long, global = true, value_enum, value_name = "BACKPLANE", env = "FASTDATA_BACKPLANE")]
    #[arg(hide_env_values = true, help_heading = HEADING)]
    pub(super) backplane: Option<Backplane>,

    /// Name of this instance in `stats`; it must differ from those of the other instances. Default: process and host
    #[arg(long, global = true, value_name = "NAME", env = "FASTDATA_INSTANCE_NAME")]
    #[arg(hide_env_values = true, value_parser = super::arguments::instance_name, help_heading = HEADING)]
    pub(super) instance_name: Option<String>,

    /// A property of the Kafka client (librdkafka); repeatable
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = super::arguments::property, help_heading = HEADING)]
    pub(super) kafka: Vec<(String, String)>,

    /// File with properties of the Kafka client
    #[arg(long, global = true, value_name = "FILE", env = "FASTDATA_KAFKA_CONFIG")]
    #[arg(hide_env_values = true, help_heading = HEADING)]
    pub(super) kafka_config: Option<PathBuf>,

    /// Format of stderr: log lines, messages and errors
    #[arg(long, global = true, value_enum, value_name = "FORMAT", env = "FASTDATA_LOG_FORMAT", default_value = "text")]
    #[arg(hide_env_values = true, help_heading = HEADING)]
    pub(super) log_format: LogFormat,

    /// Write more log lines: -v for debug, -vv for trace; FASTDATA_LOG takes filters such as `fastdata::log=debug`
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet", help_heading = HEADING)]
    pub(super) verbose: u8,

    /// Write only results and errors
    #[arg(short, long, global = true, help_heading = HEADING)]
    pub(super) quiet: bool,

    /// When to use colours
    #[arg(long, global = true, value_enum, value_name = "WHEN", env = "FASTDATA_COLOR", default_value = "auto")]
    #[arg(hide_env_values = true, help_heading = HEADING)]
    pub(super) color: ColorWhen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Backplane {
    /// The embedded log, even where brokers are given
    Embedded,
    /// Kafka; without brokers nothing runs
    Kafka,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// Lines for a person
    Text,
    /// All of stderr is JSON, one object per line
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorWhen {
    Auto,
    Always,
    Never,
}

impl From<ColorWhen> for clap::ColorChoice {
    fn from(when: ColorWhen) -> Self {
        match when {
            ColorWhen::Auto => Self::Auto,
            ColorWhen::Always => Self::Always,
            ColorWhen::Never => Self::Never,
        }
    }
}

impl ColorWhen {
    /// Applies the choice to every styled stream of the process.
    pub(super) fn apply(self) {
        let choice = match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

/// The colour choice, read before the arguments are parsed because errors about them are coloured too.
pub(super) fn color_of(args: impl IntoIterator<Item = OsString>, variable: Option<String>) -> ColorWhen {
    let name = given(args, "--color").or(variable).unwrap_or_default();
    ColorWhen::from_str(&name, false).unwrap_or(ColorWhen::Auto)
}

/// The format of stderr, read before the arguments are parsed because errors about them have it too.
pub(super) fn log_format_of(args: impl IntoIterator<Item = OsString>, variable: Option<String>) -> LogFormat {
    let name = given(args, "--log-format").or(variable).unwrap_or_default();
    LogFormat::from_str(&name, false).unwrap_or(LogFormat::Text)
}

/// The last value of an option.
fn given(args: impl IntoIterator<Item = OsString>, option: &str) -> Option<String> {
    let args: Vec<_> = args.into_iter().take_while(|a| a != "--").collect();
    args.iter().enumerate().rev().find_map(|(i, a)| match a.to_str()?.strip_prefix(option)? {
        "" => args.get(i + 1)?.to_str().map(str::to_owned),
        rest => rest.strip_prefix('=').map(str::to_owned),
    })
}

/// The colours of `--help` and of messages about arguments.
pub(super) const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

#[cfg(test)]
mod tests {
    use super::*;

    fn color(args: &[&str]) -> ColorWhen {
        color_of(args.iter().map(OsString::from), None)
    }

    #[test]
    fn the_colour_choice_needs_no_parsed_arguments() {
        assert_eq!(color(&["fastdata", "--color", "never", "x"]), ColorWhen::Never);
        assert_eq!(color(&["fastdata", "x", "--color=always"]), ColorWhen::Always);
        assert_eq!(color(&["fastdata", "x", "--", "--color=always"]), ColorWhen::Auto);
        assert_eq!(color(&["fastdata", "--color", "mauve"]), ColorWhen::Auto);
        assert_eq!(color_of([], Some("never".into())), ColorWhen::Never);
        let args = ["fastdata", "--log-format", "json", "--rnu"].map(OsString::from);
        assert_eq!(log_format_of(args, None), LogFormat::Json);
    }
}
