//! Projection: which attributes an answer shows (RFC 7644 section 3.4.2.5 and 3.9, RFC 7643 section 7 `returned`).

use crate::error::Error;
use crate::limits::Limits;
use crate::name::{AttrName, AttrPath, SchemaUri};
use crate::profile::{Leniency, Tolerance};
use crate::resource::{Object, Resource, Value};
use crate::schema::{Attribute, ResourceSchema, Returned, Schema, Target};

/// What a request asks for with `attributes` or `excludedAttributes`.
///
/// ```
/// use scim_core::{Leniency, Limits, Profile, Projection, Registry, Resource};
/// let registry = Registry::standard();
/// let projection = Projection::parse(Some("userName"), None, &Limits::default())?;
/// let resolved = projection.resolve(registry.user(), &mut Leniency::new(Profile::strict()));
/// let mut user: Resource = serde_json::from_str(r#"{"id":"7","userName":"ada","title":"Countess"}"#)?;
/// resolved.apply(&mut user);
/// assert_eq!(serde_json::to_string(&user)?, r#"{"id":"7","userName":"ada"}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Projection {
    /// Neither parameter: the default set.
    #[default]
    Default,
    /// `attributes`: the minimum set and these.
    Only(Vec<AttrPath>),
    /// `excludedAttributes`: the default set without these.
    Except(Vec<AttrPath>),
}

impl Projection {
    /// Reads the two parameters in their comma-separated form.
    ///
    /// A parameter without any name counts as absent, as an empty list does in JSON (RFC 7643 section 2.5). What is
    /// no attribute path can name nothing and is passed over like an unknown name (AMBIGUITIES 49).
    ///
    /// # Errors
    /// [`Error::InvalidValue`] when both parameters are given, or when one has too many names.
    pub fn parse(
        attributes: Option<&str>,
        excluded: Option<&str>,
        limits: &Limits,
    ) -> Result<Self, Error> {
        Self::from_names(
            attributes.map(|list| list.split(',')),
            excluded.map(|list| list.split(',')),
            limits,
        )
    }

    /// Reads the two parameters as lists of names, as a `.search` body has them; the rules are those of
    /// [`Projection::parse`].
    ///
    /// # Errors
    /// As [`Projection::parse`].
    pub fn from_names<'a>(
        attributes: Option<impl Iterator<Item = &'a str>>,
        excluded: Option<impl Iterator<Item = &'a str>>,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let attributes = read_names("attributes", attributes, limits)?;
        let excluded = read_names("excludedAttributes", excluded, limits)?;
        match (attributes, excluded) {
            (None, None) => Ok(Self::Default),
            (Some(paths), None) if paths.is_empty() => {
                // Names were given, but none that could stand for an attribute: the minimum set, which `id` is in.
                Ok(Self::Only(vec![AttrName::from_checked("id").into()]))
            }
            (Some(paths), None) => Ok(Self::Only(paths)),
            (None, Some(paths)) if paths.is_empty() => Ok(Self::Default),
            (None, Some(paths)) => Ok(Self::Except(paths)),
            (Some(_), Some(_)) => Err(Error::value(
                "attributes",
                "it cannot be combined with excludedAttributes; send one of the two",
            )),
        }
    }

    /// Whether neither parameter was given.
    pub fn is_default(&self) -> bool {
        *self == Self::Default
    }

    /// Works out what this means for resources of one type.
    ///
    /// Unknown names are ignored (AMBIGUITIES 49). The URI of an extension alone stands for all of its attributes, that
    /// of the base schema for all core and common attributes (AMBIGUITIES 45).
    pub fn resolve(&self, schema: &ResourceSchema, leniency: &mut Leniency) -> ResolvedProjection {
        let (mode, paths) = match self {
            Self::Default => (Mode::Default, &[][..]),
            Self::Only(paths) => (Mode::Only, &paths[..]),
            Self::Except(paths) => (Mode::Except, &paths[..]),
        };
        let named = Named::collect(schema, paths, leniency);
        let core = schema.base().attributes.iter().chain(schema.common());
        let extensions = schema
            .extensions()
            .map(|(extension, _)| {
                let shows = Shows::of(extension.attributes.iter(), mode, |attribute| {
                    named.degree(Some(&extension.id), attribute)
                });
                (extension.id.clone(), shows)
            })
            .collect();
        ResolvedProjection {
            mode,
            core: Shows::of(core, mode, |attribute| named.degree(None, attribute)),
            extensions,
            named,
        }
    }
}

/// `None` when the parameter is absent or holds no text at all; otherwise the names that are attribute paths.
fn read_names<'a>(
    parameter: &str,
    names: Option<impl Iterator<Item = &'a str>>,
    limits: &Limits,
) -> Result<Option<Vec<AttrPath>>, Error> {
    let Some(names) = names else { return Ok(None) };
    let mut any = false;
    let mut paths: Vec<AttrPath> = Vec::new();
    for (i, name) in names.map(str::trim).filter(|name| !name.is_empty()).enumerate() {
        if i == limits.projection_names {
            let most = limits.projection_names;
            return Err(Error::value(parameter, format!("it may list at most {most} names")));
        }
        any = true;
        if let Ok(path) = name.parse() {
            paths.push(path);
        }
    }
    Ok(any.then_some(paths))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Default,
    Only,
    Except,
}

/// The names of a projection, found in the schema.
#[derive(Debug, Clone, Default)]
struct Named {
    /// The base URI was named.
    base: bool,
    /// Extensions whose URI was named.
    extensions: Vec<SchemaUri>,
    /// Attributes and sub-attributes: extension, attribute, sub-attribute.
    attributes: Vec<(Option<SchemaUri>, AttrName, Option<AttrName>)>,
}

/// How far an attribute is named.
enum Degree {
    Not,
    /// By its own name.
    Whole,
    /// Through its schema's URI.
    WithSchema,
    /// Only these sub-attributes.
    Parts(Vec<AttrName>),
}

impl Named {
    fn collect(schema: &ResourceSchema, paths: &[AttrPath], leniency: &mut Leniency) -> Self {
        let mut named = Self::default();
        for path in paths {
            named.add(schema, path, leniency);
        }
        named
    }

    fn add(&mut self, schema: &ResourceSchema, path: &AttrPath, leniency: &mut Leniency) {
        match schema.resolve(path) {
            Ok(Target::Base(_)) => self.base = true,
            Ok(Target::Extension(extension)) => self.extensions.push(extension.id.clone()),
            Ok(Target::Attribute { bare: true, .. })
                if !leniency.allows(Tolerance::BareExtensionName, path) => {}
            Ok(Target::Attribute { extension, attribute, sub, .. }) => self.attributes.push((
                extension.map(|e: &Schema| e.id.clone()),
                attribute.name.clone(),
                sub.map(|s| s.name.clone()),
            )),
            Err(_) => {}
        }
    }

    fn degree(&self, extension: Option<&SchemaUri>, attribute: &Attribute) -> Degree {
        let mut parts = Vec::new();
        for (uri, name, sub) in &self.attributes {
            if uri.as_ref() == extension && *name == attribute.name {
                match sub {
                    None => return Degree::Whole,
                    // To name what is never shown is to name nothing.
                    Some(sub) if attribute.sub(sub.as_str()).is_some_and(is_never) => {}
                    Some(sub) => parts.push(sub.clone()),
                }
            }
        }
        let with_schema = match extension {
            None => self.base,
            Some(uri) => self.extensions.contains(uri),
        };
        match (with_schema, parts.is_empty()) {
            (true, _) => Degree::WithSchema,
            (false, true) => Degree::Not,
            (false, false) => Degree::Parts(parts),
        }
    }
}

/// A projection worked out for one resource type: cheap to apply to every resource of a page.
#[derive(Debug, Clone)]
pub struct ResolvedProjection {
    mode: Mode,
    core: Shows,
    extensions: Vec<(SchemaUri, Shows)>,
    named: Named,
}

impl ResolvedProjection {
    /// Takes out of the resource what the answer does not show.
    ///
    /// Values left empty go too, and `schemas` keeps only the extensions that are still there (AMBIGUITIES 20, 46).
    /// What is not in the schema is shown by default only.
    pub fn apply(&self, resource: &mut Resource) {
        let mut gone: Vec<&SchemaUri> = Vec::new();
        let object = resource.object_mut();
        object.retain(|name, value| {
            let Some((uri, shows)) = self.extensions.iter().find(|(uri, _)| *uri == *name) else {
                return self.core.keep(name, value, self.mode);
            };
            let kept = match value {
                Value::Object(extension) => {
                    extension.retain(|name, value| shows.keep(name, value, self.mode));
                    !extension.is_empty()
                }
                _ => false,
            };
            if !kept {
                gone.push(uri);
            }
            kept
        });
        if !gone.is_empty()
            && let Some(Value::Array(schemas)) = object.get_mut("schemas")
        {
            schemas.retain(|s| s.as_str().is_none_or(|s| !gone.iter().any(|uri| **uri == *s)));
        }
    }

    /// Whether any of a core or common attribute is shown: lets a store leave out what is costly, such as `members`.
    pub fn wants(&self, name: &str) -> bool {
        match self.core.rule(name) {
            Some(rule) => *rule != Rule::Hide,
            None => self.mode != Mode::Only,
        }
    }

    /// Whether a sub-attribute of a core attribute is shown, such as `display` of `members`.
    pub fn wants_sub(&self, name: &str, sub: &str) -> bool {
        match self.core.rule(name) {
            Some(Rule::Parts(parts)) => parts.iter().any(|part| *part == *sub),
            Some(rule) => *rule == Rule::Show,
            None => self.mode != Mode::Only,
        }
    }

    /// Whether nothing but the minimum set is shown: `schemas`, `id` and what else is `returned` always.
    pub fn is_minimum(&self) -> bool {
        self.core.minimum && self.extensions.iter().all(|(_, shows)| shows.minimum)
    }

    /// Shows an attribute that is `returned` on request because the same request has written it.
    ///
    /// To be called for every path that a PATCH has written. It changes nothing for other attributes, and nothing
    /// where `attributes` does not name the attribute or `excludedAttributes` does. Source: RFC 7643 section 7.
    pub fn show_written(&mut self, schema: &ResourceSchema, path: &AttrPath) {
        let Ok(Target::Attribute { extension, attribute, sub, .. }) = schema.resolve(path) else {
            return;
        };
        if self.mode == Mode::Only {
            return;
        }
        let degree = self.named.degree(extension.map(|e| &e.id), attribute);
        let shows = match extension {
            None => &mut self.core,
            Some(extension) => {
                match self.extensions.iter_mut().find(|(uri, _)| *uri == extension.id) {
                    Some((_, shows)) => shows,
                    None => return,
                }
            }
        };
        let requested = attribute.returned == Returned::Request;
        match (&degree, sub) {
            (Degree::Whole | Degree::WithSchema, _) => {}
            (Degree::Parts(parts), Some(sub)) if parts.contains(&sub.name) => {}
            (_, None) if requested => shows.set(attribute, rule_when_whole(attribute, &[])),
            (_, Some(sub)) if requested || sub.returned == Returned::Request => {
                shows.add_part(attribute, sub);
            }
            _ => {}
        }
    }

    /// [`ResolvedProjection::show_written`] for everything that the body of a POST or PUT holds.
    pub fn show_written_body(&mut self, schema: &ResourceSchema, body: &Object) {
        for (name, value) in body.iter() {
            if let (Some(extension), Value::Object(object)) = (schema.extension(name), value) {
                for (name, value) in object.iter() {
                    self.show_written_value(schema, Some(&extension.id), name, value);
                }
            } else {
                self.show_written_value(schema, None, name, value);
            }
        }
    }

    fn show_written_value(
        &mut self,
        schema: &ResourceSchema,
        uri: Option<&SchemaUri>,
        name: &str,
        value: &Value,
    ) {
        let Ok(name) = AttrName::new(name) else { return };
        if value.is_unassigned() {
            return;
        }
        let path = AttrPath::new(uri.cloned(), name, None);
        self.show_written(schema, &path);
        for element in value.values().iter().filter_map(Value::as_object) {
            for (sub, _) in element.iter().filter(|(_, value)| !value.is_unassigned()) {
                if let Ok(sub) = AttrName::new(sub) {
                    self.show_written(schema, &path.clone().with_sub(sub));
                }
            }
        }
    }
}

/// What is shown of the attributes of one schema.
#[derive(Debug, Clone)]
struct Shows {
    rules: Vec<(AttrName, Rule)>,
    minimum: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Rule {
    Show,
    Hide,
    /// Only these sub-attributes.
    Parts(Vec<AttrName>),
}

impl Shows {
    fn of<'a>(
        attributes: impl Iterator<Item = &'a Attribute>,
        mode: Mode,
        degree: impl Fn(&Attribute) -> Degree,
    ) -> Self {
        let mut minimum = true;
        let rules = attributes
            .map(|attribute| {
                let rule = rule(attribute, mode, &degree(attribute));
                minimum &= rule == Rule::Hide || attribute.returned == Returned::Always;
                (attribute.name.clone(), rule)
            })
            .collect();
        Self { rules, minimum }
    }

    fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|(n, _)| *n == *name).map(|(_, rule)| rule)
    }

    fn keep(&self, name: &str, value: &mut Value, mode: Mode) -> bool {
        match self.rule(name) {
            Some(Rule::Show) => true,
            Some(Rule::Hide) => false,
            Some(Rule::Parts(parts)) => keep_parts(value, parts),
            None => mode != Mode::Only,
        }
    }

    fn set(&mut self, attribute: &Attribute, rule: Rule) {
        for (_, old) in self.rules.iter_mut().filter(|(name, _)| *name == attribute.name) {
            *old = rule.clone();
            self.minimum = false;
        }
    }

    fn add_part(&mut self, attribute: &Attribute, sub: &Attribute) {
        if sub.returned == Returned::Never {
            return;
        }
        let rule = match self.rule(attribute.name.as_str()) {
            Some(Rule::Parts(parts)) if !parts.contains(&sub.name) => {
                let mut parts = parts.clone();
                parts.push(sub.name.clone());
                Rule::Parts(parts)
            }
            Some(Rule::Hide) => {
                rule_of_parts(attribute, |s| s.returned == Returned::Always || s.name == sub.name)
            }
            _ => return,
        };
        self.set(attribute, rule);
    }
}

/// Takes the other sub-attributes out of every element; answers whether anything is left.
fn keep_parts(value: &mut Value, parts: &[AttrName]) -> bool {
    let keep_object = |object: &mut Object| {
        object.retain(|name, _| parts.iter().any(|part| *part == *name));
        !object.is_empty()
    };
    match value {
        Value::Object(object) => keep_object(object),
        Value::Array(items) => {
            items.retain_mut(|item| item.as_object_mut().is_some_and(keep_object));
            !items.is_empty()
        }
        // A complex attribute holds objects; anything else is of no schema and not to be shown in part.
        _ => false,
    }
}

fn rule(attribute: &Attribute, mode: Mode, degree: &Degree) -> Rule {
    match (attribute.returned, mode, degree) {
        (Returned::Never, ..) => Rule::Hide,
        (Returned::Always, Mode::Except, Degree::Parts(parts)) => rule_without(attribute, parts),
        (Returned::Always, _, Degree::Parts(parts)) => rule_when_whole(attribute, parts),
        (Returned::Always, ..) => rule_when_whole(attribute, &[]),
        (_, Mode::Only, Degree::Whole) => rule_when_whole(attribute, &[]),
        (Returned::Default, Mode::Only, Degree::WithSchema) => rule_when_whole(attribute, &[]),
        (_, Mode::Only, Degree::Parts(parts)) => rule_of_parts(attribute, |sub| {
            sub.returned == Returned::Always || parts.contains(&sub.name)
        }),
        (_, Mode::Only, _) | (Returned::Request, ..) => Rule::Hide,
        (Returned::Default, Mode::Except, Degree::Whole | Degree::WithSchema) => Rule::Hide,
        (Returned::Default, Mode::Except, Degree::Parts(parts)) => rule_without(attribute, parts),
        (Returned::Default, ..) => rule_when_whole(attribute, &[]),
    }
}

fn is_never(attribute: &Attribute) -> bool {
    attribute.returned == Returned::Never
}

/// The attribute with the sub-attributes that are shown by default, and those named besides.
fn rule_when_whole(attribute: &Attribute, also: &[AttrName]) -> Rule {
    rule_of_parts(attribute, |sub| {
        matches!(sub.returned, Returned::Always | Returned::Default) || also.contains(&sub.name)
    })
}

/// The attribute without these sub-attributes; those that are always shown stay.
fn rule_without(attribute: &Attribute, without: &[AttrName]) -> Rule {
    rule_of_parts(attribute, |sub| match sub.returned {
        Returned::Always => true,
        Returned::Default => !without.contains(&sub.name),
        Returned::Request | Returned::Never => false,
    })
}

fn rule_of_parts(attribute: &Attribute, shown: impl Fn(&Attribute) -> bool) -> Rule {
    let shown = |sub: &&Attribute| sub.returned != Returned::Never && shown(sub);
    let parts: Vec<AttrName> =
        attribute.sub_attributes.iter().filter(shown).map(|sub| sub.name.clone()).collect();
    match parts.len() {
        n if n == attribute.sub_attributes.len() => Rule::Show,
        0 => Rule::Hide,
        _ => Rule::Parts(parts),
    }
}
