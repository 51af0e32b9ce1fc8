//! PATCH: what one operation costs on a full user, and what membership operations cost beside large groups.

#![expect(clippy::expect_used, reason = "a benchmark whose input is wrong must stop")]

use divan::{Bencher, black_box};
use scim_core::{
    ChangeSet, Leniency, Limits, Patch, Profile, Registry, Resource, ResourceSchema, Value, json,
};

fn main() {
    divan::main();
}

const USER: &str = include_str!("../tests/fixtures/rfc/rfc7643-8.3-user-enterprise.json");

fn user() -> Resource {
    Resource::parse(USER.as_bytes(), &Limits::default()).expect("the example is JSON")
}

fn message(operation: &str) -> Vec<u8> {
    format!(
        r#"{{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{operation}]}}"#
    )
    .into_bytes()
}

fn parse(body: &[u8]) -> Patch {
    let limits = Limits::default();
    let object = json::parse_object(body, &limits).expect("the message is JSON");
    Patch::from_object(object, &limits, &mut Leniency::new(Profile::strict()))
        .expect("the message is a PATCH")
}

fn apply(patch: &Patch, resource: &mut Resource, schema: &ResourceSchema) -> ChangeSet {
    patch.apply(resource, schema, Profile::strict()).expect("the patch fits")
}

/// Two patches that undo each other, so that every run changes something.
fn alternate(bencher: Bencher<'_, '_>, there: &str, back: &str) {
    let registry = Registry::standard();
    let (there, back) = (parse(&message(there)), parse(&message(back)));
    let mut user = user();
    apply(&back, &mut user, registry.user());
    bencher.counter(2_usize).bench_local(|| {
        let first = apply(&there, &mut user, registry.user());
        let second = apply(&back, &mut user, registry.user());
        assert!(!first.is_empty() && !second.is_empty());
    });
}

/// From the parsed operation to the changes; the counter has two operations a run.
#[divan::bench]
fn replace_active(bencher: Bencher<'_, '_>) {
    alternate(
        bencher,
        r#"{"op":"replace","path":"active","value":false}"#,
        r#"{"op":"replace","path":"active","value":true}"#,
    );
}

#[divan::bench]
fn replace_work_email(bencher: Bencher<'_, '_>) {
    alternate(
        bencher,
        r#"{"op":"replace","path":"emails[type eq \"work\"].value","value":"a@x.example"}"#,
        r#"{"op":"replace","path":"emails[type eq \"work\"].value","value":"b@x.example"}"#,
    );
}

#[divan::bench]
fn parse_replace_active(bencher: Bencher<'_, '_>) {
    let body = message(r#"{"op":"replace","path":"active","value":false}"#);
    bencher.bench_local(|| parse(black_box(&body)));
}

/// Adding a member and taking it out again, in rows: the group is not loaded, so its size cannot matter.
#[divan::bench]
fn split_one_member(bencher: Bencher<'_, '_>) {
    let registry = Registry::standard();
    let body = message(
        r#"{"op":"add","path":"members","value":[{"value":"2819c223"}]},{"op":"remove","path":"members[value eq \"2819c223\"]"}"#,
    );
    let patch = parse(&body);
    bencher.bench_local(|| {
        let mut leniency = Leniency::new(Profile::strict());
        let resolved = patch.resolve(registry.group(), &mut leniency).expect("the patch fits");
        let (rest, members) = resolved.split_members("members");
        assert!(rest.is_empty() && members.len() == 2);
        members
    });
}

/// The same on the whole resource, for comparison: this is what the rows save.
#[divan::bench(args = [10, 1_000, 100_000])]
fn whole_group(bencher: Bencher<'_, '_>, size: usize) {
    let registry = Registry::standard();
    let mut group = Resource::new();
    group.set("displayName", "Tour Guides");
    let member = |i: usize| Value::Object([("value", format!("member-{i}"))].into_iter().collect());
    group.set("members", (0..size).map(member).collect::<Vec<_>>());
    let add = parse(&message(r#"{"op":"add","path":"members","value":[{"value":"2819c223"}]}"#));
    let remove = parse(&message(r#"{"op":"remove","path":"members[value eq \"2819c223\"]"}"#));
    bencher.counter(2_usize).bench_local(|| {
        apply(&add, &mut group, registry.group());
        apply(&remove, &mut group, registry.group())
    });
}

/// What a membership synchronisation asks: which changes lead from one list to the other.
#[divan::bench(args = [10, 1_000, 10_000])]
fn diff_group(bencher: Bencher<'_, '_>, size: usize) {
    let registry = Registry::standard();
    let member = |i: usize| Value::Object([("value", format!("member-{i}"))].into_iter().collect());
    let group = |range: std::ops::Range<usize>| {
        let mut group = Resource::new();
        group.set("members", range.map(member).collect::<Vec<_>>());
        group
    };
    let (before, after) = (group(0..size), group(1..size + 1));
    bencher.bench_local(|| scim_core::patch::diff(&before, &after, registry.group()));
}
