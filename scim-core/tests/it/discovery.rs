//! What a server says about itself.

use insta::assert_json_snapshot;
use scim_core::discovery::{
    AsyncRequest, AuthenticationScheme, Pagination, PaginationMethod, SecurityEvents,
    ServiceProviderConfig,
};
use scim_core::event::EventUri;
use scim_core::query::ListResponse;
use scim_core::{Registry, urn};
use serde_json::Value as Json;

use crate::fixtures::fixture;

const BASE: &str = "https://example.com/v2/";

#[test]
fn service_provider_config() {
    let config = ServiceProviderConfig::new()
        .with_documentation("https://example.com/help")
        .with_patch()
        .with_bulk(1_000, 4_194_304)
        .with_filter(1_000)
        .with_change_password()
        .with_sort()
        .with_etag()
        .with_authentication(AuthenticationScheme::bearer_token().primary())
        .with_pagination(Pagination {
            default_page_size: Some(100),
            max_page_size: Some(1_000),
            cursor_timeout: Some(3_600),
            ..Pagination::index_and_cursor()
        })
        .with_security_events(SecurityEvents {
            async_request: Some(AsyncRequest::None),
            event_uris: vec![EventUri::PatchNotice, EventUri::Delete],
        });
    assert_json_snapshot!(config.to_resource(BASE));
    let text = serde_json::to_string(&config.to_resource(BASE)).unwrap();
    assert_eq!(serde_json::from_str::<ServiceProviderConfig>(&text).unwrap(), config);
}

/// RFC 7643 section 5 requires them all, also of a server that can do nothing.
#[test]
fn nothing_supported_is_said_in_full() {
    let resource = ServiceProviderConfig::new().to_resource(BASE);
    for feature in ["patch", "bulk", "filter", "changePassword", "sort", "etag"] {
        let supported = resource.get(feature).unwrap().as_object().unwrap().get("supported");
        assert_eq!(supported.unwrap().as_bool(), Some(false), "{feature}");
    }
    assert!(resource.get("authenticationSchemes").unwrap().as_array().unwrap().is_empty());
    assert!(resource.get("pagination").is_none() && resource.get("securityEvents").is_none());
    assert_eq!(resource.id(), None);
}

#[test]
fn the_examples_of_the_rfcs_read() {
    let config: ServiceProviderConfig =
        serde_json::from_str(&fixture("rfc/rfc7643-8.5-service-provider-config.json")).unwrap();
    assert_eq!(config.bulk.max_payload_size, 1_048_576);
    assert_eq!(config.authentication_schemes.len(), 2);
    assert!(config.authentication_schemes[0].primary);
    // All that the example has comes back, but for the facts that only its server knows.
    let mut expected: Json =
        serde_json::from_str(&fixture("rfc/rfc7643-8.5-service-provider-config.json")).unwrap();
    let meta = expected["meta"].as_object_mut().unwrap();
    meta.retain(|name, _| matches!(name.as_str(), "location" | "resourceType"));
    assert_eq!(serde_json::to_value(config.to_resource(BASE)).unwrap(), expected);

    let paging = fixture("rfc/rfc9865-4-service-provider-config-pagination-fragment.json");
    let config: ServiceProviderConfig = serde_json::from_str(&paging).unwrap();
    let pagination = config.pagination.unwrap();
    assert_eq!(pagination.default_pagination_method, Some(PaginationMethod::Cursor));
    assert_eq!((pagination.max_page_size, pagination.cursor_timeout), (Some(250), Some(3_600)));
}

#[test]
fn async_requests_in_any_letter_case() {
    let read = |text: &str| serde_json::from_str::<AsyncRequest>(text).ok();
    assert_eq!(read("\"LONG\""), Some(AsyncRequest::Long));
    assert_eq!(read("\"Request\""), Some(AsyncRequest::Request));
    assert_eq!(read("\"later\""), None);
    assert_eq!(serde_json::to_string(&AsyncRequest::None).unwrap(), "\"none\"");
}

#[test]
fn resource_types() {
    let registry = Registry::standard();
    let list = ListResponse::all(
        registry.resource_types().map(|t| t.resource_type().to_resource(BASE)).collect(),
    );
    assert_json_snapshot!(list);
    // The RFC's own Group resource type, from the RFC's registry.
    let group = Registry::rfc7643().group().resource_type().to_resource(BASE);
    let expected: Json =
        serde_json::from_str(&fixture("rfc/rfc7643-8.6-resource-type-group.json")).unwrap();
    assert_eq!(serde_json::to_value(group).unwrap(), expected);
}

#[test]
fn schemas() {
    let registry = Registry::standard();
    for schema in registry.schemas() {
        let resource = schema.to_resource(BASE);
        assert_eq!(resource.id(), Some(schema.id.as_str()));
        assert_eq!(resource.schemas().collect::<Vec<_>>(), [urn::SCHEMA]);
        let meta = resource.get("meta").unwrap().as_object().unwrap();
        let location = format!("https://example.com/v2/Schemas/{}", schema.id);
        assert_eq!(meta.get_str("location"), Some(location.as_str()));
        let text = serde_json::to_string(&resource).unwrap();
        let again: scim_core::Schema = serde_json::from_str(&text).unwrap();
        assert_eq!(again.attributes.len(), schema.attributes.len());
    }
    assert_json_snapshot!(registry.schema(urn::GROUP).unwrap().to_resource(BASE));
}
