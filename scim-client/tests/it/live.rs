//! Against the reference server, in the same process.

use scim_client::scim_core::{
    Contact, Email, EnterpriseUser, Group, Member, Name, Patch, Resource, User,
};
use scim_client::{Client, Error};

use crate::help::{client_over, server};

fn ada() -> User {
    User::new("ada")
        .with_external_id("701984")
        .with_name(Name::new("Ada", "Lovelace"))
        .with_email(Email::work("ada@example.org").primary())
        .with_active(true)
        .with_extension(EnterpriseUser {
            department: Some("Engines".to_owned()),
            ..EnterpriseUser::default()
        })
}

#[tokio::test]
async fn a_user_lives_and_dies() {
    let scim = client_over(server());
    let created = scim.users().create(&ada()).await.unwrap();
    assert_eq!(created.status(), 201);
    let id = created.id().unwrap().to_owned();
    assert!(created.location().unwrap().ends_with(&format!("/Users/{id}")));
    let first = created.version().unwrap().to_owned();
    assert_eq!(created.into_resource().unwrap().user_name, "ada");

    let read = scim.users().get(&id).await.unwrap();
    assert_eq!(read.extension::<EnterpriseUser>().unwrap().unwrap().department.unwrap(), "Engines");
    assert_eq!(read.meta.as_ref().unwrap().version.as_deref(), Some(first.as_str()));
    assert!(scim.users().get(&id).if_none_match(&first).await.unwrap().is_none());

    let patch = Patch::new().replace("name.familyName".parse().unwrap(), "King");
    let patched = scim.users().patch(&id, patch.clone()).if_match(&first).await.unwrap();
    assert_eq!(patched.id().unwrap(), id);
    let stale = scim.users().patch(&id, Patch::new().replace("title".parse().unwrap(), "x"));
    let stale = stale.if_match(&first).await.unwrap_err();
    assert!(stale.is_precondition_failed() && !stale.is_retryable(), "{stale}");
    assert_eq!(stale.status().unwrap(), 412);

    let replaced = scim.users().replace(&id, &User::new("ada").with_title("Countess"));
    let replaced = replaced.await.unwrap().into_resource().unwrap();
    assert_eq!((replaced.title.as_deref(), replaced.emails.len()), (Some("Countess"), 0));

    scim.users().delete(&id).await.unwrap();
    let gone = scim.users().delete(&id).await.unwrap_err();
    assert!(gone.is_not_found(), "{gone}");
    assert!(scim.users().get(&id).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn attributes_are_chosen() {
    let scim = client_over(server());
    let only = scim.users().create(&ada()).attributes(["emails.value", "userName"]).await.unwrap();
    let user = only.resource().unwrap();
    assert!(user.name.is_none() && user.emails[0].value.is_some(), "{user:?}");
    let id = only.id().unwrap();
    let without = scim.users().get(id).excluded_attributes(["emails", "name"]).await.unwrap();
    assert!(without.emails.is_empty() && without.name.is_none() && without.active == Some(true));
    let both = scim.users().get(id).attributes(["name"]).excluded_attributes(["emails"]).await;
    assert!(matches!(both, Err(Error::Request(_))));
    let none = scim.users().get(id).attributes(["no name"]).await;
    assert!(matches!(none, Err(Error::Request(_))));
}

#[tokio::test]
async fn a_name_is_taken_once() {
    let scim = client_over(server());
    scim.users().create(&ada()).await.unwrap();
    let twice = scim.users().create(&User::new("ADA")).await.unwrap_err();
    assert!(twice.is_uniqueness(), "{twice}");
    assert_eq!((twice.scim_type(), twice.attempts()), (Some("uniqueness"), 1));
}

#[tokio::test]
async fn groups_contacts_and_types_of_run_time() {
    let scim = client_over(server());
    let user = scim.users().create(&ada()).await.unwrap();
    let group = Group::new("Engines").with_member(Member::user(user.id().unwrap()));
    let group = scim.groups().create(&group).await.unwrap().into_resource().unwrap();
    let reference = group.members[0].reference.as_deref().unwrap();
    assert_eq!(scim.follow::<User>(reference).await.unwrap().user_name, "ada");
    let contact = Contact::try_from(
        serde_json::from_str::<Resource>(
            r#"{"schemas":["urn:ietf:params:scim:schemas:extension:hybrid:2.0:Contact"],"displayName":"Charles"}"#,
        )
        .unwrap(),
    );
    let contact = scim.contacts().create(&contact.unwrap()).await.unwrap();
    let read = scim.resources("/Contacts").get(contact.id().unwrap()).await.unwrap();
    assert_eq!(read.get_str("displayName"), Some("Charles"));
}

#[tokio::test]
async fn what_the_server_says_of_itself() {
    let scim = client_over(server());
    let config = scim.discovery().service_provider_config().await.unwrap();
    assert!(config.patch.supported && config.etag.supported);
    assert!(scim.capabilities().await.unwrap().announced().is_some());
    let registry = scim.discovery().registry().await.unwrap();
    assert!(registry.by_endpoint("/Contacts").is_some());
    assert!(
        registry
            .user()
            .extension("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User")
            .is_some()
    );
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_not_shown() {
    let scim = Client::builder("https://scim.example/scim/v2")
        .auth(scim_client::Auth::bearer("wrong-and-secret-token"))
        .transport(server())
        .build()
        .unwrap();
    let error = scim.users().get("1").await.unwrap_err();
    assert_eq!((error.status().unwrap().as_u16(), error.attempts()), (401, 1));
    assert!(error.headers().unwrap().contains_key("www-authenticate"));
    let shown = format!("{error} {error:?} {scim:?}");
    assert!(!shown.contains("wrong-and-secret"), "{shown}");
}
