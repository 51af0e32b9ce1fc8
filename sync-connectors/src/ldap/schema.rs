//! Which attributes a directory knows, and what their values are.
//!
//! Of Active Directory the schema partition is read, whose objects also say what never comes by a read of changes: values
//! that are computed, and back-links such as `memberOf`. Those are left out as if they did not exist. Of other directories
//! the published subschema is read (RFC 4512 section 4.2).

use std::collections::BTreeMap;

use ldap3::Scope;
use scim_sync::connector::{AttributeSchema, ConnectorSchema, TypeSchema, ValueKind};
use scim_sync::{AttributeName, ConnectorError};

use super::config::{LdapConfig, LdapType};
use super::entry::Entry;
use super::filter::LdapFilter;
use super::object;
use super::paging::Pages;
use super::servers::RootDse;
use super::session::{SearchRequest, Session};

/// FLAG_ATTR_IS_CONSTRUCTED of `systemFlags`.
const CONSTRUCTED: i64 = 4;

/// The attributes of a directory, by name in lower case.
#[derive(Clone, Debug, Default)]
pub(crate) struct DirectorySchema {
    attributes: BTreeMap<String, (String, AttributeSchema)>,
}

impl DirectorySchema {
    /// Reads it.
    pub(crate) async fn discover(
        config: &LdapConfig,
        session: &mut Session,
        root: &RootDse,
    ) -> Result<Self, ConnectorError> {
        let mut schema = Self::default();
        match (&root.schema_base, &root.subschema) {
            (Some(base), _) if config.is_active_directory() => {
                let request = SearchRequest {
                    base: base.clone(),
                    scope: Scope::OneLevel,
                    filter: LdapFilter::equal("objectClass", "attributeSchema"),
                    attributes: [
                        "lDAPDisplayName",
                        "attributeSyntax",
                        "oMSyntax",
                        "isSingleValued",
                        "linkID",
                        "systemFlags",
                        "isDefunct",
                    ]
                    .map(str::to_owned)
                    .to_vec(),
                    controls: Vec::new(),
                };
                let mut pages = Pages::new(request, config.limits.page);
                while let Some(entries) = pages.next(session, "reading the schema").await? {
                    entries.iter().for_each(|entry| schema.add_object(entry));
                }
            }
            (_, Some(subschema)) => {
                let what = "reading the schema";
                let entry = session.read(subschema, &["attributeTypes"], Vec::new(), what).await?;
                if let Some(entry) = &entry {
                    schema.add_definitions(entry.texts("attributeTypes"));
                }
            }
            _ => {}
        }
        if schema.attributes.is_empty() {
            return Err(ConnectorError::Forbidden(format!(
                "{} shows no schema: the account that reads must be allowed to see it",
                session.server()
            )));
        }
        Ok(schema)
    }

    /// Takes over an `attributeSchema` object.
    fn add_object(&mut self, entry: &Entry) {
        let Some(name) = entry.text("lDAPDisplayName") else { return };
        let back_link = entry.number("linkID").is_some_and(|link| link % 2 == 1);
        let constructed = entry.number("systemFlags").is_some_and(|flags| flags & CONSTRUCTED != 0);
        if back_link || constructed || entry.is_true("isDefunct") {
            return;
        }
        let kind = match (entry.text("attributeSyntax"), entry.number("oMSyntax")) {
            (Some("2.5.5.1"), _) => ValueKind::Reference,
            (Some("2.5.5.8"), _) => ValueKind::Boolean,
            (Some("2.5.5.9" | "2.5.5.16"), _) => ValueKind::Integer,
            (Some("2.5.5.10" | "2.5.5.15" | "2.5.5.17"), _) => ValueKind::Binary,
            (Some("2.5.5.11"), Some(24)) => ValueKind::DateTime,
            _ => ValueKind::Text,
        };
        self.add(name, kind, !entry.is_true("isSingleValued"));
    }

    fn add(&mut self, name: &str, kind: ValueKind, multi_valued: bool) {
        // The name of an object is a name and no reference to another one.
        let own_name =
            ["distinguishedName", "entryDN"].iter().any(|own| own.eq_ignore_ascii_case(name));
        let kind = if own_name { ValueKind::Text } else { kind };
        let known = AttributeSchema { kind, multi_valued };
        self.attributes.insert(name.to_ascii_lowercase(), (name.to_owned(), known));
    }

    /// Takes over attribute type descriptions (RFC 4512 section 4.1.2).
    fn add_definitions<'a>(&mut self, definitions: impl Iterator<Item = &'a str>) {
        let parsed: Vec<_> = definitions.filter_map(Definition::parse).collect();
        let by_name: BTreeMap<String, &Definition> = parsed
            .iter()
            .flat_map(|definition| {
                definition.names.iter().map(move |name| (name.to_ascii_lowercase(), definition))
            })
            .collect();
        for definition in &parsed {
            let mut syntax = definition.syntax.as_deref();
            let mut above = definition;
            // Eight steps up are more than any schema has; a definition that is its own ancestor ends here, too.
            for _ in 0..8 {
                let parent = above
                    .superior
                    .as_ref()
                    .and_then(|name| by_name.get(&name.to_ascii_lowercase()));
                let (None, Some(parent)) = (syntax, parent) else { break };
                syntax = parent.syntax.as_deref();
                above = parent;
            }
            let kind = match syntax.and_then(|oid| oid.strip_prefix("1.3.6.1.4.1.1466.115.121.1."))
            {
                Some("12" | "34") => ValueKind::Reference,
                Some("27") => ValueKind::Integer,
                Some("7") => ValueKind::Boolean,
                Some("24") => ValueKind::DateTime,
                Some("4" | "5" | "8" | "9" | "10" | "28" | "40") => ValueKind::Binary,
                _ => ValueKind::Text,
            };
            for name in &definition.names {
                self.add(name, kind, !definition.single_valued);
            }
        }
    }

    /// What is known of an attribute: its name as the schema spells it, and its values.
    pub(crate) fn attribute(&self, name: &str) -> Option<(&str, AttributeSchema)> {
        let plain = name.split(';').next().unwrap_or(name);
        let (spelt, known) = self.attributes.get(&plain.to_ascii_lowercase())?;
        Some((spelt, *known))
    }

    /// What the connector offers: every attribute for every type, since in a directory any class can be extended by
    /// auxiliary ones, and what the connector itself derives.
    pub(crate) fn offered(&self, types: &[LdapType]) -> ConnectorSchema {
        let derived = object::DERIVED.iter().map(|name| {
            let known = AttributeSchema { kind: ValueKind::Text, multi_valued: false };
            (AttributeName::new(name), known)
        });
        let own = self.attributes.values().map(|(name, known)| (AttributeName::new(name), *known));
        let attributes: BTreeMap<_, _> = own.chain(derived).collect();
        let types = types
            .iter()
            .map(|kind| (kind.name.clone(), TypeSchema { attributes: attributes.clone() }))
            .collect();
        ConnectorSchema { types }
    }

    #[cfg(test)]
    pub(crate) fn of_definitions(definitions: &[&str]) -> Self {
        let mut schema = Self::default();
        schema.add_definitions(definitions.iter().copied());
        schema
    }
}

/// One attribute type description.
#[derive(Debug, Default)]
struct Definition {
    names: Vec<String>,
    superior: Option<String>,
    syntax: Option<String>,
    single_valued: bool,
}

impl Definition {
    fn parse(text: &str) -> Option<Self> {
        let mut words = Words(text);
        let mut found = Self::default();
        if words.next()? != "(" {
            return None;
        }
        // The object identifier.
        words.next()?;
        while let Some(word) = words.next() {
            match word.as_str() {
                "NAME" => match words.next()?.as_str() {
                    "(" => found.names.extend(words.by_ref().take_while(|word| word != ")")),
                    name => found.names.push(name.to_owned()),
                },
                "SUP" => found.superior = words.next(),
                "SYNTAX" => {
                    let syntax = words.next()?;
                    found.syntax = Some(syntax.split('{').next().unwrap_or(&syntax).to_owned());
                }
                "SINGLE-VALUE" => found.single_valued = true,
                // What follows is a text that may look like any of the others.
                "DESC" => drop(words.next()),
                _ => {}
            }
        }
        Some(found)
    }
}

/// The words of a description: brackets, quoted texts without their quotes, and everything else between blanks.
struct Words<'a>(&'a str);

impl Iterator for Words<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let text = self.0.trim_start();
        let first = text.chars().next()?;
        let (word, rest) = match first {
            '(' | ')' => text.split_at(1),
            '\'' => {
                let inner = &text[1..];
                let end = inner.find('\'').unwrap_or(inner.len());
                (&inner[..end], inner.get(end + 1..).unwrap_or(""))
            }
            _ => {
                let end = text.find([' ', '(', ')', '\t', '\n']).unwrap_or(text.len());
                text.split_at(end)
            }
        };
        self.0 = rest;
        Some(word.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAME: &str = "( 2.5.4.41 NAME 'name' DESC 'RFC4519: SYNTAX of (names)' EQUALITY caseIgnoreMatch \
                        SYNTAX 1.3.6.1.4.1.1466.115.121.1.15{32768} )";

    #[test]
    fn descriptions_of_attributes() {
        let schema = DirectorySchema::of_definitions(&[
            NAME,
            "( 2.5.4.3 NAME ( 'cn' 'commonName' ) SUP name )",
            "( 2.5.4.49 NAME 'distinguishedName' SYNTAX 1.3.6.1.4.1.1466.115.121.1.12 )",
            "( 2.5.4.31 NAME 'member' SUP distinguishedName )",
            "( 0.9.2342.19200300.100.1.60 NAME 'jpegPhoto' SYNTAX 1.3.6.1.4.1.1466.115.121.1.28 )",
            "( 1.3.6.1.1.1.1.0 NAME 'uidNumber' SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )",
        ]);
        let kind = |name: &str| schema.attribute(name).map(|(_, known)| known.kind);
        assert_eq!(kind("CommonName"), Some(ValueKind::Text));
        assert_eq!(kind("cn;lang-de"), Some(ValueKind::Text));
        assert_eq!(kind("member"), Some(ValueKind::Reference));
        assert_eq!(kind("distinguishedname"), Some(ValueKind::Text));
        assert_eq!(kind("jpegPhoto"), Some(ValueKind::Binary));
        assert_eq!(kind("mailNickname"), None);
        let (spelt, number) = schema.attribute("UIDNUMBER").unwrap();
        assert_eq!((spelt, number.multi_valued), ("uidNumber", false));
    }

    #[test]
    fn what_never_comes_by_a_change_is_left_out() {
        let mut schema = DirectorySchema::default();
        let object = |name: &str| {
            Entry::new("CN=x").with("lDAPDisplayName", [name]).with("attributeSyntax", ["2.5.5.1"])
        };
        schema.add_object(&object("member").with("linkID", ["2"]));
        schema.add_object(&object("memberOf").with("linkID", ["3"]));
        schema.add_object(&object("canonicalName").with("systemFlags", ["20"]));
        schema.add_object(&object("old").with("isDefunct", ["TRUE"]));
        assert!(schema.attribute("member").is_some());
        for name in ["memberOf", "canonicalName", "old"] {
            assert!(schema.attribute(name).is_none(), "{name}");
        }
    }

    #[test]
    fn what_is_offered_has_the_derived_names_too() {
        let schema = DirectorySchema::of_definitions(&[NAME]);
        let offered = schema.offered(&[LdapType::new("user", &["user"])]);
        let user = &offered.types[&"user".into()];
        assert!(user.attribute(&"NAME".into()).is_some());
        assert!(user.attribute(&"dnsDomain".into()).is_some());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[( )'A-Zé{}]{0,60}") {
            let _ = Definition::parse(&text);
        }
    }
}
