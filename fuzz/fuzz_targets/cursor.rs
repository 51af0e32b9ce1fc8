#![no_main]

use chrono::{DateTime, TimeDelta};
use scim_core::query::{CursorCodec, CursorKey, CursorScope};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let codec = CursorCodec::new(&CursorKey::new(1, [1; 32]));
    let scope = CursorScope::new("default", "/Users", None, None);
    assert!(codec.open(text, &scope, DateTime::UNIX_EPOCH, TimeDelta::hours(1)).is_err());
});
