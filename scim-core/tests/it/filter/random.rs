//! Random trees: writing and reading are inverse; nothing makes the parser panic.

use proptest::prelude::*;
use scim_core::filter::parse_path;
use scim_core::{
    AttrPath, CompareOp, Comparison, Filter, Leniency, Limits, Literal, Profile, Registry,
};
use serde_json::Number;

fn path() -> impl Strategy<Value = AttrPath> {
    let text = "((urn|https):[a-zA-Z0-9./:_-]{0,20}[a-z0-9]:)?[a-zA-Z][a-zA-Z0-9_-]{0,12}(\\.\\$?[a-z][a-z0-9]{0,8})?";
    text.prop_map(|text| text.parse().unwrap())
}

fn literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        Just(Literal::Null),
        any::<bool>().prop_map(Literal::Bool),
        any::<i64>().prop_map(|n| Literal::Number(n.into())),
        any::<u64>().prop_map(|n| Literal::Number(n.into())),
        any::<f64>().prop_filter_map("finite", |n| Number::from_f64(n).map(Literal::Number)),
        any::<String>().prop_map(|text| Literal::String(text.into())),
        "[\"\\\\/a é\u{0}-\u{1f}]{0,12}".prop_map(|text| Literal::String(text.into())),
    ]
}

fn op() -> impl Strategy<Value = CompareOp> {
    prop::sample::select(vec![
        CompareOp::Eq,
        CompareOp::Ne,
        CompareOp::Co,
        CompareOp::Sw,
        CompareOp::Ew,
        CompareOp::Gt,
        CompareOp::Ge,
        CompareOp::Lt,
        CompareOp::Le,
    ])
}

fn term() -> BoxedStrategy<Filter> {
    prop_oneof![
        (path(), op(), literal()).prop_map(|(path, op, value)| Filter::Compare(Comparison {
            path,
            op,
            value
        })),
        path().prop_map(Filter::Present),
    ]
    .boxed()
}

fn nested(leaf: BoxedStrategy<Filter>) -> BoxedStrategy<Filter> {
    leaf.prop_recursive(5, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::Or),
            inner.prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    })
    .boxed()
}

fn filter() -> BoxedStrategy<Filter> {
    let value_path = (path(), nested(term()))
        .prop_map(|(path, filter)| Filter::ValuePath { path, filter: Box::new(filter) });
    nested(prop_oneof![3 => term(), 1 => value_path].boxed())
}

/// Texts made of the words of the grammar, which get further than random characters.
fn nearly() -> impl Strategy<Value = String> {
    let words = vec![
        "a", "emails", "urn:x:y:", "name.", "$ref", " ", " ", "eq", "ne", "pr", "and", "or", "not",
        "(", ")", "[", "]", "\"", "\"x\"", "\\", "\\ud83d", "\\u00e9", "1", "-", ".", "e5", "true",
        "TRUE", "null", "é", "\u{1}", "=",
    ];
    prop::collection::vec(prop::sample::select(words), 0..16).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn what_is_written_reads_back_as_the_same_tree(filter in filter()) {
        let text = filter.to_string();
        let limits = Limits { filter_length: usize::MAX, ..Limits::default() };
        let read = Filter::parse(&text, &limits, &mut Leniency::new(Profile::strict()));
        prop_assert_eq!(read, Ok(filter), "{}", text);
    }

    #[test]
    fn any_text_is_read_or_refused(text in prop_oneof![any::<String>(), nearly()]) {
        let mut leniency = Leniency::new(Profile::default());
        let limits = Limits::default();
        let _ = parse_path(&text, &limits, &mut leniency);
        match Filter::parse(&text, &limits, &mut leniency) {
            Ok(filter) => {
                prop_assert_eq!(filter.to_string().parse(), Ok(filter.clone()));
                let _ = filter.resolve(Registry::standard().user(), &mut leniency);
            }
            Err(error) => {
                prop_assert!((1..=text.chars().count() + 1).contains(&error.column));
            }
        }
    }

    /// Where strict reads something, the tolerant profile reads the same.
    #[test]
    fn tolerances_change_no_good_filter(text in nearly()) {
        if let Ok(filter) = text.parse::<Filter>() {
            let mut leniency = Leniency::new(Profile::default());
            prop_assert_eq!(Filter::parse(&text, &Limits::default(), &mut leniency), Ok(filter));
            prop_assert!(leniency.traces().is_empty());
        }
    }
}
