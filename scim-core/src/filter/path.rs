//! Attribute paths in filters, and the paths of PATCH operations, which are made of the same parts.

use std::fmt;

use super::fault::{Expected, Parsed, fail, to_error};
use super::parse::{Grammar, skip_spaces};
use super::{Comparison, Filter, FilterError};
use crate::limits::Limits;
use crate::name::{
    AttrName, AttrPath, SchemaUri, is_attr_name, is_name_byte, is_schema_uri, is_uri_byte,
};
use crate::profile::Leniency;

/// What the path of a PATCH operation can be (RFC 7644 figure 7 and erratum 7122).
#[derive(Debug, Clone, PartialEq)]
pub enum PathForm {
    /// `attrPath`; also the bare URI of a schema, see [`crate::ResourceSchema::resolve`].
    Attribute(AttrPath),
    /// `valuePath [subAttr]`.
    Selected {
        /// The attribute in front of the bracket.
        path: AttrPath,
        /// The filter in the bracket.
        filter: Filter,
        /// The sub-attribute behind the bracket.
        sub: Option<AttrName>,
    },
    /// `attrExp`, which erratum 7122 allows for the values of simple multi-valued attributes.
    Comparison(Comparison),
}

/// Reads the path of a PATCH operation. Unlike a filter it may have spaces only where the grammar has them.
///
/// ```
/// use scim_core::filter::{PathForm, parse_path};
/// use scim_core::{Leniency, Limits, Profile};
/// let mut strict = Leniency::new(Profile::strict());
/// let path = parse_path(r#"emails[type eq "work"].value"#, &Limits::default(), &mut strict)?;
/// assert!(matches!(path, PathForm::Selected { sub: Some(sub), .. } if sub == "value"));
/// # Ok::<(), scim_core::FilterError>(())
/// ```
///
/// # Errors
/// [`FilterError`] with the column in the path and what was expected there.
pub fn parse_path(
    text: &str,
    limits: &Limits,
    leniency: &mut Leniency,
) -> Result<PathForm, FilterError> {
    let mut grammar = Grammar::new(limits, leniency);
    match patch_path(text, &mut grammar) {
        Ok((_, form)) => Ok(form),
        Err(error) => Err(to_error(error, text)),
    }
}

fn patch_path<'a>(text: &'a str, grammar: &mut Grammar<'_>) -> Parsed<'a, PathForm> {
    grammar.check_length(text)?;
    let (rest, path) = attr_path(text)?;
    match rest.as_bytes().first() {
        None => Ok((rest, PathForm::Attribute(path.to_path()))),
        Some(b'[') => {
            let (rest, filter) = grammar.brackets(rest, 0)?;
            let path = path.to_path();
            if rest.is_empty() {
                return Ok((rest, PathForm::Selected { path, filter, sub: None }));
            }
            if !rest.starts_with('.') {
                return fail(rest, Expected::PathSub);
            }
            let (rest, sub) = sub_attr(rest)?;
            if !rest.is_empty() {
                return fail(rest, Expected::PathEnd);
            }
            let sub = Some(AttrName::from_checked(sub));
            Ok((rest, PathForm::Selected { path, filter, sub }))
        }
        Some(b' ') if !skip_spaces(rest).is_empty() && !skip_spaces(rest).starts_with('[') => {
            match grammar.attr_exp(skip_spaces(rest), path)? {
                ("", Filter::Compare(comparison)) => Ok(("", PathForm::Comparison(comparison))),
                ("", _) => fail(rest, Expected::PathEnd),
                (rest, _) => fail(rest, Expected::PathEnd),
            }
        }
        Some(_) => fail(rest, Expected::PathEnd),
    }
}

/// An attribute path as it stands in the text, checked. It becomes an [`AttrPath`] where that is going to stay, because
/// moving the owned form from parser to parser costs more than reading it.
#[derive(Clone, Copy)]
pub(super) struct PathText<'a> {
    uri: Option<&'a str>,
    name: &'a str,
    sub: Option<&'a str>,
}

impl<'a> PathText<'a> {
    /// A name alone.
    pub(super) fn name(name: &'a str) -> Self {
        Self { uri: None, name, sub: None }
    }

    /// Whether it is this name alone.
    pub(super) fn is(self, name: &str) -> bool {
        self.uri.is_none() && self.sub.is_none() && self.name.eq_ignore_ascii_case(name)
    }

    #[inline]
    pub(super) fn to_path(self) -> AttrPath {
        AttrPath::new(
            self.uri.map(SchemaUri::from_checked),
            AttrName::from_checked(self.name),
            self.sub.map(AttrName::from_checked),
        )
    }
}

impl fmt::Display for PathText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_path().fmt(f)
    }
}

/// `[URI ":"] ATTRNAME [subAttr]`; the last colon ends the URI, so that dots in it are no sub-attributes.
#[inline]
pub(super) fn attr_path(text: &str) -> Parsed<'_, PathText<'_>> {
    let bytes = text.as_bytes();
    let len = bytes.iter().take_while(|b| is_name_byte(**b)).count();
    // Most paths are a plain name.
    if len > 0
        && bytes[0].is_ascii_alphabetic()
        && matches!(bytes.get(len), None | Some(b' ' | b'['))
    {
        let (name, rest) = text.split_at(len);
        return Ok((rest, PathText::name(name)));
    }
    long_path(text)
}

fn long_path(text: &str) -> Parsed<'_, PathText<'_>> {
    let len = text.bytes().take_while(|b| is_uri_byte(*b)).count();
    let (path, rest) = text.split_at(len);
    let (uri, start) = match path.rfind(':') {
        Some(colon) if is_schema_uri(&path[..colon]) => (Some(&path[..colon]), colon + 1),
        Some(_) => return fail(text, Expected::Uri),
        None => (None, 0),
    };
    let (name, sub) = match path[start..].split_once('.') {
        Some((name, sub)) => (name, Some(sub)),
        None => (&path[start..], None),
    };
    check_name(name, &text[start..], Expected::Name)?;
    if let Some(sub) = sub {
        check_name(sub, &text[len - sub.len()..], Expected::SubName)?;
    }
    Ok((rest, PathText { uri, name, sub }))
}

/// `subAttr`, dot included.
pub(super) fn sub_attr(text: &str) -> Parsed<'_, &str> {
    let after = &text[1..];
    let len = after.bytes().take_while(|b| is_uri_byte(*b)).count();
    let (sub, rest) = after.split_at(len);
    check_name(sub, after, Expected::SubName)?;
    Ok((rest, sub))
}

/// One name; `from` is the text that starts with it, for the place of an error.
fn check_name<'a>(name: &str, from: &'a str, expected: Expected) -> Parsed<'a, ()> {
    if is_attr_name(name) {
        return Ok((from, ()));
    }
    let good_start = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$');
    let at = match good_start {
        false => 0,
        true => name.bytes().skip(1).take_while(|b| is_name_byte(*b)).count() + 1,
    };
    fail(&from[at..], expected)
}
