//! The command line: one file for each command, one printer, one exit point.
//!
//! Only this module prints, reads signals and exits. A command parses its arguments, calls the library and
//! prints the result.

mod arguments;
mod backplane;
mod completions;
mod context;
mod csv_output;
mod data_format;
mod dead;
mod demo;
mod diff;
mod doctor;
mod exit;
mod figures;
mod global;
mod graph;
mod infer;
mod init;
mod logs;
mod man;
mod manual;
mod models;
mod online_checks;
mod output;
mod preview;
mod printer;
mod publish_model;
mod query;
mod read_topic;
mod record_printer;
mod restore_bar;
mod row_reader;
mod run;
mod schema;
mod score;
mod seed;
mod shutdown;
mod state;
mod stats;
mod status_line;
mod table;
mod tail;
mod topics;
mod validate;
mod waiting;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use context::CliContext;
use global::{ColorWhen, Global};
use logs::CommandTalk;
use printer::Printer;
use std::process::ExitCode;

/// Stream pipelines from a YAML file, with models as data.
#[derive(Debug, Parser)]
#[command(name = "fastdata", version, max_term_width = 100, styles = global::STYLES)]
#[command(subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  fastdata demo                              see everything at work in twenty seconds
  fastdata init                              write a first pipeline.yaml
  fastdata seed --topic raw                  write 10,000 sample records
  fastdata run pipeline.yaml --until-end     run a pipeline over the existing records
  fastdata tail --topic per-minute           print the results

Exit codes: 0 success, 1 failure at run time, 2 invalid input, 130 interrupted twice.")]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: CliCommand,
}

#[derive(Debug, Subcommand)]
enum CliCommand {
    Demo(demo::DemoArgs),
    Init(init::InitArgs),
    Run(run::RunArgs),
    Validate(validate::ValidateArgs),
    Preview(preview::PreviewArgs),
    Graph(graph::GraphArgs),
    Diff(diff::DiffArgs),
    State(state::StateArgs),
    Stats(stats::StatsArgs),
    Query(query::QueryArgs),
    Seed(seed::SeedArgs),
    Tail(tail::TailArgs),
    Topics(topics::TopicsArgs),
    PublishModel(publish_model::PublishModelArgs),
    Models(models::ModelsArgs),
    Score(score::ScoreArgs),
    Dead(dead::DeadArgs),
    Infer(infer::InferArgs),
    Doctor(doctor::DoctorArgs),
    Explain(manual::ExplainArgs),
    Schema(schema::SchemaArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

/// Runs the command that the arguments name, prints its error, and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let color = global::color_of(std::env::args_os(), std::env::var("FASTDATA_COLOR").ok());
    color.apply();
    let format = global::log_format_of(std::env::args_os(), std::env::var("FASTDATA_LOG_FORMAT").ok());
    logs::report_panics(format);
    let cli = match parse(color) {
        Ok(cli) => cli,
        Err(error) => return exit::report_arguments(&error, format),
    };
    let printer = Printer::new(cli.global.quiet, cli.global.log_format);
    let talk = match &cli.command {
        CliCommand::Demo(_) | CliCommand::Preview(_) => CommandTalk::Progress,
        CliCommand::Run(args) if args.until_end => CommandTalk::Summary,
        _ => CommandTalk::None,
    };
    logs::start(&cli.global, talk);
    let context = CliContext::new(cli.global, printer);
    exit::report(execute(cli.command, &context), context.printer())
}

fn definition(color: ColorWhen) -> clap::Command {
    Cli::command().color(color.into())
}

fn parse(color: ColorWhen) -> Result<Cli, clap::Error> {
    let matches = definition(color).try_get_matches()?;
    Cli::from_arg_matches(&matches).map_err(|e| e.format(&mut definition(color)))
}

fn execute(command: CliCommand, context: &CliContext) -> anyhow::Result<()> {
    match command {
        CliCommand::Demo(args) => demo::execute(&args, context),
        CliCommand::Init(args) => init::execute(&args, context),
        CliCommand::Run(args) => run::execute(&args, context),
        CliCommand::Validate(args) => validate::execute(&args, context),
        CliCommand::Preview(args) => preview::execute(&args, context),
        CliCommand::Graph(args) => graph::execute(&args, context),
        CliCommand::Diff(args) => diff::execute(&args, context),
        CliCommand::State(args) => state::execute(&args, context),
        CliCommand::Stats(args) => stats::execute(&args, context),
        CliCommand::Query(args) => query::execute(&args, context),
        CliCommand::Seed(args) => seed::execute(&args, context),
        CliCommand::Tail(args) => tail::execute(&args, context),
        CliCommand::Topics(args) => topics::execute(&args, context),
        CliCommand::PublishModel(args) => publish_model::execute(&args, context),
        CliCommand::Models(args) => models::execute(&args, context),
        CliCommand::Score(args) => score::execute(&args, context),
        CliCommand::Dead(args) => dead::execute(&args, context),
        CliCommand::Infer(args) => infer::execute(&args, context),
        CliCommand::Doctor(args) => doctor::execute(&args, context),
        CliCommand::Explain(args) => manual::execute(&args, context),
        CliCommand::Schema(args) => schema::execute(&args, context),
        CliCommand::Completions(args) => completions::execute(&args, definition(ColorWhen::Never), context),
        CliCommand::Man(args) => man::execute(&args, definition(ColorWhen::Never), context),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_argument_definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_are_accepted_before_and_after_the_command() {
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
