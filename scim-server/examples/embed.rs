//! A SCIM server inside an axum application of your own: `cargo run --example embed`.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use scim_server::auth::StaticToken;
use scim_server::clock::{Clock, SystemClock};
use scim_server::store::MemoryStore;
use scim_server::{Registry, ScimServer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let registry = Arc::new(Registry::standard());
    let scim = ScimServer::builder(Arc::clone(&registry))
        .store(MemoryStore::new(registry, SystemClock::new().now()))
        .authenticator(StaticToken::new(&"embedded-example-token".into())?)
        .base_url("http://127.0.0.1:3000/scim/v2")
        .build()?;
    let app = Router::new()
        .route("/", get(|| async { "the application around it" }))
        .nest("/scim/v2", scim.router());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!(
        "curl -H 'Authorization: Bearer embedded-example-token' http://127.0.0.1:3000/scim/v2/Users"
    );
    axum::serve(listener, app).await?;
    Ok(())
}
