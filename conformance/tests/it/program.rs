//! The whole suite against the server program in a process of its own, on SQLite and in memory, in both profiles.

use scim_conformance::{Ended, Suite, Target};
use testkit::Launch;

/// Not a test: the server, run by the test below.
#[test]
#[ignore = "runs the server for another test"]
fn serve() {
    let _ = scim_server::run::main_with(["scim-server".into()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_is_conformant_on_both_stores() {
    for (profile, memory) in
        [("strict", "false"), ("strict", "true"), ("default", "false"), ("default", "true")]
    {
        let launch = Launch::of_test("program::serve");
        let server = launch.env("SCIM_PROFILE", profile).env("SCIM_MEMORY", memory).start();
        let target = Target::new(server.url()).unwrap().bearer(testkit::server::TOKEN);
        let report = Suite::all().run(&target).await;
        assert!(report.is_conformant(), "{profile}, in memory {memory}\n{report}");
        let broken: Vec<_> = report
            .checks
            .iter()
            .filter(|one| one.result == Ended::Broken)
            .map(|one| &one.id)
            .collect();
        assert!(broken.is_empty(), "{profile}, in memory {memory}: {broken:?}");
        assert_eq!(report.leftovers, []);
    }
}
