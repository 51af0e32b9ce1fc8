//! The `schemas` attribute: read from bodies, derived for everything that is stored (RFC 7643 section 3).

use super::at::At;
use crate::error::Error;
use crate::name::urn;
use crate::profile::{Leniency, Tolerance};
use crate::resource::{Object, Value};
use crate::schema::ResourceSchema;

/// Takes `schemas` out of a body after checking that it names the base schema, and moves data under an old URN of the
/// enterprise extension to today's.
///
/// That an extension is named without data, or has data without being named, is no error (AMBIGUITIES 58).
pub(super) fn take(
    object: &mut Object,
    schema: &ResourceSchema,
    leniency: &mut Leniency,
) -> Result<(), Error> {
    let declared = match object.remove("schemas") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items,
        Some(other) => {
            let detail = format!("must be an array of schema URIs, but is {}", other.kind());
            return Err(Error::value("schemas", detail));
        }
    };
    let mut has_base = false;
    for (i, uri) in declared.iter().enumerate() {
        let at = At::Text("schemas");
        let at = at.index(i);
        let Value::String(uri) = uri else {
            return Err(Error::value(at, format!("must be a string, but is {}", uri.kind())));
        };
        if schema.base().id == **uri || schema.extension(uri).is_some() {
            has_base |= schema.base().id == **uri;
        } else if let Some(modern) = modern(uri, schema) {
            if !leniency.allows(Tolerance::LegacySchemaUris, at) {
                return Err(Error::value(at, format!("is the URN of an older SCIM; use {modern}")));
            }
            has_base |= schema.base().id == *modern;
        } else if !leniency.allows(Tolerance::DropUndeclaredSchemas, at) {
            let detail = format!("is no schema of the resource type {}", schema.name());
            return Err(Error::value(at, detail));
        }
    }
    if !has_base {
        let detail = format!("must hold the URI of the base schema, {}", schema.base().id);
        return Err(Error::value("schemas", detail));
    }
    rename_legacy(object, schema, leniency)
}

fn rename_legacy(
    object: &mut Object,
    schema: &ResourceSchema,
    leniency: &mut Leniency,
) -> Result<(), Error> {
    let old: Vec<_> = object
        .iter()
        .filter(|(name, _)| is_legacy_enterprise(name) && schema.extension(name).is_none())
        .map(|(name, _)| name.to_owned())
        .collect();
    for name in old {
        let at = At::ROOT;
        if schema.extension(urn::ENTERPRISE_USER).is_none()
            || !leniency.allows(Tolerance::LegacySchemaUris, at.name(&name))
        {
            continue;
        }
        let data = object.remove(&name).unwrap_or_default();
        if object.insert(urn::ENTERPRISE_USER, data).is_some() {
            let detail = "the enterprise extension is there twice, under an older and today's URN";
            return Err(Error::syntax(format!("{}: {detail}", urn::ENTERPRISE_USER)));
        }
    }
    Ok(())
}

/// The URN that an old one stands for on this resource type.
fn modern<'a>(uri: &str, schema: &'a ResourceSchema) -> Option<&'a str> {
    let base = schema.base();
    if base.id == urn::USER || base.id == urn::GROUP {
        let rest = strip_prefix(uri, "urn:scim:schemas:core:").and_then(without_version);
        if rest.is_some_and(|r| r.is_empty() || r.eq_ignore_ascii_case(schema.name())) {
            return Some(base.id.as_str());
        }
    }
    let enterprise = schema.extension(urn::ENTERPRISE_USER)?;
    is_legacy_enterprise(uri).then_some(enterprise.id.as_str())
}

fn is_legacy_enterprise(uri: &str) -> bool {
    strip_prefix(uri, "urn:scim:schemas:extension:enterprise:")
        .and_then(without_version)
        .is_some_and(|rest| rest.is_empty() || rest.eq_ignore_ascii_case("User"))
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

/// What follows `1.0` or `2.0`, without its colon.
fn without_version(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("1.0").or_else(|| text.strip_prefix("2.0"))?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(':') }
}

/// Sets `schemas` to the base schema and the extensions that have data; in front when it was not there.
pub(super) fn derive(object: &mut Object, schema: &ResourceSchema) {
    let uris = std::iter::once(&schema.base().id)
        .chain(schema.extensions().map(|(extension, _)| &extension.id))
        .filter(|uri| **uri == schema.base().id || object.contains(uri.as_str()))
        .map(|uri| Value::String(uri.to_smol()))
        .collect();
    object.set_first("schemas", Value::Array(uris));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Registry;

    #[test]
    fn old_urns() {
        let registry = Registry::standard();
        let (user, group) = (registry.user(), registry.group());
        for (old, modern_user, modern_group) in [
            ("urn:scim:schemas:core:1.0", Some(urn::USER), Some(urn::GROUP)),
            ("urn:scim:schemas:core:2.0", Some(urn::USER), Some(urn::GROUP)),
            ("urn:scim:schemas:core:2.0:User", Some(urn::USER), None),
            ("URN:SCIM:schemas:core:2.0:Group", None, Some(urn::GROUP)),
            ("urn:scim:schemas:extension:enterprise:1.0", Some(urn::ENTERPRISE_USER), None),
            ("urn:scim:schemas:extension:enterprise:2.0:User", Some(urn::ENTERPRISE_USER), None),
            ("urn:scim:schemas:core:3.0", None, None),
            ("urn:scim:schemas:core:", None, None),
            ("urn:scim:schemas:core:2.0User", None, None),
            ("urn:scim:schemas:extension:other:1.0", None, None),
            ("é", None, None),
        ] {
            assert_eq!(modern(old, user), modern_user, "{old}");
            assert_eq!(modern(old, group), modern_group, "{old}");
        }
    }
}
