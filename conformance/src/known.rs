//! Deviations that are known: a file that names checks and says why a product fails them.
//!
//! ```toml
//! product = "example-server 1.4"
//!
//! [[deviation]]
//! checks = ["patch.add.multi-valued"]
//! reason = "PATCH add replaces the whole list"
//! link = "https://example.org/issues/7"     # optional
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::check::Level;
use crate::checks;
use crate::report::{Ended, Mended, Outcome};

/// Files that come with the program, by the name of the product.
const PRODUCTS: &[(&str, &str)] = &[
    ("scim2-server", include_str!("../known/scim2-server.toml")),
    ("scimmy", include_str!("../known/scimmy.toml")),
];

/// A list of checks that are known to fail, with reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    name: String,
    listed: BTreeMap<String, Listed>,
}

/// What a list says of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) reason: String,
    /// How it is expected to fail.
    pub(crate) as_: As,
}

/// In which way a check is known to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum As {
    /// The target does something else than the clause asks.
    Deviating,
    /// It could not be tried.
    Broken,
    /// One of the two.
    Either,
}

/// Why a file of known deviations cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KnownError {
    /// It is no TOML, or has other fields than there are.
    #[error("{0}")]
    Syntax(#[from] toml::de::Error),
    /// It names a check that there is not.
    #[error("{0:?} is the id of no check; `scim-conformance list` shows them")]
    NoSuchCheck(String),
    /// It names a check twice.
    #[error("{0:?} is listed twice")]
    Twice(String),
    /// It gives no reason for a check.
    #[error("{0:?} is listed without a reason")]
    NoReason(String),
    /// It is the report of a run that came to no end; a baseline has to be whole.
    #[error(
        "this is the report of an incomplete run ({0}): what it did not come to would count as known. Make a baseline \
         with a run that ends"
    )]
    NoVerdict(String),
    /// No list of that name comes with the program.
    #[error("no list for {0:?} comes with the program")]
    NoSuchProduct(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    product: String,
    #[serde(default)]
    deviation: Vec<Deviation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deviation {
    checks: Vec<String>,
    reason: String,
    link: Option<String>,
}

impl Known {
    /// The list for a product that comes with the program.
    ///
    /// # Errors
    /// [`KnownError::NoSuchProduct`].
    pub fn of_product(name: &str) -> Result<Self, KnownError> {
        let found = PRODUCTS.iter().find(|(product, _)| *product == name);
        let (_, text) = found.ok_or_else(|| KnownError::NoSuchProduct(name.to_owned()))?;
        Self::from_toml(text)
    }

    /// The products that lists come with the program for.
    pub fn products() -> impl Iterator<Item = &'static str> {
        PRODUCTS.iter().map(|(name, _)| *name)
    }

    /// Reads a list. Every id has to be one of [`Suite::all`](crate::Suite::all), so that a misspelt one does not
    /// quietly excuse nothing.
    ///
    /// # Errors
    /// [`KnownError`], but for [`KnownError::NoSuchProduct`] and [`KnownError::NoVerdict`].
    pub fn from_toml(text: &str) -> Result<Self, KnownError> {
        let file: File = toml::from_str(text)?;
        let all = checks::all();
        let mut listed = BTreeMap::new();
        for Deviation { checks, reason, link } in file.deviation {
            for id in checks {
                if !all.iter().any(|check| check.id == id) {
                    return Err(KnownError::NoSuchCheck(id));
                }
                if reason.trim().is_empty() {
                    return Err(KnownError::NoReason(id));
                }
                let reason = match &link {
                    Some(link) => format!("{} ({link})", reason.trim()),
                    None => reason.trim().to_owned(),
                };
                if listed.insert(id.clone(), Listed { reason, as_: As::Either }).is_some() {
                    return Err(KnownError::Twice(id));
                }
            }
        }
        Ok(Self::new(file.product, listed))
    }

    pub(crate) fn new(name: String, listed: BTreeMap<String, Listed>) -> Self {
        Self { name, listed }
    }

    /// The name of the list: the product, or the baseline.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The ids on the list, with their reasons.
    pub fn listed(&self) -> impl Iterator<Item = (&str, &str)> {
        self.listed.iter().map(|(id, listed)| (id.as_str(), listed.reason.as_str()))
    }

    /// Turns an outcome that fails as the list says into [`Ended::Known`]. What a MAY asks for decides nowhere and
    /// needs no excuse, so it stays noted.
    pub fn mark(&self, outcome: &mut Outcome) {
        let Some(listed) = self.listed.get(&outcome.id) else { return };
        let broken = outcome.result == Ended::Broken;
        let covered = match listed.as_ {
            As::Deviating => outcome.deviates,
            As::Broken => broken,
            As::Either => outcome.deviates || broken,
        };
        if covered && outcome.result != Ended::Known && outcome.level != Level::May {
            outcome.result = Ended::Known;
            outcome.known = Some(format!("{}: {}", self.name, listed.reason));
        }
    }

    /// The checks on the list that pass.
    pub fn mended<'a>(&'a self, checks: &'a [Outcome]) -> impl Iterator<Item = Mended> + 'a {
        let passes = |one: &&Outcome| {
            one.result == Ended::Passed || (one.result == Ended::Warned && !one.deviates)
        };
        checks.iter().filter(passes).filter_map(|outcome| {
            let listed = self.listed.get(&outcome.id)?;
            Some(Mended {
                check: outcome.id.clone(),
                from: self.name.clone(),
                reason: listed.reason.clone(),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::outcome;

    const LIST: &str = r#"
        product = "a-server"
        [[deviation]]
        checks = ["discovery.config.object", "patch.add.multi-valued"]
        reason = "known since 1.0"
        link = "https://example.org/7"
    "#;

    fn refused(change: (&str, &str)) -> String {
        assert!(LIST.contains(change.0));
        Known::from_toml(&LIST.replace(change.0, change.1)).unwrap_err().to_string()
    }

    #[test]
    fn a_list_that_says_nothing_useful_is_refused() {
        assert!(refused(("patch.add.multi-valued", "patch.ad")).contains("patch.ad"));
        assert!(
            refused(("patch.add.multi-valued", "discovery.config.object")).contains("listed twice")
        );
        assert!(refused(("known since 1.0", " ")).contains("without a reason"));
        assert!(refused(("link", "lnk")).contains("lnk"));
        assert!(Known::of_product("nobody").unwrap_err().to_string().contains("nobody"));
    }

    #[test]
    fn every_list_that_comes_with_the_program_can_be_used() {
        for product in Known::products() {
            let known = Known::of_product(product).unwrap();
            assert!(known.listed().count() > 0, "{product}");
        }
    }

    #[test]
    fn a_listed_check_that_fails_is_known_and_one_that_passes_is_named() {
        let known = Known::from_toml(LIST).unwrap();
        let mut failed = outcome("patch.add.multi-valued", Ended::Failed);
        let mut broken = outcome("patch.add.multi-valued", Ended::Broken);
        let mut other = outcome("filter.eq", Ended::Failed);
        let mut optional =
            Outcome { level: Level::May, ..outcome("patch.add.multi-valued", Ended::Noted) };
        for one in [&mut failed, &mut broken, &mut other, &mut optional] {
            known.mark(one);
        }
        for one in [failed, broken] {
            assert_eq!(one.result, Ended::Known);
            let why = "a-server: known since 1.0 (https://example.org/7)";
            assert_eq!(one.known.as_deref(), Some(why));
        }
        assert_eq!((other.result, other.known), (Ended::Failed, None));
        assert_eq!(optional.result, Ended::Noted);

        let passed = [
            outcome("patch.add.multi-valued", Ended::Passed),
            outcome("discovery.config.object", Ended::Skipped),
            outcome("filter.eq", Ended::Passed),
        ];
        let mended: Vec<_> = known.mended(&passed).map(|one| one.check).collect();
        assert_eq!(mended, ["patch.add.multi-valued"]);
    }
}
