//! What of a resource an answer shows.

use scim_core::project::{Projection, ResolvedProjection};
use scim_core::{Object, Resource, ResourceSchema};

use crate::service::{Cx, has_groups, has_members};
use crate::store::Include;

/// A projection, worked out for one resource type; or nothing to work out, when all that is stored is shown.
#[derive(Debug, Clone)]
pub(crate) struct View {
    resolved: Option<ResolvedProjection>,
}

impl View {
    /// Works out what the request asks for.
    pub(crate) fn new(cx: &mut Cx<'_>, projection: &Projection, schema: &ResourceSchema) -> Self {
        let whole = projection.is_default() && cx.app.is_plain(schema);
        Self { resolved: (!whole).then(|| projection.resolve(schema, &mut cx.leniency)) }
    }

    /// Shows what is returned on request only when the same request has written it (RFC 7643 section 7).
    pub(crate) fn show_written(&mut self, schema: &ResourceSchema, body: &Object) {
        if let Some(resolved) = &mut self.resolved {
            resolved.show_written_body(schema, body);
        }
    }

    /// Whether stored attributes are shown as they are.
    pub(crate) fn is_whole(&self) -> bool {
        self.resolved.is_none()
    }

    /// Takes out what is not shown.
    pub(crate) fn apply(&self, resource: &mut Resource) {
        if let Some(resolved) = &self.resolved {
            resolved.apply(resource);
        }
    }

    /// What to read along with the stored attributes.
    pub(crate) fn include(&self, schema: &ResourceSchema) -> Include {
        let wants = |name| self.resolved.as_ref().is_none_or(|r| r.wants(name));
        Include {
            // The version shown depends on the groups, so whoever sees `meta` needs them read.
            groups: has_groups(schema) && (wants("groups") || wants("meta")),
            members: has_members(schema) && wants("members"),
        }
    }
}
