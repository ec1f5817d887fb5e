//! The command line: one file a command, one printer, one exit point.
//!
//! Separate so that the library never prints, never reads signals and never exits. A command parses its
//! arguments, calls the library and prints; it decides nothing about streams.

mod backplane;
mod completions;
mod context;
mod demo;
mod doctor;
mod exit;
mod global;
mod graph;
mod infer;
mod init;
mod input;
mod logs;
mod man;
mod models;
mod online;
mod output;
mod printer;
mod publish_model;
mod query;
mod record_view;
mod restoring;
mod run;
mod schema;
mod score;
mod seed;
mod shutdown;
mod stats;
mod tail;
mod topics;
mod validate;
mod values;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use context::Context;
use global::{ColorWhen, Global};
use printer::Printer;
use std::process::ExitCode;

/// Stream pipelines from a YAML file, with models as data.
#[derive(Debug, Parser)]
#[command(name = "fastdata", version, max_term_width = 100, styles = global::STYLES)]
#[command(subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  fastdata demo                              see all of it in twenty seconds
  fastdata init                              write a first pipeline.yaml
  fastdata seed --topic raw                  10,000 sample records to work with
  fastdata run pipeline.yaml --until-end     run a pipeline over what is there
  fastdata tail --topic per-minute           look at the result

Exit codes: 0 done, 1 failed while running, 2 the input is wrong, 130 interrupted twice.")]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Init(init::Args),
    Run(run::Args),
    Validate(validate::Args),
    Graph(graph::Args),
    Stats(stats::Args),
    Query(query::Args),
    Seed(seed::Args),
    Tail(tail::Args),
    Topics(topics::Args),
    PublishModel(publish_model::Args),
    Models(models::Args),
    Score(score::Args),
    Infer(infer::Args),
    Doctor(doctor::Args),
    Schema(schema::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Runs the command that the arguments name, prints what went wrong, and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let color = global::color_of(std::env::args_os(), std::env::var("FASTDATA_COLOR").ok());
    color.set();
    let cli = match parse(color) {
        Ok(cli) => cli,
        Err(asked) => return exit::arguments(&asked),
    };
    let printer = Printer::new(cli.global.quiet);
    logs::start(&cli.global, matches!(cli.command, Command::Demo(_)));
    let context = Context::new(cli.global, printer);
    exit::report(execute(cli.command, &context), context.printer())
}

fn command(color: ColorWhen) -> clap::Command {
    Cli::command().color(color.into())
}

fn parse(color: ColorWhen) -> Result<Cli, clap::Error> {
    let matches = command(color).try_get_matches()?;
    Cli::from_arg_matches(&matches).map_err(|e| e.format(&mut command(color)))
}

fn execute(command: Command, context: &Context) -> anyhow::Result<()> {
    match command {
        Command::Demo(args) => demo::execute(&args, context),
        Command::Init(args) => init::execute(&args, context),
        Command::Run(args) => run::execute(&args, context),
        Command::Validate(args) => validate::execute(&args, context),
        Command::Graph(args) => graph::execute(&args, context),
        Command::Stats(args) => stats::execute(&args, context),
        Command::Query(args) => query::execute(&args, context),
        Command::Seed(args) => seed::execute(&args, context),
        Command::Tail(args) => tail::execute(&args, context),
        Command::Topics(args) => topics::execute(&args, context),
        Command::PublishModel(args) => publish_model::execute(&args, context),
        Command::Models(args) => models::execute(&args, context),
        Command::Score(args) => score::execute(&args, context),
        Command::Infer(args) => infer::execute(&args, context),
        Command::Doctor(args) => doctor::execute(&args, context),
        Command::Schema(args) => schema::execute(&args, context),
        Command::Completions(args) => completions::execute(&args, context),
        Command::Man(args) => man::execute(&args, context),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_arguments_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_go_before_and_after_the_command() {
        for args in [["fastdata", "--data-dir", "d", "schema"], ["fastdata", "schema", "--data-dir", "d"]] {
            assert_eq!(Cli::try_parse_from(args).unwrap().global.data_dir.to_str(), Some("d"));
        }
    }

    #[test]
    fn every_command_shows_examples() {
        fn check(command: &clap::Command) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:"), "{} has no examples", command.get_name());
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
