//! Made-up people: the same number gives the same person, on every machine and in every run.

use serde_json::{Value, json};

const GIVEN: [&str; 16] = [
    "Ada", "Björn", "Chidi", "Dana", "Elif", "Farid", "Grace", "Hana", "Ivo", "Jelena", "Kofi",
    "Lucía", "Mei", "Noor", "Oleg", "Priya",
];
const FAMILY: [&str; 13] = [
    "Adeyemi",
    "Brandt",
    "Castro",
    "Dubois",
    "Eriksen",
    "Farkas",
    "Grünwald",
    "Haddad",
    "Ito",
    "Jansen",
    "Kowalski",
    "Lindqvist",
    "O'Neill",
];
const DEPARTMENTS: [&str; 5] = ["Engines", "Finance", "Logistics", "People", "Research"];

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const CONTACT: &str = "urn:ietf:params:scim:schemas:extension:hybrid:2.0:Contact";

/// The `userName` of the person with this number.
#[must_use]
pub fn user_name(number: usize) -> String {
    format!("{}.{number}@example.org", plain(given(number)))
}

/// A create request for the user with this number: name, two e-mail addresses, a phone number,
/// enterprise data, and every tenth one inactive.
#[must_use]
pub fn user(number: usize) -> Value {
    let (given, family) = (given(number), family(number));
    json!({
        "schemas": [USER, ENTERPRISE],
        "userName": user_name(number),
        "externalId": format!("ext-{number:06}"),
        "name": { "givenName": given, "familyName": family, "formatted": format!("{given} {family}") },
        "displayName": format!("{given} {family}"),
        "active": number % 10 != 9,
        "emails": [
            { "value": user_name(number), "type": "work", "primary": true },
            { "value": format!("{}.{number}@home.example", plain(given)), "type": "home" },
        ],
        "phoneNumbers": [{ "value": format!("tel:+1-201-555-{number:04}"), "type": "work" }],
        ENTERPRISE: {
            "employeeNumber": format!("{number}"),
            "department": DEPARTMENTS[number % DEPARTMENTS.len()],
        },
    })
}

/// A create request with nothing but what RFC 7643 requires.
#[must_use]
pub fn minimal_user(number: usize) -> Value {
    json!({ "schemas": [USER], "userName": user_name(number) })
}

/// A create request for a group with these user ids as members.
#[must_use]
pub fn group<S: AsRef<str>>(number: usize, members: &[S]) -> Value {
    let members: Vec<Value> = members.iter().map(|id| json!({ "value": id.as_ref() })).collect();
    json!({
        "schemas": [GROUP],
        "displayName": format!("{} {number}", DEPARTMENTS[number % DEPARTMENTS.len()]),
        "externalId": format!("group-{number:06}"),
        "members": members,
    })
}

/// A create request for a contact, someone without an account.
#[must_use]
pub fn contact(number: usize) -> Value {
    let (given, family) = (given(number), family(number));
    json!({
        "schemas": [CONTACT],
        "displayName": format!("{given} {family} (contact {number})"),
        "externalId": format!("contact-{number:06}"),
        "name": { "givenName": given, "familyName": family },
        "emails": [{ "value": format!("{}.{number}@partner.example", plain(given)), "type": "work" }],
    })
}

fn given(number: usize) -> &'static str {
    GIVEN[number % GIVEN.len()]
}

fn family(number: usize) -> &'static str {
    FAMILY[number % FAMILY.len()]
}

/// The ASCII letters of a name in lower case, fit for an address.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::{contact, group, user, user_name};
    use std::collections::BTreeSet;

    #[test]
    fn the_same_number_is_the_same_person() {
        assert_eq!(user(42), user(42));
        assert_ne!(user(42), user(43));
    }

    #[test]
    fn user_names_never_repeat() {
        let names: BTreeSet<String> = (0..5_000).map(user_name).collect();
        assert_eq!(names.len(), 5_000);
        assert!(names.iter().all(|name| name.is_ascii()));
    }

    #[test]
    fn one_address_is_primary_and_some_people_are_inactive() {
        let primary = |n| {
            let user = user(n);
            let emails = user["emails"].as_array().unwrap();
            emails.iter().filter(|e| e["primary"] == true).count()
        };
        assert!((0..50).all(|n| primary(n) == 1));
        assert_eq!((0..50).filter(|n| user(*n)["active"] == false).count(), 5);
    }

    #[test]
    fn groups_name_their_members() {
        assert_eq!(group(1, &["a", "b"])["members"][1]["value"], "b");
        assert!(contact(1)["displayName"].is_string());
    }
}
