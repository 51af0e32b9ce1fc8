//! What an answer means that says it in its own way.

use http::StatusCode;

use super::TargetProfile;
use super::fields::{Action, ErrorRule, Meaning};

/// An answer that is no success, as far as rules look at it.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// What was to be done.
    pub action: Action,
    /// At which endpoint.
    pub endpoint: &'a str,
    /// The status.
    pub status: StatusCode,
    /// Whether the answer calls itself HTML.
    pub html: bool,
    /// The body, or its beginning.
    pub body: &'a str,
}

impl TargetProfile {
    /// What a refusal means by the rules of the profile; `None` where the status speaks for itself.
    #[must_use]
    pub fn meaning(&self, refusal: &Refusal<'_>) -> Option<Meaning> {
        self.error_rule(refusal).map(|rule| rule.meaning)
    }

    /// What the person who reads the error can do about it.
    #[must_use]
    pub fn hint(&self, refusal: &Refusal<'_>) -> Option<&str> {
        if let Some(rule) = self.error_rule(refusal) {
            return rule.hint.as_deref();
        }
        let rules = self.rules(refusal.endpoint);
        match refusal.status.as_u16() {
            404 if rules.inactive_answers_404 => Some(
                "a deactivated one answers 404 too: look it up by filter before it is made anew",
            ),
            400 | 404 | 409 | 422 if rules.members.active_only && refusal.action.is_write() => {
                Some("all members must be there and active, or the whole request fails")
            }
            _ => None,
        }
    }

    /// The rule with the most conditions, of equal ones the first by name.
    fn error_rule(&self, refusal: &Refusal<'_>) -> Option<&ErrorRule> {
        let rules = self.fields().errors.values().filter(|rule| applies(rule, refusal));
        rules.reduce(|best, rule| if rule.weight() > best.weight() { rule } else { best })
    }
}

fn applies(rule: &ErrorRule, refusal: &Refusal<'_>) -> bool {
    let here =
        |endpoint: &String| endpoint.eq_ignore_ascii_case(refusal.endpoint.trim_matches('/'));
    rule.status == refusal.status.as_u16()
        && (rule.actions.is_empty() || rule.actions.contains(&refusal.action))
        && (rule.endpoints.is_empty() || rule.endpoints.iter().any(here))
        && rule.text.as_deref().is_none_or(|text| refusal.body.contains(text))
        && rule.html.is_none_or(|html| html == refusal.html)
}
