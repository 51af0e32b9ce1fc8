//! Large answers: made part by part while the client takes them, so that memory stays small whatever is shown.
//!
//! What was read at one moment is what is sent: resources as they were, of a group the members that it had. Only names
//! and types of members are looked up on the way, a thousand at a time; no snapshot of the database outlives that. All
//! large answers together may hold so much ([`Room`]); beyond it a client is asked to come again.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use scim_core::ResourceSchema;
use smol_str::SmolStr;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::body::Body;
use super::problem::Failure;
use super::representation;
use super::view::View;
use crate::assembled::Links;
use crate::auth::TenantId;
use crate::service::Cx;
use crate::store::{IdList, Key, Member, ResourceStore, StoreError, Stored};

/// An answer that takes more memory than this is sent in parts.
const LARGE: usize = 256 * 1024;
/// About as much is made at a time.
const PART: usize = 64 * 1024;
/// Members whose names are looked up at a time.
const MEMBERS: usize = 1_000;
/// How often members are looked up before a busy store ends the answer.
const ATTEMPTS: usize = 3;
/// The unit that room is counted in.
const UNIT: usize = 1024;

/// The memory that all large answers together may take.
#[derive(Debug)]
pub(crate) struct Room {
    units: u32,
    free: Arc<Semaphore>,
}

impl Room {
    /// Room for so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        let units = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).clamp(1, MOST_UNITS);
        Self { units, free: Arc::new(Semaphore::new(units as usize)) }
    }

    /// Takes some of it. An answer larger than all of it has it alone.
    fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units);
        Arc::clone(&self.free).try_acquire_many_owned(units).ok()
    }
}

/// A tebibyte.
const MOST_UNITS: u32 = 1 << 30;

/// Whether resources are too large to be answered as a whole.
pub(crate) fn is_large(items: &[Stored]) -> bool {
    items.iter().any(|item| !item.other_members.is_empty()) || footprint(items) > LARGE
}

fn footprint(items: &[Stored]) -> usize {
    items.iter().map(Stored::footprint).sum()
}

/// How resources of one type are shown.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) schema: Arc<ResourceSchema>,
    pub(crate) view: View,
}

/// The body of an answer that is all made. A large one takes its room, too.
///
/// # Errors
/// As [`body`].
pub(crate) fn held(cx: &Cx<'_>, answer: Vec<u8>) -> Result<Body, Failure> {
    if answer.len() <= LARGE {
        return Ok(answer.into());
    }
    body(cx, Vec::new(), answer, Vec::new(), b"")
}

/// The body of an answer that shows `items` between `head` and `tail`, with commas between them.
///
/// # Errors
/// [`Failure::Crowded`] when the large answers that are being sent take all the room.
pub(crate) fn body(
    cx: &Cx<'_>,
    shapes: Vec<Shape>,
    head: Vec<u8>,
    items: Vec<Stored>,
    tail: &'static [u8],
) -> Result<Body, Failure> {
    let room = cx.app.large.take(head.len() + footprint(&items)).ok_or(Failure::Crowded)?;
    let sender = Sender {
        store: Arc::clone(&cx.app.store),
        tenant: cx.tenant.clone(),
        request_id: cx.request_id.clone(),
        links: cx.links.clone(),
        shapes,
        out: head,
        items: items.into(),
        open: None,
        begun: false,
        tail: Some(tail),
        _room: room,
    };
    let parts = stream::try_unfold(sender, |mut sender| async move {
        match sender.part().await {
            Ok(part) => Ok(part.map(|part| (part, sender))),
            Err(error) => {
                tracing::error!(id = %sender.request_id, %error, "a large answer was broken off");
                Err(axum::Error::new(error))
            }
        }
    });
    Ok(Body::Parts(Box::pin(parts)))
}

/// An answer on its way.
struct Sender {
    store: Arc<dyn ResourceStore>,
    tenant: TenantId,
    request_id: SmolStr,
    links: Links,
    shapes: Vec<Shape>,
    /// What is made and not sent.
    out: Vec<u8>,
    items: VecDeque<Stored>,
    /// The group whose members are being sent.
    open: Option<Open>,
    /// Whether a resource was written.
    begun: bool,
    tail: Option<&'static [u8]>,
    _room: OwnedSemaphorePermit,
}

/// A group whose members are being sent.
struct Open {
    key: Key,
    shape: usize,
    ids: IdList,
    /// How far in `ids`.
    at: usize,
    /// Whether a member was written.
    begun: bool,
}

impl Sender {
    /// The next part; `None` at the end.
    async fn part(&mut self) -> Result<Option<Bytes>, StoreError> {
        while self.out.len() < PART {
            if let Some(open) = &mut self.open {
                let ids: Vec<_> =
                    std::iter::from_fn(|| open.ids.read(&mut open.at)).take(MEMBERS).collect();
                if ids.is_empty() {
                    self.out.extend_from_slice(if open.begun { b"]}".as_slice() } else { b"}" });
                    self.open = None;
                    continue;
                }
                let members = named(&*self.store, &open.key, &ids).await?;
                let (links, view) = (&self.links, &self.shapes[open.shape].view);
                representation::write_members(
                    &mut self.out,
                    &members,
                    links,
                    view,
                    &mut open.begun,
                );
            } else if let Some(stored) = self.items.pop_front() {
                self.write(stored);
            } else if let Some(tail) = self.tail.take() {
                self.out.extend_from_slice(tail);
            } else {
                break;
            }
        }
        Ok(match self.out.is_empty() {
            true => None,
            false => Some(std::mem::take(&mut self.out).into()),
        })
    }

    fn write(&mut self, mut stored: Stored) {
        let found = self.shapes.iter().position(|s| s.schema.name() == stored.resource_type);
        let Some(shape) = found else { return };
        let Shape { schema, view } = &self.shapes[shape];
        if std::mem::replace(&mut self.begun, true) {
            self.out.push(b',');
        }
        let ids = std::mem::take(&mut stored.other_members);
        if ids.is_empty() {
            representation::write(&mut self.out, &stored, schema, &self.links, view);
            return;
        }
        let members = std::mem::take(&mut stored.members);
        representation::write(&mut self.out, &stored, schema, &self.links, view);
        // The object is open again; all members come last, where they can be added to.
        self.out.pop();
        let mut begun = false;
        representation::write_members(&mut self.out, &members, &self.links, view, &mut begun);
        let key =
            Key { tenant: self.tenant.clone(), resource_type: stored.resource_type, id: stored.id };
        self.open = Some(Open { key, shape, ids, at: 0, begun });
    }
}

/// Looks members up. The answer has begun, so a store that has no time is asked again: the client's own deadline for
/// taking the answer goes on meanwhile.
async fn named(
    store: &dyn ResourceStore,
    group: &Key,
    ids: &[scim_core::ResourceId],
) -> Result<Vec<Member>, StoreError> {
    for _ in 1..ATTEMPTS {
        match store.named(group, ids).await {
            Err(StoreError::Busy) => {}
            result => return result,
        }
    }
    store.named(group, ids).await
}
