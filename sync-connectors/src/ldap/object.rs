//! From an entry to what the engine is told.

use std::collections::{BTreeMap, BTreeSet};

use scim_sync::connector::{
    ChangedObject, ImportShape, ImportedObject, ReferenceChange, ReferenceTo, SourceScope,
    ValueKind,
};
use scim_sync::{Anchor, AttributeName, AttributeSet, AttributeValue, ConnectorError, Dn, Values};

use super::config::{LdapConfig, LdapType};
use super::dn;
use super::entry::{self, Entry, Range};
use super::schema::DirectorySchema;

/// What the connector derives from an object's name: the name itself, and the DNS name of the domain that it is in.
pub(crate) const DERIVED: [&str; 2] = ["dn", "dnsDomain"];

/// The attribute of Active Directory that is written when an object is made, and never again.
pub(crate) const MADE: &str = "whenCreated";

/// What is read, type by type.
pub(crate) struct ReadPlan {
    /// In the order of the configuration: what is referred to before what refers.
    pub(crate) types: Vec<TypePlan>,
}

/// What is read of one type.
pub(crate) struct TypePlan {
    /// The type.
    pub(crate) kind: LdapType,
    values: Vec<(AttributeName, ValueKind)>,
    references: Vec<AttributeName>,
    derived: Vec<AttributeName>,
    /// Names that the schema lacks.
    pub(crate) missing: Vec<AttributeName>,
    /// What is asked for.
    pub(crate) request: Vec<String>,
    /// In lower case: attributes that decide about the scope.
    scoping: BTreeSet<String>,
    active_directory: bool,
}

impl ReadPlan {
    /// Chooses from the shape what the directory has.
    pub(crate) fn new(
        config: &LdapConfig,
        schema: &DirectorySchema,
        shape: &ImportShape,
    ) -> Result<Self, ConnectorError> {
        for name in shape.types.keys() {
            if !config.types.iter().any(|kind| kind.name == *name) {
                let known: Vec<_> = config.types.iter().map(|kind| kind.name.as_str()).collect();
                return Err(ConnectorError::Configuration(format!(
                    "connector {} has no object type {name}; it has {}",
                    config.id,
                    known.join(", ")
                )));
            }
        }
        let wanted = |kind: &&LdapType| shape.types.contains_key(&kind.name);
        let types: Vec<_> = config
            .types
            .iter()
            .filter(wanted)
            .map(|kind| TypePlan::new(config, schema, kind, &shape.types[&kind.name]))
            .collect();
        for plan in types.iter().filter(|plan| !plan.missing.is_empty()) {
            let missing: Vec<_> = plan.missing.iter().map(AttributeName::as_str).collect();
            tracing::info!(
                connector = %config.id,
                object_type = %plan.kind.name,
                missing = missing.join(", "),
                "the directory's schema lacks attributes, which are skipped"
            );
        }
        Ok(Self { types })
    }

    /// The type of an entry that came with its object classes.
    pub(crate) fn of(&self, entry: &Entry) -> Option<&TypePlan> {
        self.types.iter().find(|plan| plan.kind.matches(entry))
    }

    /// Every attribute that any type asks for.
    pub(crate) fn request(&self) -> Vec<String> {
        let all: BTreeSet<_> =
            self.types.iter().flat_map(|plan| plan.request.iter().cloned()).collect();
        all.into_iter().collect()
    }
}

impl TypePlan {
    fn new(
        config: &LdapConfig,
        schema: &DirectorySchema,
        kind: &LdapType,
        wanted: &[AttributeName],
    ) -> Self {
        let active_directory = config.is_active_directory();
        let basic: &[&str] = if active_directory {
            &["objectGUID", "objectClass", "name", "parentGUID", "isDeleted", MADE]
        } else {
            &["entryUUID", "objectClass"]
        };
        let mut request: BTreeSet<String> = basic.iter().map(|&name| name.to_owned()).collect();
        let mut plan = Self {
            kind: kind.clone(),
            values: Vec::new(),
            references: Vec::new(),
            derived: Vec::new(),
            missing: Vec::new(),
            request: Vec::new(),
            scoping: config.scope.attributes(kind),
            active_directory,
        };
        for name in wanted {
            if DERIVED.iter().any(|derived| *name == AttributeName::new(derived)) {
                plan.derived.push(name.clone());
                continue;
            }
            let Some((spelt, known)) = schema.attribute(name.as_str()) else {
                plan.missing.push(name.clone());
                continue;
            };
            // Options such as a language stay as they were asked for.
            let full = if name.as_str().contains(';') { name.as_str() } else { spelt };
            request.insert(full.to_owned());
            if known.kind == ValueKind::Reference {
                plan.references.push(name.clone());
            } else {
                plan.values.push((name.clone(), known.kind));
            }
        }
        for name in &plan.scoping {
            if let Some((spelt, _)) = schema.attribute(name) {
                request.insert(spelt.to_owned());
            }
        }
        if active_directory {
            // A group does not list the accounts whose primary group it is.
            request.insert(
                if plan.reads_members() { "objectSid" } else { "primaryGroupID" }.to_owned(),
            );
        }
        plan.request = request.into_iter().collect();
        plan
    }

    /// The reference attributes that are read.
    pub(crate) fn references(&self) -> &[AttributeName] {
        &self.references
    }

    /// Whether the group members are read.
    pub(crate) fn reads_members(&self) -> bool {
        self.references.contains(&AttributeName::new("member"))
    }

    /// Whether a change of the entry can move it into the scope or out of it, or rename it.
    pub(crate) fn decides_scope(&self, entry: &Entry) -> bool {
        entry.names().any(|name| {
            name == "name"
                || name == "parentguid"
                || name == "isdeleted"
                || self.scoping.contains(name)
        })
    }

    /// An object that came whole.
    pub(crate) fn imported(
        &self,
        entry: &Entry,
        anchor: Anchor,
        scope: SourceScope,
    ) -> ImportedObject {
        let mut attributes = AttributeSet::new();
        for (name, kind) in &self.values {
            attributes.set(name.clone(), self.values_of(entry, name, *kind));
        }
        for (name, value) in self.derived(entry) {
            attributes.set(name, vec![value]);
        }
        let mut references = BTreeMap::new();
        for name in &self.references {
            let whole = entry.values(name.as_str()).iter();
            // DirSync tells the members of a new group as members that came.
            let came = entry.range(name.as_str(), Range::ADDED).iter();
            let values: Vec<_> =
                whole.chain(came).filter_map(|octets| entry::reference_to(octets)).collect();
            if !values.is_empty() {
                references.insert(name.clone(), values);
            }
        }
        let scope = self.within_limit(&references).unwrap_or(scope);
        ImportedObject {
            anchor,
            dn: Some(Dn::new(&entry.dn)),
            object_type: self.kind.name.clone(),
            scope,
            attributes,
            references,
            version: None,
        }
    }

    fn within_limit(
        &self,
        references: &BTreeMap<AttributeName, Vec<ReferenceTo>>,
    ) -> Option<SourceScope> {
        let limit = self.kind.max_references?;
        let (name, values) = references.iter().find(|(_, values)| values.len() > limit)?;
        Some(SourceScope::Out(format!(
            "its {name} has {} values, more than the {limit} that are taken in",
            values.len()
        )))
    }

    fn values_of(&self, entry: &Entry, name: &AttributeName, kind: ValueKind) -> Values {
        let found = entry.values(name.as_str());
        if found.is_empty()
            && self.active_directory
            && let Some((attribute, _)) = dn::rdn(&entry.dn).split_once('=')
            && attribute.trim().eq_ignore_ascii_case(name.as_str())
        {
            // DirSync never gives the naming attribute itself.
            return dn::rdn_value(&entry.dn).map(AttributeValue::text).into_iter().collect();
        }
        found.iter().map(|octets| entry::value(kind, octets)).collect()
    }

    fn derived<'a>(
        &'a self,
        entry: &'a Entry,
    ) -> impl Iterator<Item = (AttributeName, AttributeValue)> + 'a {
        self.derived.iter().map(|name| {
            let value = if *name == AttributeName::new(DERIVED[0]) {
                entry.dn.clone()
            } else {
                dns_domain(&entry.dn)
            };
            (name.clone(), AttributeValue::text(value))
        })
    }

    /// What changed of an object, from an entry that holds only what changed; `None` when that is nothing of interest.
    pub(crate) fn changed(&self, entry: &Entry, anchor: Anchor) -> Option<ChangedObject> {
        let mut attributes = BTreeMap::new();
        for (name, kind) in &self.values {
            // What is in the answer without values was cleared.
            if entry.has(name.as_str()) {
                attributes.insert(name.clone(), self.values_of(entry, name, *kind));
            }
        }
        let mut references = BTreeMap::new();
        for name in &self.references {
            let read = |values: &[Vec<u8>]| -> Vec<ReferenceTo> {
                values.iter().filter_map(|octets| entry::reference_to(octets)).collect()
            };
            let change = ReferenceChange {
                replace: entry.has(name.as_str()),
                added: [
                    read(entry.values(name.as_str())),
                    read(entry.range(name.as_str(), Range::ADDED)),
                ]
                .concat(),
                removed: read(entry.range(name.as_str(), Range::REMOVED)),
            };
            if change != ReferenceChange::default() {
                references.insert(name.clone(), change);
            }
        }
        if attributes.is_empty() && references.is_empty() {
            return None;
        }
        Some(ChangedObject {
            anchor,
            object_type: self.kind.name.clone(),
            dn: None,
            scope: None,
            attributes,
            references,
            version: None,
        })
    }
}

/// `corp.example` of `CN=x,DC=corp,DC=example`.
fn dns_domain(name: &str) -> String {
    let labels: Vec<_> = dn::parts(name)
        .into_iter()
        .filter_map(|part| part.split_once('='))
        .filter(|(attribute, _)| attribute.trim().eq_ignore_ascii_case("dc"))
        .map(|(_, label)| label.trim())
        .collect();
    labels.join(".")
}

#[cfg(test)]
mod tests {
    use super::super::config::{LdapBind, LdapServer};
    use super::*;

    fn plan(kind: &str, attributes: &[&str]) -> TypePlan {
        let config = LdapConfig::active_directory(
            "corp",
            LdapServer::new("ldaps://x"),
            LdapBind::Anonymous,
            "DC=x",
        );
        let syntax = "1.3.6.1.4.1.1466.115.121.1";
        let schema = DirectorySchema::of_definitions(&[
            &format!("( 1 NAME ( 'cn' 'title' 'sAMAccountName' ) SYNTAX {syntax}.15 )"),
            &format!("( 2 NAME ( 'member' 'manager' ) SYNTAX {syntax}.12 )"),
            &format!("( 3 NAME 'userAccountControl' SYNTAX {syntax}.27 SINGLE-VALUE )"),
        ]);
        let names = attributes.iter().map(AttributeName::new).collect();
        let shape = ImportShape { types: [(kind.into(), names)].into() };
        ReadPlan::new(&config, &schema, &shape).unwrap().types.remove(0)
    }

    #[test]
    fn only_what_the_schema_knows_is_asked_for() {
        let user = plan("user", &["TITLE", "mailNickname", "dn"]);
        assert_eq!(user.missing, [AttributeName::new("mailNickname")]);
        assert!(user.request.iter().any(|name| name == "title"));
        assert!(user.request.iter().any(|name| name == "primaryGroupID"), "{:?}", user.request);
        assert!(!user.request.iter().any(|name| name == "mailNickname" || name == "dn"));
    }

    #[test]
    fn a_type_that_is_not_configured_is_an_error() {
        let config = LdapConfig::active_directory(
            "corp",
            LdapServer::new("ldaps://x"),
            LdapBind::Anonymous,
            "DC=x",
        );
        let shape = ImportShape { types: [("printer".into(), Vec::new())].into() };
        let error = ReadPlan::new(&config, &DirectorySchema::default(), &shape).err().unwrap();
        assert!(error.to_string().contains("user, contact, group"), "{error}");
    }

    #[test]
    fn a_whole_object() {
        let user =
            plan("user", &["cn", "dn", "dnsDomain", "title", "manager", "userAccountControl"]);
        let entry = Entry::new(r"CN=Lovelace\, Ada,OU=x,DC=corp,DC=example")
            .with("userAccountControl", ["514"])
            .with("manager;range=1-1", ["<GUID=01020304-0506-0708-090a-0b0c0d0e0f10>;CN=m"]);
        let object = user.imported(&entry, Anchor::new("a"), SourceScope::In);
        let text =
            |name: &str| object.attributes.first(&name.into()).and_then(AttributeValue::as_text);
        assert_eq!(text("cn"), Some("Lovelace, Ada"));
        assert_eq!(text("dnsDomain"), Some("corp.example"));
        assert_eq!(text("dn"), Some(entry.dn.as_str()));
        assert_eq!(
            object.attributes.first(&"userAccountControl".into()),
            Some(&AttributeValue::Integer(514))
        );
        let manager = &object.references[&"manager".into()];
        assert_eq!(*manager, [ReferenceTo::Anchor("BAMCAQYFCAcJCgsMDQ4PEA==".into())]);
    }

    #[test]
    fn a_change_tells_cleared_values_from_untold_ones() {
        let user = plan("user", &["cn", "title", "manager"]);
        let cleared = Entry::new("CN=a,DC=x").with("title", []).with("manager;range=0-0", ["CN=m"]);
        let change = user.changed(&cleared, Anchor::new("a")).unwrap();
        assert_eq!(change.attributes, [("title".into(), Vec::new())].into());
        let manager = &change.references[&"manager".into()];
        assert!(!manager.replace && manager.added.is_empty() && manager.removed.len() == 1);
        let nothing = Entry::new("CN=a,DC=x").with("whenChanged", ["x"]);
        assert!(user.changed(&nothing, Anchor::new("a")).is_none());
    }

    #[test]
    fn a_list_without_a_range_replaces() {
        let group = plan("group", &["member"]);
        let entry = Entry::new("CN=g").with("member", ["CN=a", "CN=b"]);
        let change = group.changed(&entry, Anchor::new("g")).unwrap();
        let members = &change.references[&"member".into()];
        assert!(members.replace);
        assert_eq!(members.added.len(), 2);
    }

    #[test]
    fn what_decides_about_the_scope_is_known() {
        let user = plan("user", &["title"]);
        assert!(user.decides_scope(&Entry::new("CN=a").with("name", ["a"])));
        assert!(user.decides_scope(&Entry::new("CN=a").with("isCriticalSystemObject", ["TRUE"])));
        assert!(!user.decides_scope(&Entry::new("CN=a").with("title", ["a"])));
    }
}
