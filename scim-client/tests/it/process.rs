//! The real server in a process of its own: this test binary, started again.

use testkit::Launch;
use testkit::server::Server;

use scim_client::{Auth, Client, ClientBuilder};

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

/// A client of it, over the default transport.
pub(crate) fn client(server: &Server) -> Client {
    builder(server).build().unwrap()
}

/// A client of it to be.
pub(crate) fn builder(server: &Server) -> ClientBuilder {
    Client::builder(server.url()).auth(Auth::bearer(testkit::server::TOKEN))
}
