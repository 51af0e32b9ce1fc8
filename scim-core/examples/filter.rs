//! Parsing, building and evaluating filters: `cargo run -p scim-core --example filter`.

use scim_core::{Filter, Leniency, Profile, Registry, Resource, attr};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let registry = Registry::standard();
    let user: Resource = serde_json::from_str(
        r#"{ "userName": "ada", "active": true, "emails": [{ "type": "work", "value": "ada@example.org" }] }"#,
    )?;

    let parsed: Filter =
        r#"emails[type eq "work" and value ew "@example.org"] and active ne false"#.parse()?;
    let typed = parsed.resolve(registry.user(), &mut Leniency::new(Profile::strict()))?;
    println!("{parsed}\n  matches: {}", typed.matches(&user));

    let built = attr("userName").eq("ADA").or(attr("title").present());
    let typed = built.resolve(registry.user(), &mut Leniency::new(Profile::strict()))?;
    println!("{built}\n  matches: {}", typed.matches(&user));

    if let Err(error) = r#"userName eq ada"#.parse::<Filter>() {
        println!("{error}");
    }
    Ok(())
}
