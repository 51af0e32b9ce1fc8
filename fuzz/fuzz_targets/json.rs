#![no_main]

#[path = "../../scim-core/tests/it/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    targets::json(bytes);
});
