//! Filters: from text to owned tree, tree dropped in the loop; resolving; matching. `scan` is the floor: it looks at
//! every byte of the text once.

#![expect(clippy::expect_used, reason = "a benchmark whose input is wrong must stop")]

use divan::{Bencher, black_box};
use scim_core::{Filter, Leniency, Limits, Profile, Registry, Resource};

fn main() {
    divan::main();
}

const NAMES: [&str; 4] = ["simple_eq", "and_or", "value_path", "or_of_50"];

fn text(name: &str) -> String {
    match name {
        "simple_eq" => r#"userName eq "bjensen@example.com""#.to_owned(),
        "and_or" => r#"title pr and (userType eq "Employee" or active eq true)"#.to_owned(),
        "value_path" => r#"emails[type eq "work" and value co "@example.com"]"#.to_owned(),
        _ => {
            let terms: Vec<String> =
                (0..50).map(|n| format!("userName eq \"user{n}@example.com\"")).collect();
            terms.join(" or ")
        }
    }
}

#[divan::bench(args = NAMES)]
fn parse(bencher: Bencher<'_, '_>, name: &str) {
    let text = text(name);
    let limits = Limits::default();
    let mut strict = Leniency::new(Profile::strict());
    bencher.bench_local(|| drop(Filter::parse(black_box(&text), &limits, &mut strict)));
}

#[divan::bench(args = NAMES)]
fn scan(bencher: Bencher<'_, '_>, name: &str) {
    let text = text(name);
    bencher.bench_local(|| {
        black_box(&text).bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, b| {
            (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
        })
    });
}

#[divan::bench(args = NAMES)]
fn resolve(bencher: Bencher<'_, '_>, name: &str) {
    let filter: Filter = text(name).parse().expect("the text is a filter");
    let registry = Registry::standard();
    let mut strict = Leniency::new(Profile::strict());
    bencher.bench_local(|| drop(filter.resolve(black_box(registry.user()), &mut strict)));
}

#[divan::bench(args = NAMES)]
fn matches(bencher: Bencher<'_, '_>, name: &str) {
    let filter: Filter = text(name).parse().expect("the text is a filter");
    let registry = Registry::standard();
    let mut strict = Leniency::new(Profile::strict());
    let typed = filter.resolve(registry.user(), &mut strict).expect("it fits the User schema");
    let user: Resource = serde_json::from_str(
        r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"Bjensen@example.com",
            "name":{"familyName":"Jensen","givenName":"Barbara"},"title":"Tour Guide","userType":"Employee",
            "active":true,"emails":[{"value":"babs@jensen.org","type":"home"},
            {"value":"bjensen@Example.com","type":"work","primary":true}]}"#,
    )
    .expect("the text is a user");
    assert_eq!(typed.matches(&user), name != "or_of_50");
    bencher.bench_local(|| black_box(&typed).matches(black_box(&user)));
}
