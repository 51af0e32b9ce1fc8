//! A typed user with an extension, as JSON: `cargo run -p scim-core --example build_user`.

use scim_core::{Email, EnterpriseUser, Name, User};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ada = User::new("ada")
        .with_name(Name::new("Ada", "Lovelace"))
        .with_email(Email::work("ada@example.org").primary())
        .with_extension(EnterpriseUser {
            department: Some("Engines".into()),
            ..Default::default()
        });
    println!("{}", serde_json::to_string_pretty(&ada.into_resource())?);
    Ok(())
}
