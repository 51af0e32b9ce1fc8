//! From names to attributes: a filter and a schema make a typed filter.

use super::display::column_of_term;
use super::instant::parse_instant;
use super::typed::{Field, TypedComparison, TypedFilter, TypedValue};
use super::{CompareOp, Comparison, Filter, FilterError, Literal};
use crate::name::AttrPath;
use crate::profile::{Leniency, Tolerance};
use crate::schema::{Attribute, AttributeType, ResolveError, ResourceSchema, Schema, Target};

impl Filter {
    /// Fits the filter to a resource type.
    ///
    /// # Errors
    /// [`FilterError`] when it names an attribute that the type does not have or that is secret (whatever the
    /// operator: an answer would be an oracle), or compares it in a way that its data type does not allow.
    pub fn resolve(
        &self,
        schema: &ResourceSchema,
        leniency: &mut Leniency,
    ) -> Result<TypedFilter, FilterError> {
        resolve(self, Scope::Resource(schema), Unknown::Refuse, leniency)
    }

    /// Fits the filter to one of the resource types of a query over several: what this type does not have is an
    /// attribute without value. So `eq`, `pr` and the like never match, and `ne`, which is `not eq`, always does.
    /// Source: RFC 7644 section 3.4.2.1.
    ///
    /// # Errors
    /// [`FilterError`] as [`Filter::resolve`], but not for unknown names.
    pub fn resolve_root(
        &self,
        schema: &ResourceSchema,
        leniency: &mut Leniency,
    ) -> Result<TypedFilter, FilterError> {
        resolve(self, Scope::Resource(schema), Unknown::NoValue, leniency)
    }

    /// Fits a filter that stands in brackets to the attribute in front of them, for
    /// [`TypedFilter::matches_element`]. Names are sub-attributes; where there are none, `value` is the value itself.
    ///
    /// # Errors
    /// [`FilterError`] as [`Filter::resolve`].
    pub fn resolve_in(
        &self,
        attribute: &Attribute,
        leniency: &mut Leniency,
    ) -> Result<TypedFilter, FilterError> {
        resolve(self, Scope::Element(attribute), Unknown::Refuse, leniency)
    }
}

fn resolve(
    filter: &Filter,
    scope: Scope<'_>,
    unknown: Unknown,
    leniency: &mut Leniency,
) -> Result<TypedFilter, FilterError> {
    let mut resolver = Resolver { unknown, leniency, terms: 0 };
    resolver.filter(filter, scope).map_err(|detail| FilterError {
        column: column_of_term(filter, resolver.terms.saturating_sub(1)),
        detail,
    })
}

/// What names are looked up in.
#[derive(Clone, Copy)]
enum Scope<'a> {
    Resource(&'a ResourceSchema),
    Element(&'a Attribute),
}

/// What becomes of a name that is not found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Refuse,
    NoValue,
}

/// What a name stands for.
enum Found<'a> {
    /// An attribute, with the definition of the last name.
    Leaf(Field, &'a Attribute),
    /// All attributes of an extension.
    Extension(&'a Schema),
    /// All attributes of the base schema.
    Base,
    /// Nothing, which counts as no value.
    NoValue,
}

struct Resolver<'r> {
    unknown: Unknown,
    leniency: &'r mut Leniency,
    /// Terms seen so far: the last of them is the one at fault.
    terms: usize,
}

/// What was wrong, in words.
type Resolved<T> = Result<T, String>;

impl Resolver<'_> {
    fn filter(&mut self, filter: &Filter, scope: Scope<'_>) -> Resolved<TypedFilter> {
        match filter {
            Filter::And(filters) => self.list(filters, scope).map(TypedFilter::And),
            Filter::Or(filters) => self.list(filters, scope).map(TypedFilter::Or),
            Filter::Not(filter) => self.filter(filter, scope).map(not),
            Filter::Compare(comparison) => {
                self.terms += 1;
                self.comparison(comparison, scope)
            }
            Filter::Present(path) => {
                self.terms += 1;
                let found = self.find(path, scope)?;
                Ok(present(found))
            }
            Filter::ValuePath { path, filter } => {
                self.terms += 1;
                self.value_path(path, filter, scope)
            }
        }
    }

    fn list(&mut self, filters: &[Filter], scope: Scope<'_>) -> Resolved<Vec<TypedFilter>> {
        filters.iter().map(|filter| self.filter(filter, scope)).collect()
    }

    fn comparison(&mut self, comparison: &Comparison, scope: Scope<'_>) -> Resolved<TypedFilter> {
        let Comparison { path, op, value } = comparison;
        let found = self.find(path, scope)?;
        if *value == Literal::Null {
            return match op {
                CompareOp::Eq => Ok(not(present(found))),
                CompareOp::Ne => Ok(present(found)),
                _ => Err(format!("{path}: null can be compared with eq and ne only")),
            };
        }
        let (field, leaf) = match found {
            Found::Leaf(field, leaf) => self.comparable(path, field, leaf)?,
            Found::Extension(_) | Found::Base => {
                return Err(format!("{path} is a schema: it can be asked for with pr only"));
            }
            Found::NoValue => return Ok(TypedFilter::Constant(*op == CompareOp::Ne)),
        };
        check_operator(path, *op, leaf.kind)?;
        let value = self.value(path, leaf, value)?;
        let (op, negated) = match op {
            CompareOp::Ne => (CompareOp::Eq, true),
            op => (*op, false),
        };
        let compared = TypedFilter::Compare(TypedComparison { field, op, value });
        Ok(if negated { not(compared) } else { compared })
    }

    fn value_path(
        &mut self,
        path: &AttrPath,
        filter: &Filter,
        scope: Scope<'_>,
    ) -> Resolved<TypedFilter> {
        if matches!(scope, Scope::Element(_)) {
            return Err(format!("{path}: brackets cannot stand inside brackets"));
        }
        if path.sub().is_some() {
            return Err(format!("{path}: brackets follow an attribute, not a sub-attribute"));
        }
        match self.find(path, scope)? {
            Found::Leaf(field, leaf) if leaf.is_complex() || leaf.multi_valued => {
                let filter = Box::new(self.filter(filter, Scope::Element(leaf))?);
                Ok(TypedFilter::Element { field, filter })
            }
            Found::NoValue => Ok(TypedFilter::Constant(false)),
            _ => Err(format!("{path} has no sub-attributes for a filter in brackets")),
        }
    }

    fn find<'s>(&mut self, path: &AttrPath, scope: Scope<'s>) -> Resolved<Found<'s>> {
        match scope {
            Scope::Resource(schema) => self.find_in_resource(path, schema),
            Scope::Element(attribute) => self.find_in_element(path, attribute),
        }
    }

    fn find_in_resource<'s>(
        &mut self,
        path: &AttrPath,
        schema: &'s ResourceSchema,
    ) -> Resolved<Found<'s>> {
        // The sub-attribute is looked up here, so that secrets and tolerances come first.
        let whole = AttrPath::new(path.uri().cloned(), path.name().clone(), None);
        let (extension, attribute, bare) = match schema.resolve(&whole) {
            Ok(Target::Attribute { extension, attribute, bare, .. }) => {
                (extension, attribute, bare)
            }
            Ok(target) if path.sub().is_none() => {
                return Ok(match target {
                    Target::Extension(schema) => Found::Extension(schema),
                    _ => Found::Base,
                });
            }
            Ok(_) => return self.unknown(ResolveError::Schema(path.to_string()).to_string()),
            Err(error) => return self.unknown(error.to_string()),
        };
        if bare && !self.leniency.allows(Tolerance::BareExtensionName, path) {
            return self.unknown(format!(
                "{} belongs to an extension: put the schema URI in front",
                path.name()
            ));
        }
        refuse_secret(attribute)?;
        let field = Field {
            extension: extension.map(|schema| schema.id.clone()),
            name: attribute.name.clone(),
            sub: None,
            kind: attribute.kind,
            rule: attribute.text_rule(),
            multi_valued: attribute.multi_valued,
        };
        let Some(sub) = path.sub() else { return Ok(Found::Leaf(field, attribute)) };
        match find_sub(attribute, sub.as_str(), self.leniency) {
            Some(sub) => {
                refuse_secret(sub)?;
                Ok(Found::Leaf(with_sub(field, sub), sub))
            }
            None => self.unknown(format!("{} has no sub-attribute {sub}", attribute.name)),
        }
    }

    fn find_in_element<'s>(
        &mut self,
        path: &AttrPath,
        attribute: &'s Attribute,
    ) -> Resolved<Found<'s>> {
        let name = path.name();
        if path.uri().is_some() || path.sub().is_some() {
            return Err(format!("{path}: inside brackets stand names of sub-attributes"));
        }
        refuse_secret(attribute)?;
        let leaf = if attribute.is_complex() {
            find_sub(attribute, name.as_str(), self.leniency)
        } else {
            (*name == "value").then_some(attribute)
        };
        let Some(leaf) = leaf else {
            return self.unknown(format!("{} has no sub-attribute {name}", attribute.name));
        };
        refuse_secret(leaf)?;
        let (name, multi_valued) = match attribute.is_complex() {
            true => (leaf.name.clone(), leaf.multi_valued),
            false => (name.clone(), false),
        };
        let (kind, rule) = (leaf.kind, leaf.text_rule());
        Ok(Found::Leaf(Field { extension: None, name, sub: None, kind, rule, multi_valued }, leaf))
    }

    fn unknown<'s>(&self, detail: String) -> Resolved<Found<'s>> {
        match self.unknown {
            Unknown::Refuse => Err(detail),
            Unknown::NoValue => Ok(Found::NoValue),
        }
    }

    /// The attribute that is really compared: for a complex one its `value`.
    fn comparable<'s>(
        &mut self,
        path: &AttrPath,
        field: Field,
        leaf: &'s Attribute,
    ) -> Resolved<(Field, &'s Attribute)> {
        if !leaf.is_complex() {
            return Ok((field, leaf));
        }
        if let Some(value) = leaf.sub("value")
            && field.sub.is_none()
            && (leaf.multi_valued || self.leniency.allows(Tolerance::ComplexEqValue, path))
        {
            refuse_secret(value)?;
            return Ok((with_sub(field, value), value));
        }
        let sub = leaf.sub_attributes.first().map_or("value", |sub| sub.name.as_str());
        Err(format!("{path} is complex: compare a sub-attribute, such as {}.{sub}", leaf.name))
    }

    fn value(
        &mut self,
        path: &AttrPath,
        leaf: &Attribute,
        literal: &Literal,
    ) -> Resolved<TypedValue> {
        match (leaf.kind, literal) {
            (
                AttributeType::String | AttributeType::Reference | AttributeType::Binary,
                Literal::String(raw),
            ) => {
                let key = leaf.text_rule().key(raw).into();
                Ok(TypedValue::Text { raw: raw.clone(), key })
            }
            (AttributeType::Boolean, Literal::Bool(value)) => Ok(TypedValue::Bool(*value)),
            (AttributeType::Boolean, Literal::String(text)) => {
                let value = text.eq_ignore_ascii_case("true");
                if (value || text.eq_ignore_ascii_case("false"))
                    && self.leniency.allows(Tolerance::StringBoolean, path)
                {
                    return Ok(TypedValue::Bool(value));
                }
                Err(format!("{path} is boolean: compare it with true or false"))
            }
            (AttributeType::Integer | AttributeType::Decimal, Literal::Number(number)) => {
                match (number.as_i64(), number.as_f64()) {
                    (Some(whole), _) => Ok(TypedValue::Integer(whole)),
                    (None, Some(float)) => Ok(TypedValue::Decimal(float)),
                    (None, None) => Err(format!("{path}: the number is out of range")),
                }
            }
            (AttributeType::DateTime, Literal::String(text)) => match parse_instant(text) {
                Some(instant) => Ok(TypedValue::Instant(instant)),
                None => Err(format!(
                    "{path} is dateTime: compare it with a text such as \"2011-05-13T04:42:34Z\""
                )),
            },
            (kind, _) => Err(format!(
                "{path} is {}: compare it with {}",
                kind.as_str(),
                match kind {
                    AttributeType::Boolean => "true or false",
                    AttributeType::Integer | AttributeType::Decimal => "a number",
                    _ => "a text in double quotes",
                }
            )),
        }
    }
}

/// The sub-attribute of this name; in roles and entitlements `displayName` may stand for `display`.
pub(crate) fn find_sub<'s>(
    attribute: &'s Attribute,
    name: &str,
    leniency: &mut Leniency,
) -> Option<&'s Attribute> {
    if let Some(sub) = attribute.sub(name) {
        return Some(sub);
    }
    let stands_for_display = name.eq_ignore_ascii_case("displayName")
        && (attribute.name == "roles" || attribute.name == "entitlements");
    let display = attribute.sub("display").filter(|_| stands_for_display)?;
    leniency
        .allows(Tolerance::DisplayNameForDisplay, format_args!("{}.{name}", attribute.name))
        .then_some(display)
}

fn with_sub(field: Field, sub: &Attribute) -> Field {
    Field {
        sub: Some(sub.name.clone()),
        kind: sub.kind,
        rule: sub.text_rule(),
        multi_valued: field.multi_valued || sub.multi_valued,
        ..field
    }
}

/// The same answer to every filter on a secret: whether its value matches must not show (AMBIGUITIES 40).
fn refuse_secret(attribute: &Attribute) -> Resolved<()> {
    if attribute.is_secret() {
        return Err(format!("{} cannot be used in filters", attribute.name));
    }
    Ok(())
}

fn check_operator(path: &AttrPath, op: CompareOp, kind: AttributeType) -> Resolved<()> {
    let fits = match kind {
        AttributeType::String | AttributeType::Reference => true,
        AttributeType::Boolean | AttributeType::Binary | AttributeType::Complex => {
            !op.is_substring() && !op.is_ordering()
        }
        AttributeType::Integer | AttributeType::Decimal | AttributeType::DateTime => {
            !op.is_substring()
        }
    };
    if fits { Ok(()) } else { Err(format!("{path} is {}: {op} does not apply", kind.as_str())) }
}

fn not(filter: TypedFilter) -> TypedFilter {
    match filter {
        TypedFilter::Not(filter) => *filter,
        TypedFilter::Constant(answer) => TypedFilter::Constant(!answer),
        filter => TypedFilter::Not(Box::new(filter)),
    }
}

/// `pr`. An extension is present when one of its attributes is; secret ones do not count, so that nothing shows.
fn present(found: Found<'_>) -> TypedFilter {
    match found {
        Found::Leaf(field, _) => TypedFilter::Present(field),
        Found::Base => TypedFilter::Constant(true),
        Found::NoValue => TypedFilter::Constant(false),
        Found::Extension(schema) => TypedFilter::Or(
            schema
                .attributes
                .iter()
                .filter(|attribute| !attribute.is_secret())
                .map(|attribute| {
                    TypedFilter::Present(Field {
                        extension: Some(schema.id.clone()),
                        name: attribute.name.clone(),
                        sub: None,
                        kind: attribute.kind,
                        rule: attribute.text_rule(),
                        multi_valued: attribute.multi_valued,
                    })
                })
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;
    use crate::resource::Resource;
    use crate::schema::Registry;

    fn resolve_user(text: &str, profile: Profile) -> Result<TypedFilter, FilterError> {
        let filter: Filter = text.parse().unwrap();
        filter.resolve(Registry::standard().user(), &mut Leniency::new(profile))
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_column() {
        for (text, column, words) in [
            ("nothing pr", 1, "there is no attribute nothing"),
            ("title pr and nothing pr", 14, "there is no attribute nothing"),
            ("title pr and not (name.nothing pr)", 19, "name has no sub-attribute nothing"),
            ("emails[nothing pr]", 8, "emails has no sub-attribute nothing"),
            ("emails[type.x pr]", 8, "inside brackets"),
            ("urn:x:y:title pr", 1, "no schema urn:x:y"),
            ("active gt true", 1, "gt does not apply"),
            ("active co \"t\"", 1, "co does not apply"),
            ("x509Certificates.value sw \"M\"", 1, "sw does not apply"),
            ("meta.created co \"2026\"", 1, "co does not apply"),
            ("meta.created gt 5", 1, "a text"),
            ("meta.created gt \"yesterday\"", 1, "dateTime"),
            ("active eq \"yes\"", 1, "true or false"),
            ("active eq 1", 1, "true or false"),
            ("userName eq 1", 1, "a text in double quotes"),
            ("userName gt null", 1, "eq and ne only"),
            ("name eq \"x\"", 1, "name.formatted"),
            ("addresses eq \"x\"", 1, "addresses.formatted"),
            ("userName[value pr]", 1, "no sub-attributes"),
            ("emails.type[value pr]", 1, "follow an attribute"),
            ("title pr or employeeNumber pr", 13, "put the schema URI in front"),
            ("urn:ietf:params:scim:schemas:core:2.0:User eq \"x\"", 1, "with pr only"),
        ] {
            let error = resolve_user(text, Profile::strict()).unwrap_err();
            assert!(error.detail.contains(words), "{text}: {error}");
            assert_eq!(error.column, column, "{text}: {error}");
        }
    }

    #[test]
    fn secrets_answer_the_same_to_everything() {
        let wanted = resolve_user("password pr", Profile::default()).unwrap_err();
        for text in [
            "password eq \"x\"",
            "password eq \"t1meMa$heen\"",
            "password eq null",
            "password gt 5",
            "password co true",
            "password.x eq 1",
            "password[value eq \"x\"]",
            "PASSWORD ne \"x\"",
            "urn:ietf:params:scim:schemas:core:2.0:User:password sw \"x\"",
        ] {
            for profile in [Profile::strict(), Profile::default()] {
                assert_eq!(resolve_user(text, profile), Err(wanted.clone()), "{text}");
                let filter: Filter = text.parse().unwrap();
                let root =
                    filter.resolve_root(Registry::standard().user(), &mut Leniency::new(profile));
                assert_eq!(root, Err(wanted.clone()), "{text}");
            }
        }
        let hidden =
            resolve_user("title pr or not (active eq true and password pr)", Profile::default());
        assert_eq!(hidden.unwrap_err().detail, wanted.detail);
    }

    #[test]
    fn unknown_names_have_no_value_at_the_root() {
        let group: Resource = serde_json::from_str(r#"{"displayName":"x"}"#).unwrap();
        for (text, matches) in [
            ("userName eq \"x\"", false),
            ("userName pr", false),
            ("userName ne \"x\"", true),
            ("userName eq null", true),
            ("userName ne null", false),
            ("not (userName pr)", true),
            ("emails[type eq \"work\"]", false),
            ("not (emails[type eq \"work\"])", true),
            ("members[nothing pr]", false),
            ("urn:x:y:z eq 1", false),
            ("userName pr or displayName eq \"X\"", true),
        ] {
            let filter: Filter = text.parse().unwrap();
            let registry = Registry::standard();
            let mut strict = Leniency::new(Profile::strict());
            let typed = filter.resolve_root(registry.group(), &mut strict).unwrap();
            assert_eq!(typed.matches(&group), matches, "{text}");
            assert!(
                filter.resolve(registry.group(), &mut strict).is_err() || text.starts_with("d")
            );
        }
    }

    #[test]
    fn negation_and_null_leave_three_forms() {
        let typed = |text: &str| resolve_user(text, Profile::strict()).unwrap();
        assert_eq!(typed("title ne \"x\""), not(typed("title eq \"x\"")));
        assert_eq!(typed("not (title ne \"x\")"), typed("title eq \"x\""));
        assert_eq!(typed("title eq null"), not(typed("title pr")));
        assert_eq!(typed("emails ne null"), typed("emails pr"));
        assert_eq!(typed("emails eq \"x\""), typed("emails.value eq \"x\""));
    }

    #[test]
    fn fields_are_spelled_as_in_the_schema_and_keys_are_folded() {
        let typed = resolve_user("NAME.familyname eq \"ÉA\"", Profile::strict()).unwrap();
        let TypedFilter::Compare(comparison) = &typed else { panic!("{typed:?}") };
        assert_eq!(comparison.field.to_string(), "name.familyName");
        let text = TypedValue::Text { raw: "ÉA".into(), key: "éa".into() };
        assert_eq!(comparison.value, text);
        let typed = resolve_user(
            "emails[type pr] and title pr or not (meta.created pr)",
            Profile::strict(),
        );
        let fields: Vec<String> = typed.unwrap().fields().map(Field::to_string).collect();
        assert_eq!(fields, ["emails", "title", "meta.created"]);
    }
}
