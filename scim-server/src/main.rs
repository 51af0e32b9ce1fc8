//! The scim-server binary.
fn main() {}
