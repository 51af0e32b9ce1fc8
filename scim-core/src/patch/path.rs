//! Paths of PATCH operations: `name.familyName`, `emails[type eq "work"].value`, an extension's URI.

use std::fmt;
use std::str::FromStr;

use super::Op;
use crate::error::Error;
use crate::filter::{self, Comparison, Filter, FilterError, PathForm};
use crate::limits::Limits;
use crate::name::{AttrName, AttrPath, SchemaUri};
use crate::profile::{Leniency, Profile};

/// Where a PATCH operation applies (RFC 7644 section 3.5.2, figure 7).
///
/// `Display` writes text that reads back as the same path. The bare URI of a schema is a path too, although the
/// grammar has no word for it: extensions are added and removed that way (AMBIGUITIES 20).
///
/// ```
/// use scim_core::patch::PatchPath;
/// let path: PatchPath = r#"emails[type eq "work"].value"#.parse()?;
/// assert_eq!(path.attribute().unwrap().name(), "emails");
/// assert_eq!(path.sub().unwrap(), "value");
/// assert_eq!(path.to_string(), r#"emails[type eq "work"].value"#);
/// # Ok::<(), scim_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PatchPath {
    head: Head,
    filter: Option<Filter>,
    sub: Option<AttrName>,
}

#[derive(Debug, Clone, PartialEq)]
enum Head {
    /// What stands in front of a bracket, or all there is. May itself be the URI of a schema whose last part looks
    /// like a name; only the schema can tell.
    Attribute(AttrPath),
    /// A URI that cannot be read as an attribute with its schema in front.
    Uri(SchemaUri),
}

impl PatchPath {
    /// The path `path[filter]` or, with a sub-attribute, `path[filter].sub`.
    pub fn selected(path: AttrPath, filter: Filter, sub: Option<AttrName>) -> Self {
        Self { head: Head::Attribute(path), filter: Some(filter), sub }
    }

    /// Reads a path.
    ///
    /// # Errors
    /// [`FilterError`] with the column in the path and what was expected there.
    pub fn parse(
        text: &str,
        limits: &Limits,
        leniency: &mut Leniency,
    ) -> Result<Self, FilterError> {
        Self::parse_for(Op::Add, text, limits, leniency)
    }

    /// Reads the path of an operation. A `remove` may select values with a comparison instead of a bracket, as in
    /// `schemas eq "urn:x"` (erratum 7122).
    pub(super) fn parse_for(
        op: Op,
        text: &str,
        limits: &Limits,
        leniency: &mut Leniency,
    ) -> Result<Self, FilterError> {
        match filter::parse_path(text, limits, leniency) {
            Ok(PathForm::Attribute(path)) => Ok(path.into()),
            Ok(PathForm::Selected { path, filter, sub }) => Ok(Self::selected(path, filter, sub)),
            Ok(PathForm::Comparison(comparison)) if op == Op::Remove => {
                let (path, inner) = in_brackets(comparison);
                Ok(Self::selected(path, inner, None))
            }
            Ok(PathForm::Comparison(comparison)) => Err(FilterError {
                column: comparison.path.to_string().chars().count() + 1,
                detail: "expected the end of the path, or a filter in brackets".to_owned(),
            }),
            Err(error) => match SchemaUri::new(text) {
                Ok(uri) if text.len() <= limits.filter_length => {
                    Ok(Self { head: Head::Uri(uri), filter: None, sub: None })
                }
                _ => Err(error),
            },
        }
    }

    /// The attribute in front; nothing when the path can only be the URI of a schema. A path such as
    /// `urn:...:2.0:User` reads as attribute `User`: only [`crate::ResourceSchema::resolve`] can tell.
    pub fn attribute(&self) -> Option<&AttrPath> {
        match &self.head {
            Head::Attribute(path) => Some(path),
            Head::Uri(_) => None,
        }
    }

    /// The filter in brackets.
    pub fn filter(&self) -> Option<&Filter> {
        self.filter.as_ref()
    }

    /// The sub-attribute at the end, with or without brackets in front of it.
    pub fn sub(&self) -> Option<&AttrName> {
        match (&self.filter, &self.head) {
            (None, Head::Attribute(path)) => path.sub(),
            _ => self.sub.as_ref(),
        }
    }
}

impl From<AttrPath> for PatchPath {
    fn from(path: AttrPath) -> Self {
        Self { head: Head::Attribute(path), filter: None, sub: None }
    }
}

impl From<AttrName> for PatchPath {
    fn from(name: AttrName) -> Self {
        AttrPath::from(name).into()
    }
}

/// Reads a path with the default limits and without tolerances.
impl FromStr for PatchPath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text, &Limits::default(), &mut Leniency::new(Profile::strict()))
            .map_err(|error| Error::path("path", in_path(&error)))
    }
}

impl fmt::Display for PatchPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.head {
            Head::Attribute(path) => write!(f, "{path}")?,
            Head::Uri(uri) => write!(f, "{uri}")?,
        }
        if let Some(filter) = &self.filter {
            write!(f, "[{filter}]")?;
        }
        match &self.sub {
            Some(sub) => write!(f, ".{sub}"),
            None => Ok(()),
        }
    }
}

/// `members.value eq "x"` and `tags eq "x"` as a selection of elements: of the sub-attribute, or of the value itself.
fn in_brackets(comparison: Comparison) -> (AttrPath, Filter) {
    let Comparison { path, op, value } = comparison;
    let name = path.sub().cloned().unwrap_or_else(|| AttrName::from_checked("value"));
    let front = AttrPath::new(path.uri().cloned(), path.name().clone(), None);
    (front, Filter::Compare(Comparison { path: name.into(), op, value }))
}

/// The words of a filter error for a path.
pub(super) fn in_path(error: &FilterError) -> String {
    format!("column {}: {}", error.column, error.detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let path: PatchPath = "urn:x:2.0:User:name.familyName".parse().unwrap();
        assert_eq!(path.attribute().unwrap().name(), "name");
        assert_eq!(path.sub().unwrap(), "familyName");
        assert!(path.filter().is_none());
        let uri: PatchPath = "https://example.org/schema/Badge".parse().unwrap();
        assert!(uri.attribute().is_none());
        assert_eq!(uri.to_string(), "https://example.org/schema/Badge");
        assert_eq!(uri.to_string().parse::<PatchPath>().unwrap(), uri);
    }

    #[test]
    fn a_remove_may_select_by_comparison() {
        let parse = |op| {
            let mut strict = Leniency::new(Profile::strict());
            PatchPath::parse_for(op, r#"schemas eq "urn:x:y""#, &Limits::default(), &mut strict)
        };
        assert!(parse(Op::Replace).is_err());
        let path = parse(Op::Remove).unwrap();
        assert_eq!(path.to_string(), r#"schemas[value eq "urn:x:y"]"#);
        assert_eq!(path.to_string().parse::<PatchPath>().unwrap(), path);
    }

    #[test]
    fn errors_say_the_column() {
        let error = "emails[type zz \"work\"].value".parse::<PatchPath>().unwrap_err();
        assert!(error.to_string().starts_with("path: column 13: expected an operator"), "{error}");
    }
}
