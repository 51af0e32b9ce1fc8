#![no_main]

use scim_core::{Leniency, Limits, ListQuery, Profile};

libfuzzer_sys::fuzz_target!(|raw: &str| {
    let (limits, mut leniency) = (Limits::default(), Leniency::new(Profile::strict()));
    if let Ok(query) = ListQuery::from_query(raw, &limits, &mut leniency) {
        let again = ListQuery::from_query(&query.to_query_string(), &limits, &mut leniency);
        assert_eq!(again, Ok(query));
    }
});
