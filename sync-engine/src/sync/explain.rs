//! Why an object is treated as it is: every rule and value explained.

use serde::Serialize;

/// What the rules make of one object.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {}
