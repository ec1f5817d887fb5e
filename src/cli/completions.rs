//! `fastdata completions`: completion scripts for shells.

use super::context::CliContext;
use anyhow::Context as _;
use clap_complete::Shell;
use std::path::PathBuf;

/// The shells whose scripts are shipped.
const SHIPPED_SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// Print the completion script of a shell
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata completions bash > ~/.local/share/bash-completion/completions/fastdata
  fastdata completions zsh > ~/.zfunc/_fastdata
  fastdata completions fish > ~/.config/fish/completions/fastdata.fish
  fastdata completions --dir completions        write the scripts for bash, zsh and fish")]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL", required_unless_present = "dir")]
    shell: Option<Shell>,

    /// Write the script into this folder instead of printing it; without SHELL, those of bash, zsh and fish
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn execute(args: &CompletionsArgs, mut command: clap::Command, context: &CliContext) -> anyhow::Result<()> {
    let name = command.get_name().to_owned();
    if let Some(dir) = &args.dir {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot create the folder `{}`", dir.display()))?;
        let shells = args.shell.as_ref().map_or(&SHIPPED_SHELLS[..], std::slice::from_ref);
        for shell in shells {
            let file = clap_complete::generate_to(*shell, &mut command, &name, dir)
                .with_context(|| format!("cannot write into `{}`", dir.display()))?;
            context.printer().info(format_args!("wrote {}", file.display()));
        }
        return Ok(());
    }
    let mut text = Vec::new();
    if let Some(shell) = args.shell {
        clap_complete::generate(shell, &mut command, name, &mut text);
    }
    context.printer().print(String::from_utf8_lossy(&text))
}
