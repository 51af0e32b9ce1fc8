//! References to resources of this server: kept relative to the base URL, shown absolute.
//!
//! So the public URL can change without touching what is stored. Accepted are absolute URLs under the base URL and the
//! relative forms `Users/x`, `/Users/x`, `../Users/x` (AMBIGUITIES 101); other URLs stay as they are.

use scim_core::filter::Field;
use scim_core::{Attribute, Object, Resource, ResourceSchema, Value, urn};

/// Rewrites `$ref`s to this server in their relative form; tells whether there are any.
pub(crate) fn make_relative(
    resource: &mut Resource,
    schema: &ResourceSchema,
    base_url: &str,
) -> bool {
    let mut any = false;
    each_reference(resource, schema, &mut |text| {
        let relative = relative(text, base_url)?;
        any = true;
        (relative != text).then(|| relative.to_owned())
    });
    any
}

/// Rewrites relative `$ref`s as absolute URLs.
pub(crate) fn complete(resource: &mut Resource, schema: &ResourceSchema, base_url: &str) {
    each_reference(resource, schema, &mut |text| {
        relative(text, base_url).map(|relative| format!("{base_url}/{relative}"))
    });
}

/// Where a filter is evaluated, which decides how the references there are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// On what is stored, but for `members` and `groups`, which are made up absolute.
    Stored,
    /// On the resource as it is shown.
    Shown,
}

/// Brings references to this server, which a client may name in any of their forms, into the form of what they are compared
/// with: for [`TypedFilter::rewrite_equal`].
///
/// [`TypedFilter::rewrite_equal`]: scim_core::filter::TypedFilter::rewrite_equal
pub(crate) fn compared<'a>(
    schema: &'a ResourceSchema,
    base_url: &'a str,
    spelling: Spelling,
) -> impl FnMut(&Field, &str) -> Option<String> + 'a {
    move |field, text| {
        if field.sub.as_ref().is_none_or(|sub| *sub != "$ref") {
            return None;
        }
        let name = field.name.as_str();
        let attribute = match &field.extension {
            None => schema.attribute(name),
            Some(uri) => schema.extension(uri.as_str())?.attribute(name),
        };
        attribute.filter(|attribute| attribute.is_resource_reference())?;
        let relative = relative(text, base_url)?;
        let base = schema.base().id.as_str();
        let made_up = field.extension.is_none()
            && matches!((base, name), (urn::GROUP, "members") | (urn::USER, "groups"));
        Some(match spelling {
            Spelling::Stored if !made_up => relative.to_owned(),
            _ => format!("{base_url}/{relative}"),
        })
    }
}

/// `Type/id` when the text points at a resource under the base URL.
fn relative<'a>(text: &'a str, base_url: &str) -> Option<&'a str> {
    let rest = match text.strip_prefix(base_url) {
        Some(rest) => rest.strip_prefix('/')?,
        None if has_scheme(text) || text.starts_with("//") => return None,
        None => text.trim_start_matches("../").trim_start_matches('/'),
    };
    let (endpoint, id) = rest.split_once('/')?;
    let plain = |part: &str| !part.is_empty() && !part.contains(['/', '?', '#']) && part != "..";
    (plain(endpoint) && plain(id)).then_some(rest)
}

fn has_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| {
        !scheme.is_empty()
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    })
}

fn each_reference(
    resource: &mut Resource,
    schema: &ResourceSchema,
    rewrite: &mut dyn FnMut(&str) -> Option<String>,
) {
    visit(resource.object_mut(), &schema.base().attributes, rewrite);
    for (extension, _) in schema.extensions() {
        if let Some(object) =
            resource.object_mut().get_mut(extension.id.as_str()).and_then(Value::as_object_mut)
        {
            visit(object, &extension.attributes, rewrite);
        }
    }
}

fn visit(
    object: &mut Object,
    attributes: &[Attribute],
    rewrite: &mut dyn FnMut(&str) -> Option<String>,
) {
    for attribute in attributes.iter().filter(|a| a.is_resource_reference()) {
        let Some(value) = object.get_mut(attribute.name.as_str()) else { continue };
        let elements = match value {
            Value::Array(items) => items.as_mut_slice(),
            single => std::slice::from_mut(single),
        };
        for element in elements {
            let Some(reference) = element.as_object_mut().and_then(|e| e.get_mut("$ref")) else {
                continue;
            };
            if let Some(new) = reference.as_str().and_then(&mut *rewrite) {
                *reference = Value::from(new);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use scim_core::Registry;

    use super::*;

    const BASE: &str = "https://scim.test/scim/v2";

    fn round(reference: &str) -> (bool, String, String) {
        let registry = Registry::standard();
        let manager = Object::from_iter([("value", "7"), ("$ref", reference)]);
        let mut resource = Resource::new();
        resource.set(urn::ENTERPRISE_USER, Object::from_iter([("manager", manager)]));
        let read = |resource: &Resource| {
            let manager = resource.extension(urn::ENTERPRISE_USER).unwrap().get("manager").unwrap();
            manager.as_object().unwrap().get_str("$ref").unwrap().to_owned()
        };
        let any = make_relative(&mut resource, registry.user(), BASE);
        let stored = read(&resource);
        complete(&mut resource, registry.user(), BASE);
        (any, stored, read(&resource))
    }

    #[test]
    fn references_to_this_server_become_relative_and_absolute_again() {
        let shown = "https://scim.test/scim/v2/Users/7".to_owned();
        for sent in ["https://scim.test/scim/v2/Users/7", "Users/7", "/Users/7", "../Users/7"] {
            assert_eq!(round(sent), (true, "Users/7".to_owned(), shown.clone()), "{sent}");
        }
        for sent in ["https://other.test/Users/7", "urn:uuid:7", "//evil.test/Users/7", "7"] {
            assert_eq!(round(sent), (false, sent.to_owned(), sent.to_owned()), "{sent}");
        }
    }
}
