//! `[types.X.members]`: the members of groups.

use serde::Deserialize;

use super::Limit;

/// `[types.X.members]`: how the members of a group are read and changed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MemberRules {
    /// Whether a group shows its members. Unless it always does, an empty list is not taken for an empty group.
    pub returned: Returned,
    /// How to ask when a group does not show them.
    pub reverse: Vec<Reverse>,
    /// Members added by one request.
    pub max_add: Limit,
    /// Members removed by one request.
    pub max_remove: Limit,
    /// Members added and removed by one request, together.
    pub max_change: Limit,
    /// Members of a new group; the others are added afterwards.
    pub max_create: Limit,
    /// Whether the whole list may be replaced or removed at once.
    pub replace_all: bool,
    /// Members of a request that replaces the whole list.
    pub max_replace: Limit,
    /// Whether one request may add some and remove others.
    pub mixed: bool,
    /// A change of members may not share a request with a change of something else.
    pub apart: bool,
    /// The form of a removal.
    pub removal: Removal,
    /// All that a request adds stands in one operation.
    pub one_addition: bool,
    /// Whether adding a member again is no error.
    pub add_again: bool,
    /// Members must exist and be active, or the whole request fails.
    pub active_only: bool,
    /// Whether groups may be members of groups.
    pub nested: bool,
    /// Where these facts come from.
    pub source: Vec<String>,
}

impl Default for MemberRules {
    fn default() -> Self {
        Self {
            returned: Returned::Unsaid,
            reverse: Vec::new(),
            max_add: Limit::NONE,
            max_remove: Limit::NONE,
            max_change: Limit::NONE,
            max_create: Limit::NONE,
            replace_all: true,
            max_replace: Limit::NONE,
            mixed: true,
            apart: false,
            removal: Removal::AsGiven,
            one_addition: false,
            add_again: true,
            active_only: false,
            nested: true,
            source: Vec::new(),
        }
    }
}

/// Whether a group shows its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Returned {
    /// Always: an empty list is an empty group.
    Always,
    /// Never.
    Never,
    /// Not known: a list with members is believed, an empty one is not.
    #[default]
    Unsaid,
}

/// A question about membership that is not asked of the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Reverse {
    /// `/Users?filter=groups.value eq "group"`: all users in it.
    UsersOfGroup,
    /// `/Groups?filter=id eq "group" and members.value eq "member"`: whether this one is in it.
    GroupWithMember,
    /// `/Groups?filter=members.value eq "member"`: the groups that it is in.
    GroupsOfMember,
}

/// The form of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Removal {
    /// As the caller wrote it; where this crate writes it, as `filter`.
    #[default]
    AsGiven,
    /// One operation for each member, with the path `members[value eq "id"]`.
    Filter,
    /// One operation with the path `members[value eq "a" or value eq "b"]`.
    OneFilter,
    /// One operation with the path `members` and the members as its value. Not of the RFC.
    ValueList,
}
