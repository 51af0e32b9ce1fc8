use std::collections::BTreeSet;

use super::*;
use crate::check::Topic;

#[test]
fn ids_are_unique_and_begin_with_their_topic() {
    let mut seen = BTreeSet::new();
    for check in all() {
        assert!(seen.insert(check.id), "{} occurs twice", check.id);
        let topic = check.id.split('.').next().unwrap();
        assert_eq!(topic, check.topic.name(), "{}", check.id);
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
        assert!(check.id.chars().all(fits) && check.id.contains('.'), "{}", check.id);
    }
}

#[test]
fn reason_and_mend_are_one_line_each() {
    for check in all() {
        for text in [check.reason, check.mend] {
            assert!(!text.contains('\n') && text.len() <= 160, "{}: {text:?}", check.id);
        }
    }
}

#[test]
fn every_topic_is_listed() {
    for check in all() {
        assert!(Topic::ALL.contains(&check.topic), "{}", check.id);
    }
}

#[test]
fn every_clause_is_a_requirement() {
    for check in all() {
        for clause in check.clause {
            let found = crate::Requirement::find(clause);
            assert!(found.is_some(), "{}: {clause} is not in requirements.tsv", check.id);
        }
    }
}
