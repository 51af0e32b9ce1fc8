//! `fixtures/vectors` over HTTP: PATCH, payloads, attributes, filters, matches and paths, in both profiles.

mod filters;
mod patch;
mod payloads;
