//! What a running server consists of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use scim_core::query::CursorCodec;
use scim_core::{Limits, Profile, Registry, ResourceSchema, Tolerance};
use smol_str::SmolStr;

use crate::auth::Authenticator;
use crate::auth::password::PasswordHasher;
use crate::auth::throttle::Throttle;
use crate::clock::{Clock, IdSource};
use crate::http::{Room, Secrets};
use crate::service::KeyLocks;
use crate::store::ResourceStore;

/// The parts of a server that requests share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) registry: Arc<Registry>,
    pub(crate) store: Arc<dyn ResourceStore>,
    pub(crate) authenticator: Arc<dyn Authenticator>,
    pub(crate) throttle: Throttle,
    pub(crate) passwords: PasswordHasher,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) cursors: CursorCodec,
    pub(crate) limits: Limits,
    pub(crate) settings: Settings,
    pub(crate) locks: KeyLocks,
    /// The memory for large answers.
    pub(crate) large: Room,
    pub(crate) tolerated: ToleranceCounts,
    /// What traces of whole exchanges must not show.
    pub(crate) secrets: Secrets,
    /// Whether the process is about to end, so that no new work should be sent to it.
    pub(crate) draining: AtomicBool,
    /// Resource types whose stored attributes are all shown by default.
    pub(crate) plain: Vec<SmolStr>,
}

impl App {
    /// Whether the stored attributes of this type can be shown as they are.
    pub(crate) fn is_plain(&self, schema: &ResourceSchema) -> bool {
        self.plain.iter().any(|name| name == schema.name())
    }
}

/// What the operator chose.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) profile: Profile,
    pub(crate) default_page: usize,
    pub(crate) max_page: usize,
    /// Bytes on a page.
    pub(crate) page_bytes: usize,
    /// Seconds that a cursor stays good.
    pub(crate) cursor_seconds: u32,
    /// Whether discovery answers without a credential.
    pub(crate) open_discovery: bool,
    /// Whether to log each exchange.
    pub(crate) trace_requests: bool,
}

/// How often each tolerance was used since the start.
#[derive(Debug)]
pub(crate) struct ToleranceCounts(BTreeMap<Tolerance, AtomicU64>);

impl ToleranceCounts {
    pub(crate) fn new() -> Self {
        Self(Tolerance::ALL.into_iter().map(|t| (t, AtomicU64::new(0))).collect())
    }

    pub(crate) fn count(&self, tolerance: Tolerance) {
        if let Some(counter) = self.0.get(&tolerance) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The tolerances that were used, with how often.
    pub(crate) fn used(&self) -> Vec<(Tolerance, u64)> {
        self.0
            .iter()
            .map(|(tolerance, counter)| (*tolerance, counter.load(Ordering::Relaxed)))
            .filter(|(_, n)| *n > 0)
            .collect()
    }
}
