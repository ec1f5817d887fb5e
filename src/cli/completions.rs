//! `fastdata completions`: what a shell needs to complete our commands and options.

use super::context::Context;
use super::global::ColorWhen;
use anyhow::Context as _;
use clap_complete::Shell;
use std::path::PathBuf;

/// The shells whose files are shipped.
const SHIPPED: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// Print completions for a shell
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata completions bash > ~/.local/share/bash-completion/completions/fastdata
  fastdata completions zsh > ~/.zfunc/_fastdata
  fastdata completions fish > ~/.config/fish/completions/fastdata.fish
  fastdata completions --dir completions        the files for bash, zsh and fish")]
pub(super) struct Args {
    /// The shell
    #[arg(value_enum, value_name = "SHELL", required_unless_present = "dir")]
    shell: Option<Shell>,

    /// Write files into this folder instead of printing: of the shell, or of bash, zsh and fish
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn execute(args: &Args, context: &Context) -> anyhow::Result<()> {
    let mut command = super::command(ColorWhen::Never);
    let name = command.get_name().to_owned();
    if let Some(dir) = &args.dir {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make the folder `{}`", dir.display()))?;
        let shells = args.shell.as_ref().map_or(&SHIPPED[..], std::slice::from_ref);
        for shell in shells {
            let file = clap_complete::generate_to(*shell, &mut command, &name, dir)
                .with_context(|| format!("cannot write into `{}`", dir.display()))?;
            context.printer().talk(format_args!("wrote {}", file.display()));
        }
        return Ok(());
    }
    let mut text = Vec::new();
    if let Some(shell) = args.shell {
        clap_complete::generate(shell, &mut command, name, &mut text);
    }
    context.printer().print(String::from_utf8_lossy(&text))
}
