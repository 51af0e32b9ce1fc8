//! `setup`: asks for what is needed, tries each answer, and writes the configuration.

mod answers;
mod ask;
mod managed;
mod write;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, bail};
use scim_sync::ConnectorId;
use scim_sync::connector::ConnectorSchema;
use scim_sync::rules::RuleSet;
use scim_sync_connectors::ldap::LdapConnector;

use self::answers::Answers;
use self::ask::Asker;
use super::print;
use crate::check::{self, Place, Report, State};
use crate::cli::SetupArgs;
use crate::config::Settings;
use crate::connect;
use crate::exit::Exit;

pub(super) fn setup(path: &Path, args: &SetupArgs) -> Result<Exit> {
    conduct(path, args, Asker::terminal(args.no_questions))
}

fn conduct(path: &Path, args: &SetupArgs, mut asker: Asker<'_>) -> Result<Exit> {
    if path.exists() && !args.force {
        bail!(
            "{} is there already: give another --config, or --force to write over it",
            path.display()
        );
    }
    let mut answers = Answers::given(args, path)?;
    if !asker.is_there() {
        let lacking = answers.lacking(args.no_check, args.managed.service.is_some());
        if !lacking.is_empty() {
            bail!("nobody can be asked here; give {}", lacking.join(", "));
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut schemas = BTreeMap::new();
    if let Some(service) = &args.managed.service {
        return managed::conduct(path, args, service, &runtime, &mut asker, &mut answers);
    }
    let mut wizard = Wizard { path, args, asker: &mut asker, answers: &mut answers };
    runtime.block_on(wizard.directory(&mut schemas))?;
    runtime.block_on(wizard.service(&mut schemas))?;
    wizard.rest(&schemas)?;
    let secrets = write::configuration(path, &answers, args.force)?;
    print(write::next(path, &answers, &secrets))?;
    Ok(Exit::Done)
}

struct Wizard<'w, 'a> {
    path: &'w Path,
    args: &'w SetupArgs,
    asker: &'w mut Asker<'a>,
    answers: &'w mut Answers,
}

type Schemas = BTreeMap<ConnectorId, ConnectorSchema>;

impl Wizard<'_, '_> {
    /// Asks for the directory until it can be read.
    async fn directory(&mut self, schemas: &mut Schemas) -> Result<()> {
        let (mut again, mut scope_again) = (false, false);
        loop {
            if self.asker.is_there() {
                self.answers.ask_directory(self.asker, self.args, again)?;
            }
            let mut found = None;
            if self.answers.base.is_empty() && !self.args.no_check {
                match self.root().await {
                    Ok(root) => found = root,
                    Err(error) => {
                        print(format!("FAIL  {error:#}\n"))?;
                        if self.try_again(&mut again)? {
                            continue;
                        }
                    }
                }
            }
            if self.asker.is_there() {
                self.answers.ask_scope(self.asker, self.args, scope_again, found.as_deref())?;
                scope_again = true;
            } else if self.answers.base.is_empty() {
                let Some(root) = found else {
                    bail!("the server does not say which tree it holds: give --base");
                };
                self.answers.base = root;
            }
            if self.args.no_check {
                return Ok(());
            }
            let (settings, rules) = self.parsed()?;
            let mut report = Report::new(true);
            let variables = |name: &str| self.answers.variable(name);
            let place =
                Place { folder: folder(self.path), environment: &variables, rules: Some(&rules) };
            if let Some(source) = settings.sources.first() {
                let schema = check::source(&mut report, source, place).await?;
                schemas.extend(schema.map(|schema| (ConnectorId::new(&source.name), schema)));
            }
            if report.worst() != State::Fail || !self.try_again(&mut again)? {
                return Ok(());
            }
        }
    }

    /// Asks for the service until it takes the token.
    async fn service(&mut self, schemas: &mut Schemas) -> Result<()> {
        let mut again = false;
        loop {
            if self.asker.is_there() {
                self.answers.ask_target(self.asker, self.args, again)?;
            }
            let (settings, rules) = match self.parsed() {
                Ok(parsed) => parsed,
                Err(error) => {
                    print(format!("FAIL  {error:#}\n"))?;
                    if self.try_again(&mut again)? {
                        continue;
                    }
                    return Err(error);
                }
            };
            if self.args.no_check {
                return Ok(());
            }
            let mut report = Report::new(true);
            let variables = |name: &str| self.answers.variable(name);
            let place =
                Place { folder: folder(self.path), environment: &variables, rules: Some(&rules) };
            if let Some(target) = settings.targets.first() {
                let schema = check::target(&mut report, target, place).await?;
                schemas.extend(schema.map(|schema| (ConnectorId::new(&target.name), schema)));
            }
            if report.worst() != State::Fail || !self.try_again(&mut again)? {
                return Ok(());
            }
        }
    }

    fn rest(&mut self, schemas: &Schemas) -> Result<()> {
        if self.asker.is_there() {
            self.answers.ask_rest(self.asker, self.args)?;
        }
        let (settings, rules) = self.parsed()?;
        let mut report = Report::new(true);
        check::state_dir(&mut report, &settings.state_dir)?;
        if !schemas.is_empty() {
            check::rules(&mut report, &rules, schemas)?;
        }
        if report.worst() == State::Fail && !self.asker.is_there() {
            bail!("nothing was written; mend this first, or say --no-check");
        }
        Ok(())
    }

    /// Whether to ask once more; without anybody to ask, the end.
    fn try_again(&mut self, again: &mut bool) -> Result<bool> {
        if !self.asker.is_there() {
            bail!("nothing was written; mend this first, or say --no-check");
        }
        *again = self.asker.yes("Change the answers and try again?", true)?;
        Ok(*again)
    }

    /// The root of the tree that the server holds.
    async fn root(&self) -> Result<Option<String>> {
        let (settings, _) = self.parsed()?;
        let variables = |name: &str| self.answers.variable(name);
        let Some(source) = settings.sources.first() else { return Ok(None) };
        let config = connect::ldap(source, folder(self.path), &variables)?;
        Ok(LdapConnector::new(config)?.probe().await?.root)
    }

    /// The file as it would be, read back.
    fn parsed(&self) -> Result<(Settings, RuleSet)> {
        let text = self.answers.checked_site().file();
        let settings = Settings::parse(&text, &|name: &str| self.answers.variable(name))?;
        let rules = RuleSet::from_config(&text)
            .map_err(|error| anyhow::anyhow!("line {}: {}", error.line, error.message))?;
        Ok((settings, rules))
    }
}

/// The folder that relative paths of the file begin at.
fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

#[cfg(test)]
mod tests;
