//! `scim`: the command line of a SCIM client.

fn main() {}
