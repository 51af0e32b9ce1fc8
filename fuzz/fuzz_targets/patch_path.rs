#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    let mut leniency = scim_core::Leniency::new(scim_core::Profile::default());
    let _ = scim_core::filter::parse_path(text, &scim_core::Limits::default(), &mut leniency);
});
