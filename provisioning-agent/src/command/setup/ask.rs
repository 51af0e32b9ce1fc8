//! Questions on a terminal.

use std::io::{self, IsTerminal as _, Write};

use anyhow::{Result, bail};
use secrecy::SecretString;

/// Asks, where somebody is there to answer.
pub(super) struct Asker<'a> {
    /// The next line; nothing at the end. Nobody holds standard input in between, since `hidden` reads it too.
    input: Box<dyn FnMut() -> io::Result<Option<String>> + 'a>,
    output: Box<dyn Write + 'a>,
    hidden: Box<dyn FnMut() -> io::Result<String> + 'a>,
    there: bool,
}

impl<'a> Asker<'a> {
    /// On the terminal; nobody is asked where there is none, or where nobody wants to be.
    pub(super) fn terminal(no_questions: bool) -> Self {
        Self {
            input: Box::new(|| {
                let mut line = String::new();
                Ok((io::stdin().read_line(&mut line)? > 0).then_some(line))
            }),
            output: Box::new(io::stderr()),
            hidden: Box::new(|| console::Term::stderr().read_secure_line()),
            there: !no_questions && io::stdin().is_terminal(),
        }
    }

    #[cfg(test)]
    pub(super) fn scripted(answers: &'a str, secret: &'a str) -> Self {
        Self {
            input: {
                let mut lines = answers.lines();
                Box::new(move || Ok(lines.next().map(str::to_owned)))
            },
            output: Box::new(io::sink()),
            hidden: Box::new(|| Ok(secret.to_owned())),
            there: true,
        }
    }

    /// Whether somebody answers.
    pub(super) fn is_there(&self) -> bool {
        self.there
    }

    /// Says something that is no question.
    pub(super) fn say(&mut self, text: &str) -> Result<()> {
        writeln!(self.output, "{text}")?;
        Ok(())
    }

    /// A line; an empty one is the default. What has no default is asked for until there is an answer.
    pub(super) fn line(&mut self, question: &str, default: Option<&str>) -> Result<String> {
        loop {
            match default {
                Some(default) if !default.is_empty() => {
                    write!(self.output, "{question} [{default}]: ")?;
                }
                _ => write!(self.output, "{question}: ")?,
            }
            self.output.flush()?;
            let Some(answer) = (self.input)()? else {
                bail!("the answers have ended; nothing was written");
            };
            match (answer.trim(), default) {
                ("", Some(default)) => return Ok(default.to_owned()),
                ("", None) => {}
                (answer, _) => return Ok(answer.to_owned()),
            }
        }
    }

    /// A line that may be empty; a dash empties what there is.
    pub(super) fn maybe(&mut self, question: &str, default: &str) -> Result<String> {
        let answer = self.line(question, Some(default))?;
        Ok(if answer == "-" { String::new() } else { answer })
    }

    /// Yes or no.
    pub(super) fn yes(&mut self, question: &str, default: bool) -> Result<bool> {
        loop {
            let choice = if default { "Y/n" } else { "y/N" };
            let answer = self.line(&format!("{question} ({choice})"), Some(""))?;
            match answer.to_lowercase().as_str() {
                "" => return Ok(default),
                "y" | "yes" => return Ok(true),
                "n" | "no" => return Ok(false),
                _ => self.say("Please answer y or n.")?,
            }
        }
    }

    /// A secret, which is not shown.
    pub(super) fn secret(&mut self, question: &str) -> Result<SecretString> {
        loop {
            write!(self.output, "{question} (not shown): ")?;
            self.output.flush()?;
            let answer = (self.hidden)()?;
            if !answer.is_empty() {
                return Ok(SecretString::from(answer));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn answers_and_defaults() {
        let mut asker = Asker::scripted("\n\nldaps://dc1 \n\n-\nwhat\nN\n", "hush");
        assert_eq!(asker.line("Server", None).unwrap(), "ldaps://dc1", "empty lines are no answer");
        assert_eq!(asker.line("Base", Some("DC=x")).unwrap(), "DC=x");
        assert_eq!(asker.maybe("CA", "ca.pem").unwrap(), "");
        assert!(!asker.yes("Again?", true).unwrap());
        assert_eq!(asker.secret("Password").unwrap().expose_secret(), "hush");
        assert!(asker.line("More", None).unwrap_err().to_string().contains("ended"));
    }
}
