//! Bodies of create and replace.

use std::collections::BTreeMap;

use scim_core::{Object, Value};

use super::at;
use crate::target::fields::{Action, Limit, Path, TypeRules};
use crate::target::{TargetProfile, Unsupported};

/// A resource as this server takes it.
#[derive(Clone, Debug, PartialEq)]
pub struct ShapedBody {
    /// What to send.
    pub body: Object,
    /// The attributes that were left out because the server does not have them.
    pub dropped: Vec<String>,
}

impl TargetProfile {
    /// Makes the body of a create or replace one that the server takes.
    ///
    /// # Errors
    /// [`Unsupported`] when an attribute is missing without which the server refuses, when one is there with which it
    /// refuses, when there are more values than it takes, and for more members than one request may carry.
    pub fn shape_body(
        &self,
        endpoint: &str,
        action: Action,
        mut body: Object,
    ) -> Result<ShapedBody, Unsupported> {
        let rules = self.rules(endpoint);
        let mut dropped = Vec::new();
        for path in &rules.drop {
            if at::remove(&mut body, path) {
                dropped.push(path.to_string());
            }
        }
        for path in &rules.refuse {
            if !at::values(&body, path).is_empty() {
                return Err(self.unsupported(format!("the attribute {path}")));
            }
        }
        if action == Action::Create {
            for path in &rules.required {
                if at::values(&body, path).is_empty() {
                    return Err(self.unsupported(format!(
                        "a new resource in {} without {path}",
                        endpoint.trim_matches('/')
                    )));
                }
            }
        } else if let Some(path) =
            rules.create_only.iter().find(|path| !at::values(&body, path).is_empty())
        {
            return Err(self.unsupported(format!("{path} after the resource was created")));
        }
        self.check_values(rules, &body)?;
        self.check_whole_membership(endpoint, action, &body)?;
        Ok(ShapedBody { body, dropped })
    }

    /// Values that the server would refuse under their attribute.
    pub(super) fn check_values(&self, rules: &TypeRules, body: &Object) -> Result<(), Unsupported> {
        for (path, limit) in &rules.max_values {
            let n = at::values(body, path).len();
            if !limit.admits(n) {
                return Err(self.unsupported(format!("{n} values of {path}, only {limit}")));
            }
        }
        for (path, limit) in &rules.max_values_per_type {
            self.check_each_type(body, path, *limit)?;
        }
        for (path, words) in &rules.value_types {
            let typed = at::values(body, path).into_iter().filter_map(type_of);
            for word in typed {
                if !words.iter().any(|known| known.eq_ignore_ascii_case(word)) {
                    return Err(self.unsupported(format!(
                        "{path} of another type than {}",
                        words.join(" or ")
                    )));
                }
            }
        }
        for path in &rules.primary_needed {
            let values = at::values(body, path);
            let primary = |value: &&Value| {
                value.as_object().and_then(|v| v.get("primary")).and_then(Value::as_bool)
            };
            if !values.is_empty() && !values.iter().any(|value| primary(value) == Some(true)) {
                return Err(self.unsupported(format!("{path} without a primary one")));
            }
        }
        for (path, limit) in &rules.max_length {
            let mut texts = at::values(body, path).into_iter().filter_map(Value::as_str);
            if texts.any(|text| !limit.admits(text.chars().count())) {
                return Err(self.unsupported(format!("{path} with more than {limit} characters")));
            }
        }
        for path in &rules.no_spaces {
            let mut texts = at::values(body, path).into_iter().filter_map(Value::as_str);
            if texts.any(|text| text.contains(char::is_whitespace)) {
                return Err(self.unsupported(format!("{path} with white space")));
            }
        }
        Ok(())
    }

    fn check_each_type(&self, body: &Object, path: &Path, limit: Limit) -> Result<(), Unsupported> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for value in at::values(body, path) {
            let word = type_of(value).unwrap_or_default().to_ascii_lowercase();
            *counts.entry(word).or_default() += 1;
        }
        match counts.iter().find(|(_, n)| !limit.admits(**n)) {
            Some((word, n)) => Err(self
                .unsupported(format!("{n} values of {path} with the type {word:?}, only {limit}"))),
            None => Ok(()),
        }
    }
}

fn type_of(value: &Value) -> Option<&str> {
    value.as_object().and_then(|element| element.get_str("type"))
}
