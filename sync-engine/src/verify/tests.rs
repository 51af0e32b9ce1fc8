//! Each broken rule is found.
