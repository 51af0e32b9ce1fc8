//! `reset`: forgets a part of the state.

use std::collections::BTreeSet;

use anyhow::Result;
use scim_sync::run::{self, Reset};

use super::print;
use crate::cli::{ResetArgs, ResetScope};
use crate::exit::Exit;
use crate::session::Session;

pub(super) fn reset(session: &Session, args: &ResetArgs) -> Result<Exit> {
    let mut resets: BTreeSet<Reset> = args.scope.iter().copied().map(Reset::from).collect();
    if resets.is_empty() {
        resets = Reset::usual();
    }
    // These are asked for while the agent runs, and take nothing from under it.
    let beside =
        resets.iter().all(|reset| matches!(reset, Reset::QuarantineState | Reset::ForceDeletes));
    let (_state, mut store) = if beside { session.look()? } else { session.hold()? };
    run::reset(&mut store, &session.rules.sources(), &session.targets(), &resets)?;
    let names: Vec<String> = resets.iter().map(ToString::to_string).collect();
    print(format!("done: {}\n", names.join(", ")))?;
    Ok(Exit::Done)
}

impl From<ResetScope> for Reset {
    fn from(scope: ResetScope) -> Self {
        match scope {
            ResetScope::Watermark => Self::Watermark,
            ResetScope::Escrows => Self::Escrows,
            ResetScope::QuarantineState => Self::QuarantineState,
            ResetScope::ConnectorDataStore => Self::ConnectorDataStore,
            ResetScope::Full => Self::Full,
            ResetScope::ForceDeletes => Self::ForceDeletes,
        }
    }
}
