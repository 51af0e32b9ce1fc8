//! Does what the README tells a newcomer to do: two commands and one pasted curl line.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::Launch;

use crate::tools;
use crate::workspace::{self, Workspace};

const RUN: &str = "cargo run --release";
const TEST: &str = "cargo xtask test";

/// Building comes before, where one can watch it.
const START: Duration = Duration::from_secs(120);
const STOP: Duration = Duration::from_secs(30);

/// Runs the first command as it stands, pastes the curl line that the server prints, and checks
/// that the second command is there (it is what runs this).
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    tools::curl(workspace)?;
    let readme = fs::read_to_string(workspace.root.join("README.md")).context("README.md")?;
    for command in [RUN, TEST] {
        let lines = readme.lines().filter(|line| line.trim() == command).count();
        ensure!(lines == 1, "README.md has `{command}` on {lines} lines of its own, not on one");
    }

    // Without a token, as a newcomer starts it; only port and folder are ours.
    workspace::run(&mut workspace.cargo(&["build", "--release", "--locked"]))?;
    println!("{RUN}");
    let words: Vec<&str> = RUN.split(' ').skip(1).collect();
    let server = Launch::new("cargo")
        .args(&words)
        .without_token()
        .deadline(START)
        .try_start()
        .with_context(|| RUN.to_owned())?;
    ensure!(server.stdout().lines().count() == 1, "more than one line on standard output");
    let curl = curl_line(&server.stderr()).context("the first start printed no curl command")?;
    println!("{}", masked(&curl));
    let answer = workspace::text_of(workspace.command("sh").args(["-c", &curl]))
        .context("the curl command the server printed")?;
    let answer: Value = serde_json::from_str(&answer)
        .with_context(|| format!("the curl command answered no JSON but {answer:?}"))?;
    let schemas = answer["schemas"].to_string();
    ensure!(
        schemas.contains("urn:ietf:params:scim:") && !schemas.contains(":Error"),
        "the curl command answered {answer}"
    );
    let status = server.stop(STOP);
    ensure!(status.success(), "the server ended with {status} when asked to stop");
    println!("it answered, and stopped when asked to");

    // The alias behind the second command; the command itself is what runs this check.
    ensure!(workspace::works(&mut workspace.cargo(&["xtask", "test", "--list"])), "{TEST} --list");
    Ok(())
}

/// The command that begins with `curl`, with its continuation lines.
fn curl_line(log: &str) -> Option<String> {
    let mut lines = log.lines().skip_while(|line| !line.trim_start().starts_with("curl "));
    let mut command = String::new();
    loop {
        let line = lines.next()?.trim();
        match line.strip_suffix('\\') {
            Some(line) => command.push_str(line),
            None => {
                command.push_str(line);
                return Some(command);
            }
        }
    }
}

/// The command without its token, for this terminal and its logs.
fn masked(command: &str) -> String {
    let Some((before, after)) = command.split_once("Bearer ") else { return command.to_owned() };
    let rest = after.trim_start_matches(|c: char| !c.is_whitespace() && c != '\'' && c != '"');
    format!("{before}Bearer ...{rest}")
}

#[cfg(test)]
mod tests {
    use super::{curl_line, masked};

    #[test]
    fn finds_the_command_on_one_line_or_several() {
        let log = "INFO starting\n  curl -H 'Authorization: Bearer x' http://h/\nINFO more\n";
        assert_eq!(curl_line(log).unwrap(), "curl -H 'Authorization: Bearer x' http://h/");
        let log = "try:\ncurl -s \\\n  -H 'A: b' \\\n  http://h/\n";
        assert_eq!(curl_line(log).unwrap(), "curl -s -H 'A: b' http://h/");
        assert_eq!(curl_line("INFO curled up\n"), None);
    }

    #[test]
    fn no_token_reaches_the_terminal() {
        let shown = masked("curl -H 'Authorization: Bearer scim_abc' http://h/");
        assert_eq!(shown, "curl -H 'Authorization: Bearer ...' http://h/");
    }
}
