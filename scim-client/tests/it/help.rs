//! What the tests share.

use std::sync::Arc;

use scim_client::testing::ScriptedTransport;
use scim_client::{Auth, Client, InProcess, Transport};
use scim_server::auth::StaticToken;
use scim_server::clock::{Clock as _, SystemClock};
use scim_server::store::MemoryStore;
use scim_server::{Registry, ScimServer};

pub(crate) const TOKEN: &str = "0123456789abcdef0123";

/// A client over a script that waits as shortly as it may.
pub(crate) fn scripted() -> (Client, ScriptedTransport) {
    let script = ScriptedTransport::new();
    let client = Client::builder("https://scim.example/v2")
        .auth(Auth::bearer(TOKEN))
        .transport(script.clone())
        .jitter(0.0)
        .build()
        .unwrap();
    (client, script)
}

/// The real server, with everything in memory.
pub(crate) fn server() -> InProcess {
    let registry = Arc::new(Registry::standard());
    let server = ScimServer::builder(Arc::clone(&registry))
        .store(MemoryStore::new(registry, SystemClock::new().now()))
        .authenticator(StaticToken::new(&TOKEN.into()).unwrap())
        .base_url("https://scim.example/scim/v2")
        .build()
        .unwrap();
    InProcess::new(axum::Router::new().nest("/scim/v2", server.router()))
}

/// A client of the real server, over this transport.
pub(crate) fn client_over(transport: impl Transport) -> Client {
    Client::builder("https://scim.example/scim/v2/")
        .auth(Auth::bearer(TOKEN))
        .transport(transport)
        .jitter(0.0)
        .build()
        .unwrap()
}
