//! Answers what the service asks of the directories beside the agent.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http::StatusCode;
use scim_sync::{Connector, ConnectorError};
use scim_sync_connectors::remote::{Answer, Directories, Face, RemoteScope};
use scim_sync_link::{Body, Handler, HandlerError, RequestContext};

use crate::config::{Environment, ScopeConfig, SourceConfig, SourceKind};
use crate::connect;

/// The directories that the configuration names. What of them is taken in comes with each request.
pub(crate) struct Beside<E> {
    sources: Vec<SourceConfig>,
    folder: PathBuf,
    environment: E,
}

impl<E: Environment + Send + Sync> Beside<E> {
    pub(crate) fn new(sources: Vec<SourceConfig>, folder: PathBuf, environment: E) -> Self {
        Self { sources, folder, environment }
    }
}

impl<E: Environment + Send + Sync> Directories for Beside<E> {
    fn names(&self) -> Vec<String> {
        self.sources.iter().map(|source| source.name.clone()).collect()
    }

    fn open(&self, name: &str, scope: &RemoteScope) -> Result<Arc<dyn Connector>, ConnectorError> {
        let wrong = |text: String| ConnectorError::Configuration(text);
        let source = self.sources.iter().find(|source| source.name == name);
        let source = source.ok_or_else(|| wrong(format!("there is no directory {name:?}")))?;
        let source = scoped(source, scope).map_err(wrong)?;
        // Secrets are read anew: after one was changed, the next connector signs in with it.
        connect::source(&source, &self.folder, &self.environment)
            .map_err(|error| wrong(error.to_string()))
    }
}

/// A source with the scope of a request in the place of one of its own.
fn scoped(source: &SourceConfig, scope: &RemoteScope) -> Result<SourceConfig, String> {
    let mut source = source.clone();
    match &mut source.kind {
        SourceKind::ActiveDirectory(ldap) | SourceKind::OpenLdap(ldap) => {
            if let Some(base) = &scope.base {
                ldap.base.clone_from(base);
            }
            ldap.scope = ScopeConfig {
                include: scope.include.clone(),
                exclude: scope.exclude.clone(),
                group: scope.group.clone().unwrap_or_default(),
                nested: scope.nested,
            };
        }
        SourceKind::Csv(_) if *scope == RemoteScope::default() => {}
        // A scope that is not kept would take in too much.
        SourceKind::Csv(_) => {
            return Err(format!(
                "the directory {:?} is files of comma separated values, which have no places or groups to take in: \
                 take the scope out of the job, or filter by a rule",
                source.name
            ));
        }
    }
    Ok(source)
}

/// What was answered since the start.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    answered: AtomicU64,
    failed: AtomicU64,
    working: AtomicU64,
}

impl Counts {
    /// Requests that were answered, that failed or were given up, and that are at work.
    pub(crate) fn told(&self) -> (u64, u64, u64) {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (of(&self.answered), of(&self.failed), of(&self.working))
    }
}

/// The handler of the link.
pub(crate) struct Answering {
    face: Face,
    counts: Arc<Counts>,
}

impl Answering {
    pub(crate) fn new(directories: Arc<dyn Directories>, counts: Arc<Counts>) -> Self {
        Self { face: Face::new(directories), counts }
    }
}

#[async_trait]
impl Handler for Answering {
    async fn handle(
        &self,
        request: http::Request<Bytes>,
        context: RequestContext,
    ) -> http::Response<Body> {
        let mut watch = Watch::new(&request, Arc::clone(&self.counts));
        let cancelled = context.cancelled.clone();
        let response = self.face.answer(request, async move { cancelled.cancelled().await }).await;
        let (parts, body) = response.into_parts();
        watch.status = Some(parts.status);
        http::Response::from_parts(parts, Body::from_stream(Watched { body, watch }))
    }
}

/// What becomes of one request: told when it is over, however that comes.
struct Watch {
    what: String,
    began: Instant,
    status: Option<StatusCode>,
    bytes: u64,
    whole: bool,
    counts: Arc<Counts>,
}

impl Watch {
    fn new(request: &http::Request<Bytes>, counts: Arc<Counts>) -> Self {
        let what = format!("{} {}", request.method(), request.uri().path());
        tracing::debug!("asked: {what}");
        counts.working.fetch_add(1, Ordering::Relaxed);
        Self { what, began: Instant::now(), status: None, bytes: 0, whole: false, counts }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.counts.working.fetch_sub(1, Ordering::Relaxed);
        let took = self.began.elapsed().as_millis();
        let good = self.whole && self.status.is_some_and(|status| status.is_success());
        let count = if good { &self.counts.answered } else { &self.counts.failed };
        count.fetch_add(1, Ordering::Relaxed);
        let (what, bytes) = (&self.what, self.bytes);
        match (self.status, self.whole) {
            (Some(status), true) => {
                tracing::info!("answered {what}: {}, {bytes} bytes in {took} ms", status.as_u16());
            }
            _ => tracing::warn!(
                "gave up {what} after {bytes} bytes and {took} ms: the service waits no more"
            ),
        }
    }
}

/// A body that counts what is read of it.
struct Watched {
    body: Answer,
    watch: Watch,
}

impl Stream for Watched {
    type Item = Result<Bytes, HandlerError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = self.body.poll_next_unpin(context);
        match &piece {
            Poll::Ready(Some(Ok(bytes))) => self.watch.bytes += bytes.len() as u64,
            Poll::Ready(None) => self.watch.whole = true,
            _ => {}
        }
        piece.map(|piece| piece.map(|piece| piece.map_err(HandlerError::new)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ManagedSettings;

    const FILE: &str = r#"
service = "https://sync.example"
identity = "id"
[[source]]
name = "ad"
kind = "active-directory"
servers = ["ldaps://dc1"]
bind-dn = "reader"
password = { env = "PW" }
base = "DC=corp,DC=example"
[[source]]
name = "people"
kind = "csv"
files.user = { path = "none.csv", anchor = "id" }
"#;

    fn environment(_: &str) -> Option<String> {
        Some("hush".to_owned())
    }

    #[test]
    fn the_scope_is_that_of_the_request() {
        let settings = ManagedSettings::parse(FILE, &environment).unwrap().unwrap();
        let [ad, csv] = &settings.sources[..] else { panic!() };
        let scope = RemoteScope {
            base: Some("OU=a,DC=corp,DC=example".to_owned()),
            include: vec!["OU=b".to_owned()],
            exclude: vec!["OU=c".to_owned()],
            group: Some("CN=pilots".to_owned()),
            nested: true,
        };
        let made = connect::ldap(&scoped(ad, &scope).unwrap(), "".as_ref(), &environment).unwrap();
        assert_eq!(made.base, "OU=a,DC=corp,DC=example");
        assert_eq!(
            (made.scope.include, made.scope.exclude),
            (scope.include.clone(), scope.exclude.clone())
        );
        assert!(made.scope.group.is_some_and(|group| group.name == "CN=pilots" && group.nested));
        let whole = scoped(ad, &RemoteScope::default()).unwrap();
        assert_eq!(whole, *ad);
        assert!(scoped(csv, &scope).unwrap_err().contains("take the scope out"));
        assert_eq!(scoped(csv, &RemoteScope::default()).unwrap(), *csv);
    }
}
