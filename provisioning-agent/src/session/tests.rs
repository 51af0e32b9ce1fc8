use std::sync::mpsc;

use axum::Router;
use axum::http::StatusCode;
use scim_sync::cycle::Outcome;
use scim_sync::observer::Silent;
use scim_sync::undo::{NoUndo, UndoProgress as _};
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

#[test]
fn a_damaged_state_is_told_with_what_to_move_away() {
    let folder = tempfile::tempdir().unwrap();
    let fake = FakeAd::start();
    let session = session(folder.path(), fake.url(), "http://127.0.0.1:9/scim".to_owned());
    let (state, store) = session.hold().unwrap();
    let database = state.database();
    drop((state, store));
    // The first pages are whole: it opens, and what it holds is not there.
    let mut bytes = std::fs::read(&database).unwrap();
    let from = bytes.len() - 8192;
    bytes[from..].fill(0x5a);
    std::fs::write(&database, bytes).unwrap();
    let checked = session.look().and_then(|(state, store)| match store.check_file() {
        Ok(found) => {
            assert!(!found.is_empty());
            Ok(state.move_away())
        }
        Err(error) => Err(state_error(error, &state)),
    });
    let found = checked.unwrap_or_else(|error| error.to_string());
    assert!(found.contains("move state.db, state.db-wal and state.db-shm out of"), "{found}");

    std::fs::write(
        &database,
        "this is no database, and it is long enough to be read as one".repeat(99),
    )
    .unwrap();
    let error = session.look().unwrap_err().to_string();
    assert!(error.contains("is damaged") && error.contains("state.db-shm"), "{error}");
}

#[test]
fn an_undo_goes_on_after_its_last_whole_mark() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.jsonl");
    let (marks, mut progress) = undo_progress(&file).unwrap();
    assert_eq!(marks, []);
    progress.mark(&UndoMark::Done { line: 3 }).unwrap();
    drop(progress);
    let beside = folder.path().join("run.jsonl.progress");
    let mut text = std::fs::read(&beside).unwrap();
    text.extend(b"{\"did\":\"do");
    std::fs::write(&beside, text).unwrap();
    let (marks, mut progress) = undo_progress(&file).unwrap();
    assert_eq!(marks, [UndoMark::Done { line: 3 }]);
    progress.mark(&UndoMark::Done { line: 2 }).unwrap();
    drop(progress);
    let (marks, _) = undo_progress(&file).unwrap();
    assert_eq!(marks, [UndoMark::Done { line: 3 }, UndoMark::Done { line: 2 }]);
}
