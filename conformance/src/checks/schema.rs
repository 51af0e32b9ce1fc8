//! What the served schemas say: the definitions at `/Schemas`, read without changing anything.

use serde_json::Value;

use super::helpers_a::{Attribute, attributes_of, list_of, none, resource_types, schemas, text};
use crate::check::{Check, Need, Topic, must, should};

pub(crate) const CHECKS: &[Check] = &[
    NAMES,
    TYPES,
    MULTI_VALUED,
    SIMPLE_WITHOUT_SUBS,
    COMPLEX_WITH_SUBS,
    NO_NESTING,
    KEYWORDS,
    BOOLEAN,
    COMPLEX_UNIQUENESS,
    REFERENCE_TYPES,
    PREDEFINED,
    PASSWORD,
    USER_NAME,
    DESCRIBED,
    RESERVED,
    REDEFINED,
    CANONICAL,
];

const SCHEMA_OF_SCHEMAS: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";
const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const DATA_TYPES: &[&str] =
    &["string", "boolean", "decimal", "integer", "dateTime", "binary", "reference", "complex"];

const NAMES: Check = must("schema.attribute.name", Topic::Schema, &["7643-2.1-03"])
    .reason("attribute names are a letter, then letters, digits, $, - and _ ($ref excepted)")
    .mend("Rename attributes whose names have other characters.")
    .needs(&[Need::Schemas])
    .reads()
    .body(|cx| {
        Box::pin(async move {
            let found = faults(&schemas(cx).await?, |a| {
                let name = text(a.definition, "name").unwrap_or_default();
                let mut letters = name.strip_prefix('$').unwrap_or(name).chars();
                let good = letters.next().is_some_and(|c| c.is_ascii_alphabetic())
                    && letters.all(|c| c.is_ascii_alphanumeric() || "$-_".contains(c));
                (!good).then(|| format!("{name:?}"))
            });
            none(&found, "every attribute name follows the name grammar")
        })
    });

const TYPES: Check =
    must("schema.attribute.type", Topic::Schema, &["7643-2.3-01", "7643-7-05"])
        .reason("every attribute's type is one of the eight data types")
        .mend("Use string, boolean, decimal, integer, dateTime, binary, reference or complex, spelled so.")
        .needs(&[Need::Schemas])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let found = faults(&schemas(cx).await?, |a| match a.definition.get("type") {
                    // Without a type it is a string (RFC 7643 section 2.2).
                    None => None,
                    Some(Value::String(kind)) if DATA_TYPES.contains(&kind.as_str()) => None,
                    Some(other) => Some(format!("has the type {other}")),
                });
                none(&found, "every type is one of RFC 7643 section 2.3")
            })
        });

const MULTI_VALUED: Check = must("schema.attribute.multi-valued", Topic::Schema, &["7643-7-05"])
    .reason("every attribute definition has the boolean multiValued")
    .mend("Give every attribute definition \"multiValued\": true or false.")
    .needs(&[Need::Schemas])
    .reads()
    .body(|cx| {
        Box::pin(async move {
            let found = faults(&schemas(cx).await?, |a| {
                let given = a.definition.get("multiValued");
                (!given.is_some_and(Value::is_boolean)).then(|| match given {
                    None => "has no multiValued".to_owned(),
                    Some(other) => format!("has multiValued {other}"),
                })
            });
            none(&found, "multiValued is a boolean in every definition")
        })
    });

const SIMPLE_WITHOUT_SUBS: Check =
    must("schema.simple.no-sub-attributes", Topic::Schema, &["7643-1.2-01"])
        .reason("only complex attributes have sub-attributes")
        .mend("Remove subAttributes from attributes that are not complex.")
        .needs(&[Need::Schemas])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let found = faults(&schemas(cx).await?, |a| {
                    let simple = text(a.definition, "type") != Some("complex");
                    (simple && !list_of(a.definition, "subAttributes").is_empty())
                        .then(|| "is simple and has subAttributes".to_owned())
                });
                none(&found, "no simple attribute has sub-attributes")
            })
        });

const COMPLEX_WITH_SUBS: Check =
    should("schema.complex.sub-attributes", Topic::Schema, &["7643-7-06"])
        .reason("a complex attribute lists its sub-attributes")
        .mend("List the subAttributes of every complex attribute.")
        .needs(&[Need::Schemas])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let found = faults(&schemas(cx).await?, |a| {
                    let complex = text(a.definition, "type") == Some("complex");
                    (complex && list_of(a.definition, "subAttributes").is_empty())
                        .then(|| "is complex and lists no subAttributes".to_owned())
                });
                none(&found, "every complex attribute lists its sub-attributes")
            })
        });

const NO_NESTING: Check =
    must("schema.complex.not-nested", Topic::Schema, &["7643-2.3.8-02", "7643-7-07"])
        .reason("no complex attribute contains another one, but in the schema of schemas")
        .mend("Flatten the nested attribute, or move it into an attribute of its own.")
        .needs(&[Need::Schemas])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let found = faults(&schemas(cx).await?, |a| {
                    let nested = a.depth > 0 && text(a.definition, "type") == Some("complex");
                    (nested && !a.schema.eq_ignore_ascii_case(SCHEMA_OF_SCHEMAS))
                        .then(|| "is complex inside a complex attribute".to_owned())
                });
                none(&found, "no sub-attribute is complex")
            })
        });

const KEYWORDS: Check =
    must("schema.attribute.keywords", Topic::Schema, &["7643-1.1-01", "7643-7-05"])
        .reason(
            "mutability, returned and uniqueness have the words of the RFC, without quotes in them",
        )
        .mend("Use the keywords of RFC 7643 section 7, in their spelling.")
        .needs(&[Need::Schemas])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let known: &[(&str, &[&str])] = &[
                    ("mutability", &["readOnly", "readWrite", "immutable", "writeOnly"]),
                    ("returned", &["always", "never", "default", "request"]),
                    ("uniqueness", &["none", "server", "global"]),
                ];
                let found = faults(&schemas(cx).await?, |a| {
                    known.iter().find_map(|(name, words)| match a.definition.get(*name) {
                        None | Some(Value::Null) => None,
                        Some(Value::String(word)) if words.contains(&word.as_str()) => None,
                        Some(other) => Some(format!("has {name} {other}")),
                    })
                });
                none(&found, "the keywords are those of RFC 7643 section 7")
            })
        });

const BOOLEAN: Check = should("schema.boolean.characteristics", Topic::Schema, &["7643-2.3.2-02"])
    .reason("booleans have neither case sensitivity nor uniqueness")
    .mend("Leave caseExact and uniqueness out of boolean attributes.")
    .needs(&[Need::Schemas])
    .reads()
    .body(|cx| {
        Box::pin(async move {
            let found = faults(&schemas(cx).await?, |a| {
                (text(a.definition, "type") == Some("boolean")).then(|| meaningless(a)).flatten()
            });
            none(&found, "no boolean attribute is case exact or unique")
        })
    });

const COMPLEX_UNIQUENESS: Check =
    should("schema.complex.characteristics", Topic::Schema, &["7643-2.3.8-03"])
        .reason("a complex attribute itself has neither case sensitivity nor uniqueness")
        .mend("Move caseExact and uniqueness to the sub-attributes (erratum 6004).")
        .needs(&[Need::Schemas])
        .reads()
        .body(|cx| {
            Box::pin(async move {
                let found = faults(&schemas(cx).await?, |a| {
                    (text(a.definition, "type") == Some("complex"))
                        .then(|| meaningless(a))
                        .flatten()
                });
                none(&found, "no complex attribute is case exact or unique")
            })
        });

const REFERENCE_TYPES: Check = should("schema.reference.types", Topic::Schema, &["7643-7-26"])
    .reason("referenceTypes belong to references and name resource types, external or uri")
    .mend("Name published resource types, external or uri; leave referenceTypes out elsewhere.")
    .needs(&[Need::Schemas])
    .reads()
    .body(|cx| {
        Box::pin(async move {
            let schemas = schemas(cx).await?;
            let types = resource_types(cx).await?;
            // Core schemas may speak of types that are not offered here.
            let mut names = vec!["external", "uri", "User", "Group"];
            names.extend(types.iter().filter_map(|kind| text(kind, "name")));
            let found = faults(&schemas, |a| {
                let given = a.definition.get("referenceTypes").filter(|v| !v.is_null())?;
                let Some(list) = given.as_array() else {
                    return Some(format!("has referenceTypes {given}, which is no array"));
                };
                if text(a.definition, "type") != Some("reference") && !list.is_empty() {
                    return Some("is no reference and has referenceTypes".to_owned());
                }
                list.iter()
                    .find(|one| !one.as_str().is_some_and(|one| names.contains(&one)))
                    .map(|one| format!("has the reference type {one}"))
            });
            none(&found, "referenceTypes are resource types, external or uri")
        })
    });

const PREDEFINED: Check = should("schema.multi-valued.predefined", Topic::Schema, &["7643-2.4-02"])
    .reason("type, primary, display and $ref keep their meaning in every multi-valued attribute")
    .mend("Give another name to the sub-attribute that means something else.")
    .needs(&[Need::Schemas])
    .reads()
    .body(|cx| {
        Box::pin(async move {
            let mut found = Vec::new();
            for schema in &schemas(cx).await? {
                for attribute in attributes_of(schema) {
                    if attribute.definition.get("multiValued") != Some(&Value::Bool(true)) {
                        continue;
                    }
                    // The schema of schemas has a `type` of its own; it is a string too.
                    for sub in list_of(attribute.definition, "subAttributes") {
                        let name = text(sub, "name").unwrap_or_default();
                        let wanted: &[&str] = match name {
                            "type" | "display" => &["string"],
                            "primary" => &["boolean"],
                            "$ref" => &["reference"],
                            _ => continue,
                        };
                        let kind = text(sub, "type").unwrap_or("string");
                        if !wanted.contains(&kind) {
                            found.push(format!("{}.{name} is of type {kind}", attribute.path));
                        }
                    }
                }
            }
            none(&found, "the predefined sub-attributes have their types")
        })
    });

const PASSWORD: Check = must("schema.password.characteristics", Topic::Schema, &["7643-4.1.1-22"])
    .reason("password is writeOnly and never returned")
    .mend("Announce password with mutability writeOnly and returned never.")
    .needs(&[Need::Schemas, Need::Password])
    .reads()
    .body(|cx| {
        Box::pin(async move {
            let schemas = schemas(cx).await?;
            let Some(password) = core_user(&schemas, "password") else {
                return cx.skip("the served User schema has no password");
            };
            cx.expect(text(&password, "mutability"))
                .to_be(Some("writeOnly"), "the mutability of password")?;
            cx.expect(text(&password, "returned"))
                .to_be(Some("never"), "password is never returned")
        })
    });

const USER_NAME: Check = should(
    "schema.user-name.characteristics",
    Topic::Schema,
    &["7643-4.1.1-04", "7643-4.1.1-02", "7643-4.1.1-03"],
)
.reason("userName is announced as required, unique on the server and not case exact")
.mend("Announce userName with required true, uniqueness server (or global) and caseExact false.")
.needs(&[Need::Schemas, Need::Users])
.reads()
.body(|cx| {
    Box::pin(async move {
        let schemas = schemas(cx).await?;
        let Some(name) = core_user(&schemas, "userName") else {
            return cx.fail("the served User schema has no userName");
        };
        cx.expect(name.get("required")).to_be(Some(&Value::Bool(true)), "userName is required")?;
        cx.expect(matches!(text(&name, "uniqueness"), Some("server" | "global")))
            .to_be(true, "userName is announced as unique")?;
        cx.expect(name.get("caseExact") == Some(&Value::Bool(true)))
            .to_be(false, "userName is announced as case exact")
    })
});

const DESCRIBED: Check = should("schema.schema.described", Topic::Schema, &["7643-7-04"])
    .reason("every schema has a name for people")
    .mend("Give every schema a name and a description.")
    .needs(&[Need::Schemas])
    .reads()
    .body(|cx| {
        Box::pin(async move {
            let found: Vec<String> = schemas(cx)
                .await?
                .iter()
                .filter(|schema| text(schema, "name").is_none_or(str::is_empty))
                .map(|schema| format!("{} has no name", text(schema, "id").unwrap_or("a schema")))
                .collect();
            none(&found, "every schema has a name")
        })
    });

const RESERVED: Check = should("schema.schema.reserved-names", Topic::Schema, &["7643-10.3.1-01"])
    .reason("own schemas stay out of the names reserved for the core and the messages")
    .mend("Name own schemas urn:ietf:params:scim:schemas:extension:… or by a namespace you own.")
    .needs(&[Need::Schemas])
    .reads()
    .body(|cx| {
        Box::pin(async move {
            // Of RFC 7643 and RFC 9944, and of the drafts that will be registered there.
            const DEFINED: &[&str] = &[
                "user",
                "group",
                "serviceproviderconfig",
                "resourcetype",
                "schema",
                "device",
                "endpointapp",
                "role",
                "entitlement",
                "agent",
                "agenticapplication",
                "agenticidentity",
            ];
            let found: Vec<String> = schemas(cx)
                .await?
                .iter()
                .filter_map(|schema| text(schema, "id"))
                .filter(|id| {
                    let id = id.to_ascii_lowercase();
                    id.strip_prefix("urn:ietf:params:scim:schemas:core:")
                        .and_then(|rest| rest.rsplit(':').next())
                        .is_some_and(|name| !DEFINED.contains(&name))
                })
                .map(str::to_owned)
                .collect();
            none(&found, "no own schema in urn:ietf:params:scim:schemas:core")
        })
    });

const REDEFINED: Check = should("schema.extension.own-names", Topic::Schema, &["7643-3.3-03"])
    .reason("an extension does not define anew what its base schema has")
    .mend("Leave attributes of the base schema out of the extension.")
    .needs(&[Need::Schemas, Need::ResourceTypes])
    .reads()
    .body(|cx| {
        Box::pin(async move {
            let schemas = schemas(cx).await?;
            let by_id = |id: &str| {
                schemas
                    .iter()
                    .find(|s| text(s, "id").is_some_and(|one| one.eq_ignore_ascii_case(id)))
            };
            let mut found = Vec::new();
            for kind in resource_types(cx).await? {
                let Some(base) = text(&kind, "schema").and_then(by_id) else { continue };
                let base: Vec<String> =
                    top_names(base).iter().map(|name| name.to_ascii_lowercase()).collect();
                for extension in list_of(&kind, "schemaExtensions") {
                    let Some(id) = text(extension, "schema") else { continue };
                    for name in by_id(id).map(top_names).unwrap_or_default() {
                        let lower = name.to_ascii_lowercase();
                        let common =
                            ["id", "externalid", "meta", "schemas"].contains(&lower.as_str());
                        if base.contains(&lower) && !common {
                            found.push(format!("{id}:{name}"));
                        }
                    }
                }
            }
            none(&found, "no extension attribute is one of its base schema")
        })
    });

const CANONICAL: Check = should(
    "schema.type.canonical-values",
    Topic::Schema,
    &["7643-2.4-09", "7643-4.1.2-09", "7643-4.1.2-10", "7643-4.1.2-14"],
)
.reason("canonical types of ims and photos hold those that the RFC names")
.mend("List the RFC's values in canonicalValues of ims.type and photos.type; more may follow for ims.")
.needs(&[Need::Schemas, Need::Users])
.reads()
.body(|cx| {
    Box::pin(async move {
        let schemas = schemas(cx).await?;
        let named: &[(&str, &[&str])] = &[
            ("ims", &["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"]),
            ("photos", &["photo", "thumbnail"]),
        ];
        let mut found = Vec::new();
        let mut seen = false;
        for (name, words) in named {
            let Some(attribute) = core_user(&schemas, name) else { continue };
            let kind = list_of(&attribute, "subAttributes")
                .iter()
                .find(|sub| text(sub, "name") == Some("type"))
                .map(|sub| list_of(sub, "canonicalValues"))
                .unwrap_or_default();
            if kind.is_empty() {
                continue;
            }
            seen = true;
            // None of them at all means another vocabulary; some of them means a smaller service.
            if !words.iter().any(|word| kind.iter().any(|one| one.as_str() == Some(word))) {
                found.push(format!("{name}.type has {}", Value::Array(kind.to_vec())));
            }
        }
        if !seen {
            return cx.skip("no canonical values are listed for ims.type and photos.type");
        }
        none(&found, "the canonical values are from the RFC's vocabulary")
    })
});

/// Every attribute and sub-attribute that has something wrong, as `path: what`.
fn faults(schemas: &[Value], wrong: impl Fn(&Attribute<'_>) -> Option<String>) -> Vec<String> {
    schemas
        .iter()
        .flat_map(attributes_of)
        .filter_map(|a| wrong(&a).map(|what| format!("{}: {what}", a.path)))
        .collect()
}

fn meaningless(a: &Attribute<'_>) -> Option<String> {
    if a.definition.get("caseExact") == Some(&Value::Bool(true)) {
        return Some("is announced as case exact".to_owned());
    }
    match text(a.definition, "uniqueness") {
        None | Some("none") => None,
        Some(other) => Some(format!("has uniqueness {other}")),
    }
}

fn top_names(schema: &Value) -> Vec<String> {
    list_of(schema, "attributes")
        .iter()
        .filter_map(|a| text(a, "name"))
        .map(str::to_owned)
        .collect()
}

/// A top-level attribute of the core User schema.
fn core_user(schemas: &[Value], name: &str) -> Option<Value> {
    let user =
        schemas.iter().find(|s| text(s, "id").is_some_and(|id| id.eq_ignore_ascii_case(USER)))?;
    list_of(user, "attributes")
        .iter()
        .find(|a| text(a, "name").is_some_and(|one| one.eq_ignore_ascii_case(name)))
        .cloned()
}
