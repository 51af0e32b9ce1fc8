//! Text comparison: the one place that decides when two strings are the same.
//!
//! Attributes with `caseExact` false compare by [`fold`]: canonical decomposition, full Unicode case folding, canonical
//! composition. Filters, uniqueness, sorting and the stores all use this function, never a database collation, so they
//! cannot disagree. `userName` is width-mapped first ([`fold_user_name`]), as PRECIS UsernameCaseMapped does
//! (RFC 7644 section 5, RFC 8265 section 3.3).

use std::borrow::Cow;
use std::cmp::Ordering;

use unicase::UniCase;
use unicode_normalization::UnicodeNormalization;

/// How the strings of an attribute are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextRule {
    /// Code point by code point (`caseExact` true).
    Exact,
    /// By [`fold`] (`caseExact` false).
    Fold,
    /// By [`fold_user_name`].
    UserName,
}

impl TextRule {
    /// The comparison key: two values are equal when their keys are, and keys sort as the values do.
    pub fn key<'a>(self, text: &'a str) -> Cow<'a, str> {
        match self {
            TextRule::Exact => Cow::Borrowed(text),
            TextRule::Fold => fold(text),
            TextRule::UserName => fold_user_name(text),
        }
    }

    /// Whether the two values are the same under this rule.
    pub fn eq(self, a: &str, b: &str) -> bool {
        match self {
            TextRule::Exact => a == b,
            _ if a.is_ascii() && b.is_ascii() => a.eq_ignore_ascii_case(b),
            _ => self.key(a) == self.key(b),
        }
    }

    /// Orders the two values: by code points of their keys.
    pub fn cmp(self, a: &str, b: &str) -> Ordering {
        match self {
            TextRule::Exact => a.cmp(b),
            _ => self.key(a).cmp(&self.key(b)),
        }
    }
}

/// The case-folded form of a text; two texts are "the same" for `caseExact` false when these are equal.
///
/// ```
/// assert_eq!(scim_core::text::fold("STRASSE"), scim_core::text::fold("straße"));
/// ```
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Cow::Owned(text.to_ascii_lowercase());
        }
        return Cow::Borrowed(text);
    }
    let decomposed: String = text.nfd().collect();
    // Folding can produce characters that decompose again (U+0345 and friends), so both steps run twice: the result is
    // a fixed point, which the stores rely on when they fold what was folded before.
    let once: String = UniCase::unicode(decomposed).to_folded_case().nfd().collect();
    Cow::Owned(UniCase::unicode(once).to_folded_case().nfc().collect())
}

/// [`fold`] after mapping fullwidth and halfwidth characters to their ordinary forms (RFC 8265 section 3.3.1).
pub fn fold_user_name(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return fold(text);
    }
    if !text.chars().any(is_width_variant) {
        return fold(text);
    }
    let mut mapped = String::with_capacity(text.len());
    for c in text.chars() {
        if is_width_variant(c) {
            unicode_normalization::char::decompose_compatible(c, |d| mapped.push(d));
        } else {
            mapped.push(c);
        }
    }
    Cow::Owned(fold(&mapped).into_owned())
}

/// Whether PRECIS UsernameCaseMapped (RFC 8265) would take this text as a user name: no spaces, symbols or controls.
pub fn is_precis_user_name(text: &str) -> bool {
    use precis_profiles::precis_core::profile::PrecisFastInvocation;
    // All of ASCII that can be seen is in the class (RFC 8264 section 9.11), and says nothing about direction.
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()) {
        return true;
    }
    precis_profiles::UsernameCaseMapped::enforce(text).is_ok()
}

fn is_width_variant(c: char) -> bool {
    matches!(c, '\u{3000}' | '\u{FF01}'..='\u{FFEE}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn folds_beyond_ascii() {
        assert_eq!(fold("ÅNGSTRÖM"), fold("a\u{30a}ngstro\u{308}m"));
        assert_eq!(fold("Σίσυφος"), fold("ΣΊΣΥΦΟΣ"));
        assert_ne!(fold("a"), fold("b"));
        assert_eq!(fold_user_name("ＡＤＡ"), "ada");
        assert_ne!(fold("ＡＤＡ"), "ada");
    }

    #[test]
    fn precis_refuses_spaces() {
        assert!(is_precis_user_name("bjensen@example.com"));
        assert!(!is_precis_user_name("non-existent user"));
        assert!(!is_precis_user_name(""));
    }

    #[test]
    fn precis_takes_all_of_ascii_that_can_be_seen() {
        use precis_profiles::precis_core::profile::PrecisFastInvocation;
        for c in '\0'..='\u{7f}' {
            let text = format!("a{c}1");
            let enforced = precis_profiles::UsernameCaseMapped::enforce(text.as_str()).is_ok();
            assert_eq!(is_precis_user_name(&text), enforced, "{text:?}");
            assert_eq!(enforced, c.is_ascii_graphic(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn folding_is_idempotent(text in "\\PC{0,24}") {
            let once = fold(&text).into_owned();
            prop_assert_eq!(fold(&once).into_owned(), once.clone());
            let name = fold_user_name(&text).into_owned();
            prop_assert_eq!(fold_user_name(&name).into_owned(), name);
        }

        #[test]
        fn eq_agrees_with_key(a in "[aAbBéÉßſK]{0,4}", b in "[aAbBéÉßſK]{0,4}") {
            for rule in [TextRule::Exact, TextRule::Fold, TextRule::UserName] {
                prop_assert_eq!(rule.eq(&a, &b), rule.key(&a) == rule.key(&b));
                prop_assert_eq!(rule.eq(&a, &b), rule.cmp(&a, &b) == Ordering::Equal);
            }
        }
    }
}
