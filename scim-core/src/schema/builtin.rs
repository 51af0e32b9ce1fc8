//! The built-in schemas, read once from their published JSON form (with errata, see `docs/decisions`).

use std::sync::{Arc, LazyLock};

use super::Schema;
use super::attribute::{Attribute, AttributeType, Mutability, Returned, Uniqueness};
use crate::name::AttrName;

macro_rules! schema {
    ($(#[$doc:meta])* $name:ident, $file:literal) => {
        $(#[$doc])*
        pub(super) static $name: LazyLock<Arc<Schema>> =
            LazyLock::new(|| load(include_str!(concat!("../../schemas/", $file))));
    };
}

schema!(USER, "user.schema.json");
schema!(GROUP, "group.schema.json");
schema!(ENTERPRISE_USER, "enterprise_user.schema.json");
schema!(CONTACT, "contact.schema.json");
schema!(ON_PREMISES, "on_premises.schema.json");
schema!(SERVICE_PROVIDER_CONFIG, "service_provider_config.schema.json");
schema!(RESOURCE_TYPE, "resource_type.schema.json");
schema!(SCHEMA, "schema.schema.json");

#[expect(clippy::expect_used, reason = "the texts are compiled in and a test reads every one")]
fn load(text: &str) -> Arc<Schema> {
    let schema: Schema = serde_json::from_str(text).expect("a built-in schema is valid JSON");
    Arc::new(schema.prepared().expect("a built-in schema is consistent"))
}

/// `schemas`, `id`, `externalId` and `meta`: attributes of every resource (RFC 7643 section 3 and 3.1).
pub(super) static COMMON: LazyLock<Vec<Attribute>> = LazyLock::new(|| {
    let name = AttrName::from_checked;
    let exact = |attribute: &str, kind| Attribute {
        case_exact: true,
        ..Attribute::new(name(attribute), kind)
    };
    let read_only =
        |attribute: Attribute| Attribute { mutability: Mutability::ReadOnly, ..attribute };
    vec![
        Attribute {
            multi_valued: true,
            required: true,
            returned: Returned::Always,
            reference_types: vec!["uri".to_owned()],
            description: Some(
                "The URIs of the schemas that the resource has attributes of.".to_owned(),
            ),
            ..exact("schemas", AttributeType::Reference)
        },
        Attribute {
            returned: Returned::Always,
            uniqueness: Uniqueness::Server,
            description: Some("The identifier that the server gave the resource.".to_owned()),
            ..read_only(exact("id", AttributeType::String))
        },
        Attribute {
            description: Some("The identifier that the client gave the resource.".to_owned()),
            ..exact("externalId", AttributeType::String)
        },
        Attribute {
            description: Some("Facts about the resource that the server keeps.".to_owned()),
            sub_attributes: vec![
                read_only(exact("resourceType", AttributeType::String)),
                read_only(Attribute::new(name("created"), AttributeType::DateTime)),
                read_only(Attribute::new(name("lastModified"), AttributeType::DateTime)),
                Attribute {
                    reference_types: vec!["uri".to_owned()],
                    ..read_only(exact("location", AttributeType::Reference))
                },
                read_only(exact("version", AttributeType::String)),
            ],
            ..read_only(Attribute::new(name("meta"), AttributeType::Complex))
        },
    ]
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::TextRule;

    #[test]
    fn all_built_in_schemas_load() {
        for schema in [
            &USER,
            &GROUP,
            &ENTERPRISE_USER,
            &CONTACT,
            &ON_PREMISES,
            &SERVICE_PROVIDER_CONFIG,
            &RESOURCE_TYPE,
            &SCHEMA,
        ] {
            assert!(!schema.attributes.is_empty(), "{}", schema.id);
            assert!(!schema.name.is_empty(), "{}", schema.id);
        }
        assert_eq!(USER.attribute("USERNAME").unwrap().text_rule(), TextRule::UserName);
        assert!(GROUP.attribute("displayName").unwrap().required, "erratum 5368");
        assert_eq!(COMMON.len(), 4);
    }
}
