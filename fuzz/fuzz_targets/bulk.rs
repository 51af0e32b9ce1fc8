#![no_main]

use scim_core::bulk::{BulkRequest, BulkRun, Outcome};
use scim_core::{Error, Leniency, Limits, Profile, ResourceId};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    let Ok(object) = scim_core::json::parse_object(bytes, &limits) else { return };
    let mut leniency = Leniency::new(Profile::default());
    let Ok(request) = BulkRequest::from_object(object, &limits, &mut leniency) else { return };
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
});
