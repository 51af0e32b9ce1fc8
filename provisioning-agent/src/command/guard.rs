//! `allow`: lets a plan through that the guard stopped.

use anyhow::{Result, bail};
use scim_sync::run;

use super::print;
use crate::exit::Exit;
use crate::session::Session;

pub(super) fn allow(session: &Session, digest: &str) -> Result<Exit> {
    let (_, mut store) = session.look()?;
    let targets = session.targets();
    if let Some(target) = run::allow(&mut store, &targets, digest)? {
        print(format!(
            "allowed once for {target}: the next cycle carries the plan out if it still takes away the same\n"
        ))?;
        return Ok(Exit::Done);
    }
    let mut waiting = Vec::new();
    for target in &targets {
        if let Some(stop) = run::stopped(&store, target)? {
            waiting.push(format!("{} ({target})", stop.digest));
        }
    }
    match waiting.as_slice() {
        [] => bail!("no plan is stopped, so there is nothing to allow"),
        _ => bail!("no stopped plan has this digest; stopped are: {}", waiting.join(", ")),
    }
}
