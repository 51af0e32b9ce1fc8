//! `scim-conformance`: checks a SCIM server.

fn main() {}
