//! Lists the active users of a service, page after page, with constant memory.
//!
//! ```sh
//! SCIM_URL=http://127.0.0.1:8080/scim/v2 SCIM_TOKEN=... cargo run -p scim-client --example list
//! ```

use std::env;

use futures::TryStreamExt;
use scim_client::scim_core::attr;
use scim_client::{Auth, Client};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scim = Client::builder(env::var("SCIM_URL")?)
        .auth(Auth::bearer(env::var("SCIM_TOKEN")?))
        .build()?;
    let mut users = scim
        .users()
        .list()
        .filter(attr("active").eq(true))
        .attributes(["userName", "displayName"])
        .stream();
    while let Some(user) = users.try_next().await? {
        println!("{}\t{}", user.user_name, user.display_name.unwrap_or_default());
    }
    Ok(())
}
