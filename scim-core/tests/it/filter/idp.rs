//! `idp/filters.tsv`: the filters and paths that identity providers send, in both profiles as the table says.

use scim_core::filter::{PathForm, parse_path};
use scim_core::{AttrPath, Leniency, Limits, Profile, Registry, Target, Tolerance};

use super::{parse, profiles};

const TABLE: &str = include_str!("../../fixtures/idp/filters.tsv");

/// Entra's own extensions, as far as the table names them.
const ENTRA: &str = r#"{
  "schemas": [
    {"id": "urn:ietf:params:scim:schemas:extension:Microsoft:Entra:2.0:User", "name": "EntraUser", "attributes": [
      {"name": "mailNickname"},
      {"name": "ownedGroups", "type": "complex", "multiValued": true, "subAttributes": [{"name": "value"}]}]},
    {"id": "urn:ietf:params:scim:schemas:extension:Microsoft:Entra:2.0:Group", "name": "EntraGroup", "attributes": [
      {"name": "securityEnabled", "type": "boolean"}, {"name": "mailEnabled", "type": "boolean"},
      {"name": "owners", "type": "complex", "multiValued": true, "subAttributes": [{"name": "value"}]}]}],
  "extensions": {
    "User": [{"schema": "urn:ietf:params:scim:schemas:extension:Microsoft:Entra:2.0:User"}],
    "Group": [{"schema": "urn:ietf:params:scim:schemas:extension:Microsoft:Entra:2.0:Group"}]}
}"#;

/// What the third column says: (strict accepts, default accepts).
fn expectation(filter: &str, column: &str) -> (bool, bool) {
    match column {
        // Slack's own SCIM 1 attribute: good grammar, but not in our schema.
        "yes" if filter == "restricted eq 1" => (false, false),
        c if c.starts_with("yes") => (true, true),
        c if c.starts_with("compat")
            || c.contains("strict 400 invalidFilter")
            || c.starts_with("not in RFC grammar") =>
        {
            (false, true)
        }
        c if c.starts_with("members is complex multi-valued") => (true, true),
        c if c.starts_with("no") || c.starts_with("single quotes") => (false, false),
        other => panic!("{filter}: a remark that needs a decision: {other}"),
    }
}

fn accepts(registry: &Registry, target: &str, text: &str, leniency: &mut Leniency) -> bool {
    let schema = if target == "Groups" { registry.group() } else { registry.user() };
    if target != "path" {
        return parse(text, leniency.profile())
            .and_then(|filter| filter.resolve(schema, leniency))
            .is_ok();
    }
    let whole = |path: &AttrPath, leniency: &mut Leniency| {
        let found = match registry.user().resolve(path) {
            Err(_) => registry.group().resolve(path),
            found => found,
        };
        match found {
            Ok(Target::Attribute { attribute, bare, .. }) => {
                let fits = !bare || leniency.allows(Tolerance::BareExtensionName, path);
                fits.then(|| attribute.clone())
            }
            _ => None,
        }
    };
    match parse_path(text, &Limits::default(), leniency) {
        Ok(PathForm::Attribute(path)) => whole(&path, leniency).is_some(),
        Ok(PathForm::Selected { path, filter, .. }) => whole(&path, leniency)
            .is_some_and(|attribute| filter.resolve_in(&attribute, leniency).is_ok()),
        _ => false,
    }
}

#[test]
fn table() {
    let mut registry = Registry::standard();
    registry.add_json(ENTRA).unwrap();
    let mut ran = 0;
    for line in TABLE.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let (target, text) = (columns[0], columns[1]);
        let (strict, default) = expectation(text, columns[3]);
        for (name, profile) in profiles() {
            let mut leniency = Leniency::new(profile);
            let accepted = accepts(&registry, target, text, &mut leniency);
            assert_eq!(accepted, if name == "strict" { strict } else { default }, "{name}: {text}");
        }
        ran += 1;
    }
    println!("filters.tsv: {ran} rows in two profiles");
    assert_eq!(ran, 41);
}

/// Each tolerance leaves its trace, names the attribute, and only where strict refuses.
#[test]
fn tolerances_leave_traces() {
    let registry = Registry::standard();
    for (text, used) in [
        (r#"userName eq "x""#, None),
        ("active eq TRUE", Some((Tolerance::BooleanLiteralCase, "active"))),
        (r#"active eq "True""#, Some((Tolerance::StringBoolean, "active"))),
        (r#"emails[primary eq "FALSE"]"#, Some((Tolerance::StringBoolean, "primary"))),
        (
            r#"emails[type eq "work"].value eq "x""#,
            Some((Tolerance::ValuePathComparison, "emails")),
        ),
        ("employeeNumber pr", Some((Tolerance::BareExtensionName, "employeeNumber"))),
        (
            r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager eq "x""#,
            Some((
                Tolerance::ComplexEqValue,
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
            )),
        ),
        (
            r#"roles[displayName eq "x"]"#,
            Some((Tolerance::DisplayNameForDisplay, "roles.displayName")),
        ),
        (
            r#"entitlements.displayname eq "x""#,
            Some((Tolerance::DisplayNameForDisplay, "entitlements.displayname")),
        ),
    ] {
        let run = |profile: Profile| {
            let mut leniency = Leniency::new(profile);
            let resolved = scim_core::Filter::parse(text, &Limits::default(), &mut leniency)
                .and_then(|filter| filter.resolve(registry.user(), &mut leniency));
            (resolved, leniency)
        };
        let (resolved, leniency) = run(Profile::default());
        assert!(resolved.is_ok(), "{text}: {resolved:?}");
        let traces: Vec<_> =
            leniency.traces().iter().map(|t| (t.tolerance, t.at.as_str())).collect();
        assert_eq!(traces, used.into_iter().collect::<Vec<_>>(), "{text}");
        let (resolved, leniency) = run(Profile::strict());
        assert_eq!(resolved.is_ok(), used.is_none(), "{text}");
        assert!(leniency.traces().is_empty());
        if let Some((tolerance, _)) = used {
            let without = Profile::default().without(tolerance);
            assert!(run(without).0.is_err(), "{text}");
        }
    }
}
