//! The profiles that are part of this crate.

macro_rules! profiles {
    ($($name:literal)*) => {
        const FILES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../profiles/", $name, ".toml")))),*];
    };
}

profiles! {
    "atlassian" "auth0" "aws" "configcat" "databricks" "deel" "entra" "formstack" "fortiauthenticator" "github" "gitlab"
    "google" "google-workforce" "keycloak" "logfire" "miro" "peakon" "pingfederate" "pulumi" "quickbase" "salesforce"
    "sentry" "slack" "snowflake" "snowflake-before-2026-03" "terraform" "zoom" "zscaler"
}

/// The text of a profile.
pub(super) fn text(name: &str) -> Option<&'static str> {
    FILES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The names, in order.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}
