//! What a SCIM server has, as rules name it.

use scim_client::scim_core::{Attribute, AttributeType, Registry};
use scim_sync::connector::{AttributeSchema, ConnectorSchema, TypeSchema, ValueKind};
use scim_sync::{AttributeName, ObjectType};

/// All resource types with all paths. `emails.value` stands for `emails[...].value` too.
pub(super) fn of(registry: &Registry) -> ConnectorSchema {
    let types = registry.resource_types().map(|schema| {
        let mut found = TypeSchema::default();
        for attribute in schema.common().iter().chain(&schema.base().attributes) {
            add(&mut found, "", attribute);
        }
        for (extension, _) in schema.extensions() {
            for attribute in &extension.attributes {
                add(&mut found, &format!("{}:", extension.id), attribute);
            }
        }
        (ObjectType::new(schema.name()), found)
    });
    ConnectorSchema { types: types.collect() }
}

fn add(to: &mut TypeSchema, prefix: &str, attribute: &Attribute) {
    let name = format!("{prefix}{}", attribute.name);
    let kind =
        if attribute.is_resource_reference() { ValueKind::Reference } else { kind(attribute.kind) };
    let own = AttributeSchema { kind, multi_valued: attribute.multi_valued };
    to.attributes.insert(AttributeName::new(&name), own);
    for sub in &attribute.sub_attributes {
        let multi_valued = attribute.multi_valued || sub.multi_valued;
        let schema = AttributeSchema { kind: self::kind(sub.kind), multi_valued };
        to.attributes.insert(AttributeName::new(format!("{name}.{}", sub.name)), schema);
    }
}

fn kind(kind: AttributeType) -> ValueKind {
    match kind {
        AttributeType::Boolean => ValueKind::Boolean,
        AttributeType::Integer => ValueKind::Integer,
        AttributeType::DateTime => ValueKind::DateTime,
        AttributeType::Binary => ValueKind::Binary,
        AttributeType::Complex => ValueKind::Complex,
        AttributeType::String | AttributeType::Decimal | AttributeType::Reference => {
            ValueKind::Text
        }
    }
}
