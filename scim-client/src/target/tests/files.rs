//! Profile files: shipped ones, own ones, broken ones.

use proptest::prelude::*;

use super::named;
use crate::target::TargetProfile;
use crate::target::fields::{Action, Returned};

#[test]
fn every_shipped_profile_is_read_and_names_its_sources() {
    for name in TargetProfile::shipped_names() {
        let profile = named(name);
        assert_eq!(profile.name(), name);
        assert!(!profile.fields().title.is_empty(), "{name}");
        let sources = &profile.fields().source;
        assert!(name == "generic" || !sources.is_empty(), "{name} has no source");
        assert!(sources.iter().all(|source| source.starts_with("https://")), "{name}");
    }
    assert!(TargetProfile::shipped_names().count() >= 28);
}

#[test]
fn the_effective_profile_reads_back_as_itself() {
    for name in TargetProfile::shipped_names() {
        let profile = named(name);
        let printed = profile.to_string();
        let again = TargetProfile::from_toml(&printed).unwrap();
        assert_eq!(again.to_string(), printed, "{name}");
        for endpoint in ["Users", "Groups", "Devices"] {
            assert_eq!(again.rules(endpoint), profile.rules(endpoint), "{name} {endpoint}");
        }
        assert_eq!(again.fields().rates, profile.fields().rates, "{name}");
    }
}

#[test]
fn the_generic_profile_says_nothing() {
    let written = TargetProfile::from_toml("name = \"generic\"").unwrap();
    assert_eq!(written.rules("Users"), TargetProfile::generic().rules("Users"));
    assert_eq!(written.rules("Users").methods, Action::ALL);
    assert_eq!(TargetProfile::default(), TargetProfile::generic());
}

#[test]
fn a_profile_extends_another_field_by_field() {
    let ours = TargetProfile::from_toml(
        r#"
        name = "ours"
        extends = "entra"
        [types.Groups.members]
        max-add = 5
        max-create = "none"
        [types.Users]
        required = ["userName"]
        [errors.extra]
        status = 418
        meaning = "retryable"
        "#,
    )
    .unwrap();
    let members = &ours.rules("Groups").members;
    assert_eq!((members.max_add.get(), members.max_remove.get()), (Some(5), Some(1)));
    assert_eq!(members.max_create.get(), None, "\"none\" lifts a bound");
    assert_eq!(members.returned, Returned::Never);
    assert_eq!(ours.rules("Users").required.len(), 1, "a list replaces the list");
    assert!(ours.rules("Users").methods.contains(&Action::Patch));
    assert!(ours.fields().errors.contains_key("extra"));
    assert!(ours.fields().errors.contains_key("gateway"));
    let deeper = TargetProfile::named("snowflake-before-2026-03").unwrap();
    assert!(deeper.fields().server.no_underscore_in_host, "as snowflake");
}

#[test]
fn the_rules_of_all_endpoints_stand_below_those_of_one() {
    let profile = TargetProfile::from_toml(
        "name = \"x\"\n[types.\"*\"]\nmethods = [\"read\"]\nrefuse = [\"title\"]\n[types.Users]\nmethods = [\"list\"]",
    )
    .unwrap();
    assert_eq!(profile.rules("/Users").methods, [Action::List]);
    assert_eq!(profile.rules("Users").refuse.len(), 1);
    assert_eq!(profile.rules("Devices").methods, [Action::Read]);
}

#[test]
fn what_is_wrong_is_shown_with_line_and_column() {
    for (text, place, part) in [
        ("name = \"x\"\n[patch]\nmax-operation = 7\n", Some((3, 1)), "max-operation"),
        ("name = \"x\"\ntypo = 1\n", Some((2, 1)), "typo"),
        ("name = \"x\"\n[types.Users]\nrequired = [\"a b\"]\n", Some((3, 12)), "not a valid name"),
        ("name = \"x\"\n[types.Groups.members]\n  max-add = 0\n", Some((3, 13)), "a number from 1"),
        ("name = \"x\"\n[types.Users]\nmethods = [\"put\"]\n", Some((3, 12)), "put"),
        ("name = \"x\"\n[rates.windows.a]\namount = 1\nper = \"1d\"\n", Some((4, 7)), "a time"),
        ("name = \"x\"\nname = \"y\"\n", Some((2, 1)), "duplicate"),
        ("name = \"x\"\nextends = \"nobody\"\n", None, "there is no profile `nobody`"),
        ("title = \"x\"\n", None, "`name` is missing"),
        ("name = \"x\"\n[rates.windows.a]\namount = 1\n", None, "rates.windows.a"),
        ("name = \"x\"\n[errors.a]\nstatus = 200\nmeaning = \"invalid\"\n", None, "errors.a"),
        ("name = \"x\"\n[http]\naccept = \"a\\nb\"\n", None, "cannot stand in a header"),
    ] {
        let error = TargetProfile::from_toml(text).unwrap_err();
        assert_eq!(error.at, place, "{text}: {error}");
        assert!(error.to_string().contains(part), "{text}: {error}");
    }
    let error = TargetProfile::from_toml("name = \"x\"\ntypo = 1\n").unwrap_err();
    assert!(error.to_string().starts_with("profile, line 2, column 1: "), "{error}");
    assert!(TargetProfile::named("nobody").unwrap_err().to_string().contains("aws"));
}

proptest! {
    #[test]
    fn no_text_makes_reading_panic(text in "\\PC*") {
        let _ = TargetProfile::from_toml(&text);
    }
}
