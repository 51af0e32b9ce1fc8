//! Target profiles: reading, extending, printing.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use toml::{Table, Value};

use super::fields::{Fields, TypeRules};
use super::shipped;

/// What is known about the server at the other end, as data: which methods it has, how it pages, which filters and
/// PATCH messages it takes, how many members at once, how fast, and what its errors mean.
///
/// A profile is a TOML file; `docs/targets.md` lists the fields. What a profile leaves out is as RFC 7644 says, or as the
/// profile that it `extends` says. The files of well-known servers are part of this crate. Clones are cheap.
///
/// ```
/// use scim_client::TargetProfile;
///
/// let aws = TargetProfile::named("aws")?;
/// assert!(aws.admits("Users", &r#"userName eq "ada""#.parse()?).is_ok());
/// assert!(aws.admits("Users", &r#"userName sw "a""#.parse()?).is_err());
///
/// let ours = TargetProfile::from_toml(
///     r#"
///     name = "our-aws"
///     extends = "aws"
///     [types.Groups.members]
///     max-add = 50
///     "#,
/// )?;
/// assert_eq!(ours.rules("Groups").members.max_add.get(), Some(50));
/// assert_eq!(ours.rules("Groups").members.max_remove.get(), Some(100), "as AWS");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TargetProfile {
    inner: Arc<Inner>,
}

struct Inner {
    fields: Fields,
    /// The facts that the files say, merged; what is printed, and what tells a fact from a default.
    table: Table,
    fallback: TypeRules,
}

impl TargetProfile {
    /// The profile of a server that does what the RFCs say.
    #[must_use]
    pub fn generic() -> Self {
        let mut table = Table::new();
        table.insert("name".to_owned(), Value::from("generic"));
        let fields = Fields {
            name: "generic".to_owned(),
            title: "Any server that follows the RFCs".to_owned(),
            order: vec!["Users".to_owned(), "Groups".to_owned()],
            ..Fields::default()
        };
        Self::assembled(fields, table)
    }

    /// The profile of a well-known server; [`shipped_names`](Self::shipped_names) has the names.
    ///
    /// # Errors
    /// [`ProfileError`] when there is none of this name; it lists those that there are.
    pub fn named(name: &str) -> Result<Self, ProfileError> {
        if name == "generic" {
            return Ok(Self::generic());
        }
        match shipped::text(name) {
            Some(text) => Self::read(text, &mut vec![name.to_owned()]),
            None => Err(ProfileError::unplaced(format!(
                "there is no profile `{name}`; there are {}",
                Self::shipped_names().collect::<Vec<_>>().join(", ")
            ))),
        }
    }

    /// The names of the profiles that are part of this crate.
    pub fn shipped_names() -> impl Iterator<Item = &'static str> {
        std::iter::once("generic").chain(shipped::names())
    }

    /// Reads a profile file. What it leaves out is as the shipped profile that it `extends` has it.
    ///
    /// Tables are merged field by field; a list replaces the list of the extended profile.
    ///
    /// # Errors
    /// [`ProfileError`] with line and column: for text that is no TOML, an unknown field, a value that does not fit.
    pub fn from_toml(text: &str) -> Result<Self, ProfileError> {
        Self::read(text, &mut Vec::new())
    }

    fn read(text: &str, seen: &mut Vec<String>) -> Result<Self, ProfileError> {
        // The file alone first: an error has its place in this text, not in the merged one.
        let own: Fields = toml::from_str(text).map_err(|e| ProfileError::placed(text, &e))?;
        if own.name.is_empty() {
            return Err(ProfileError::unplaced("the field `name` is missing".to_owned()));
        }
        let mut table: Table = toml::from_str(text).map_err(|e| ProfileError::placed(text, &e))?;
        let base = match table.remove("extends") {
            Some(Value::String(base)) if base != "generic" => {
                if seen.contains(&base) {
                    return Err(ProfileError::unplaced(format!("`{base}` extends itself")));
                }
                seen.push(base.clone());
                let text = shipped::text(&base).ok_or_else(|| {
                    ProfileError::unplaced(format!(
                        "extends: there is no profile `{base}`; there are {}",
                        Self::shipped_names().collect::<Vec<_>>().join(", ")
                    ))
                })?;
                Self::read(text, seen)?.inner.table.clone()
            }
            _ => Table::new(),
        };
        let mut merged = base;
        overlay(&mut merged, table);
        let mut full = merged.clone();
        spread_common_rules(&mut full);
        let mut fields: Fields = full
            .try_into()
            .map_err(|e: toml::de::Error| ProfileError::unplaced(e.message().to_owned()))?;
        if fields.title.is_empty() {
            fields.title.clone_from(&fields.name);
        }
        if fields.order.is_empty() {
            fields.order = vec!["Users".to_owned(), "Groups".to_owned()];
        }
        check(&fields)?;
        Ok(Self::assembled(fields, merged))
    }

    fn assembled(mut fields: Fields, table: Table) -> Self {
        let fallback = fields.types.remove("*").unwrap_or_default();
        Self { inner: Arc::new(Inner { fields, table, fallback }) }
    }

    /// The word by which the profile is asked for.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.fields.name
    }

    /// All facts.
    #[must_use]
    pub fn fields(&self) -> &Fields {
        &self.inner.fields
    }

    /// The rules of an endpoint, such as `Users` or `/Users`.
    #[must_use]
    pub fn rules(&self, endpoint: &str) -> &TypeRules {
        let name = endpoint.trim_matches('/');
        let found = self.inner.fields.types.iter().find(|(key, rules)| {
            key.eq_ignore_ascii_case(name) || rules.endpoint.as_deref() == Some(name)
        });
        found.map_or(&self.inner.fallback, |(_, rules)| rules)
    }

    /// Whether a file says something about this field: one of the profile, or of those that it extends.
    pub(crate) fn says(&self, path: &[&str]) -> bool {
        let mut here = &self.inner.table;
        let Some((last, tables)) = path.split_last() else { return false };
        for name in tables {
            match here.get(*name) {
                Some(Value::Table(table)) => here = table,
                _ => return false,
            }
        }
        here.contains_key(*last)
    }

    /// Whether a file says something about this field of an endpoint.
    pub(crate) fn says_of(&self, endpoint: &str, path: &[&str]) -> bool {
        [endpoint, "*"].iter().any(|name| {
            let full: Vec<&str> = ["types", name].into_iter().chain(path.iter().copied()).collect();
            self.says(&full)
        })
    }
}

impl Default for TargetProfile {
    fn default() -> Self {
        Self::generic()
    }
}

impl PartialEq for TargetProfile {
    fn eq(&self, other: &Self) -> bool {
        self.inner.fields == other.inner.fields && self.inner.fallback == other.inner.fallback
    }
}

impl fmt::Debug for TargetProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TargetProfile").field(&self.name()).finish()
    }
}

/// The effective profile as TOML, with all that the extended ones say; it reads back as the same profile.
impl fmt::Display for TargetProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&toml::to_string(&self.inner.table).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for TargetProfile {
    type Err = ProfileError;

    fn from_str(text: &str) -> Result<Self, ProfileError> {
        Self::from_toml(text)
    }
}

/// Tables field by field, everything else replaced.
fn overlay(base: &mut Table, over: Table) {
    for (name, value) in over {
        match (base.get_mut(&name), value) {
            (Some(Value::Table(below)), Value::Table(above)) => overlay(below, above),
            (_, value) => {
                base.insert(name, value);
            }
        }
    }
}

/// Puts the rules of `"*"` below those of every endpoint.
fn spread_common_rules(table: &mut Table) {
    let Some(Value::Table(types)) = table.get_mut("types") else { return };
    let Some(Value::Table(common)) = types.get("*").cloned() else { return };
    for (_, rules) in types.iter_mut().filter(|(name, _)| *name != "*") {
        if let Value::Table(own) = rules {
            let mut merged = common.clone();
            overlay(&mut merged, std::mem::take(own));
            *own = merged;
        }
    }
}

/// What the types of the fields cannot say.
fn check(fields: &Fields) -> Result<(), ProfileError> {
    let wrong = |text: String| Err(ProfileError::unplaced(text));
    for (name, window) in &fields.rates.windows {
        if window.amount == 0 || window.per.is_zero() {
            return wrong(format!("rates.windows.{name}: it needs `amount` from 1 and `per`"));
        }
        if window.burst.is_some_and(|burst| burst == 0 || burst > window.amount) {
            return wrong(format!("rates.windows.{name}: `burst` is from 1 to `amount`"));
        }
    }
    let headers = [&fields.rates.remaining_header, &fields.rates.reset_header];
    for name in headers.into_iter().flatten() {
        if http::HeaderName::try_from(name).is_err() {
            return wrong(format!("rates: `{name}` is no name of a header"));
        }
    }
    let values = [&fields.http.accept, &fields.http.content_type];
    for value in values.into_iter().chain(fields.http.accept_by_method.values()) {
        if http::HeaderValue::try_from(value).is_err() {
            return wrong(format!("http: `{value}` cannot stand in a header"));
        }
    }
    for method in fields.http.accept_by_method.keys() {
        if !["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method.as_str()) {
            return wrong(format!("http.accept-by-method: `{method}` is no method of SCIM"));
        }
    }
    for (name, rule) in &fields.errors {
        if !(300..600).contains(&rule.status) {
            return wrong(format!("errors.{name}: {} is no status of an error", rule.status));
        }
    }
    for (path, filters) in &fields.patch.path_filters {
        for filter in filters {
            if let Err(error) = filter.parse::<scim_core::Filter>() {
                return wrong(format!("patch.path-filters.{path}: {error}"));
            }
        }
    }
    Ok(())
}

/// Why a text is no profile, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileError {
    /// Line and column, counted from 1, where the text has one place that is wrong.
    pub at: Option<(usize, usize)>,
    /// What is wrong.
    pub detail: String,
}

impl ProfileError {
    fn unplaced(detail: String) -> Self {
        Self { at: None, detail }
    }

    fn placed(text: &str, error: &toml::de::Error) -> Self {
        let at = error.span().map(|span| {
            let before = text.get(..span.start).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            let start = before.rfind('\n').map_or(0, |newline| newline + 1);
            (line, before[start..].chars().count() + 1)
        });
        Self { at, detail: error.message().to_owned() }
    }
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some((line, column)) => write!(f, "profile, line {line}, column {column}: ")?,
            None => f.write_str("profile: ")?,
        }
        f.write_str(&self.detail)
    }
}

impl std::error::Error for ProfileError {}
