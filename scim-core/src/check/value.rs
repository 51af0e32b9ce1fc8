//! One attribute's value: type, tolerances for what clients send instead, canonical spelling of sub-attributes.

use smol_str::SmolStr;

use super::at::At;
use super::{canonical, content, shape};
use crate::error::Error;
use crate::name::{SchemaUri, urn};
use crate::profile::{Leniency, Tolerance};
use crate::resource::{Object, Value};
use crate::schema::{Attribute, AttributeType, Mutability, ResourceSchema, Schema};

/// Where a value was sent. Decides which stand-ins are taken and how an unknown sub-attribute is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The body of a POST or PUT.
    Body,
    /// The value of a PATCH operation.
    Patch,
}

/// The schema that an attribute belongs to; a few attributes of the RFC's schemas have rules that no characteristic
/// can say (`userName`, `members`, `manager`, `country`).
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a>(&'a SchemaUri);

impl<'a> Owner<'a> {
    /// The owner of what [`ResourceSchema::resolve`] found: the extension, or the base schema.
    pub fn of(schema: &'a ResourceSchema, extension: Option<&'a Schema>) -> Self {
        Self(extension.map_or(&schema.base().id, |e| &e.id))
    }

    fn is(self, uri: &str) -> bool {
        *self.0 == *uri
    }

    fn is_user_name(self, attribute: &Attribute) -> bool {
        attribute.name == "userName" && self.is(urn::USER)
    }

    fn is_country(self, attribute: &Attribute) -> bool {
        attribute.name == "country" && (self.is(urn::USER) || self.is(urn::CONTACT))
    }

    pub(crate) fn is_manager(self, attribute: &Attribute) -> bool {
        attribute.name == "manager" && (self.is(urn::ENTERPRISE_USER) || self.is(urn::CONTACT))
    }

    fn is_members(self, attribute: &Attribute) -> bool {
        attribute.name == "members" && self.is(urn::GROUP)
    }

    fn has_display(self, attribute: &Attribute) -> bool {
        (attribute.name == "roles" || attribute.name == "entitlements") && self.is(urn::USER)
    }
}

impl<'a> From<&'a Schema> for Owner<'a> {
    fn from(schema: &'a Schema) -> Self {
        Self(&schema.id)
    }
}

/// Checks one attribute's value and makes it canonical. A multi-valued attribute yields an array, whatever was sent;
/// an unassigned value yields [`Value::Null`].
///
/// readOnly sub-attributes are dropped. Whether the attribute itself may be written is the caller's question. `at` says
/// in errors and traces where the value stood.
///
/// # Errors
/// [`Error::InvalidValue`] for a wrong type or form; for a sub-attribute that the schema does not have,
/// [`Error::InvalidSyntax`] in a body and [`Error::InvalidPath`] in a PATCH.
pub fn value(
    value: Value,
    attribute: &Attribute,
    owner: Owner<'_>,
    at: &str,
    place: Place,
    leniency: &mut Leniency,
) -> Result<Value, Error> {
    Checker { owner, place, leniency }.attribute(value, attribute, &At::Text(at))
}

/// As [`value()`], for one element of a multi-valued attribute, as PATCH sends it for `emails[type eq "work"]`.
///
/// # Errors
/// As [`value()`].
pub fn element(
    value: Value,
    attribute: &Attribute,
    owner: Owner<'_>,
    at: &str,
    place: Place,
    leniency: &mut Leniency,
) -> Result<Value, Error> {
    Checker { owner, place, leniency }.single(value, attribute, &At::Text(at))
}

pub(super) struct Checker<'a, 'l> {
    pub(super) owner: Owner<'a>,
    pub(super) place: Place,
    pub(super) leniency: &'l mut Leniency,
}

impl Checker<'_, '_> {
    pub(super) fn attribute(
        &mut self,
        value: Value,
        attribute: &Attribute,
        at: &At<'_>,
    ) -> Result<Value, Error> {
        match attribute.multi_valued {
            true => self.list(value, attribute, at),
            false => self.single(value, attribute, at),
        }
    }

    fn list(&mut self, value: Value, attribute: &Attribute, at: &At<'_>) -> Result<Value, Error> {
        let items = match value {
            Value::Null => return Ok(Value::Null),
            Value::Array(items) => items,
            // A PATCH may give one value to add (RFC 7644 section 3.5.2.1); a body has to give the list.
            one @ Value::Object(_) if attribute.is_complex() => {
                if self.place == Place::Body && !self.leniency.allows(Tolerance::WrapObject, at) {
                    return Err(Error::value(at, "must be an array of objects, but is an object"));
                }
                vec![one]
            }
            one if self.place == Place::Patch && !attribute.is_complex() => vec![one],
            other => {
                let of = if attribute.is_complex() { " of objects" } else { "" };
                let detail = format!("must be an array{of}, but is {}", other.kind());
                return Err(Error::value(at, detail));
            }
        };
        let mut kept = Vec::with_capacity(items.len());
        for (i, item) in items.into_iter().enumerate() {
            let item = self.one(item, attribute, &at.index(i))?;
            if item != Value::Null {
                kept.push(item);
            }
        }
        if self.owner.is_members(attribute) {
            without_repeated_members(&mut kept);
        }
        if kept.is_empty() {
            return Ok(Value::Null);
        }
        let mut list = Value::Array(kept);
        shape::one_primary(&list, at)?;
        if let Value::Array(items) = &mut list {
            canonical::keep_once(items, attribute);
        }
        Ok(list)
    }

    fn single(&mut self, value: Value, attribute: &Attribute, at: &At<'_>) -> Result<Value, Error> {
        match value {
            Value::Array(items) if self.place == Place::Patch => {
                let value = self.unwrapped(items, attribute, at)?;
                self.one(value, attribute, at)
            }
            value => self.one(value, attribute, at),
        }
    }

    /// The one value of a list that stands for a single-valued attribute.
    fn unwrapped(
        &mut self,
        items: Vec<Value>,
        attribute: &Attribute,
        at: &At<'_>,
    ) -> Result<Value, Error> {
        let Ok([item]) = <[Value; 1]>::try_from(items) else {
            return Err(wrong_type(attribute, "an array", at));
        };
        let item = match item {
            Value::Object(mut object) if !attribute.is_complex() => {
                // Entra's old package has a `$ref` of null next to the value.
                object.retain(|_, value| *value != Value::Null);
                match object.remove("value").filter(|_| object.is_empty()) {
                    Some(value) => value,
                    None => return Err(wrong_type(attribute, "an array", at)),
                }
            }
            item => item,
        };
        match self.leniency.allows(Tolerance::UnwrapSingle, at) {
            true => Ok(item),
            false => Err(wrong_type(attribute, "an array", at)),
        }
    }

    fn one(&mut self, value: Value, attribute: &Attribute, at: &At<'_>) -> Result<Value, Error> {
        match value {
            Value::Null => Ok(Value::Null),
            value if attribute.is_complex() => self.complex(value, attribute, at),
            value => self.simple(value, attribute, at),
        }
    }

    fn complex(
        &mut self,
        value: Value,
        attribute: &Attribute,
        at: &At<'_>,
    ) -> Result<Value, Error> {
        let object = match value {
            Value::Object(object) => object,
            Value::String(id) if self.owner.is_manager(attribute) => {
                if !self.leniency.allows(Tolerance::ManagerShorthand, at) {
                    return Err(wrong_type(attribute, "a string", at));
                }
                if id.is_empty() {
                    return Ok(Value::Null);
                }
                Object::from_iter([("value", id)])
            }
            other => return Err(wrong_type(attribute, other.kind(), at)),
        };
        if self.owner.is_manager(attribute) && object.get_str("value") == Some("") {
            if !self.leniency.allows(Tolerance::ManagerShorthand, at.name("value")) {
                let detail = "must not be empty; send null to take the manager away";
                return Err(Error::value(at.name("value"), detail));
            }
            return Ok(Value::Null);
        }
        let members = self.owner.is_members(attribute);
        let mut kept = Object::new();
        let has_display = object.contains("display");
        for (name, value) in object {
            let at = at.name(&name);
            let sub = match attribute.sub(&name) {
                Some(sub) => sub,
                None if value.is_unassigned() => continue,
                None => match self.renamed(&name, attribute, has_display, &at) {
                    Some(sub) => sub,
                    None => {
                        self.unknown(attribute, &at)?;
                        continue;
                    }
                },
            };
            // The server itself says what a member is called and where it is (AMBIGUITIES 60).
            let filled_in = members && sub.name != "value" && sub.name != "type";
            if sub.mutability == Mutability::ReadOnly || filled_in {
                continue;
            }
            let value = self.attribute(value, sub, &at)?;
            if value != Value::Null {
                kept.push_new(sub.name.to_smol(), value);
            }
        }
        if members && kept.get_str("value").is_none_or(str::is_empty) {
            return Err(Error::value(at.name("value"), "must be the id of the member"));
        }
        Ok(if kept.is_empty() { Value::Null } else { Value::Object(kept) })
    }

    /// `display`, when `displayName` may stand for it.
    fn renamed<'s>(
        &mut self,
        name: &str,
        attribute: &'s Attribute,
        has_display: bool,
        at: &At<'_>,
    ) -> Option<&'s Attribute> {
        let stands_for = name.eq_ignore_ascii_case("displayName")
            && !has_display
            && self.owner.has_display(attribute);
        (stands_for && self.leniency.allows(Tolerance::DisplayNameForDisplay, at))
            .then(|| attribute.sub("display"))
            .flatten()
    }

    fn unknown(&mut self, attribute: &Attribute, at: &At<'_>) -> Result<(), Error> {
        let has = |s: &str| format!("{} has no sub-attribute of this name{s}", attribute.name);
        match self.place {
            Place::Patch => Err(Error::path(at, has(""))),
            Place::Body if self.leniency.allows(Tolerance::DropUnknownAttributes, at) => Ok(()),
            Place::Body => Err(Error::syntax(format!("{at}: {}", has("; leave it out")))),
        }
    }

    fn simple(&mut self, value: Value, attribute: &Attribute, at: &At<'_>) -> Result<Value, Error> {
        match (attribute.kind, value) {
            (AttributeType::Boolean, value @ Value::Bool(_)) => Ok(value),
            (AttributeType::Boolean, Value::String(text)) => {
                let flag = match () {
                    () if text.eq_ignore_ascii_case("true") => true,
                    () if text.eq_ignore_ascii_case("false") => false,
                    () => return Err(Error::value(at, "must be true or false, but is a string")),
                };
                match self.leniency.allows(Tolerance::StringBoolean, at) {
                    true => Ok(Value::Bool(flag)),
                    false => {
                        let detail = "must be true or false without quotes, but is a string";
                        Err(Error::value(at, detail))
                    }
                }
            }
            (AttributeType::Integer | AttributeType::Decimal, Value::Number(number)) => {
                content::number(&number, attribute.kind, at)?;
                Ok(Value::Number(number))
            }
            (AttributeType::Integer | AttributeType::Decimal, Value::String(text)) => {
                let Some(number) = content::number_text(&text) else {
                    return Err(wrong_type(attribute, "a string", at));
                };
                content::number(&number, attribute.kind, at)?;
                match self.leniency.allows(Tolerance::StringNumber, at) {
                    true => Ok(Value::Number(number)),
                    false => {
                        let detail = "must be a number without quotes, but is a string";
                        Err(Error::value(at, detail))
                    }
                }
            }
            (
                AttributeType::String
                | AttributeType::DateTime
                | AttributeType::Binary
                | AttributeType::Reference,
                Value::String(text),
            ) => {
                self.text(&text, attribute, at)?;
                Ok(Value::String(text))
            }
            (_, value) => Err(wrong_type(attribute, value.kind(), at)),
        }
    }

    fn text(&mut self, text: &SmolStr, attribute: &Attribute, at: &At<'_>) -> Result<(), Error> {
        content::no_nul(text, at)?;
        match attribute.kind {
            AttributeType::DateTime => content::date_time(text, at),
            AttributeType::Binary => content::base64(text, at),
            AttributeType::Reference => content::reference(text, attribute, at),
            _ if self.owner.is_user_name(attribute) => {
                // Nobody could tell it from an empty one (RFC 7643 section 4.1.1: non-empty).
                if !text.is_empty() && text.chars().all(char::is_whitespace) {
                    let detail = "must not be empty, and white space alone is no name";
                    return Err(Error::value(at, detail));
                }
                // The required pass has the better words for an empty name.
                if text.is_empty()
                    || crate::text::is_precis_user_name(text)
                    || self.leniency.allows(Tolerance::AnyUserName, at)
                {
                    return Ok(());
                }
                let detail = "must be a user name by PRECIS UsernameCaseMapped (RFC 8265): no spaces, symbols or \
                              control characters";
                Err(Error::value(at, detail))
            }
            _ if self.owner.is_country(attribute) => {
                if super::country::is_alpha_2(text)
                    || self.leniency.allows(Tolerance::AnyCountry, at)
                {
                    return Ok(());
                }
                Err(Error::value(at, "must be an ISO 3166-1 alpha-2 code, two letters"))
            }
            _ => Ok(()),
        }
    }
}

/// A group holds a member once; the first mention counts.
fn without_repeated_members(members: &mut Vec<Value>) {
    let id = |member: &Value| {
        member.as_object().and_then(|m| m.get("value")).and_then(|v| match v {
            Value::String(id) => Some(id.clone()),
            _ => None,
        })
    };
    let mut seen = std::collections::BTreeSet::new();
    members.retain(|member| id(member).is_none_or(|id| seen.insert(id)));
}

fn wrong_type(attribute: &Attribute, found: &str, at: &At<'_>) -> Error {
    let wanted = match attribute.kind {
        AttributeType::String => "a string",
        AttributeType::Boolean => "true or false",
        AttributeType::Decimal => "a number",
        AttributeType::Integer => "a whole number",
        AttributeType::DateTime => "a string with a date and time, such as 2011-05-13T04:42:34Z",
        AttributeType::Binary => "a string in base64",
        AttributeType::Reference => "a string with a URI",
        AttributeType::Complex => "an object",
    };
    Error::value(at, format!("must be {wanted}, but is {found}"))
}
