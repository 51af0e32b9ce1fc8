//! `scim-conformance`: checks a SCIM server.

mod cli;
mod commands;
mod near;
mod outputs;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;

/// What could not be run; 1 is for targets that are not conformant.
const COULD_NOT_RUN: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = tokio::runtime::Runtime::new().map_err(anyhow::Error::from).and_then(|runtime| {
        let result = runtime.block_on(commands::execute(cli));
        // What is still under way, a name being looked up for example, must not hold the user.
        runtime.shutdown_background();
        result
    });
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("scim-conformance: {}", told(&error));
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

/// An error with its causes. Some repeat their cause in their own text, and nothing is worth being read twice.
fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        let cause = cause.trim_end();
        if text.is_empty() {
            text.push_str(cause);
        } else if !text.contains(cause) {
            text.push_str(": ");
            text.push_str(cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn nothing_is_said_twice() {
        let error = Err::<(), _>(anyhow!("no such file")).context("cannot read x: no such file");
        assert_eq!(told(&error.context("a").unwrap_err()), "a: cannot read x: no such file");
        let error = Err::<(), _>(anyhow!("inner")).context("outer").unwrap_err();
        assert_eq!(told(&error), "outer: inner");
    }
}
