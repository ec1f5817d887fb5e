//! `fastdata man`: manual pages, one for each command in section 1, and one for each subject in section 7.
//!
//! The sections and their order are those of the manual's other pages in section 1.

use super::context::CliContext;
use super::logs::FILTER_VARIABLE;
use super::manual::{SUBJECTS, escape, manual_page};
use anyhow::Context as _;
use clap::Command;
use clap_mangen::Man;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

/// Print the manual page, or write the pages of all commands
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata man | man -l -           read the page of fastdata itself
  fastdata man --dir man            write fastdata.1, fastdata-run.1, fastdata-sql.7 and so on")]
pub(super) struct ManArgs {
    /// Write the pages of all commands and subjects into this folder instead of printing
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn execute(args: &ManArgs, command: Command, context: &CliContext) -> anyhow::Result<()> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let Some(dir) = &args.dir else { return context.printer().print(page(&command)?) };
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create the folder `{}`", dir.display()))?;
    let mut pages = BTreeMap::new();
    add_pages(&command, &mut pages)?;
    let commands = pages.into_iter().map(|(name, text)| (format!("{name}.1"), text));
    let subjects = SUBJECTS.iter().map(|subject| (format!("fastdata-{}.7", subject.name), manual_page(subject)));
    for (name, text) in commands.chain(subjects) {
        let path = dir.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    context.printer().info(format_args!("wrote the manual pages into {}", dir.display()));
    Ok(())
}

/// The pages of a command and of those below it, by name.
fn add_pages(command: &Command, pages: &mut BTreeMap<String, String>) -> io::Result<()> {
    pages.insert(page_name(command), page(command)?);
    command.get_subcommands().filter(|c| !c.is_hide_set()).try_for_each(|c| add_pages(c, pages))
}

/// The name of a page, such as `fastdata-run`.
fn page_name(command: &Command) -> String {
    command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned()
}

fn page(command: &Command) -> io::Result<String> {
    let version = env!("CARGO_PKG_VERSION");
    let name = escape(&page_name(command).to_uppercase());
    let man = Man::new(command.clone().subcommand_help_heading("COMMANDS"));
    let mut page = format!("{PREAMBLE}.TH \"{name}\" \"1\" \"\" \"fastdata {version}\" \"fastdata manual\"\n");
    page.push_str(&section(|out| man.render_name_section(out))?);
    page.push_str(&format!(".SH SYNOPSIS\n{}", synopsis(command)));
    page.push_str(&section(|out| man.render_description_section(out))?);
    if command.has_subcommands() {
        page.push_str(&section(|out| man.render_subcommands_section(out))?);
    }
    page.push_str(&section(|out| man.render_options_section(out))?);
    page.push_str(&examples(command));
    page.push_str(EXIT_STATUS);
    page.push_str(&environment(command));
    page.push_str(&see_also(command));
    Ok(page)
}

/// Defines the apostrophe of the sections that the library writes.
const PREAMBLE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

/// A section that the library writes, without the preamble.
fn section(render: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> io::Result<String> {
    let mut text = Vec::new();
    render(&mut text)?;
    Ok(String::from_utf8_lossy(&text).replace(PREAMBLE, ""))
}

fn synopsis(command: &Command) -> String {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let mut line = format!("\\fB{}\\fR [\\fIOPTIONS\\fR]", escape(name));
    for argument in command.get_positionals() {
        let value = argument.get_value_names().map_or_else(|| argument.get_id().to_string(), |names| names.join(" "));
        let several = argument.get_num_args().is_some_and(|n| n.max_values() > 1);
        let value = format!("\\fI{}\\fR{}", escape(&value), if several { "..." } else { "" });
        line.push_str(&if argument.is_required_set() { format!(" {value}") } else { format!(" [{value}]") });
    }
    if command.has_subcommands() {
        line.push_str(" \\fICOMMAND\\fR");
    }
    line + "\n"
}

/// The examples as they are written, line by line; what follows them is text.
fn examples(command: &Command) -> String {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let mut out = String::new();
    for paragraph in help.split("\n\n").filter(|p| !p.starts_with(EXIT_CODES)) {
        match paragraph.strip_prefix("Examples:\n") {
            Some(_) => out.push_str(".SH EXAMPLES\n"),
            None => out.push_str(".PP\n"),
        }
        let lines = paragraph.strip_prefix("Examples:\n").unwrap_or(paragraph).lines();
        out.push_str(".nf\n");
        lines.for_each(|line| out.push_str(&format!("{}\n", escape(line.strip_prefix("  ").unwrap_or(line)))));
        out.push_str(".fi\n");
    }
    out
}

/// How the paragraph of the help begins that the page has a section for.
const EXIT_CODES: &str = "Exit codes:";

const EXIT_STATUS: &str = "\
.SH \"EXIT STATUS\"
.TP
\\fB0\\fR
Success. A run that was interrupted once ends in good order and with 0.
.TP
\\fB1\\fR
A failure while running, or something is missing that may come by itself: brokers, a topic, a model.
.TP
\\fB2\\fR
The input is wrong: arguments, environment, a pipeline file, a model file.
.TP
\\fB130\\fR
Interrupted twice.
";

fn environment(command: &Command) -> String {
    let mut out = ".SH ENVIRONMENT\nA flag beats the environment, which beats the pipeline file.\n".to_owned();
    for argument in command.get_arguments() {
        let (Some(variable), Some(flag)) = (argument.get_env(), argument.get_long()) else { continue };
        let variable = variable.to_string_lossy();
        out.push_str(&format!(
            ".TP\n\\fB{}\\fR\nThe value of \\fB{}\\fR.\n",
            escape(&variable),
            escape(&format!("--{flag}"))
        ));
    }
    let filters =
        "Filters of the log lines, such as \\(oqfastdata::log=debug\\(cq; they beat \\fB\\-v\\fR and \\fB\\-q\\fR.";
    out + &format!(".TP\n\\fB{}\\fR\n{filters}\n", escape(FILTER_VARIABLE))
}

/// The page of the command above and those of the commands below.
fn see_also(command: &Command) -> String {
    let name = page_name(command);
    let above = name.rsplit_once('-').map(|(above, _)| above.to_owned());
    // A command such as `publish-model` has a hyphen of its own.
    let above = above
        .map(|a| if command.get_bin_name().is_some_and(|b| b.split(' ').count() == 2) { "fastdata".into() } else { a });
    let below = command.get_subcommands().filter(|c| !c.is_hide_set()).map(page_name);
    let commands = above.into_iter().chain(below).map(|p| format!("\\fB{}\\fR(1)", escape(&p)));
    // The page of the program itself leads to the manual.
    let subjects = SUBJECTS.iter().filter(|_| name == "fastdata");
    let subjects = subjects.map(|s| format!("\\fB{}\\fR(7)", escape(&format!("fastdata-{}", s.name))));
    let pages: Vec<String> = commands.chain(subjects).collect();
    if pages.is_empty() { String::new() } else { format!(".SH \"SEE ALSO\"\n{}\n", pages.join(", ")) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn pages() -> BTreeMap<String, String> {
        let mut command = crate::cli::Cli::command().disable_help_subcommand(true);
        command.build();
        let mut pages = BTreeMap::new();
        add_pages(&command, &mut pages).unwrap();
        pages
    }

    #[test]
    fn each_page_has_the_sections_of_a_manual_page() {
        for (name, page) in pages() {
            let found: Vec<&str> =
                page.lines().filter_map(|l| l.strip_prefix(".SH ")).map(|s| s.trim_matches('"')).collect();
            let mut expected = vec!["NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "OPTIONS", "GLOBAL OPTIONS"];
            expected.extend(["EXAMPLES", "EXIT STATUS", "ENVIRONMENT", "SEE ALSO"]);
            expected.retain(|s| found.contains(s) || !matches!(*s, "COMMANDS"));
            assert_eq!(found, expected, "{name}");
            let title = format!(".TH \"{}\" \"1\" \"\" \"fastdata ", name.to_uppercase().replace('-', "\\-"));
            assert!(page.lines().nth(2).unwrap().starts_with(&title), "{page}");
        }
    }

    #[test]
    fn examples_keep_their_lines() {
        let page = pages().remove("fastdata-run").unwrap();
        let examples = page.split(".SH EXAMPLES\n").nth(1).unwrap().split(".SH").next().unwrap();
        assert!(examples.starts_with(".nf\nfastdata run pipeline.yaml  ") && examples.ends_with(".fi\n"), "{examples}");
        assert!(page.contains(".SH SYNOPSIS\n\\fBfastdata run\\fR [\\fIOPTIONS\\fR] \\fIPIPELINE\\fR...\n"), "{page}");
    }
}
