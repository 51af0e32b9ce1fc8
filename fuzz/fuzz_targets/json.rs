//! Any bytes as a body: an error, or a value that reads back as itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scim_core::{Limits, json};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(value) = json::parse(bytes, &Limits::default()) {
        assert_eq!(json::parse(value.to_string().as_bytes(), &Limits::default()), Ok(value));
    }
});
