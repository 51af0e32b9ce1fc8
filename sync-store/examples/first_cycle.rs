//! What the first cycle of a company costs without its ends: a directory that is made up as it is read, the rules for
//! Active Directory, the state in SQLite, and a target that takes everything at once.
//!
//! `cargo run --release -p scim-sync-store --example first_cycle -- 20000`

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::stream::{self, BoxStream, StreamExt as _};
use scim_sync::connector::{
    AttributeSchema, ConnectorSchema, ExportOperation, ExportOutcome, ExportWrite, Exported,
    ImportChange, ImportEnd, ImportPage, ImportRequest, ImportShape, ImportedObject, MatchQuery,
    ReferenceTo, SourceScope, TypeSchema, ValueKind,
};
use scim_sync::cycle::{CycleInput, CycleOptions, run_cycle};
use scim_sync::guard::Guard;
use scim_sync::observer::{Event, Observer};
use scim_sync::rules::{RuleSet, defaults};
use scim_sync::stop::Stop;
use scim_sync::{
    Anchor, AttributeName, AttributeSet, Connector, ConnectorError, ConnectorId, Dn, ObjectType,
};
use scim_sync_store::{SqliteStore, UndoFile};

const PAGE: usize = 1_000;

/// Users, a group of ten for every ten of them, and a group of all.
struct Company {
    id: ConnectorId,
    users: usize,
    shape: ImportShape,
}

fn user_dn(number: usize) -> Dn {
    let department = number % 50;
    Dn::new(format!("CN=User {number:06},OU=Department {department},OU=People,DC=corp,DC=example"))
}

fn user(number: usize) -> ImportedObject {
    let text = |what: &str| format!("{what} {number:06}");
    let mut attributes = AttributeSet::new();
    for name in ["cn", "displayName", "givenName", "sn", "title", "department", "company", "l"] {
        attributes = attributes.with(name, text(name).as_str());
    }
    let account = format!("u{number:06}");
    let attributes = attributes
        .with("sAMAccountName", account.as_str())
        .with("userPrincipalName", format!("{account}@corp.example").as_str())
        .with("mail", format!("{account}@corp.example").as_str())
        .with("telephoneNumber", format!("+49 30 {number:06}").as_str())
        .with("c", "DE")
        .with("objectSid", format!("S-1-5-21-1-2-3-{number}").as_str())
        .with("userAccountControl", 512_i64);
    let manager = vec![ReferenceTo::Dn(user_dn(number / 10))];
    object(format!("u{number:022}=="), user_dn(number), "user", attributes)
        .referring("manager", manager)
}

fn group(name: &str, members: impl Iterator<Item = usize>) -> ImportedObject {
    let dn = Dn::new(format!("CN={name},OU=Groups,DC=corp,DC=example"));
    let attributes = AttributeSet::new()
        .with("cn", name)
        .with("sAMAccountName", name)
        .with("groupType", -2_147_483_646_i64);
    object(format!("g-{name}=="), dn, "group", attributes)
        .referring("member", members.map(|number| ReferenceTo::Dn(user_dn(number))).collect())
}

fn object(anchor: String, dn: Dn, of: &str, attributes: AttributeSet) -> ImportedObject {
    ImportedObject {
        anchor: Anchor::new(anchor),
        dn: Some(dn),
        object_type: of.into(),
        scope: SourceScope::In,
        attributes,
        references: BTreeMap::new(),
        version: None,
    }
}

trait Referring {
    fn referring(self, attribute: &str, to: Vec<ReferenceTo>) -> Self;
}

impl Referring for ImportedObject {
    fn referring(mut self, attribute: &str, to: Vec<ReferenceTo>) -> Self {
        self.references.insert(attribute.into(), to);
        self
    }
}

/// A schema that has what the rules ask for.
fn schema(shape: &ImportShape) -> ConnectorSchema {
    let kind = |name: &AttributeName| match name.as_str() {
        "manager" | "member" | "members" => ValueKind::Reference,
        name if name.ends_with(":manager") => ValueKind::Reference,
        "userAccountControl" | "groupType" | "msExchRecipientTypeDetails" => ValueKind::Integer,
        "isCriticalSystemObject" | "active" => ValueKind::Boolean,
        _ => ValueKind::Text,
    };
    let types = shape.types.iter().map(|(of, names)| {
        let attributes = names.iter().map(|name| {
            let multi_valued = matches!(name.as_str(), "member" | "members");
            (name.clone(), AttributeSchema { kind: kind(name), multi_valued })
        });
        (of.clone(), TypeSchema { attributes: attributes.collect() })
    });
    ConnectorSchema { types: types.collect() }
}

#[async_trait]
impl Connector for Company {
    fn id(&self) -> &ConnectorId {
        &self.id
    }

    async fn schema(&self) -> Result<ConnectorSchema, ConnectorError> {
        Ok(schema(&self.shape))
    }

    fn import<'a>(&'a self, _: ImportRequest) -> BoxStream<'a, Result<ImportPage, ConnectorError>> {
        let page = |changes: Vec<ImportedObject>| ImportPage {
            changes: changes.into_iter().map(ImportChange::Object).collect(),
            ..ImportPage::default()
        };
        let count = self.users;
        let people = (0..count.div_ceil(PAGE)).map(move |number| {
            Ok(page((number * PAGE..count.min((number + 1) * PAGE)).map(user).collect()))
        });
        let groups = (0..(count / 10).div_ceil(PAGE)).map(move |number| {
            let of = number * PAGE..(count / 10).min((number + 1) * PAGE);
            Ok(page(of.map(|g| group(&format!("g{g:06}"), g * 10..g * 10 + 10)).collect()))
        });
        let all = std::iter::once_with(move || {
            let end = Some(ImportEnd { watermark: None, sweep: true });
            Ok(ImportPage { end, ..page(vec![group("everybody", 0..count)]) })
        });
        stream::iter(people.chain(groups).chain(all)).boxed()
    }

    async fn read(
        &self,
        _: &[Anchor],
        _: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        Ok(Vec::new())
    }

    async fn find(
        &self,
        _: &MatchQuery,
        _: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        Ok(Vec::new())
    }

    async fn export(&self, _: Vec<ExportWrite>) -> Result<Vec<ExportOutcome>, ConnectorError> {
        Err(ConnectorError::Unsupported("a directory that is only read".to_owned()))
    }
}

/// Takes everything.
struct Taker {
    id: ConnectorId,
    shape: ImportShape,
    made: AtomicU64,
}

#[async_trait]
impl Connector for Taker {
    fn id(&self) -> &ConnectorId {
        &self.id
    }

    async fn schema(&self) -> Result<ConnectorSchema, ConnectorError> {
        Ok(schema(&self.shape))
    }

    fn import<'a>(&'a self, _: ImportRequest) -> BoxStream<'a, Result<ImportPage, ConnectorError>> {
        let end = Some(ImportEnd { watermark: None, sweep: true });
        stream::iter([Ok(ImportPage { end, ..ImportPage::default() })]).boxed()
    }

    async fn read(
        &self,
        _: &[Anchor],
        _: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        Ok(Vec::new())
    }

    async fn find(
        &self,
        _: &MatchQuery,
        _: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        Ok(Vec::new())
    }

    async fn export(&self, writes: Vec<ExportWrite>) -> Result<Vec<ExportOutcome>, ConnectorError> {
        let take = |write: ExportWrite| {
            let number = self.made.fetch_add(1, Ordering::Relaxed);
            let version = Some(format!("W/\"{number}\""));
            let (anchor, observed) = match write.operation {
                ExportOperation::Create { attributes, .. } => {
                    (Some(Anchor::new(format!("0192-{number:032}"))), Some(attributes))
                }
                ExportOperation::Update { .. } | ExportOperation::Delete { .. } => (None, None),
            };
            ExportOutcome::Done(Exported { anchor, version, observed, refused: Vec::new() })
        };
        Ok(writes.into_iter().map(take).collect())
    }
}

/// Says when each phase ended.
struct Phases {
    at: Instant,
}

impl Observer for Phases {
    fn event(&mut self, event: &Event) {
        if let Event::PhaseStarted { phase, .. } = event {
            println!("{:>8.2} s  {phase:?} begins", self.at.elapsed().as_secs_f64());
        }
    }
}

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH
}

fn main() -> Result<(), Box<dyn Error>> {
    let users = std::env::args().nth(1).map_or(Ok(20_000), |count| count.parse())?;
    let rules = RuleSet::from_toml(defaults::AD_TO_SCIM)?;
    let (ad, scim) = (ConnectorId::new("ad"), ConnectorId::new("scim"));
    let source = Company { id: ad.clone(), users, shape: rules.shape(&ad) };
    let target = Taker { id: scim.clone(), shape: rules.shape(&scim), made: AtomicU64::default() };
    let folder = std::env::temp_dir().join(format!("first-cycle-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let mut store = SqliteStore::open(folder.join("state.db"))?;
    let options = CycleOptions {
        type_order: ["User", "Group"].map(ObjectType::new).into(),
        guard: Guard::default(),
        ..CycleOptions::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for round in ["first", "second"] {
        let mut undo = UndoFile::new(&folder, now());
        let begun = Instant::now();
        let input = CycleInput {
            store: &mut store,
            rules: &rules,
            connectors: &[&source, &target],
            options: &options,
            now: &now,
            stop: &Stop::new(),
            undo: &mut undo,
        };
        let report = runtime.block_on(run_cycle(input, &mut Phases { at: begun }))?;
        let took = begun.elapsed().as_secs_f64();
        println!("{took:>8.2} s  the {round} cycle: {:?}", report.outcome());
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
