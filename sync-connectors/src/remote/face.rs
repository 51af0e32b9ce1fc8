//! The agent's side: a SCIM server that only reads, in front of the directories beside it.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::future::{self, Either};
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _};
use http::header::{ALLOW, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderValue, Method, StatusCode};
use scim_core::Error;
use scim_core::query::ListResponse;
use scim_core::resource::Resource;
use scim_sync::connector::ConnectorSchema;
use scim_sync::{Connector, ConnectorError, ObjectType};
use sha2::{Digest as _, Sha256};

use super::answer::{self, Answer, Line};
use super::fault::Fault;
use super::page::{self, PageWriter};
use super::resource::Asked;
use super::scope::RemoteScope;
use super::search::Search;
use super::{discovery, name, wire};

/// So many connectors are kept open.
const OPENED: usize = 16;

/// The directories that an agent stands beside.
pub trait Directories: Send + Sync {
    /// Their names: requests for others are answered as not found.
    fn names(&self) -> Vec<String>;

    /// A connector for one of them that takes in what `scope` says. Asks nothing of the directory yet.
    ///
    /// # Errors
    /// [`ConnectorError::Configuration`] when the scope, or what the agent knows of the directory, cannot be.
    fn open(&self, name: &str, scope: &RemoteScope) -> Result<Arc<dyn Connector>, ConnectorError>;
}

/// Answers requests for directories. It keeps opened connectors and nothing else: a restart loses nothing.
pub struct Face {
    directories: Arc<dyn Directories>,
    /// The one that was used last is the last.
    opened: Mutex<Vec<Arc<Opened>>>,
}

/// A connector that was opened, with what it was opened for.
struct Opened {
    directory: String,
    scope: RemoteScope,
    connector: Arc<dyn Connector>,
    schema: Mutex<Option<Arc<ConnectorSchema>>>,
}

/// What a request is answered with.
enum Reply {
    Document(StatusCode, Bytes),
    /// A document that is asked for again and again, with its entity tag.
    Tagged(HeaderValue, Bytes),
    /// The one that has this tag is the one that is known.
    Unchanged(HeaderValue),
    Refused(&'static str, Bytes),
    Lines(BoxStream<'static, Bytes>),
}

impl Face {
    /// In front of these directories.
    #[must_use]
    pub fn new(directories: Arc<dyn Directories>) -> Self {
        Self { directories, opened: Mutex::new(Vec::new()) }
    }

    /// Forgets the connectors that are open, as after a change of the configuration. Reads that are under way go on.
    pub fn forget(&self) {
        self.opened().clear();
    }

    /// Answers a request; a request that is wrong is answered with a SCIM error document.
    ///
    /// When `cancelled` comes to its end, or the body is dropped, the read of the directory is given up.
    pub async fn answer(
        &self,
        request: http::Request<Bytes>,
        cancelled: impl Future<Output = ()> + Send + 'static,
    ) -> http::Response<Answer> {
        let cancelled = cancelled.boxed();
        let reply = self.reply(&request).boxed();
        let (reply, cancelled) = match future::select(cancelled, reply).await {
            Either::Left(((), _)) => {
                let fault = Fault::from(ConnectorError::Unreachable(answer::Cancelled.to_string()));
                (Err(fault), future::pending().boxed())
            }
            Either::Right((reply, cancelled)) => (reply, cancelled),
        };
        let reply = reply.unwrap_or_else(|fault| Reply::Document(fault.status(), fault.document()));
        let document = |bytes| answer::pieces(bytes).boxed();
        let (status, content_type, more, body) = match reply {
            Reply::Document(status, bytes) => (status, wire::SCIM_JSON, None, document(bytes)),
            Reply::Tagged(tag, bytes) => {
                (StatusCode::OK, wire::SCIM_JSON, Some((ETAG, tag)), document(bytes))
            }
            Reply::Unchanged(tag) => {
                let nothing = document(Bytes::new());
                (StatusCode::NOT_MODIFIED, wire::SCIM_JSON, Some((ETAG, tag)), nothing)
            }
            Reply::Refused(allow, bytes) => {
                let allow = (ALLOW, HeaderValue::from_static(allow));
                (StatusCode::METHOD_NOT_ALLOWED, wire::SCIM_JSON, Some(allow), document(bytes))
            }
            Reply::Lines(lines) => (StatusCode::OK, wire::LINES, None, lines),
        };
        let mut response = http::Response::new(answer::until(body, cancelled));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some((name, value)) = more {
            headers.insert(name, value);
        }
        response
    }

    async fn reply(&self, request: &http::Request<Bytes>) -> Result<Reply, Fault> {
        let path = request.uri().path();
        let segments = path.strip_prefix('/').unwrap_or(path).split('/').map(name::text);
        let segments = segments.collect::<Option<Vec<_>>>().ok_or_else(|| not_found(path))?;
        let segments: Vec<_> = segments.iter().map(String::as_str).collect();
        match segments[..] {
            [directory, ".search"] => self.search(request, directory, None).await,
            [directory, kind, ".search"] => {
                self.search(request, directory, Some(ObjectType::new(kind))).await
            }
            [directory, what @ ("Schemas" | "ResourceTypes" | "ServiceProviderConfig")] => {
                self.describe(request, directory, what, None).await
            }
            [directory, what @ ("Schemas" | "ResourceTypes"), id] => {
                self.describe(request, directory, what, Some(id)).await
            }
            _ => Err(not_found(path)),
        }
    }

    /// The documents that describe a directory.
    async fn describe(
        &self,
        request: &http::Request<Bytes>,
        directory: &str,
        what: &str,
        id: Option<&str>,
    ) -> Result<Reply, Fault> {
        if let Some(refused) = refused(request, &Method::GET, "GET") {
            return Ok(refused);
        }
        let opened = self.open(directory, &RemoteScope::default())?;
        let base = format!("/{}", name::segment(directory));
        if what == "ServiceProviderConfig" {
            return Ok(document(&discovery::service_provider_config(&base)));
        }
        let schema = match opened.connector.schema().await {
            Ok(schema) => opened.keep(schema),
            Err(error) => return Err(self.failed(&opened, error)),
        };
        let resources = match what {
            "Schemas" => discovery::schemas(&schema, &base),
            _ => discovery::resource_types(&schema, &base),
        };
        let Some(id) = id else { return Ok(tagged(request, &ListResponse::all(resources))) };
        let one = resources.into_iter().find(|resource| resource.id() == Some(id));
        one.map(|resource: Resource| document(&resource)).ok_or_else(|| not_found(id))
    }

    /// A read of a directory.
    async fn search(
        &self,
        request: &http::Request<Bytes>,
        directory: &str,
        kind: Option<ObjectType>,
    ) -> Result<Reply, Fault> {
        if let Some(refused) = refused(request, &Method::POST, "POST") {
            return Ok(refused);
        }
        let body = request.body();
        if body.len() > wire::MAX_REQUEST {
            let detail = format!("a search request may have {} bytes", wire::MAX_REQUEST);
            return Err(Error::TooLarge { detail }.into());
        }
        let search = Search::parse(body)?;
        let opened = self.open(directory, &search.scope)?;
        let schema = match opened.schema().await {
            Ok(schema) => schema,
            Err(error) => return Err(self.failed(&opened, error)),
        };
        let count = search.count;
        if let Some(watermark) = &search.remembered {
            opened.connector.remember(watermark);
        }
        let question = search.question(kind, &schema)?;
        let writer = PageWriter::new(Asked::new(question.shape(), Some(&schema)), count);
        let mut lines = answer::lines(Arc::clone(&opened.connector), question, writer);
        // An error before anything was told is the status of the answer.
        let first = match lines.next().await {
            Some(Line::Fault(fault)) => {
                self.reopen_after(&opened, &fault);
                return Err(fault);
            }
            first => first,
        };
        Ok(Reply::Lines(answer::body(stream::iter(first).chain(lines))))
    }

    fn opened(&self) -> MutexGuard<'_, Vec<Arc<Opened>>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, directory: &str, scope: &RemoteScope) -> Result<Arc<Opened>, Fault> {
        let mut all = self.opened();
        let known = all.iter().position(|one| one.directory == directory && one.scope == *scope);
        if let Some(known) = known {
            let one = all.remove(known);
            all.push(Arc::clone(&one));
            return Ok(one);
        }
        let names = self.directories.names();
        if !names.iter().any(|name| name == directory) {
            let shown: String = directory.chars().take(64).collect();
            let names = names.join(", ");
            let detail = format!("the agent has no directory {shown:?}; it has {names}");
            return Err(Fault::no_directory(detail));
        }
        let connector = self.directories.open(directory, scope)?;
        let one = Arc::new(Opened {
            directory: directory.to_owned(),
            scope: scope.clone(),
            connector,
            schema: Mutex::new(None),
        });
        if all.len() >= OPENED {
            all.remove(0);
        }
        all.push(Arc::clone(&one));
        Ok(one)
    }

    fn failed(&self, opened: &Arc<Opened>, error: ConnectorError) -> Fault {
        let fault = Fault::from(error);
        self.reopen_after(opened, &fault);
        fault
    }

    fn reopen_after(&self, opened: &Arc<Opened>, fault: &Fault) {
        if fault.calls_for_reopening() {
            self.opened().retain(|one| !Arc::ptr_eq(one, opened));
        }
    }
}

impl Opened {
    async fn schema(&self) -> Result<Arc<ConnectorSchema>, ConnectorError> {
        let known = self.schema.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(schema) => Ok(schema),
            None => Ok(self.keep(self.connector.schema().await?)),
        }
    }

    fn keep(&self, schema: ConnectorSchema) -> Arc<ConnectorSchema> {
        let schema = Arc::new(schema);
        *self.schema.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&schema));
        schema
    }
}

/// A document with an entity tag; nothing but the tag for whoever knows it already. The schema of a domain is some hundred
/// kilobytes, and every cycle asks for it.
fn tagged(request: &http::Request<Bytes>, body: &impl serde::Serialize) -> Reply {
    let bytes: Bytes = page::json(body).into();
    let digest: String =
        Sha256::digest(&bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let Ok(tag) = HeaderValue::from_str(&format!("\"{digest}\"")) else {
        return Reply::Document(StatusCode::OK, bytes);
    };
    match request.headers().get(IF_NONE_MATCH) {
        Some(known) if *known == tag => Reply::Unchanged(tag),
        _ => Reply::Tagged(tag, bytes),
    }
}

fn document(body: &impl serde::Serialize) -> Reply {
    Reply::Document(StatusCode::OK, page::json(body).into())
}

fn not_found(what: &str) -> Fault {
    Error::NotFound { what: what.chars().take(128).collect() }.into()
}

/// The answer to a request by another method than the one that is offered.
fn refused(request: &http::Request<Bytes>, method: &Method, name: &'static str) -> Option<Reply> {
    let detail = format!("only {name} is offered here: a directory is only read");
    (request.method() != *method).then(|| {
        Reply::Refused(name, Fault::new(StatusCode::METHOD_NOT_ALLOWED, detail).document())
    })
}
