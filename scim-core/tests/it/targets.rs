//! What fuzzing does with its input: the bodies of the targets in `fuzz/`, which the tests run too (`smoke.rs`).
#![allow(dead_code, reason = "each fuzz target uses one of them")]

use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta};
use scim_core::bulk::{BulkRequest, BulkRun, Outcome};
use scim_core::query::{CursorCodec, CursorKey, CursorScope};
use scim_core::{
    Error, Filter, Leniency, Limits, ListQuery, Patch, Profile, Registry, Resource, ResourceId,
    json,
};

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::standard);

fn resource(text: &str) -> Resource {
    Resource::parse(text.as_bytes(), &Limits::default()).unwrap()
}

static USER: LazyLock<Resource> =
    LazyLock::new(|| resource(include_str!("../fixtures/rfc/rfc7643-8.3-user-enterprise.json")));
static GROUP: LazyLock<Resource> =
    LazyLock::new(|| resource(include_str!("../fixtures/rfc/rfc7643-8.4-group.json")));

/// Any text as a filter: an error, or a filter that reads back as itself. Each target answers whether it took the input.
pub(crate) fn filter(text: &str) -> bool {
    let Ok(filter) = text.parse::<Filter>() else { return false };
    assert_eq!(filter.to_string().parse(), Ok(filter));
    true
}

/// Any text as a PATCH path.
pub(crate) fn patch_path(text: &str) -> bool {
    let mut leniency = Leniency::new(Profile::default());
    scim_core::filter::parse_path(text, &Limits::default(), &mut leniency).is_ok()
}

/// Any bytes as a body: an error, or a value that reads back as itself.
pub(crate) fn json(bytes: &[u8]) -> bool {
    let Ok(value) = json::parse(bytes, &Limits::default()) else { return false };
    assert_eq!(json::parse(value.to_string().as_bytes(), &Limits::default()), Ok(value));
    true
}

/// Any bytes as a PATCH message: an error or an empty set of changes leaves the resource as it was.
pub(crate) fn patch(body: &[u8]) -> bool {
    let limits = Limits::default();
    let Ok(object) = json::parse_object(body, &limits) else { return false };
    let mut leniency = Leniency::new(Profile::default());
    let Ok(patch) = Patch::from_object(object, &limits, &mut leniency) else { return false };
    for operation in patch.operations() {
        if let Some(path) = &operation.path {
            assert_eq!(path.to_string().parse().as_ref(), Ok(path));
        }
    }
    for (schema, before) in [(REGISTRY.user(), &*USER), (REGISTRY.group(), &*GROUP)] {
        let mut after = before.clone();
        match patch.apply(&mut after, schema, Profile::default()) {
            Ok(changes) => assert!(!changes.is_empty() || after == *before),
            Err(_) => assert_eq!(after, *before),
        }
    }
    true
}

/// Any bytes as a bulk request: every operation gets its turn once, twice in a cycle, and the answer is not much larger.
pub(crate) fn bulk(bytes: &[u8]) -> bool {
    let limits = Limits::default();
    let Ok(object) = json::parse_object(bytes, &limits) else { return false };
    let mut leniency = Leniency::new(Profile::default());
    let Ok(request) = BulkRequest::from_object(object, &limits, &mut leniency) else {
        return false;
    };
    let most = 2 * request.items().len();
    let mut job = BulkRun::new(request, "https://example.com");
    let mut tasks = 0;
    while let Some(task) = job.next_task() {
        tasks += 1;
        assert!(tasks <= most);
        let created = || ResourceId::new(&format!("id-{tasks}"));
        job.report(match task.index % 5 {
            4 => Error::PreconditionFailed.into(),
            _ => Outcome::Done {
                status: http::StatusCode::OK,
                id: task.id.is_none().then(created).flatten(),
                location: None,
                version: None,
                response: None,
            },
        });
    }
    let answer = serde_json::to_string(&job.finish()).unwrap();
    assert!(answer.len() < 4096 + 4 * bytes.len() + 1024 * most);
    true
}

/// Any text as a cursor: nobody can make one.
pub(crate) fn cursor(text: &str) -> bool {
    let codec = CursorCodec::new(&CursorKey::new(1, [1; 32]));
    let scope = CursorScope::new("default", "/Users", None, None);
    codec.open(text, &scope, DateTime::UNIX_EPOCH, TimeDelta::hours(1)).unwrap_err();
    false
}

/// Any text as a query string: an error, or a query that reads back as itself.
pub(crate) fn query(raw: &str) -> bool {
    let (limits, mut leniency) = (Limits::default(), Leniency::new(Profile::strict()));
    let Ok(query) = ListQuery::from_query(raw, &limits, &mut leniency) else { return false };
    let again = ListQuery::from_query(&query.to_query_string(), &limits, &mut leniency);
    assert_eq!(again, Ok(query));
    true
}
