//! `scim completions SHELL`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::args::Cli;
use crate::ended::Ended;

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
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    out.write_all(&script)?;
    out.flush()?;
    Ok(Ended::Done)
}
