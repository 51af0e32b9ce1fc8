//! `setup --service`: the directory is tried, then the code is spent, then the file is written.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use scim_sync_link::gateway::EnrolmentCode;
use tokio::runtime::Runtime;
use url::Url;

use super::answers::{Answers, absolute, usual_identity};
use super::ask::Asker;
use super::{Wizard, print, write};
use crate::check::{Report, State};
use crate::cli::SetupArgs;
use crate::config::{Process, check_service};
use crate::enroll::{self, Enrolment};
use crate::exit::Exit;
use crate::identity::IdentityFolder;
use crate::managed::proxy;
use crate::state;
use crate::template::{ManagedSite, literal};

pub(super) fn conduct(
    path: &Path,
    args: &SetupArgs,
    service: &Url,
    runtime: &Runtime,
    asker: &mut Asker<'_>,
    answers: &mut Answers,
) -> Result<Exit> {
    check_service(service)?;
    let given = &args.managed;
    let code = match &given.code {
        Some(code) => code.0.clone(),
        None if asker.is_there() => {
            asker.say("The code that the service's administrator made for this agent")?;
            asker.secret("Code")?
        }
        None => bail!("nobody can be asked here; give --code"),
    };
    EnrolmentCode::try_from(&code)?;
    let proxy = proxy::of(given.proxy.as_deref().unwrap_or_default(), service, &Process)?;
    let identity = match &given.identity {
        Some(path) => absolute(path)?,
        None => usual_identity(path)?,
    };
    let full = absolute(path)?;
    let folder = IdentityFolder::new(full.parent().unwrap_or(Path::new("/")).join(&identity));
    if folder.current().is_ok() && !args.force {
        bail!(
            "{} holds the identity of an agent already: give another --identity, or --force to put a new one in its place",
            folder.path().display()
        );
    }
    let mut schemas = std::collections::BTreeMap::new();
    let mut wizard = Wizard { path, args, asker, answers };
    runtime.block_on(wizard.directory(&mut schemas))?;
    let service_ca = given.service_ca.as_deref().map(absolute).transpose()?;
    let text = |path: &Path| literal(&path.display().to_string());
    let site = ManagedSite {
        service: literal(service.as_str()),
        identity: text(&identity),
        service_ca: service_ca.as_deref().map(text).unwrap_or_default(),
        proxy: literal(given.proxy.as_deref().unwrap_or_default()),
    };
    // All that can go wrong here goes wrong before the code is spent.
    write::folder_of(&full)?;
    crate::files::make_folder(folder.path())
        .with_context(|| format!("the folder {} cannot be made", folder.path().display()))?;
    let held = state::lock(folder.path(), "another --identity")?;
    let secrets = write::managed(path, answers, &site, args.force)?;
    let name = given.name.clone().unwrap_or_else(enroll::hostname);
    let asked = Enrolment {
        service,
        code: &code,
        name: &name,
        proxy: proxy.as_ref(),
        service_ca: service_ca.as_deref(),
    };
    let enrolled = runtime.block_on(enroll::enroll(&asked, &folder));
    drop(held);
    let identity = enrolled.with_context(|| {
        format!(
            "{} is written, but the agent is not enrolled; run setup again with --force when this is mended",
            path.display()
        )
    })?;
    let mut report = Report::new(true);
    let until = identity.validity().map(|(_, until)| until.date_naive().to_string());
    let about = &identity.about;
    report.add(
        State::Ok,
        "service",
        "enrolled",
        format!(
            "agent {} of tenant {}, with a certificate until {} that is renewed by itself; the key is in {}",
            about.agent_id,
            about.tenant,
            until.as_deref().unwrap_or("?"),
            folder.path().display()
        ),
    )?;
    print(write::next_managed(path, &secrets))?;
    Ok(Exit::Done)
}
