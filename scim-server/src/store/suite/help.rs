//! What the cases are written with.

use std::sync::{Arc, LazyLock};

use chrono::{DateTime, Utc};
use scim_core::patch::{self, ChangeSet, MemberEdit, MemberOp};
use scim_core::query::Sort;
use scim_core::{Filter, Leniency, Limits, Profile, Registry, Resource, ResourceId, Value};

use super::Store;
use crate::auth::TenantId;
use crate::store::{
    Draft, Include, Key, Page, Query, Scope, Sorting, StoreError, Stored, Total, Write, WriteBatch,
    WriteIf, Written,
};

/// The registry that stores are opened with for the suite.
pub static REGISTRY: LazyLock<Arc<Registry>> = LazyLock::new(|| Arc::new(Registry::standard()));

/// A time, in milliseconds after noon of the first day of 2026.
pub fn at(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_767_268_800_000 + millis).unwrap()
}

pub fn default() -> TenantId {
    TenantId::default()
}

pub fn other() -> TenantId {
    TenantId::new("other").unwrap()
}

/// The n-th id.
pub fn id(n: u64) -> ResourceId {
    ResourceId::new(&format!("00000000-0000-7000-8000-{n:012x}")).unwrap()
}

pub fn key(resource_type: &str, n: u64) -> Key {
    Key { tenant: default(), resource_type: resource_type.into(), id: id(n) }
}

pub fn user(n: u64) -> Key {
    key("User", n)
}

pub fn group(n: u64) -> Key {
    key("Group", n)
}

pub fn resource(json: &str) -> Resource {
    serde_json::from_str(json).unwrap()
}

pub fn draft(json: &str) -> Draft {
    Draft {
        resource: resource(json),
        password_hash: None,
        clear_password: false,
        relative_refs: false,
        changes: ChangeSet::default(),
    }
}

/// What it takes to come from one state to another.
pub fn changes(resource_type: &str, before: &Resource, after: &Resource) -> ChangeSet {
    let schema = REGISTRY.get(resource_type).unwrap();
    let mut resource = before.clone();
    patch::diff(before, after, schema).apply(&mut resource, schema, Profile::default()).unwrap()
}

pub fn batch(millis: i64, writes: Vec<Write>) -> WriteBatch {
    WriteBatch {
        tenant: default(),
        actor: "tester".into(),
        request_id: "request-1".into(),
        base_url: "https://example.com/scim/v2/".into(),
        now: at(millis),
        writes,
    }
}

pub fn creation(key: &Key, json: &str, members: &[u64]) -> Write {
    Write::Create {
        key: key.clone(),
        draft: draft(json),
        members: members.iter().map(|n| id(*n)).collect(),
        allow_cycles: false,
    }
}

/// A write that replaces the attributes.
pub fn change(key: &Key, before: &str, after: &str) -> Write {
    let changes = changes(&key.resource_type, &resource(before), &resource(after));
    Write::Update {
        key: key.clone(),
        guard: WriteIf::Any,
        draft: Some(Draft { changes, ..draft(after) }),
        members: Vec::new(),
        allow_cycles: false,
    }
}

pub fn membership(key: &Key, ops: Vec<MemberOp>) -> Write {
    let edit = |(operation, op)| MemberEdit { operation, op };
    Write::Update {
        key: key.clone(),
        guard: WriteIf::Any,
        draft: None,
        members: ops.into_iter().enumerate().map(edit).collect(),
        allow_cycles: false,
    }
}

pub fn deletion(key: &Key) -> Write {
    Write::Delete { key: key.clone(), guard: WriteIf::Any }
}

/// Elements of `members`.
pub fn elements(members: &[u64]) -> Vec<Value> {
    let element = |n: &u64| -> Value {
        let object: scim_core::Object = [("value", id(*n).as_str())].into_iter().collect();
        object.into()
    };
    members.iter().map(element).collect()
}

pub fn add(members: &[u64]) -> MemberOp {
    MemberOp::Add(elements(members))
}

pub fn remove(members: &[u64]) -> MemberOp {
    MemberOp::Remove(members.iter().map(|n| id(*n).as_str().into()).collect())
}

/// Makes one write.
pub async fn write(store: &impl Store, millis: i64, write: Write) -> Result<Written, StoreError> {
    let mut tenant_batch = batch(millis, vec![write]);
    tenant_batch.tenant = match &tenant_batch.writes[0] {
        Write::Create { key, .. } | Write::Update { key, .. } | Write::Delete { key, .. } => {
            key.tenant.clone()
        }
    };
    let mut written = store.write(tenant_batch).await?;
    assert_eq!(written.len(), 1);
    Ok(written.remove(0))
}

pub async fn create(store: &impl Store, key: &Key, json: &str) -> Written {
    write(store, 0, creation(key, json, &[])).await.unwrap()
}

/// Creates users with these user names, numbered from 1.
pub async fn create_users(store: &impl Store, names: &[&str]) {
    for (n, name) in (1..).zip(names) {
        create(store, &user(n), &format!(r#"{{"userName":"{name}"}}"#)).await;
    }
}

pub async fn create_group(store: &impl Store, n: u64, members: &[u64]) {
    let json = format!(r#"{{"displayName":"Group {n}"}}"#);
    write(store, 0, creation(&group(n), &json, members)).await.unwrap();
}

pub async fn get(store: &impl Store, key: &Key) -> Stored {
    store.get(key, Include { groups: true, members: true }).await.unwrap()
}

/// The numbers of the members of a group.
pub async fn members(store: &impl Store, n: u64) -> Vec<u64> {
    get(store, &group(n)).await.members.iter().map(|m| number(&m.id)).collect()
}

/// The numbers of the groups of a resource, those that are indirect negative.
pub async fn groups(store: &impl Store, key: &Key) -> Vec<i64> {
    let signed = |direct: bool, n: u64| if direct { n as i64 } else { -(n as i64) };
    get(store, key).await.groups.iter().map(|g| signed(g.direct, number(&g.id))).collect()
}

pub fn number(id: &ResourceId) -> u64 {
    let (_, digits) = id.as_str().rsplit_once('-').unwrap();
    u64::from_str_radix(digits, 16).unwrap()
}

pub fn scope(resource_type: &str, filter: &str) -> Scope {
    let schema = REGISTRY.get(resource_type).unwrap();
    let mut leniency = Leniency::new(Profile::strict());
    let filter = (!filter.is_empty()).then(|| {
        let filter = Filter::parse(filter, &Limits::default(), &mut leniency).unwrap();
        filter.resolve_root(schema, &mut leniency).unwrap()
    });
    let endpoint = &schema.resource_type().endpoint;
    let location = format!("https://example.com/scim/v2{endpoint}/").into();
    Scope { resource_type: resource_type.into(), filter, location }
}

pub fn query(scopes: Vec<Scope>) -> Query {
    Query {
        tenant: default(),
        scopes,
        sorting: None,
        after: None,
        skip: 0,
        limit: 1_000,
        budget: usize::MAX,
        total: Total::Count,
        include: Include::default(),
    }
}

/// `name`, or `-name` for descending order.
pub fn sorting(scopes: &[Scope], by: &str) -> Sorting {
    let (by, descending) = match by.strip_prefix('-') {
        Some(by) => (by, true),
        None => (by, false),
    };
    let sort = Sort { by: by.parse().unwrap(), descending };
    let mut leniency = Leniency::new(Profile::strict());
    let by = scopes
        .iter()
        .map(|scope| sort.resolve(REGISTRY.get(&scope.resource_type).unwrap(), &mut leniency));
    Sorting { by: by.collect(), descending }
}

pub fn numbers(page: &Page) -> Vec<u64> {
    page.items.iter().map(|item| number(&item.id)).collect()
}

/// The numbers of the users that match.
pub async fn find(store: &impl Store, resource_type: &str, filter: &str) -> Vec<u64> {
    let page = store.query(&query(vec![scope(resource_type, filter)])).await.unwrap();
    assert_eq!(page.total, Some(page.items.len() as u64), "{filter}");
    assert_eq!(page.next, None);
    numbers(&page)
}
