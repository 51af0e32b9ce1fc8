//! What the server says about a resource.

use chrono::{DateTime, Utc};

use super::view::view;
use crate::filter::instant::parse_instant;

view! {
    /// Facts about a resource that the server keeps (RFC 7643 section 3.1).
    Meta {
        /// The name of the resource type.
        one resource_type "resourceType": String = with_resource_type,
        /// When the resource was made, as xsd:dateTime.
        one created "created": String = with_created,
        /// When the resource was last changed, as xsd:dateTime.
        one last_modified "lastModified": String = with_last_modified,
        /// The resource's URI.
        one location "location": String = with_location,
        /// The version, as in the `ETag` header.
        one version "version": String = with_version,
    }
}

impl Meta {
    /// The instant in `created`; `None` also when it is no xsd:dateTime.
    pub fn created_at(&self) -> Option<DateTime<Utc>> {
        self.created.as_deref().and_then(parse_instant)
    }

    /// The instant in `lastModified`; `None` also when it is no xsd:dateTime.
    pub fn last_modified_at(&self) -> Option<DateTime<Utc>> {
        self.last_modified.as_deref().and_then(parse_instant)
    }
}
