//! Attribute paths in filters, and the paths of PATCH operations, which are made of the same parts.

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
        None => Ok((rest, PathForm::Attribute(path))),
        Some(b'[') => {
            let (rest, filter) = grammar.brackets(rest, 0)?;
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
            Ok((rest, PathForm::Selected { path, filter, sub: Some(sub) }))
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

/// `[URI ":"] ATTRNAME [subAttr]`; the last colon ends the URI, so that dots in it are no sub-attributes.
#[inline]
pub(super) fn attr_path(text: &str) -> Parsed<'_, AttrPath> {
    let bytes = text.as_bytes();
    let len = bytes.iter().take_while(|b| is_name_byte(**b)).count();
    // Most paths are a plain name.
    if len > 0
        && bytes[0].is_ascii_alphabetic()
        && matches!(bytes.get(len), None | Some(b' ' | b'['))
    {
        let (name, rest) = text.split_at(len);
        return Ok((rest, AttrPath::from(AttrName::from_checked(name))));
    }
    long_path(text)
}

fn long_path(text: &str) -> Parsed<'_, AttrPath> {
    let len = text.bytes().take_while(|b| is_uri_byte(*b)).count();
    let (path, rest) = text.split_at(len);
    let (uri, start) = match path.rfind(':') {
        Some(colon) if is_schema_uri(&path[..colon]) => {
            (Some(SchemaUri::from_checked(&path[..colon])), colon + 1)
        }
        Some(_) => return fail(text, Expected::Uri),
        None => (None, 0),
    };
    match path[start..].find('.') {
        None => {
            let (_, name) = name(&path[start..], &text[start..], Expected::Name)?;
            Ok((rest, AttrPath::new(uri, name, None)))
        }
        Some(dot) => {
            let dot = start + dot;
            let (_, name_) = name(&path[start..dot], &text[start..], Expected::Name)?;
            let (_, sub) = name(&path[dot + 1..], &text[dot + 1..], Expected::SubName)?;
            Ok((rest, AttrPath::new(uri, name_, Some(sub))))
        }
    }
}

/// `subAttr`, dot included.
pub(super) fn sub_attr(text: &str) -> Parsed<'_, AttrName> {
    let after = &text[1..];
    let len = after.bytes().take_while(|b| is_uri_byte(*b)).count();
    let (sub, rest) = after.split_at(len);
    let (_, sub) = name(sub, after, Expected::SubName)?;
    Ok((rest, sub))
}

/// One name; `from` is the text that starts with it, for the place of an error.
fn name<'a>(name: &str, from: &'a str, expected: Expected) -> Parsed<'a, AttrName> {
    if is_attr_name(name) {
        return Ok((from, AttrName::from_checked(name)));
    }
    let good_start = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$');
    let at = match good_start {
        false => 0,
        true => name.bytes().skip(1).take_while(|b| is_name_byte(*b)).count() + 1,
    };
    fail(&from[at..], expected)
}
