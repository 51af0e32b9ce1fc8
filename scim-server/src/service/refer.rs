//! Says where single-valued references lead: a `manager` gets the `$ref` that it may come without (RFC 7643 section 4.3).

use scim_core::{Attribute, Object, Resource, ResourceId, ResourceSchema, Value};

use super::{Cx, Result};
use crate::store::{Include, Key, StoreError};

/// Gives each reference of one value that has none a relative `$ref`, if what it names is there: what is not is taken all the
/// same (AMBIGUITIES 61), and nothing is said of where it would be. A reference that is what it was in `before` keeps what is
/// stored with it, so that a write that changes nothing stays one. Answers whether any was made.
pub(super) async fn complete(
    cx: &Cx<'_>,
    schema: &ResourceSchema,
    before: Option<&Resource>,
    resource: &mut Resource,
) -> Result<bool> {
    let mut any = false;
    for (uri, attribute) in singles(schema) {
        let name = attribute.name.as_str();
        let Some(object) = inside(resource.object(), uri) else { continue };
        let Some(value) = object.get(name).and_then(Value::as_object) else { continue };
        let Some(id) = value.get_str("value").map(str::to_owned) else { continue };
        let stored = before.and_then(|before| inside(before.object(), uri));
        let stored = stored.and_then(|object| object.get(name)).and_then(Value::as_object);
        let unchanged = stored.is_some_and(|stored| stored.get_str("value") == Some(id.as_str()));
        let stored = stored.and_then(|stored| stored.get_str("$ref"));
        let reference = match (value.get_str("$ref"), unchanged) {
            (Some(given), true) if Some(given) != stored => continue,
            (_, true) => stored.map(str::to_owned),
            // A PATCH of the `value` alone has left the old one there.
            (Some(given), false) if Some(given) != stored => continue,
            (_, false) => find(cx, attribute, &id).await?,
        };
        let object = match uri {
            None => Some(resource.object_mut()),
            Some(uri) => resource.object_mut().get_mut(uri).and_then(Value::as_object_mut),
        };
        let value = object.and_then(|object| object.get_mut(name)).and_then(Value::as_object_mut);
        match (value, reference) {
            (Some(value), Some(reference)) => {
                value.insert("$ref", reference);
                any = true;
            }
            (Some(value), None) => drop(value.remove("$ref")),
            (None, _) => {}
        }
    }
    Ok(any)
}

/// The references of one value, with the extension that they are of.
fn singles(schema: &ResourceSchema) -> Vec<(Option<&str>, &Attribute)> {
    let base = schema.base().attributes.iter().map(|attribute| (None, attribute));
    let extensions = schema.extensions().flat_map(|(extension, _)| {
        let uri = Some(extension.id.as_str());
        extension.attributes.iter().map(move |attribute| (uri, attribute))
    });
    let single =
        |attribute: &Attribute| !attribute.multi_valued && attribute.is_resource_reference();
    base.chain(extensions).filter(|(_, attribute)| single(attribute)).collect()
}

fn inside<'a>(resource: &'a Object, uri: Option<&str>) -> Option<&'a Object> {
    match uri {
        None => Some(resource),
        Some(uri) => resource.get(uri).and_then(Value::as_object),
    }
}

/// `Endpoint/id`, of the first type that the attribute may refer to and that has this id.
async fn find(cx: &Cx<'_>, attribute: &Attribute, id: &str) -> Result<Option<String>> {
    let Some(id) = ResourceId::new(id) else { return Ok(None) };
    let types = attribute.sub("$ref").map(|sub| sub.reference_types.as_slice()).unwrap_or_default();
    for resource_type in types {
        let Some(schema) = cx.app.registry.get(resource_type) else { continue };
        let key =
            Key { tenant: cx.tenant.clone(), resource_type: schema.name().into(), id: id.clone() };
        match cx.app.store.get(&key, Include::default()).await {
            Ok(_) => {
                let endpoint = schema.resource_type().endpoint.trim_matches('/');
                return Ok(Some(format!("{endpoint}/{id}")));
            }
            Err(StoreError::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}
