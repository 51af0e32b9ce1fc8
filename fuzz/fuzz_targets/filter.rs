#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(filter) = text.parse::<scim_core::Filter>() {
        assert_eq!(filter.to_string().parse(), Ok(filter));
    }
});
