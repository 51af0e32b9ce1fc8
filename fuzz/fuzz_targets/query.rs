#![no_main]

#[path = "../../scim-core/tests/it/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|text: &str| {
    targets::query(text);
});
