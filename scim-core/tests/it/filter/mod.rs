//! Filters: vectors, captured requests, random trees, hostile input.

mod hostile;
mod idp;
mod matching;
mod model;
mod random;
mod vectors;

use scim_core::{Filter, FilterError, Leniency, Limits, Profile};

pub(crate) fn profiles() -> [(&'static str, Profile); 2] {
    [("strict", Profile::strict()), ("default", Profile::default())]
}

pub(crate) fn parse(text: &str, profile: Profile) -> Result<Filter, FilterError> {
    Filter::parse(text, &Limits::default(), &mut Leniency::new(profile))
}
