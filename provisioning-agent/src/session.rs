//! What every command works with: the configuration, its rules, the systems, and the state.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use scim_sync::cycle::{
    CycleError, CycleInput, CycleOptions, CycleReport, RandomSource, run_cycle,
};
use scim_sync::observer::Observer;
use scim_sync::rules::RuleSet;
use scim_sync::stop::Stop;
use scim_sync::undo::UndoSink;
use scim_sync::{Connector, ConnectorId, StoreError, SyncStore};
use scim_sync_store::{SqliteStore, UndoFile};
use tokio::runtime::Runtime;

use crate::clock;
use crate::config::{Config, Mode, Process, Settings};
use crate::connect::Connectors;
use crate::state::StateDir;

/// Threads for what goes on beside the engine: one reads or writes, one is there for whoever else waits.
const WORKERS: usize = 2;

/// A configuration with its rules.
#[derive(Debug)]
pub struct Session {
    /// The configuration.
    pub config: Config,
    /// Its rules.
    pub rules: RuleSet,
    /// One for all cycles: connections that outlive a cycle belong to it.
    runtime: Runtime,
}

impl Session {
    /// Reads a configuration file and its rules.
    ///
    /// # Errors
    /// With the file and the line, where it can be said.
    pub fn load(path: &Path) -> Result<Self> {
        let config = Config::load(path, &Process)?;
        let rules = RuleSet::from_config(&config.text).map_err(|error| {
            anyhow::anyhow!(
                "{}: line {}, column {}: {}",
                path.display(),
                error.line,
                error.column,
                error.message
            )
        })?;
        check_names(&config.settings, &rules).with_context(|| path.display().to_string())?;
        // The engine computes on the thread that calls it; what it reads and writes goes on beside.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("beside")
            .enable_all()
            .build()?;
        Ok(Self { config, rules, runtime })
    }

    /// The systems that the configuration names.
    ///
    /// # Errors
    /// Where a secret or a file is not there.
    pub fn connectors(&self) -> Result<Connectors> {
        Ok(Connectors::of(&self.config, &Process)?)
    }

    /// The names of the targets.
    #[must_use]
    pub fn targets(&self) -> BTreeSet<ConnectorId> {
        self.rules.targets()
    }

    /// The state, to be written; nobody else may work with it meanwhile.
    ///
    /// # Errors
    /// Where another program works with it, or it cannot be opened.
    pub fn hold(&self) -> Result<(StateDir, SqliteStore)> {
        let state = StateDir::hold(&self.config.state_dir())?;
        let store = open(&state)?;
        Ok((state, store))
    }

    /// The state, beside another program that may work with it.
    ///
    /// # Errors
    /// Where there is none.
    pub fn look(&self) -> Result<(StateDir, SqliteStore)> {
        let state = StateDir::look(&self.config.state_dir())?;
        // Whether it is there, and not whether this user may see it.
        if !state.database().try_exists().with_context(|| state.path().display().to_string())? {
            bail!(
                "there is no state in {}: no cycle has run yet with this configuration",
                state.path().display()
            );
        }
        let store = open(&state)?;
        Ok((state, store))
    }

    /// The file by which the next cycle can be taken back, in the folder `undo` of the state.
    ///
    /// # Errors
    /// Where the folder cannot be made.
    pub fn undo_file(&self, state: &StateDir) -> Result<UndoFile> {
        Ok(UndoFile::new(&state.undo()?, clock::now()))
    }

    /// Where cycles run, and where to wait between them.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// How cycles are run.
    #[must_use]
    pub fn options(&self) -> CycleOptions {
        let settings = &self.config.settings;
        CycleOptions {
            export: settings.mode == Mode::Active,
            guard: settings.guard.clone(),
            random: Some(RandomSource(system_random)),
            ..CycleOptions::default()
        }
    }

    /// Runs a cycle.
    ///
    /// # Errors
    /// Where it could not go on at all; what was done until then is kept.
    pub fn cycle(
        &self,
        store: &mut SqliteStore,
        connectors: &Connectors,
        options: &CycleOptions,
        undo: &mut dyn UndoSink,
        stop: &Stop,
        observer: &mut (dyn Observer + Send),
    ) -> Result<CycleReport> {
        let all: Vec<&dyn Connector> = connectors.all().map(Arc::as_ref).collect();
        let input = CycleInput {
            store,
            rules: &self.rules,
            connectors: &all,
            options,
            now: &clock::now,
            stop,
            undo,
        };
        self.runtime.block_on(run_cycle(input, observer)).map_err(|error| match error {
            CycleError::Rules(text) => {
                let file = self.config.path.display();
                let lines: Vec<String> =
                    text.lines().map(|line| format!("{file}: {line}")).collect();
                anyhow::anyhow!("the rules do not fit the systems\n{}", lines.join("\n"))
            }
            error => error.into(),
        })
    }
}

/// The operating system's generator: rules make passwords of it.
fn system_random() -> Option<u64> {
    use rand::TryRng as _;
    rand::rngs::SysRng.try_next_u64().ok()
}

fn open(state: &StateDir) -> Result<SqliteStore> {
    SqliteStore::open(state.database()).map_err(|error| state_error(error, state))
}

/// An error of the state, with what to do about it where it is damaged.
#[must_use]
pub fn state_error(error: StoreError, state: &StateDir) -> anyhow::Error {
    let about = format!("the state in {}", state.path().display());
    let advice = matches!(error, StoreError::Damaged(_)).then(|| state.move_away());
    let error = anyhow::Error::new(error).context(about);
    match advice {
        Some(advice) => anyhow::anyhow!("{error:#}: {advice}"),
        None => error,
    }
}

/// A copy of the state to work things out in, gone when it is dropped; an empty one where no cycle has run yet.
///
/// # Errors
/// Where there is a state that cannot be read: what is worked out without it would be the plan of a first cycle.
pub fn scratch(session: &Session) -> Result<(tempfile::TempDir, SqliteStore)> {
    let mut folder = tempfile::Builder::new();
    folder.prefix("provisioning-agent-");
    // A whole directory stands in it.
    #[cfg(unix)]
    folder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    let folder = folder.tempdir()?;
    let copy = folder.path().join("state.db");
    let state_dir = session.config.state_dir();
    let there = state_dir.join("state.db").try_exists();
    if there.with_context(|| format!("the state in {}", state_dir.display()))? {
        let (_, store) = session.look()?;
        store.copy_to(&copy).context("the state cannot be copied")?;
    }
    let store = SqliteStore::open(&copy)?;
    Ok((folder, store))
}

/// Whether every system that the rules name is configured.
///
/// # Errors
/// With the name that is not, and those that are.
pub fn check_names(settings: &Settings, rules: &RuleSet) -> Result<()> {
    let sources = settings.sources.iter().map(|source| source.name.as_str());
    let targets = settings.targets.iter().map(|target| target.name.as_str());
    let known: BTreeSet<&str> = sources.chain(targets).collect();
    for connector in rules.sources().into_iter().chain(rules.targets()) {
        if !known.contains(connector.as_str()) {
            bail!(
                "a rule names the connector {connector}, and no source or target has that name; there are {}",
                known.into_iter().collect::<Vec<_>>().join(", ")
            );
        }
    }
    Ok(())
}

/// What a store says of one object, for people: its name or what identifies it.
#[must_use]
pub fn name_of(object: &scim_sync::space::SpaceObject) -> String {
    let dn = object.dn.as_ref().map(ToString::to_string);
    let label = scim_sync::plan::label(object, &scim_sync::plan::default_labels());
    match dn {
        Some(dn) => dn,
        None if !label.is_empty() => label.to_string(),
        None => object.anchor.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string),
    }
}

/// The page size of lists over the state.
pub const PAGE: usize = 500;

/// Every object in escrow, with what it is called.
///
/// # Errors
/// Where the state cannot be read.
pub fn escrows(store: &dyn SyncStore) -> Result<Vec<(String, String, scim_sync::store::Escrow)>> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = store.escrows(None, after, PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        after = Some(*last);
        for (id, escrow) in page {
            let (connector, name) = match store.object(id)? {
                Some(object) => (object.connector.to_string(), name_of(&object)),
                None => ("?".to_owned(), "?".to_owned()),
            };
            found.push((connector, name, escrow));
        }
    }
}

#[cfg(test)]
mod tests;
