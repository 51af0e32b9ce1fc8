//! `POST /Bulk` (RFC 7644 section 3.7): many writes, in as few requests as the target takes.

use std::collections::BTreeSet;
use std::future::IntoFuture;

use futures::future::BoxFuture;
use scim_core::bulk::{BulkMethod, BulkOperation, BulkRequest, BulkTarget};
use scim_core::resource::{from_value, to_value};
use scim_core::{ConvertError, Object, Patch, Resource, TagList};
use smol_str::{SmolStr, format_smolstr};

use crate::bulk::{BulkReport, Item, Job, Target};
use crate::client::Client;
use crate::error::Error;
use crate::resources::{Place, TypedResource, UNTYPED_LOOKUP};

const REFERENCE: &str = "bulkId:";

/// Collects writes, and sends them by `.await`.
///
/// They go out in batches within the limits that the target announces, one after the other, in this order but that what
/// refers to a create comes after it, in a later batch. Where the target has no bulk, or refuses a batch as a whole, they go out
/// as single requests. The outcome is a [`BulkReport`] with a line for each operation.
///
/// What refers to a resource that is yet to be created, such as a member of a group, names it by
/// [`Pushed::reference`]. The client puts the id in its place before it sends anything: there are servers with bulk that
/// store such references as they are. Of references in a circle one is added with a PATCH.
///
/// When the answer to a batch is lost, creates are looked up before they are sent again, and replaces and deletes are
/// repeated. Of a PATCH that does not do the same twice the report says that its fate is unknown.
///
/// ```
/// use scim_client::Client;
/// use scim_client::scim_core::{Group, Member, User};
/// # async fn run(scim: Client) -> Result<(), scim_client::Error> {
/// let mut bulk = scim.bulk();
/// let ada = bulk.create(&User::new("ada")).reference();
/// bulk.create(&Group::new("Engines").with_member(Member::user(ada)));
/// let report = bulk.await?;
/// assert!(report.is_done(), "{report}");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing is sent until it is awaited"]
pub struct BulkBuilder {
    client: Client,
    items: Vec<Item>,
    /// The bulkIds of all operations.
    named: BTreeSet<SmolStr>,
    fail_on_errors: Option<u64>,
    max_operations: Option<usize>,
    wrong: Option<Error>,
}

/// An operation that was just added.
#[derive(Debug)]
pub struct Pushed<'a> {
    item: &'a mut Item,
    index: usize,
}

impl Pushed<'_> {
    /// Only if the resource still has this version (RFC 7644 section 3.7: `version`).
    pub fn if_match(self, version: impl Into<String>) -> Self {
        self.item.version = Some(version.into());
        self
    }

    /// What stands for the id of the resource that this operation creates, wherever an id can stand: in members, as a
    /// manager, as the id of a later operation.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("{REFERENCE}{}", self.item.bulk_id)
    }

    /// Its place in the report.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }
}

impl Client {
    /// Many writes at once.
    pub fn bulk(&self) -> BulkBuilder {
        BulkBuilder {
            client: self.clone(),
            items: Vec::new(),
            named: BTreeSet::new(),
            fail_on_errors: None,
            max_operations: None,
            wrong: None,
        }
    }
}

impl BulkBuilder {
    /// Creates a resource.
    pub fn create<T: TypedResource>(&mut self, resource: &T) -> Pushed<'_> {
        let data = self.written(resource.to_resource().map(Resource::into_object));
        self.push(BulkMethod::Post, T::ENDPOINT, Target::Endpoint, data, T::LOOKUP)
    }

    /// Creates a resource at this endpoint.
    pub fn create_at(&mut self, endpoint: &str, resource: &Resource) -> Pushed<'_> {
        let data = Some(resource.object().clone());
        self.push(BulkMethod::Post, endpoint, Target::Endpoint, data, UNTYPED_LOOKUP)
    }

    /// Puts this in the place of a resource.
    pub fn replace<T: TypedResource>(&mut self, id: impl AsRef<str>, resource: &T) -> Pushed<'_> {
        let data = self.written(resource.to_resource().map(Resource::into_object));
        self.push(BulkMethod::Put, T::ENDPOINT, target(id.as_ref()), data, T::LOOKUP)
    }

    /// Puts this in the place of a resource at this endpoint.
    pub fn replace_at(
        &mut self,
        endpoint: &str,
        id: impl AsRef<str>,
        resource: &Resource,
    ) -> Pushed<'_> {
        let data = Some(resource.object().clone());
        self.push(BulkMethod::Put, endpoint, target(id.as_ref()), data, UNTYPED_LOOKUP)
    }

    /// Changes parts of a resource.
    pub fn patch<T: TypedResource>(&mut self, id: impl AsRef<str>, patch: &Patch) -> Pushed<'_> {
        self.patch_at(T::ENDPOINT, id, patch)
    }

    /// Changes parts of a resource at this endpoint.
    pub fn patch_at(&mut self, endpoint: &str, id: impl AsRef<str>, patch: &Patch) -> Pushed<'_> {
        let data = self.written(to_value(patch).and_then(from_value::<Object>));
        self.push(BulkMethod::Patch, endpoint, target(id.as_ref()), data, UNTYPED_LOOKUP)
    }

    /// Deletes a resource.
    pub fn delete<T: TypedResource>(&mut self, id: impl AsRef<str>) -> Pushed<'_> {
        self.delete_at(T::ENDPOINT, id)
    }

    /// Deletes a resource at this endpoint.
    pub fn delete_at(&mut self, endpoint: &str, id: impl AsRef<str>) -> Pushed<'_> {
        self.push(BulkMethod::Delete, endpoint, target(id.as_ref()), None, UNTYPED_LOOKUP)
    }

    /// Adds the operations of a bulk request, such as one from a file, with its `failOnErrors`. Their bulkIds are theirs:
    /// other operations of this builder refer to them as `bulkId:` and the bulkId.
    ///
    /// # Errors
    /// [`Error::Request`] for an operation that is not well formed, or a bulkId that another operation has; nothing is
    /// added then.
    pub fn extend(&mut self, request: &BulkRequest) -> Result<(), Error> {
        let mut items = Vec::with_capacity(request.items().len());
        let mut named = self.named.clone();
        for (index, item) in request.items().iter().enumerate() {
            let wrong = |text: &str| Error::Request(format!("Operations[{index}]: {text}"));
            let operation = item.operation.as_ref().map_err(|e| wrong(&e.to_string()))?;
            let bulk_id = match &item.bulk_id {
                Some(bulk_id) if named.contains(bulk_id) => {
                    return Err(wrong("another operation has its bulkId"));
                }
                Some(bulk_id) => bulk_id.clone(),
                None => fresh(&named, self.items.len() + index),
            };
            named.insert(bulk_id.clone());
            items.push(read(operation, bulk_id).map_err(wrong)?);
        }
        self.items.append(&mut items);
        self.named = named;
        self.fail_on_errors = request.fail_on_errors().or(self.fail_on_errors);
        Ok(())
    }

    /// Begins nothing more after so many errors, over all batches.
    pub fn fail_on_errors(mut self, errors: u64) -> Self {
        self.fail_on_errors = Some(errors.max(1));
        self
    }

    /// Puts at most so many operations into a request, if the target takes more; one stands for single requests.
    pub fn max_operations(mut self, operations: usize) -> Self {
        self.max_operations = Some(operations.max(1));
        self
    }

    /// How many operations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    fn push(
        &mut self,
        method: BulkMethod,
        endpoint: &str,
        target: Target,
        data: Option<Object>,
        lookup: &'static [&'static str],
    ) -> Pushed<'_> {
        let index = self.items.len();
        let place = Place::endpoint(endpoint);
        let bulk_id = fresh(&self.named, index);
        self.named.insert(bulk_id.clone());
        self.items.push(Item { method, place, target, version: None, data, bulk_id, lookup });
        Pushed { item: &mut self.items[index], index }
    }

    fn written(&mut self, data: Result<Object, ConvertError>) -> Option<Object> {
        match data {
            Ok(data) => Some(data),
            Err(error) => {
                self.wrong.get_or_insert_with(|| crate::request::unwritable(error));
                None
            }
        }
    }
}

/// A bulkId that no operation has.
fn fresh(named: &BTreeSet<SmolStr>, index: usize) -> SmolStr {
    let mut bulk_id = format_smolstr!("op{index}");
    while named.contains(&bulk_id) {
        bulk_id = format_smolstr!("{bulk_id}x");
    }
    bulk_id
}

fn target(id: &str) -> Target {
    match id.strip_prefix(REFERENCE).filter(|id| !id.is_empty()) {
        Some(bulk_id) => Target::BulkId(SmolStr::new(bulk_id)),
        None => Target::Id(id.to_owned()),
    }
}

fn read(operation: &BulkOperation, bulk_id: SmolStr) -> Result<Item, &'static str> {
    let version = match &operation.version {
        None => None,
        Some(TagList::Tags(tags)) if tags.len() == 1 => Some(format!("W/\"{}\"", tags[0].opaque())),
        Some(_) => return Err("its version is no single entity tag"),
    };
    let target = match &operation.target {
        BulkTarget::Endpoint => Target::Endpoint,
        BulkTarget::Id(id) => Target::Id(id.as_str().to_owned()),
        BulkTarget::BulkId(bulk_id) => Target::BulkId(bulk_id.clone()),
    };
    Ok(Item {
        method: operation.method,
        place: Place::endpoint(&operation.endpoint),
        target,
        version,
        data: operation.data.clone(),
        bulk_id,
        lookup: UNTYPED_LOOKUP,
    })
}

impl IntoFuture for BulkBuilder {
    type Output = Result<BulkReport, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            if let Some(wrong) = self.wrong {
                return Err(wrong);
            }
            let capabilities = self.client.capabilities().await?;
            let job = Job::new(self.client, self.items, self.fail_on_errors);
            Ok(job.run(capabilities.as_ref(), self.max_operations).await)
        })
    }
}
