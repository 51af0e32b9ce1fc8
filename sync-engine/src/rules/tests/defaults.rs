//! The rules that come with the crate, against the schema of a SCIM service and against objects.

use std::collections::BTreeMap;

use chrono::DateTime;
use scim_core::{AttributeType, Registry};

use crate::connector::{
    AttributeSchema, ConnectorSchema, ImportChange, ImportEnd, ImportPage, ImportedObject,
    ReferenceTo, SourceScope, TypeSchema, ValueKind,
};
use crate::import::{ReadKind, Staging};
use crate::observer::Silent;
use crate::rules::RuleSet;
use crate::store::Which;
use crate::sync::{SyncMode, Synchronizer};
use crate::{AttributeName, AttributeSet, AttributeValue, ConnectorId, MemoryStore, SyncStore};

/// What our own server has, as rules name it.
fn scim_schema() -> ConnectorSchema {
    let registry = Registry::standard();
    let mut types = BTreeMap::new();
    for resource in registry.resource_types() {
        let mut known = TypeSchema::default();
        let mut add = |prefix: &str, attribute: &scim_core::Attribute| {
            let name = format!("{prefix}{}", attribute.name);
            let kind = if attribute.is_resource_reference() {
                ValueKind::Reference
            } else {
                kind_of(attribute.kind)
            };
            let many = attribute.multi_valued;
            let own = AttributeSchema { kind, multi_valued: many };
            known.attributes.insert(AttributeName::new(&name), own);
            for sub in &attribute.sub_attributes {
                let own = AttributeSchema { kind: kind_of(sub.kind), multi_valued: many };
                known.attributes.insert(AttributeName::new(format!("{name}.{}", sub.name)), own);
            }
        };
        for attribute in resource.common().iter().chain(&resource.base().attributes) {
            add("", attribute);
        }
        for (extension, _) in resource.extensions() {
            for attribute in &extension.attributes {
                add(&format!("{}:", extension.id), attribute);
            }
        }
        types.insert(resource.name().into(), known);
    }
    ConnectorSchema { types }
}

fn kind_of(kind: AttributeType) -> ValueKind {
    match kind {
        AttributeType::Boolean => ValueKind::Boolean,
        AttributeType::Integer => ValueKind::Integer,
        AttributeType::DateTime => ValueKind::DateTime,
        AttributeType::Binary => ValueKind::Binary,
        AttributeType::Complex => ValueKind::Complex,
        _ => ValueKind::Text,
    }
}

fn schemas(source: &str, types: &[&str]) -> BTreeMap<ConnectorId, ConnectorSchema> {
    let types = types.iter().map(|name| ((*name).into(), TypeSchema::default())).collect();
    BTreeMap::from([
        (ConnectorId::new(source), ConnectorSchema { types }),
        (ConnectorId::new("scim"), scim_schema()),
    ])
}

#[test]
fn the_default_rules_fit_the_schema_of_the_server() {
    let (ad, ldap, scim) = (ConnectorId::new("a"), ConnectorId::new("l"), ConnectorId::new("scim"));
    let rules = RuleSet::ad_to_scim(&ad, &scim).unwrap();
    rules.check(&schemas("a", &["user", "group", "contact"])).unwrap();
    let rules = RuleSet::openldap_to_scim(&ldap, &scim).unwrap();
    rules.check(&schemas("l", &["inetOrgPerson", "groupOfNames"])).unwrap();
}

fn object(object_type: &str, anchor: &str, dn: &str, attributes: AttributeSet) -> ImportedObject {
    ImportedObject {
        anchor: anchor.into(),
        dn: Some(dn.into()),
        object_type: object_type.into(),
        scope: SourceScope::In,
        attributes,
        references: BTreeMap::new(),
        version: None,
    }
}

/// What the rules would make of these objects, as one text.
fn made_of(rules: &RuleSet, source: &str, types: &[&str], objects: Vec<ImportedObject>) -> String {
    let mut store = MemoryStore::new();
    let now = DateTime::UNIX_EPOCH;
    let mut staging =
        Staging::begin(&mut store, &ConnectorId::new(source), ReadKind::Full, now).unwrap();
    let changes = objects.into_iter().map(ImportChange::Object).collect();
    let end = Some(ImportEnd { watermark: None, sweep: true });
    staging.page(ImportPage { changes, expected: None, end }).unwrap();
    staging.finish().unwrap();
    let synchronizer = Synchronizer::new(rules, now).with_schemas(schemas(source, types));
    let report = synchronizer.run(&mut store, SyncMode::Delta, &mut Silent).unwrap();
    assert_eq!(report.escrowed, 0, "{:?}", store.escrows(None, None, 10).unwrap());
    let mut told = Vec::new();
    let scim = ConnectorId::new("scim");
    for object in store.objects(&scim, Which::PendingExport, None, 100).unwrap() {
        let export = object.pending_export.unwrap();
        let mut text = format!("{}\n", object.object_type.unwrap());
        for (name, values) in &export.attributes {
            text.push_str(&format!("  {name} = {values:?}\n"));
        }
        for name in &export.references {
            text.push_str(&format!("  {name} ->\n"));
        }
        told.push(text);
    }
    told.sort();
    told.concat()
}

fn account(name: &str, control: i64) -> AttributeSet {
    AttributeSet::new()
        .with("sAMAccountName", name)
        .with("userAccountControl", control)
        .with("cn", format!("cn of {name}").as_str())
}

#[test]
fn a_domain_becomes_users_groups_and_contacts() {
    let mut ada = object(
        "user",
        "GUID+ada==",
        "CN=Ada,OU=People,DC=corp,DC=example",
        account("ada", 512)
            .with("userPrincipalName", "ada@corp.example")
            .with("displayName", "Ada Lovelace")
            .with("givenName", " Ada ")
            .with("sn", "Lovelace")
            .with("mail", "ada@corp.example")
            .with("department", "Engines")
            .with("employeeID", "7")
            .with("objectSid", "S-1-5-21-1")
            .with("c", "GB"),
    );
    let boss = ReferenceTo::Anchor("GUID+bob==".into());
    ada.references.insert(AttributeName::new("manager"), vec![boss]);
    // No userPrincipalName, no displayName, switched off.
    let bob = object("user", "GUID+bob==", "CN=Bob,DC=corp,DC=example", account("bob", 514));
    let security = AttributeSet::new().with("groupType", -2_147_483_646_i64).with("cn", "Staff");
    let mut staff = object("group", "GUID+staff==", "CN=Staff,DC=corp,DC=example", security);
    let members = ["GUID+ada==", "GUID+eve=="].map(|it| ReferenceTo::Anchor(it.into()));
    staff.references.insert(AttributeName::new("member"), members.into());
    let eve = AttributeSet::new()
        .with("cn", "Eve")
        .with("proxyAddresses", AttributeValue::text("SMTP:eve@elsewhere.example"))
        .with("proxyAddresses", AttributeValue::text("SMTP:eve@elsewhere.example"));
    let eve = object("contact", "GUID+eve==", "CN=Eve,DC=corp,DC=example", eve);
    let left_out = vec![
        object("user", "1", "CN=x,DC=corp", AttributeSet::new().with("cn", "x")),
        object("user", "2", "CN=MSOL_1,DC=corp", account("MSOL_1", 512)),
        object(
            "user",
            "3",
            "CN=krbtgt,DC=corp",
            account("krbtgt", 514).with("isCriticalSystemObject", true),
        ),
        object("user", "4", "CN=v\\0ACNF:1,DC=corp", account("v", 512)),
        object(
            "user",
            "5",
            "CN=m,DC=corp",
            account("m", 512).with("msExchRecipientTypeDetails", 0x0100_0000_i64),
        ),
        object(
            "group",
            "6",
            "CN=d,DC=corp",
            AttributeSet::new().with("groupType", 2_i64).with("cn", "d"),
        ),
        object("contact", "7", "CN=c,DC=corp", AttributeSet::new().with("cn", "c")),
    ];
    let rules = RuleSet::ad_to_scim(&ConnectorId::new("ad"), &ConnectorId::new("scim")).unwrap();
    let objects = [vec![ada, bob, staff, eve], left_out].concat();
    insta::assert_snapshot!(made_of(&rules, "ad", &["user", "group", "contact"], objects));
}

#[test]
fn an_openldap_tree_becomes_users_and_groups() {
    let person = AttributeSet::new()
        .with("uid", "ada")
        .with("uid", "countess")
        .with("cn", "Ada Lovelace")
        .with("sn", "Lovelace")
        .with("mail", "ada@example.test")
        .with("departmentNumber", "42");
    let ada = object("inetOrgPerson", "u-1", "uid=ada,ou=people,dc=example,dc=test", person);
    let mut staff = object(
        "groupOfNames",
        "g-1",
        "cn=staff,ou=groups,dc=example,dc=test",
        AttributeSet::new().with("cn", "staff"),
    );
    let members = vec![ReferenceTo::Dn("uid=ada,ou=people,dc=example,dc=test".into())];
    staff.references.insert(AttributeName::new("member"), members.clone());
    let mut unique = object(
        "groupOfNames",
        "g-2",
        "cn=unique,ou=groups,dc=example,dc=test",
        AttributeSet::new().with("cn", "unique"),
    );
    unique.references.insert(AttributeName::new("uniqueMember"), members);
    let rules =
        RuleSet::openldap_to_scim(&ConnectorId::new("ldap"), &ConnectorId::new("scim")).unwrap();
    let types = ["inetOrgPerson", "groupOfNames"];
    insta::assert_snapshot!(made_of(&rules, "ldap", &types, vec![ada, staff, unique]));
}
