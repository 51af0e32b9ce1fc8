//! Applying a PATCH and seeing what it changed: `cargo run -p scim-core --example patch`.

use scim_core::{Patch, Profile, Registry, Resource};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let registry = Registry::rfc7643();
    let mut user: Resource = serde_json::from_str(
        r#"{
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": "ada",
            "name": { "givenName": "Ada", "familyName": "Lovelace" },
            "emails": [{ "type": "home", "value": "ada@home.example" }]
        }"#,
    )?;
    let changes = Patch::new()
        .replace("name.familyName".parse()?, "King")
        .remove(r#"emails[type eq "home"]"#.parse()?)
        .apply(&mut user, registry.user(), Profile::strict())?;
    println!("{changes}");
    Ok(())
}
