//! `fastdata models`: lists and shows the models on a models topic.

mod list;
mod show;
mod versions;

pub(super) use versions::read_versions;

use super::backplane;
use super::context::CliContext;
use super::output::OutputFormat;

/// List and show published models
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata models list
  fastdata models show wine
  fastdata models show wine@57 --output json")]
pub(super) struct ModelsArgs {
    #[command(subcommand)]
    command: ModelsCommand,
}

#[derive(clap::Subcommand, Debug)]
enum ModelsCommand {
    /// List every version of every model
    List(ModelsListArgs),
    /// Show models with their inputs and outputs
    Show(ModelsShowArgs),
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata models list
  fastdata models list --output json")]
struct ModelsListArgs {
    #[command(flatten)]
    common: ModelsTopicArgs,
}

#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata models show
  fastdata models show wine
  fastdata models show wine@57 --output json")]
struct ModelsShowArgs {
    /// A model, a data type, or a version such as wine@57; default: all models that serve
    #[arg(value_name = "NAME")]
    name: Option<String>,

    #[command(flatten)]
    common: ModelsTopicArgs,
}

#[derive(clap::Args, Debug)]
struct ModelsTopicArgs {
    /// Topic of models
    #[arg(long, value_name = "TOPIC", default_value = "models")]
    topic: String,

    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    output: OutputFormat,
}

pub(super) fn execute(args: &ModelsArgs, context: &CliContext) -> anyhow::Result<()> {
    let common = match &args.command {
        ModelsCommand::List(list) => &list.common,
        ModelsCommand::Show(show) => &show.common,
    };
    let log = backplane::open_existing(context.global(), None)?;
    let versions = read_versions(&*log, &common.topic)?;
    if versions.is_empty() {
        let hint = "publish one with `fastdata publish-model FILE`";
        context.printer().info(format_args!("no models in the topic `{}`; {hint}", common.topic));
    }
    match &args.command {
        ModelsCommand::List(_) => list::print(&versions, common.output, context),
        ModelsCommand::Show(args) => {
            let chosen = show::choose(&versions, args.name.as_deref())?;
            let texts: Vec<_> = chosen.into_iter().map(|v| show::describe(&*log, v, common.output)).collect();
            match common.output {
                OutputFormat::Json => context.printer().print_json(texts.concat()),
                OutputFormat::Text => context.printer().print(texts.join("\n")),
            }
        }
    }
}
