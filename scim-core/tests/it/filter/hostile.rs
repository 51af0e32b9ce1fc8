//! Input that is made to hurt: deep, long, broken, and random changes of good input.

use std::time::{Duration, Instant};

use scim_core::filter::parse_path;
use scim_core::{Filter, Leniency, Limits, Profile, Registry, Resource};
use serde_json::Value;

use super::profiles;

/// Everything allowed that a caller can allow.
fn no_limits() -> Limits {
    Limits {
        filter_length: usize::MAX,
        filter_depth: usize::MAX,
        filter_terms: usize::MAX,
        ..Limits::default()
    }
}

fn strict() -> Leniency {
    Leniency::new(Profile::strict())
}

#[test]
fn nesting_costs_no_stack() {
    let run = || {
        for limits in [Limits { filter_length: usize::MAX, ..Limits::default() }, no_limits()] {
            for text in [
                "(".repeat(100_000),
                "not(".repeat(100_000),
                "not (".repeat(100_000),
                format!("{}a pr{}", "(".repeat(100_000), ")".repeat(100_000)),
                "a[".repeat(100_000),
                "a[(".repeat(100_000),
                format!("a[{}", "(".repeat(100_000)),
                "a pr and (".repeat(100_000),
            ] {
                assert!(Filter::parse(&text, &limits, &mut strict()).is_err());
                assert!(parse_path(&text, &limits, &mut strict()).is_err());
            }
        }
        // What is just allowed fits, too.
        let deep = format!("{}a pr{}", "not (".repeat(32), ")".repeat(32));
        let filter = Filter::parse(&deep, &Limits::default(), &mut strict()).unwrap();
        assert_eq!(filter.to_string().len(), deep.len());
    };
    std::thread::Builder::new().stack_size(64 * 1024).spawn(run).unwrap().join().unwrap();
}

#[test]
fn limits_are_exact() {
    let limits =
        Limits { filter_length: 40, filter_depth: 3, filter_terms: 4, ..Limits::default() };
    let parse = |text: &str| Filter::parse(text, &limits, &mut strict());
    assert!(parse("(((a pr)))").is_ok());
    assert_eq!(parse("((((a pr))))").unwrap_err().column, 4);
    assert!(parse("((a[b pr]))").is_ok());
    assert_eq!(parse("((not(a[b pr])))").unwrap_err().column, 8);
    assert_eq!(parse("((a[(b pr)]))").unwrap_err().column, 5);
    assert!(parse("(a pr) and (b pr)").is_ok());
    assert!(parse("a pr or b pr or c pr or d pr").is_ok());
    assert_eq!(parse("a pr or b pr or c pr or d pr or e pr").unwrap_err().column, 33);
    assert!(parse(&format!("{:40}", "a pr")).is_ok());
    assert!(parse(&format!("{:41}", "a pr")).unwrap_err().detail.contains("40 bytes"));
}

#[test]
fn time_is_linear() {
    let million = 1_000_000;
    let started = Instant::now();
    for text in [
        " ".repeat(million),
        "a".repeat(million),
        "a.".repeat(million / 2),
        ":".repeat(million),
        "not ".repeat(million / 4),
        format!("not{}", " ".repeat(million)),
        "(a pr) ".repeat(million / 7),
        "a pr or ".repeat(million / 8),
        format!("{}a pr", "a pr or ".repeat(million / 8)),
        format!("{}a pr", "a pr and b pr or ".repeat(million / 17)),
        format!("a eq \"{}", "x".repeat(million)),
        format!("a eq \"{}", "\\\\".repeat(million / 2)),
        format!("a eq \"{}\"", "\\u0041".repeat(million / 6)),
        format!("a eq \"{}", "é".repeat(million / 2)),
        format!("a eq {}", "9".repeat(million)),
        format!("a eq 1e{}", "9".repeat(million)),
        format!("a eq 0.{}", "9".repeat(million)),
        format!("urn:{}:a pr", "x:".repeat(million / 2)),
        "[".repeat(million),
        "a[b pr] or ".repeat(million / 11),
    ] {
        let _ = Filter::parse(&text, &no_limits(), &mut strict());
        let _ = parse_path(&text, &no_limits(), &mut strict());
        assert!(Filter::parse(&text, &Limits::default(), &mut strict()).is_err());
    }
    // Forty megabytes in a debug build on a slow machine; anything quadratic takes hours.
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

#[test]
fn errors_name_the_column_and_what_was_expected() {
    for (text, column, words) in [
        ("", 1, "attribute name"),
        ("   ", 4, "attribute name"),
        ("usérName eq \"x\"", 3, "after the attribute name"),
        ("userName", 9, "operator"),
        ("userName ", 10, "operator"),
        ("userName eqq \"x\"", 10, "operator"),
        ("userName regex \"x\"", 10, "eq, ne, co"),
        ("userName pr|| title pr", 10, "operator"),
        ("userName eq", 12, "space and a value"),
        ("userName eq ", 13, "double quotes"),
        ("userName eq 'x'", 13, "double quotes"),
        ("userName eq \"é\" xor b pr", 17, "`and`, `or` or the end"),
        ("userName eq \"é\"x", 16, "after the value"),
        ("(userName pr", 13, "`)`"),
        ("(userName pr]", 13, "`)`"),
        ("userName pr)", 12, "`and`, `or` or the end"),
        ("emails[type pr", 15, "`]`"),
        ("emails[type pr)", 15, "`]`"),
        ("emails[]", 8, "attribute name"),
        ("emails[a[b pr]]", 9, "brackets inside brackets"),
        ("emails[type pr].value pr", 16, "into the brackets"),
        ("not userName pr", 5, "parentheses"),
        ("a pr and not b pr", 14, "parentheses"),
        ("name. pr", 6, "sub-attribute"),
        ("name.a.b pr", 7, "sub-attribute"),
        (":a pr", 1, "attribute name"),
        ("urn::a pr", 1, "schema URI"),
        ("urn:x:1a pr", 7, "attribute name"),
        ("a eq TRUE", 6, "lower case"),
        ("a pr and", 9, "attribute name"),
        ("a pr and ", 10, "attribute name"),
        ("a\tpr", 2, "after the attribute name"),
        ("a pr\nand b pr", 3, "operator"),
        ("\u{a0}a pr", 1, "attribute name"),
    ] {
        let error = text.parse::<Filter>().unwrap_err();
        assert!(error.detail.contains(words), "{text:?}: {error}");
        assert_eq!(error.column, column, "{text:?}: {error}");
    }
    for (text, column) in [
        ("emails [type pr]", 7),
        (" emails", 1),
        ("emails ", 7),
        ("emails[type pr] ", 16),
        ("emails[type pr]value", 16),
        ("emails[type pr].value[a pr]", 22),
        ("emails pr", 7),
        ("emails eq \"x\" and b pr", 14),
    ] {
        let error = parse_path(text, &Limits::default(), &mut strict()).unwrap_err();
        assert_eq!(error.column, column, "{text:?}: {error}");
    }
}

/// A small generator of our own, so that a failure repeats.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (sides as u64)).unwrap()
    }
}

/// What the fuzz targets do, over changed vectors, in bounded time and on stable.
#[test]
fn changed_vectors_never_panic() {
    let texts: Vec<String> = ["filters", "paths"]
        .into_iter()
        .flat_map(|name| {
            let file = match name {
                "filters" => include_str!("../../fixtures/vectors/filters.json"),
                _ => include_str!("../../fixtures/vectors/paths.json"),
            };
            let cases: Value = serde_json::from_str(file).unwrap();
            let member = name.trim_end_matches('s');
            let cases = cases["cases"].as_array().unwrap().clone();
            cases.into_iter().map(move |case| case[member].as_str().unwrap().to_owned())
        })
        .collect();
    let parts = [
        "(", ")", "[", "]", "\"", "\\", "\\u", " ", ".", ":", " and ", " or ", "not ", "é", "\0",
        "1e",
    ];
    let registry = Registry::standard();
    let user: Resource =
        serde_json::from_str(r#"{"userName":"a","emails":[{"value":"x"}],"active":true}"#).unwrap();
    let mut dice = Dice(0x5eed_cafe_f00d_0001);
    let mut accepted = 0;
    for _ in 0..8_000 {
        let mut text: Vec<char> = texts[dice.roll(texts.len())].chars().collect();
        for _ in 0..=dice.roll(3) {
            let at = dice.roll(text.len() + 1);
            match dice.roll(4) {
                0 if at < text.len() => drop(text.remove(at)),
                1 => drop(text.splice(at..at, parts[dice.roll(parts.len())].chars())),
                2 => {
                    let other: Vec<char> = texts[dice.roll(texts.len())].chars().collect();
                    let from = dice.roll(other.len() + 1);
                    text.truncate(at);
                    text.extend(&other[from..]);
                }
                _ => {
                    let end = at + dice.roll(text.len() - at + 1);
                    let copy: Vec<char> = text[at..end].to_vec();
                    text.splice(at..at, copy);
                }
            }
        }
        let text: String = text.into_iter().collect();
        for (_, profile) in profiles() {
            let mut leniency = Leniency::new(profile);
            let _ = parse_path(&text, &Limits::default(), &mut leniency);
            let Ok(filter) = Filter::parse(&text, &Limits::default(), &mut leniency) else {
                continue;
            };
            accepted += 1;
            assert_eq!(filter.to_string().parse().as_ref(), Ok(&filter), "{text:?}");
            let root = filter.resolve_root(registry.user(), &mut leniency);
            if let Ok(typed) = filter.resolve(registry.user(), &mut leniency) {
                assert_eq!(root.as_ref(), Ok(&typed), "{text:?}");
                assert_eq!(typed.matches(&user), typed.matches(&user.clone()));
            }
        }
    }
    assert!(accepted > 1_000, "the changes are too coarse: only {accepted} were filters");
}
