//! SCIM servers: written to, and read so that what they have is known before anything is decided.

mod bulk;
mod edit;
mod export;
mod failure;
mod import;
mod path;
mod schema;
mod value;

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use scim_client::Client;
use scim_client::scim_core::{Registry, ResourceSchema};
use scim_client::target::fields::Parameter;
use scim_sync::connector::{
    ConnectorSchema, ExportOutcome, ExportWrite, ImportPage, ImportRequest, ImportShape,
    ImportedObject, MatchQuery,
};
use scim_sync::{Anchor, Connector, ConnectorError, ConnectorId, ObjectType};
use tokio::sync::OnceCell;

use path::{Paths, TargetPath};

/// Writes that are under way at the same time, unless [`ScimConnector::parallel`] says otherwise.
const PARALLEL: usize = 16;

/// A SCIM server as a connected system.
///
/// Object types are the names of its resource types (`User`, `Group`, `Contact`), anchors are `id`s, and attribute names
/// are SCIM paths: `userName`, `name.givenName`, `emails[type eq "work"].value`,
/// `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department`. References are the attributes that point at
/// other resources: `members`, and `manager` of the enterprise extension.
///
/// Limits, missing operations and the rate are those of the client's target profile.
#[derive(Clone)]
pub struct ScimConnector {
    id: ConnectorId,
    client: Client,
    parallel: usize,
    bulk: BulkUse,
    registry: Arc<OnceCell<Registry>>,
}

/// When several writes are sent in one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BulkUse {
    /// Never: each write is a request.
    #[default]
    Never,
    /// Where the server takes bulk requests and there are enough writes. Worth it where the way to the server is long: a
    /// server nearby is as fast with several requests at a time.
    Always,
}

impl std::fmt::Debug for ScimConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScimConnector")
            .field("id", &self.id)
            .field("base", &self.client.base_url().as_str())
            .finish_non_exhaustive()
    }
}

impl ScimConnector {
    /// The server that `client` talks to, under the name `id`.
    #[must_use]
    pub fn new(id: ConnectorId, client: Client) -> Self {
        Self {
            id,
            client,
            parallel: PARALLEL,
            bulk: BulkUse::default(),
            registry: Arc::new(OnceCell::new()),
        }
    }

    /// The same with at most so many writes under way at a time.
    #[must_use]
    pub fn parallel(mut self, writes: usize) -> Self {
        self.parallel = writes.max(1);
        self
    }

    /// The same with writes sent in bulk, or not.
    #[must_use]
    pub fn bulk(mut self, bulk: BulkUse) -> Self {
        self.bulk = bulk;
        self
    }

    /// How many writes are best given to it together: those that are under way at a time and those that follow them; all of
    /// them where they go in one request.
    #[must_use]
    pub fn together(&self) -> usize {
        match self.bulk {
            BulkUse::Never => self.parallel.saturating_mul(2),
            BulkUse::Always => usize::MAX,
        }
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The schemas and resource types that the server serves; asked for once.
    async fn registry(&self) -> Result<&Registry, ConnectorError> {
        let read = || async {
            match self.client.discovery().registry().await {
                Ok(registry) => Ok(registry),
                Err(error)
                    if error.is_not_found() || matches!(error, scim_client::Error::Target(_)) =>
                {
                    tracing::warn!(
                        connector = %self.id,
                        "the server serves no schemas; those of RFC 7643 are taken to hold"
                    );
                    Ok(Registry::standard())
                }
                Err(error) => Err(failure::connector_error(&error)),
            }
        };
        self.registry.get_or_try_init(read).await
    }

    async fn resource_schema(
        &self,
        object_type: &ObjectType,
    ) -> Result<Arc<ResourceSchema>, ConnectorError> {
        let registry = self.registry().await?;
        registry.get(object_type.as_str()).cloned().ok_or_else(|| {
            let known: Vec<&str> = registry.resource_types().map(|schema| schema.name()).collect();
            ConnectorError::Configuration(format!(
                "{}: the server has no resource type {object_type}; it has {}",
                self.id,
                known.join(", ")
            ))
        })
    }

    /// The attributes of one type that a read is to give, looked up.
    async fn paths(
        &self,
        object_type: &ObjectType,
        shape: &ImportShape,
    ) -> Result<Paths, ConnectorError> {
        let schema = self.resource_schema(object_type).await?;
        let names = shape.types.get(object_type).map_or(&[][..], Vec::as_slice);
        let paths = Paths::resolve(object_type, names, schema);
        Ok(paths.map_err(ConnectorError::Configuration)?.shown_by(self.client.target()))
    }

    /// Whether requests may name the attributes that they want; else everything comes.
    fn names_attributes(&self) -> bool {
        self.client.target().admits_parameter(Parameter::Attributes).is_ok()
    }

    /// The attribute that a filter or a write names.
    async fn path(
        &self,
        object_type: &ObjectType,
        name: &scim_sync::AttributeName,
    ) -> Result<TargetPath, ConnectorError> {
        let schema = self.resource_schema(object_type).await?;
        TargetPath::resolve(name, &schema).map_err(ConnectorError::Configuration)
    }
}

/// The endpoint of a resource type, without the slash in front.
fn endpoint(schema: &ResourceSchema) -> &str {
    schema.resource_type().endpoint.trim_start_matches('/')
}

#[async_trait]
impl Connector for ScimConnector {
    fn id(&self) -> &ConnectorId {
        &self.id
    }

    async fn schema(&self) -> Result<ConnectorSchema, ConnectorError> {
        Ok(schema::of(self.registry().await?))
    }

    fn import<'a>(
        &'a self,
        request: ImportRequest,
    ) -> BoxStream<'a, Result<ImportPage, ConnectorError>> {
        import::import(self, request)
    }

    async fn read(
        &self,
        anchors: &[Anchor],
        shape: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        import::read(self, anchors, shape).await
    }

    async fn find(
        &self,
        query: &MatchQuery,
        shape: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        import::find(self, query, shape).await
    }

    async fn export(&self, writes: Vec<ExportWrite>) -> Result<Vec<ExportOutcome>, ConnectorError> {
        export::export(self, writes).await
    }
}
