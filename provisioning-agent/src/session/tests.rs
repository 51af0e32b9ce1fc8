use std::sync::mpsc;

use axum::Router;
use axum::http::StatusCode;
use scim_sync::cycle::Outcome;
use scim_sync::observer::Silent;
use scim_sync::undo::NoUndo;
use testkit::FakeAd;
use testkit::fake_ad::{BASE, PASSWORD};

use super::*;
use crate::cli::DirectoryKind;
use crate::config::SecretSource;
use crate::template::Site;

/// A service that refuses every token, on a thread of its own.
fn closed_door() -> String {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            let router = Router::new().fallback(|| async { StatusCode::UNAUTHORIZED });
            axum::serve(listener, router).await.unwrap();
        });
    });
    format!("http://{}/scim", told.recv().unwrap())
}

fn session(folder: &Path, server: String, target: String) -> Session {
    for (name, secret) in [("password", PASSWORD), ("token", "token")] {
        std::fs::write(folder.join(name), secret).unwrap();
    }
    let site = Site {
        servers: vec![server],
        ldap_ca: String::new(),
        bind_dn: "reader@fake.example".to_owned(),
        password: SecretSource::File("password".into()),
        base: BASE.to_owned(),
        target,
        token: SecretSource::File("token".into()),
        state_dir: "state".to_owned(),
        ..Site::from_environment(DirectoryKind::ActiveDirectory)
    };
    let path = folder.join("agent.toml");
    std::fs::write(&path, site.file()).unwrap();
    Session::load(&path).unwrap()
}

#[test]
fn a_system_that_does_not_answer_is_told_as_that_and_not_as_a_mistake_in_the_rules() {
    let folder = tempfile::tempdir().unwrap();
    let ad = FakeAd::start();
    let session = session(folder.path(), ad.url(), closed_door());
    let connectors = session.connectors().unwrap();
    let (_state, mut store) = session.hold().unwrap();
    let options = session.options();
    let report = session
        .cycle(&mut store, &connectors, &options, &mut NoUndo, &Stop::new(), &mut Silent)
        .unwrap();
    assert_eq!(report.outcome(), Outcome::CouldNotRun);
    let errors = report.errors.join("\n");
    assert!(errors.starts_with("scim: ") && errors.contains("credentials"), "{errors}");
    assert!(!errors.contains("rule"), "{errors}");
}

#[test]
fn rules_that_make_passwords_have_random_numbers() {
    let random = RandomSource(system_random);
    let numbers: BTreeSet<Option<u64>> = (0..8).map(|_| (random.0)()).collect();
    assert!(numbers.len() > 1 && !numbers.contains(&None), "{numbers:?}");
}
