//! Profiles: the strict reading of the RFCs, and named tolerances for what real clients send.
//!
//! The engine follows the RFCs. Each deviation that a vendor's request needs is one [`Tolerance`] with a name, the
//! clause that it relaxes and the peer that needs it. A [`Profile`] is the set of those that are on. Using one leaves
//! a [`Trace`], so nothing is dropped or changed in silence.

use std::fmt;
use std::str::FromStr;

/// One named deviation from the RFCs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Tolerance {
    /// A PATCH, search or bulk message without `schemas` is read as if it had them.
    MessageWithoutSchemas,
    /// `remove` with a `value` removes the listed values only.
    RemoveByValue,
    /// `add` and `replace` on a filter that matches nothing create the element that the filter describes.
    CreateOnFilterMiss,
    /// Keys of a path-less value may be dotted or URN-qualified paths.
    PathKeys,
    /// The bare name of an attribute that only one extension has is found.
    BareExtensionName,
    /// `displayName` inside a role or entitlement is read as `display`.
    DisplayNameForDisplay,
    /// `"True"` and `"False"` stand for booleans, in values and in filters.
    StringBoolean,
    /// `TRUE` and `False` without quotes are booleans in filters.
    BooleanLiteralCase,
    /// Numbers may be sent as strings.
    StringNumber,
    /// A one-element array, or `[{"value":x}]`, stands for the value of a single-valued attribute in PATCH.
    UnwrapSingle,
    /// One object stands for a one-element list of a multi-valued complex attribute in POST and PUT.
    WrapObject,
    /// `manager` may be a string, and `""` or `{"value":""}` unassigns it.
    ManagerShorthand,
    /// `meta` in a path-less PATCH value is ignored whatever it holds.
    IgnoreMeta,
    /// Undeclared URIs in `schemas` are dropped.
    DropUndeclaredSchemas,
    /// `urn:scim:schemas:core:*` and `urn:scim:schemas:extension:enterprise:*` stand for today's URNs.
    LegacySchemaUris,
    /// Unknown attributes of a created or replaced resource are dropped.
    DropUnknownAttributes,
    /// `userName` may hold what PRECIS UsernameCaseMapped refuses, such as spaces.
    AnyUserName,
    /// `addresses.country` need not be an ISO 3166-1 alpha-2 code.
    AnyCountry,
    /// A filter on a single-valued complex attribute compares its `value`.
    ComplexEqValue,
    /// `emails[type eq "work"].value eq "x"` is read as `emails[type eq "work" and value eq "x"]`.
    ValuePathComparison,
    /// `count` may change between cursor pages.
    ChangingCursorCount,
    /// `replace` on a complex attribute replaces it whole instead of merging (interop profile draft).
    ReplaceComplexWhole,
}

/// What the documentation says about a tolerance.
#[derive(Debug, Clone, Copy)]
pub struct ToleranceInfo {
    /// The name in configuration and logs.
    pub name: &'static str,
    /// Who sends it.
    pub peer: &'static str,
    /// The clause that it relaxes.
    pub clause: &'static str,
    /// What is accepted.
    pub accepts: &'static str,
    /// What the strict profile answers.
    pub strict: &'static str,
    /// A captured request that needs it: the fixture's name.
    pub fixture: &'static str,
    /// Whether it is on in [`Profile::default`].
    pub default: bool,
}

impl Tolerance {
    /// All of them, in the order of the documentation.
    pub const ALL: [Tolerance; 22] = [
        Tolerance::MessageWithoutSchemas,
        Tolerance::RemoveByValue,
        Tolerance::CreateOnFilterMiss,
        Tolerance::PathKeys,
        Tolerance::BareExtensionName,
        Tolerance::DisplayNameForDisplay,
        Tolerance::StringBoolean,
        Tolerance::BooleanLiteralCase,
        Tolerance::StringNumber,
        Tolerance::UnwrapSingle,
        Tolerance::WrapObject,
        Tolerance::ManagerShorthand,
        Tolerance::IgnoreMeta,
        Tolerance::DropUndeclaredSchemas,
        Tolerance::LegacySchemaUris,
        Tolerance::DropUnknownAttributes,
        Tolerance::AnyUserName,
        Tolerance::AnyCountry,
        Tolerance::ComplexEqValue,
        Tolerance::ValuePathComparison,
        Tolerance::ChangingCursorCount,
        Tolerance::ReplaceComplexWhole,
    ];

    /// Name, peer, clause and default.
    pub const fn info(self) -> ToleranceInfo {
        let (name, peer, clause, accepts, strict, fixture, default) = match self {
            Tolerance::MessageWithoutSchemas => (
                "message-without-schemas",
                "various clients",
                "RFC 7644 3.5.2, 3.4.3, 3.7",
                "a PATCH, search or bulk message that has no `schemas`; a wrong URI stays an error",
                "400 invalidSyntax",
                "tolerance/message-without-schemas.json",
                true,
            ),
            Tolerance::RemoveByValue => (
                "remove-by-value",
                "Entra, OneLogin, JumpCloud, Salesforce",
                "RFC 7644 3.5.2.2",
                "`remove` with a `value`: only the listed values go; the attribute is never emptied by it",
                "400 invalidSyntax",
                "entra/entra-remove-member-legacy.json",
                true,
            ),
            Tolerance::CreateOnFilterMiss => (
                "create-on-filter-miss",
                "Entra",
                "RFC 7644 3.5.2.1, 3.5.2.3, erratum 8097",
                "`add` or `replace` of `emails[type eq \"work\"].value` when there is no work address: it is created from the filter's `eq` terms",
                "400 noTarget",
                "entra/entra-add-email-when-absent.json",
                true,
            ),
            Tolerance::PathKeys => (
                "path-keys",
                "Entra (aadOptscim062020)",
                "RFC 7644 3.5.2.1",
                "keys such as `name.givenName` or `urn:...:User:department` in a value without path: each is its own operation",
                "400 invalidPath",
                "entra/entra-replace-many-flag.json",
                true,
            ),
            Tolerance::BareExtensionName => (
                "bare-extension-name",
                "Entra",
                "RFC 7644 3.10",
                "`manager` instead of its URN-qualified path, when only one extension has the name",
                "400 invalidPath or invalidFilter",
                "entra/entra-manager-patch.json",
                true,
            ),
            Tolerance::DisplayNameForDisplay => (
                "display-name-for-display",
                "Entra",
                "RFC 7643 4.1.2",
                "`displayName` inside a role or entitlement as `display`",
                "400 invalidValue or invalidPath",
                "entra/entra-role-displayname-for-display.json",
                true,
            ),
            Tolerance::StringBoolean => (
                "string-boolean",
                "Entra, SCIM Validator",
                "RFC 7643 2.3.2",
                "`\"True\"` and `\"False\"` in any case for booleans, in values and filters; other words stay errors",
                "400 invalidValue or invalidFilter",
                "entra/entra-disable-user-patch.json",
                true,
            ),
            Tolerance::BooleanLiteralCase => (
                "boolean-literal-case",
                "clients of Entra's SCIM API",
                "RFC 7644 3.4.2.2",
                "`active eq TRUE` in filters",
                "400 invalidFilter",
                "filters.tsv: active eq TRUE",
                true,
            ),
            Tolerance::StringNumber => (
                "string-number",
                "Entra",
                "RFC 7643 2.3.3, 2.3.4",
                "`\"7\"` for integer and decimal attributes",
                "400 invalidValue",
                "tolerance/string-number.json",
                true,
            ),
            Tolerance::UnwrapSingle => (
                "unwrap-single",
                "Entra (old Microsoft package), several clients",
                "RFC 7643 2.4",
                "a one-element array, or `[{\"value\":x}]`, for a single-valued attribute in PATCH values",
                "400 invalidValue",
                "entra/entra-legacy-scalar-wrapped.json",
                true,
            ),
            Tolerance::WrapObject => (
                "wrap-object",
                "OneLogin",
                "RFC 7643 2.4",
                "one object for a multi-valued complex attribute in POST and PUT (PATCH takes it in both profiles)",
                "400 invalidValue",
                "tolerance/wrap-object.json",
                true,
            ),
            Tolerance::ManagerShorthand => (
                "manager-shorthand",
                "Entra, SCIM Validator",
                "RFC 7643 4.3",
                "`manager` as a string; `\"\"` or `{\"value\":\"\"}` unassigns it",
                "400 invalidValue",
                "entra/entra-manager-urn-string.json",
                true,
            ),
            Tolerance::IgnoreMeta => (
                "ignore-meta",
                "authentik, Okta",
                "RFC 7644 3.5.2",
                "`meta` in a PATCH value without path, whatever it holds",
                "400 mutability unless equal to what is stored",
                "tolerance/ignore-meta.json",
                true,
            ),
            Tolerance::DropUndeclaredSchemas => (
                "drop-undeclared-schemas",
                "Entra (ADSCIM)",
                "RFC 7643 3",
                "URIs in `schemas` that the resource type does not have are dropped and never echoed",
                "400 invalidValue",
                "entra/entra-create-group.json",
                true,
            ),
            Tolerance::LegacySchemaUris => (
                "legacy-schema-uris",
                "OneLogin",
                "RFC 7643 10.3",
                "SCIM 1.1 and draft URNs for the core and enterprise schema",
                "400 invalidValue",
                "onelogin/onelogin-put-user-legacy-schemas.json",
                true,
            ),
            Tolerance::DropUnknownAttributes => (
                "drop-unknown-attributes",
                "Entra, Okta, most clients",
                "RFC 7644 3.1, 3.12",
                "unknown attributes in POST and PUT are dropped (PATCH refuses them in both profiles)",
                "400 invalidSyntax",
                "tolerance/unknown-attribute.json",
                true,
            ),
            Tolerance::AnyUserName => (
                "any-user-name",
                "directories with spaces in names",
                "RFC 7644 5",
                "a `userName` that PRECIS UsernameCaseMapped refuses; it is stored and compared by folding",
                "400 invalidValue",
                "tolerance/any-user-name.json",
                true,
            ),
            Tolerance::AnyCountry => (
                "any-country",
                "Entra",
                "RFC 7643 4.1.2",
                "any text in `addresses.country`",
                "400 invalidValue",
                "entra/entra-validator-create-user-string-primary.json",
                true,
            ),
            Tolerance::ComplexEqValue => (
                "complex-eq-value",
                "Entra",
                "RFC 7644 3.4.2.2",
                "`manager eq \"x\"`: a single-valued complex attribute compares its `value`",
                "400 invalidFilter",
                "filters.tsv: manager eq",
                true,
            ),
            Tolerance::ValuePathComparison => (
                "value-path-comparison",
                "Entra",
                "RFC 7644 3.4.2.2",
                "`emails[type eq \"work\"].value eq \"x\"`",
                "400 invalidFilter",
                "filters.tsv: emails[type eq \"work\"].value eq",
                true,
            ),
            Tolerance::ChangingCursorCount => (
                "changing-cursor-count",
                "various clients",
                "RFC 9865 2.1",
                "another `count` on a later cursor page",
                "400 invalidCount",
                "tolerance/changing-cursor-count.json",
                true,
            ),
            Tolerance::ReplaceComplexWhole => (
                "replace-complex-whole",
                "interop profile draft",
                "RFC 7644 3.5.2.3",
                "`replace` of a complex attribute drops the sub-attributes that are not named",
                "sub-attributes that are not named stay",
                "tolerance/replace-complex-whole.json",
                false,
            ),
        };
        ToleranceInfo { name, peer, clause, accepts, strict, fixture, default }
    }

    /// The name in configuration and logs.
    pub const fn name(self) -> &'static str {
        self.info().name
    }

    const fn bit(self) -> u32 {
        1 << (self as u8)
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Tolerance {
    type Err = UnknownTolerance;

    fn from_str(name: &str) -> Result<Self, UnknownTolerance> {
        Self::ALL
            .into_iter()
            .find(|t| t.name() == name)
            .ok_or_else(|| UnknownTolerance(name.to_owned()))
    }
}

/// A name that is no tolerance's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no tolerance named {0:?}; docs/tolerances.md lists them")]
pub struct UnknownTolerance(String);

/// The set of tolerances that are on.
///
/// ```
/// use scim_core::{Profile, Tolerance};
/// assert!(!Profile::strict().has(Tolerance::StringBoolean));
/// assert!(Profile::default().has(Tolerance::StringBoolean));
/// let mine = Profile::default().without(Tolerance::AnyCountry);
/// assert!(!mine.has(Tolerance::AnyCountry));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    bits: u32,
}

impl Profile {
    /// The RFCs only.
    pub const fn strict() -> Self {
        Self { bits: 0 }
    }

    /// Whether the tolerance is on.
    pub const fn has(self, tolerance: Tolerance) -> bool {
        self.bits & tolerance.bit() != 0
    }

    /// The same profile with the tolerance on.
    #[must_use]
    pub const fn with(self, tolerance: Tolerance) -> Self {
        Self { bits: self.bits | tolerance.bit() }
    }

    /// The same profile with the tolerance off.
    #[must_use]
    pub const fn without(self, tolerance: Tolerance) -> Self {
        Self { bits: self.bits & !tolerance.bit() }
    }
}

/// What the reference server runs without options: everything that today's identity providers need.
impl Default for Profile {
    fn default() -> Self {
        Tolerance::ALL.into_iter().filter(|t| t.info().default).fold(Self::strict(), Profile::with)
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(Tolerance::ALL.into_iter().filter(|t| self.has(*t))).finish()
    }
}

/// A tolerance that was used, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// Which one.
    pub tolerance: Tolerance,
    /// The attribute, operation or parameter; never its value.
    pub at: String,
}

/// A profile together with the traces of one request: what every check and parser takes instead of a bare profile.
///
/// ```
/// use scim_core::{Leniency, Profile, Tolerance};
/// let mut leniency = Leniency::new(Profile::default());
/// assert!(leniency.allows(Tolerance::StringBoolean, "active"));
/// assert_eq!(leniency.traces()[0].at, "active");
/// ```
#[derive(Debug, Clone)]
pub struct Leniency {
    profile: Profile,
    traces: Vec<Trace>,
}

impl Leniency {
    /// No traces yet.
    pub fn new(profile: Profile) -> Self {
        Self { profile, traces: Vec::new() }
    }

    /// The profile.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Whether the tolerance is on, without leaving a trace.
    pub fn has(&self, tolerance: Tolerance) -> bool {
        self.profile.has(tolerance)
    }

    /// Whether the tolerance is on; if so its use is recorded. To be asked only where strict would refuse.
    pub fn allows(&mut self, tolerance: Tolerance, at: impl fmt::Display) -> bool {
        let on = self.profile.has(tolerance);
        // One request cannot make the list grow without bound: a thousand equal traces tell no more than a few.
        if on && self.traces.len() < 64 {
            self.traces.push(Trace { tolerance, at: at.to_string() });
        }
        on
    }

    /// What was used so far.
    pub fn traces(&self) -> &[Trace] {
        &self.traces
    }
}

impl From<Profile> for Leniency {
    fn from(profile: Profile) -> Self {
        Self::new(profile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_parse() {
        let mut names: Vec<_> = Tolerance::ALL.iter().map(|t| t.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Tolerance::ALL.len());
        for tolerance in Tolerance::ALL {
            assert_eq!(tolerance.name().parse(), Ok(tolerance));
            assert!(Profile::strict().with(tolerance).has(tolerance));
        }
        assert!("nothing".parse::<Tolerance>().is_err());
    }
}
