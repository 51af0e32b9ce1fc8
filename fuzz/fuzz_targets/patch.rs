#![no_main]

use std::sync::LazyLock;

use scim_core::{Leniency, Limits, Patch, Profile, Registry, Resource, json};

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::standard);

fn resource(text: &str) -> Resource {
    Resource::parse(text.as_bytes(), &Limits::default()).unwrap()
}

static USER: LazyLock<Resource> = LazyLock::new(|| {
    resource(include_str!("../../scim-core/tests/fixtures/rfc/rfc7643-8.3-user-enterprise.json"))
});
static GROUP: LazyLock<Resource> = LazyLock::new(|| {
    resource(include_str!("../../scim-core/tests/fixtures/rfc/rfc7643-8.4-group.json"))
});

// Whatever the message: no panic, and an error or an empty set of changes leaves the resource as it was.
libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    let limits = Limits::default();
    let Ok(object) = json::parse_object(body, &limits) else { return };
    let mut leniency = Leniency::new(Profile::default());
    let Ok(patch) = Patch::from_object(object, &limits, &mut leniency) else { return };
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
});
