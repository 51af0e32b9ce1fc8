//! The real server in a process of its own: this test binary, started again.

use testkit::Launch;
use testkit::server::Server;

use scim_client::{Auth, Client};

/// Not a test: the server, run by [`server`].
#[test]
#[ignore = "runs the server for other tests"]
fn serve() {
    let _ = scim_server::run::main_with(["scim-server".into()]);
}

/// Starts the server with these settings (`SCIM_*`).
pub(crate) fn server(settings: &[(&str, &str)]) -> Server {
    let launch = Launch::of_test("process::serve");
    settings.iter().fold(launch, |launch, (name, value)| launch.env(name, value)).start()
}

/// A client of it, over reqwest.
pub(crate) fn client(server: &Server) -> Client {
    Client::builder(server.url()).auth(Auth::bearer(testkit::server::TOKEN)).build().unwrap()
}
