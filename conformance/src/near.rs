//! What was meant by a name that there is not.

use scim_conformance::{Check, Topic};

/// So many suggestions.
const MOST: usize = 3;

/// Ids and topics that are spelt nearly like this, the nearest first.
pub(crate) fn names(wrong: &str, checks: &[Check]) -> Vec<&'static str> {
    let wrong = wrong.to_lowercase();
    let topics = Topic::ALL.iter().map(|topic| topic.name());
    let all = topics.chain(checks.iter().map(|check| check.id));
    let most = (wrong.chars().count() / 3).max(1);
    let mut found: Vec<_> = all
        .filter_map(|name| {
            // The parts of an id are easily left out: `multi-valued` for `patch.add.multi-valued`.
            let part = name.len() > wrong.len() && wrong.len() > 2 && name.contains(&wrong);
            let distance = if part { 1 } else { distance(&wrong, name) };
            (distance <= most).then_some((distance, name))
        })
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, name)| name).take(MOST).collect()
}

/// `; did you mean a, b or c?`, or nothing.
pub(crate) fn suggestion(wrong: &str, checks: &[Check]) -> String {
    match names(wrong, checks).split_last() {
        None => String::new(),
        Some((only, [])) => format!("; did you mean {only}?"),
        Some((last, others)) => format!("; did you mean {} or {last}?", others.join(", ")),
    }
}

/// How many characters to insert, remove, replace or swap with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<_>, Vec<_>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let replaced = last[j] + usize::from(a[i] != b[j]);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use scim_conformance::Suite;

    use super::*;

    #[test]
    fn slips_are_counted() {
        let pairs =
            [("patch", "patch", 0), ("ptach", "patch", 1), ("pach", "patch", 1), ("", "abc", 3)];
        for (a, b, expected) in pairs {
            assert_eq!((distance(a, b), distance(b, a)), (expected, expected), "{a} {b}");
        }
    }

    #[test]
    fn what_was_meant_is_named() {
        let suite = Suite::all();
        let first = |wrong| names(wrong, suite.checks()).first().copied();
        assert_eq!(first("ptach"), Some("patch"));
        assert_eq!(first("discovery.schema.list"), Some("discovery.schemas.list"));
        assert_eq!(first("Discovery.Schemas.Lst"), Some("discovery.schemas.list"));
        assert_eq!(first("schemas.list"), Some("discovery.schemas.list"));
        assert_eq!(first("zzzzzzzz"), None);
        assert_eq!(suggestion("zzzzzzzz", suite.checks()), "");
        assert_eq!(
            suggestion("schemas.list", suite.checks()),
            "; did you mean discovery.schemas.list?"
        );
    }
}
