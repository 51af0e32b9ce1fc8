//! Pilots: a job that is tried with some before it is for all.
//!
//! A pilot narrows what the job takes in, and nothing else: who is not in it is out of scope, and whoever leaves it is
//! treated like anybody who leaves the scope, under the eyes of the guard.

use std::fmt;

use scim_sync::Dn;
use scim_sync_connectors::remote::RemoteScope;
use serde::{Deserialize, Serialize};

/// Objects that a pilot may name one by one.
const OBJECTS: usize = 500;

/// Who is in a pilot: whoever is at one of the places or is one of the objects, and in the group where there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Pilot {
    /// Places, by their distinguished names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Single objects, by their distinguished names as they are now: they stay in the pilot when they are renamed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<String>,
    /// A group, with its members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether the members of groups within that group belong to it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub nested: bool,
}

impl Pilot {
    /// What is taken in of a scope.
    ///
    /// # Errors
    /// A sentence where the pilot names nobody, or something that the scope leaves out.
    pub fn narrow(&self, scope: &RemoteScope) -> Result<RemoteScope, String> {
        let places: Vec<&String> = self.include.iter().chain(&self.objects).collect();
        if places.is_empty() && self.group.is_none() {
            return Err("hybrid.pilot names a group, places or objects".to_owned());
        }
        if self.objects.len() > OBJECTS {
            return Err(format!(
                "hybrid.pilot.objects are at most {OBJECTS}; for more, make a group of them"
            ));
        }
        let mut narrowed = scope.clone();
        for place in &places {
            if place.trim().is_empty() {
                return Err("hybrid.pilot has an empty name".to_owned());
            }
            let in_scope =
                scope.include.is_empty() || scope.include.iter().any(|all| within(place, all));
            if !in_scope {
                return Err(format!(
                    "hybrid.pilot: {place} is under none of the places of the scope"
                ));
            }
            if let Some(out) = scope.exclude.iter().find(|out| within(place, out)) {
                return Err(format!(
                    "hybrid.pilot: {place} is under {out}, which the scope leaves out"
                ));
            }
        }
        if !places.is_empty() {
            narrowed.include = places.into_iter().cloned().collect();
        }
        if let Some(group) = &self.group {
            if scope.group.as_ref().is_some_and(|of_scope| !same(of_scope, group)) {
                return Err(
                    "hybrid.pilot.group: the scope has a group already; name places or objects"
                        .to_owned(),
                );
            }
            narrowed.group = Some(group.clone());
            narrowed.nested = self.nested;
        }
        Ok(narrowed)
    }
}

impl fmt::Display for Pilot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if let Some(group) = &self.group {
            let nested = if self.nested { " and of groups within it" } else { "" };
            parts.push(format!("members of {group}{nested}"));
        }
        if !self.include.is_empty() {
            parts.push(format!("under {}", self.include.join("; ")));
        }
        match self.objects.as_slice() {
            [] => {}
            [one] => parts.push(one.clone()),
            several => parts.push(format!("{} objects", several.len())),
        }
        f.write_str(&parts.join(", "))
    }
}

fn same(one: &str, other: &str) -> bool {
    Dn::new(one).folded() == Dn::new(other).folded()
}

/// Whether a name is this place or under it.
fn within(name: &str, place: &str) -> bool {
    let (name, place) = (Dn::new(name).folded(), Dn::new(place).folded());
    if name == place || place.is_empty() {
        return true;
    }
    name.strip_suffix(place.as_str())
        .and_then(|above| above.strip_suffix(','))
        // A comma after an odd number of backslashes is part of a name.
        .is_some_and(|above| above.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> RemoteScope {
        RemoteScope {
            include: vec!["OU=People,DC=x".to_owned()],
            exclude: vec!["OU=Old,OU=People,DC=x".to_owned()],
            ..RemoteScope::default()
        }
    }

    fn places(names: &[&str]) -> Pilot {
        let include = names.iter().map(|name| (*name).to_owned()).collect();
        Pilot { include, ..Pilot::default() }
    }

    #[test]
    fn a_pilot_is_within_the_scope_and_never_beside_it() {
        let narrowed = places(&["ou=IT, ou=people,dc=X"]).narrow(&scope()).unwrap();
        assert_eq!(narrowed.include, ["ou=IT, ou=people,dc=X"]);
        assert_eq!(narrowed.exclude, scope().exclude);
        for (pilot, what) in [
            (Pilot::default(), "names a group"),
            (places(&["OU=Elsewhere,DC=x"]), "none of the places"),
            (places(&["OU=A,OU=Old,OU=People,DC=x"]), "leaves out"),
            (places(&["CN=a\\,OU=People,DC=x"]), "none of the places"),
            (places(&[" "]), "empty"),
            (
                Pilot { objects: vec!["CN=a,OU=People,DC=x".to_owned(); 501], ..Pilot::default() },
                "at most",
            ),
        ] {
            let error = pilot.narrow(&scope()).unwrap_err();
            assert!(error.contains(what), "{pilot:?}: {error}");
        }
        assert!(places(&["CN=a\\\\,OU=People,DC=x"]).narrow(&scope()).is_ok());
    }

    #[test]
    fn a_group_is_that_of_the_pilot() {
        let pilot =
            Pilot { group: Some("CN=Pilots,DC=x".to_owned()), nested: true, ..Pilot::default() };
        let narrowed = pilot.narrow(&scope()).unwrap();
        assert_eq!((narrowed.group.as_deref(), narrowed.nested), (Some("CN=Pilots,DC=x"), true));
        assert_eq!(narrowed.include, scope().include);
        let grouped = RemoteScope { group: Some("CN=All,DC=x".to_owned()), ..scope() };
        assert!(pilot.narrow(&grouped).unwrap_err().contains("group already"));
        let text = Pilot { objects: vec!["CN=a".to_owned(), "CN=b".to_owned()], ..pilot };
        assert_eq!(
            text.to_string(),
            "members of CN=Pilots,DC=x and of groups within it, 2 objects"
        );
    }
}
