//! A schema of your own, from a Rust struct, on the User resource type: `cargo run --example custom_extension`.

use std::sync::Arc;

use schemars::JsonSchema;
use scim_core::Extension;
use scim_server::auth::StaticToken;
use scim_server::clock::{Clock, SystemClock};
use scim_server::store::{SqliteOptions, SqliteStore};
use scim_server::{Registry, ScimServer};
use serde::{Deserialize, Serialize};

/// The badge that opens doors.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
struct Badge {
    /// The number printed on it.
    serial: Option<String>,
    /// The doors that it opens.
    doors: Vec<String>,
}

impl Extension for Badge {
    const URN: &'static str = "urn:example:params:scim:schemas:extension:badge:1.0:User";
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut registry = Registry::standard();
    registry.register_extension::<Badge>("User", false)?;
    let registry = Arc::new(registry);

    let folder = std::path::Path::new("badge-data");
    let now = SystemClock::new().now();
    let store = SqliteStore::open(folder, Arc::clone(&registry), now, &SqliteOptions::default())?;
    let scim = ScimServer::builder(registry)
        .store(store)
        .authenticator(StaticToken::new(&"embedded-example-token".into())?)
        .base_url("http://127.0.0.1:3000/scim/v2")
        .build()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!(
        "curl -H 'Authorization: Bearer embedded-example-token' http://127.0.0.1:3000/scim/v2/Schemas"
    );
    axum::serve(listener, axum::Router::new().nest("/scim/v2", scim.router())).await?;
    Ok(())
}
