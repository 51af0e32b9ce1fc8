//! The connector itself: which session does what, and how a read is carried out.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use ldap3::Scope;
use scim_sync::connector::{
    Connector, ConnectorSchema, ExportOutcome, ExportWrite, ImportMode, ImportPage, ImportRequest,
    ImportShape, ImportedObject, MatchQuery, Watermark,
};
use scim_sync::{Anchor, AttributeName, AttributeValue, ConnectorError, ConnectorId};
use tokio::sync::{Mutex, OnceCell};
use uuid::Uuid;

use super::config::{ChangeTracking, Directory, LdapConfig};
use super::content_sync::{self, ContentSync};
use super::controls::{DIRSYNC, SYNC_REQUEST};
use super::entry::Entry;
use super::filter::LdapFilter;
use super::object::ReadPlan;
use super::range;
use super::reading::{self, Reading};
use super::result::code;
use super::schema::DirectorySchema;
use super::scope::{Known, ResolvedScope, ScopeMemory};
use super::servers::{self, RootDse, ServerIdentity};
use super::session::{Item, SearchRequest, Session};
use super::told::{self, Told};
use super::watermark::{self, Position};
use super::{filetime, guid};

/// How many objects are asked for by one filter.
const BATCH: usize = 50;

/// A directory as a source: Active Directory, Samba or OpenLDAP. It only reads.
pub struct LdapConnector {
    config: LdapConfig,
    /// Read once: a schema that was extended is seen after a restart.
    schema: OnceCell<Arc<DirectorySchema>>,
    /// A connection for single questions, kept open between them.
    spare: Mutex<Option<Session>>,
    /// The places that the names of the scope meant in the last read: renaming one changes nothing.
    places: std::sync::Mutex<Known>,
}

/// What a server says about itself, for a check before the first read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LdapProbe {
    /// The host name that it gives itself, or its URL.
    pub server: String,
    /// The trees that it holds.
    pub naming_contexts: Vec<String>,
    /// The root of the domain; of other directories the first tree.
    pub root: Option<String>,
    /// Whether it knows the DirSync control.
    pub dirsync: bool,
    /// Whether it knows content synchronisation.
    pub content_sync: bool,
    /// What its clock shows, where it tells.
    pub clock: Option<DateTime<Utc>>,
    /// How many attributes its schema has.
    pub attributes: usize,
}

impl LdapConnector {
    /// A connector for a directory; connects when it is first asked something.
    ///
    /// # Errors
    /// [`ConnectorError::Configuration`] with what to mend.
    pub fn new(config: LdapConfig) -> Result<Self, ConnectorError> {
        config.check()?;
        Ok(Self {
            config,
            schema: OnceCell::new(),
            spare: Mutex::new(None),
            places: std::sync::Mutex::default(),
        })
    }

    /// Connects, signs in and looks at what the server offers.
    ///
    /// # Errors
    /// [`ConnectorError::Unreachable`], [`ConnectorError::Credentials`], [`ConnectorError::Forbidden`].
    pub async fn probe(&self) -> Result<LdapProbe, ConnectorError> {
        let (mut session, root) = servers::connect(&self.config, None).await?;
        let schema = self.discovered(&mut session, &root).await?;
        let what = "asking for the time";
        let clock = session.read("", &["currentTime"], Vec::new(), what).await?;
        let offered = schema.offered(&self.config.types[..self.config.types.len().min(1)]);
        Ok(LdapProbe {
            dirsync: root.knows(DIRSYNC),
            content_sync: root.knows(SYNC_REQUEST),
            root: root.default_context.or_else(|| root.contexts.first().cloned()),
            server: root.identity.name,
            naming_contexts: root.contexts,
            clock: clock.and_then(|entry| filetime::from_generalized(entry.text("currentTime")?)),
            attributes: offered.types.values().next().map_or(0, |kind| kind.attributes.len()),
        })
    }

    async fn discovered(
        &self,
        session: &mut Session,
        root: &RootDse,
    ) -> Result<Arc<DirectorySchema>, ConnectorError> {
        let schema = self
            .schema
            .get_or_try_init(|| async {
                DirectorySchema::discover(&self.config, session, root).await.map(Arc::new)
            })
            .await?;
        Ok(Arc::clone(schema))
    }

    /// A connection for a single question.
    async fn session(&self) -> Result<(Session, Arc<DirectorySchema>), ConnectorError> {
        let spare = self.spare.lock().await.take().filter(Session::is_usable);
        if let (Some(mut session), Some(schema)) = (spare, self.schema.get()) {
            // The server may have closed it in the meantime, which shows only when something is asked.
            let alive = session.read(
                "",
                &["supportedLDAPVersion"],
                Vec::new(),
                "asking for a sign of life",
            );
            if alive.await.is_ok() {
                return Ok((session, Arc::clone(schema)));
            }
        }
        let (mut session, root) = servers::connect(&self.config, None).await?;
        let schema = self.discovered(&mut session, &root).await?;
        Ok((session, schema))
    }

    async fn keep(&self, session: Session) {
        if session.is_usable() {
            *self.spare.lock().await = Some(session);
        }
    }

    fn known_places(&self, known: Known) {
        *self.places.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }

    /// The scope, with its names looked up.
    async fn scope(&self, session: &mut Session) -> Result<ResolvedScope, ConnectorError> {
        let known = self.places.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ResolvedScope::resolve(&self.config, session, &known).await
    }

    /// Carries an import out.
    async fn read_changes(
        &self,
        request: &ImportRequest,
        told: &mut Told,
    ) -> Result<(), ConnectorError> {
        let owner = match &request.mode {
            ImportMode::Full => None,
            ImportMode::Delta(watermark) => {
                let parsed: Option<ServerIdentity> =
                    serde_json::from_value(watermark.0.get("server").cloned().unwrap_or_default())
                        .ok();
                Some(parsed.ok_or_else(|| {
                    ConnectorError::WatermarkRefused("the watermark is of another kind".to_owned())
                })?)
            }
        };
        let (mut session, root) = servers::connect(&self.config, owner.as_ref()).await?;
        let schema = self.discovered(&mut session, &root).await?;
        let plan = ReadPlan::new(&self.config, &schema, &request.shape)?;
        let question = watermark::question(&self.config, &plan);
        let last = match &request.mode {
            ImportMode::Full => None,
            ImportMode::Delta(watermark) => Some(Position::parse(watermark, &question)?),
        };
        let last = last.as_ref();
        if let Some(last) = last {
            self.known_places(last.scope.known.clone());
        }
        let scope = self.scope(&mut session).await?;
        let known = scope.known();
        if last.is_some_and(|last| last.scope.known != known) {
            return Err(ConnectorError::WatermarkRefused(
                "a place that the scope names is gone, and another one has its name".to_owned(),
            ));
        }
        self.known_places(known);
        let config = &self.config;
        match config.directory {
            Directory::ActiveDirectory(tracking) => {
                let mut reading = Reading { config, session, root, plan, scope };
                match tracking {
                    ChangeTracking::DirSync { object_security } => {
                        reading.dirsync(last, question, object_security, told).await
                    }
                    ChangeTracking::UsnChanged => reading.by_usn(last, question, told).await,
                }
            }
            Directory::OpenLdap => {
                ContentSync { config, session, root, plan, scope }
                    .refresh(last, question, told)
                    .await
            }
        }
    }

    /// Finds entries and makes whole objects of them; all of them where there is no limit.
    async fn objects(
        &self,
        session: &mut Session,
        plan: &ReadPlan,
        requests: Vec<SearchRequest>,
        limit: Option<usize>,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        let scope = self.scope(session).await?;
        let mut found = Vec::new();
        for request in requests {
            let mut entries = Vec::new();
            let mut search = session.search(request, "looking for objects").await?;
            while let Some(item) = search.next().await? {
                if let Item::Entry(entry) = item
                    && limit.is_none_or(|limit| found.len() + entries.len() < limit)
                {
                    entries.push(entry);
                }
            }
            let done = search.finish().await?;
            // No object of that name is an answer. So is a part of many, where no more were asked for; where all were,
            // those that it leaves out would look as if they were gone.
            let answered = match done.rc {
                code::SUCCESS | code::NO_SUCH_OBJECT | code::INVALID_DN => true,
                code::SIZE_LIMIT => limit.is_some_and(|limit| found.len() + entries.len() >= limit),
                _ => false,
            };
            if !answered {
                return Err(super::result::refused(
                    session.server(),
                    "looking for objects",
                    done.rc,
                    &done.text,
                ));
            }
            for mut entry in entries {
                let Some(kind) = plan.of(&entry) else { continue };
                let Some(anchor) = self.anchor(&entry) else { continue };
                let base = entry.guid().map_or_else(|| entry.dn.clone(), guid::base_dn);
                let controls = reading::whole();
                range::complete(session, &mut entry, &base, kind.references(), &controls).await?;
                let judged = scope.judge(&kind.kind, &entry, &anchor);
                found.push(kind.imported(&entry, anchor, judged));
            }
        }
        Ok(found)
    }

    fn anchor(&self, entry: &Entry) -> Option<Anchor> {
        if self.config.is_active_directory() {
            return entry.guid().map(guid::anchor);
        }
        Some(content_sync::anchor(Uuid::parse_str(entry.text("entryUUID")?).ok()?))
    }

    fn by_anchor(&self, anchor: &Anchor) -> Option<LdapFilter> {
        if self.config.is_active_directory() {
            let guid = guid::from_anchor(anchor)?;
            return Some(LdapFilter::equal("objectGUID", guid.to_bytes_le()));
        }
        let uuid = Uuid::parse_str(anchor.as_str()).ok()?;
        Some(LdapFilter::equal("entryUUID", uuid.hyphenated().to_string()))
    }

    fn request(&self, plan: &ReadPlan, filter: LdapFilter) -> SearchRequest {
        let controls =
            if self.config.is_active_directory() { reading::whole() } else { Vec::new() };
        SearchRequest {
            base: self.config.base.clone(),
            scope: Scope::Subtree,
            filter,
            attributes: plan.request(),
            controls,
        }
    }
}

#[async_trait]
impl Connector for LdapConnector {
    fn id(&self) -> &ConnectorId {
        &self.config.id
    }

    async fn schema(&self) -> Result<ConnectorSchema, ConnectorError> {
        let (session, schema) = self.session().await?;
        self.keep(session).await;
        Ok(schema.offered(&self.config.types))
    }

    fn remember(&self, watermark: &Watermark) {
        let scope = watermark.0.get("scope").cloned().unwrap_or_default();
        if let Ok(memory) = serde_json::from_value::<ScopeMemory>(scope) {
            self.known_places(memory.known);
        }
    }

    fn import<'a>(
        &'a self,
        request: ImportRequest,
    ) -> BoxStream<'a, Result<ImportPage, ConnectorError>> {
        told::stream(move |mut told| async move {
            match self.read_changes(&request, &mut told).await {
                Ok(()) => Ok(()),
                Err(error) => Err((told, error)),
            }
        })
    }

    async fn read(
        &self,
        anchors: &[Anchor],
        shape: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        let (mut session, schema) = self.session().await?;
        let plan = ReadPlan::new(&self.config, &schema, shape)?;
        let wanted: BTreeSet<_> = anchors.iter().collect();
        let wanted: Vec<_> =
            wanted.into_iter().filter_map(|anchor| self.by_anchor(anchor)).collect();
        let requests = wanted
            .chunks(BATCH)
            .map(|batch| self.request(&plan, LdapFilter::any(batch.iter().cloned())))
            .collect();
        let found = self.objects(&mut session, &plan, requests, None).await?;
        self.keep(session).await;
        Ok(found)
    }

    async fn find(
        &self,
        query: &MatchQuery,
        shape: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        let (mut session, schema) = self.session().await?;
        let mut shape = shape.clone();
        shape.types.retain(|kind, _| *kind == query.object_type);
        shape.types.entry(query.object_type.clone()).or_default();
        let plan = ReadPlan::new(&self.config, &schema, &shape)?;
        let value = match &query.value {
            AttributeValue::Text(text) => text.as_bytes().to_vec(),
            AttributeValue::Integer(number) => number.to_string().into_bytes(),
            AttributeValue::Boolean(true) => b"TRUE".to_vec(),
            AttributeValue::Boolean(false) => b"FALSE".to_vec(),
            AttributeValue::Binary(octets) => octets.clone(),
            AttributeValue::DateTime(_) | AttributeValue::Complex(_) => {
                return Err(ConnectorError::Unsupported(format!(
                    "a directory cannot be searched for this kind of value of {}",
                    query.attribute
                )));
            }
        };
        let request = if query.attribute == AttributeName::new(MatchQuery::DN) {
            let base = String::from_utf8_lossy(&value).into_owned();
            let request = self.request(&plan, LdapFilter::all([]));
            SearchRequest { base, scope: Scope::Base, ..request }
        } else {
            let name = query.attribute.as_str();
            let Some((spelt, _)) = schema.attribute(name) else {
                return Err(ConnectorError::Unsupported(format!(
                    "the directory's schema has no attribute {name}"
                )));
            };
            let kinds = plan.types.iter().map(|kind| kind.kind.filter());
            let by_value = LdapFilter::equal(spelt, value);
            self.request(&plan, LdapFilter::all(kinds.chain([by_value])))
        };
        let found = self.objects(&mut session, &plan, vec![request], Some(query.limit)).await?;
        self.keep(session).await;
        Ok(found)
    }

    async fn export(
        &self,
        _writes: Vec<ExportWrite>,
    ) -> Result<Vec<ExportOutcome>, ConnectorError> {
        Err(ConnectorError::Unsupported(format!(
            "connector {} only reads: nothing is written to the directory",
            self.config.id
        )))
    }
}
