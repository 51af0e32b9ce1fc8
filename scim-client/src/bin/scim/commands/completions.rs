//! `scim completions SHELL`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::args::Cli;
use crate::ended::Ended;
use crate::output::raw;

pub(crate) const EXAMPLES: &str = r#"Examples:
  scim completions bash > ~/.local/share/bash-completion/completions/scim
  scim completions zsh > ~/.zfunc/_scim
  scim completions fish > ~/.config/fish/completions/scim.fish"#;

#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs) -> anyhow::Result<Ended> {
    // Into memory first: the generator does not survive a reader that goes.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "scim", &mut script);
    raw(&script)?;
    Ok(Ended::Done)
}
