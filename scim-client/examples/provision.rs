//! Brings one user and one group into a service, whatever was there before: run it twice and nothing changes.
//!
//! ```sh
//! SCIM_URL=http://127.0.0.1:8080/scim/v2 SCIM_TOKEN=... cargo run -p scim-client --example provision
//! ```

use std::env;

use futures::TryStreamExt;
use scim_client::scim_core::patch::diff;
use scim_client::scim_core::{Email, Group, Member, Name, Patch, User, attr};
use scim_client::{Auth, Client, Error};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scim = Client::builder(env::var("SCIM_URL")?)
        .auth(Auth::bearer(env::var("SCIM_TOKEN")?))
        .build()?;
    let ada = User::new("ada")
        .with_external_id("hr-1815")
        .with_name(Name::new("Ada", "Lovelace"))
        .with_email(Email::work("ada@example.org").primary())
        .with_active(true);
    let id = bring(&scim, ada).await?;
    let members = Patch::new().add("members".parse()?, vec![Member::user(&id).into_object()]);
    let group = group(&scim, "Analysts").await?;
    scim.groups().patch(&group, members).await?;
    println!("ada is {id}, a member of {group}");
    Ok(())
}

/// Creates the user, or changes only what differs.
async fn bring(scim: &Client, wanted: User) -> Result<String, Box<dyn std::error::Error>> {
    let created = scim.users().create(&wanted).await;
    let error = match created {
        Ok(written) => return Ok(written.id()?.to_owned()),
        Err(error) => error,
    };
    if !error.is_uniqueness() {
        return Err(error.into());
    }
    let same_name = attr("userName").eq(wanted.user_name.as_str());
    let found: Vec<User> = scim.users().list().filter(same_name).stream().try_collect().await?;
    let [present] = found.as_slice() else { return Err(error.into()) };
    let id = present.id.clone().ok_or("the service gave no id")?;
    let registry = scim.discovery().registry().await?;
    let before = present.clone().into_resource();
    let mut after = before.clone();
    for (name, value) in wanted.into_resource().into_object() {
        after.set(&name, value);
    }
    let changes = diff(&before, &after, registry.user());
    if !changes.is_empty() {
        scim.users().patch(&id, changes).await?;
    }
    Ok(id)
}

async fn group(scim: &Client, name: &str) -> Result<String, Error> {
    let same_name = attr("displayName").eq(name);
    let found: Vec<Group> = scim.groups().list().filter(same_name).stream().try_collect().await?;
    match found.into_iter().find_map(|group| group.id) {
        Some(id) => Ok(id),
        None => Ok(scim.groups().create(&Group::new(name)).await?.id()?.to_owned()),
    }
}
