//! The checks against a fake domain and a fake service.

use std::net::SocketAddr;

use axum::Router;
use axum::http::StatusCode;
use scim_sync::rules::RuleSet;
use testkit::FakeAd;
use testkit::fake_ad::{BASE, Fault, PASSWORD};

use super::*;
use crate::cli::DirectoryKind;
use crate::config::{SecretSource, Settings};
use crate::template::{Site, TARGET};

struct World {
    ad: FakeAd,
    base: String,
    servers: Vec<String>,
    password: &'static str,
    target: String,
}

impl World {
    fn new() -> Self {
        let ad = FakeAd::start();
        let ada = [("sAMAccountName", "ada"), ("userAccountControl", "512"), ("cn", "Ada")];
        ad.add("user", &format!("CN=Ada,{BASE}"), &ada);
        let servers = vec![ad.url()];
        let target = "http://127.0.0.1:9/".to_owned();
        Self { ad, base: BASE.to_owned(), servers, password: PASSWORD, target }
    }

    fn settings(&self) -> (Settings, RuleSet) {
        let text = Site {
            servers: self.servers.clone(),
            bind_dn: "reader@fake.example".to_owned(),
            password: SecretSource::Env("PASSWORD".to_owned()),
            base: self.base.clone(),
            target: self.target.clone(),
            token: SecretSource::Env("TOKEN".to_owned()),
            state_dir: "/nowhere".to_owned(),
            ldap_ca: String::new(),
            ..Site::from_environment(DirectoryKind::ActiveDirectory)
        }
        .file();
        (Settings::parse(&text, &|_: &str| None).unwrap(), RuleSet::from_config(&text).unwrap())
    }

    fn environment(&self, name: &str) -> Option<String> {
        match name {
            "PASSWORD" => Some(self.password.to_owned()),
            "TOKEN" => Some("token".to_owned()),
            _ => None,
        }
    }

    /// The lines about the source, and whether it gave a schema.
    async fn source(&self) -> (Report, bool) {
        let (settings, rules) = self.settings();
        let environment = |name: &str| self.environment(name);
        let place =
            Place { folder: Path::new("."), environment: &environment, rules: Some(&rules) };
        let mut report = Report::new(false);
        let schema = source(&mut report, &settings.sources[0], place).await.unwrap();
        (report, schema.is_some())
    }

    async fn target(&self) -> Report {
        let (settings, rules) = self.settings();
        let environment = |name: &str| self.environment(name);
        let place =
            Place { folder: Path::new("."), environment: &environment, rules: Some(&rules) };
        let mut report = Report::new(false);
        target(&mut report, &settings.targets[0], place).await.unwrap();
        report
    }
}

fn failed(report: &Report) -> Vec<String> {
    let fails = report.lines().iter().filter(|line| line.state == State::Fail);
    fails.map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_domain_that_is_well_gives_its_schema() {
    let (report, schema) = World::new().source().await;
    assert!(schema && failed(&report).is_empty(), "{:?}", report.lines());
    let read = report.lines().iter().find(|line| line.check == "read").unwrap();
    assert!(read.text.contains("1 user"), "{read}");
}

#[tokio::test]
async fn a_wrong_password_is_tried_once() {
    let mut world = World::new();
    world.password = "wrong";
    world.servers.push(world.ad.url());
    let (report, schema) = world.source().await;
    assert!(!schema);
    let fails = failed(&report);
    assert!(fails.len() == 1 && fails[0].contains("password"), "{fails:?}");
}

#[tokio::test]
async fn a_second_server_that_is_down_is_a_warning_and_the_only_one_a_failure() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let down = format!("ldap://{closed}");
    let mut world = World::new();
    world.servers.push(down.clone());
    let (report, schema) = world.source().await;
    assert!(schema && report.worst() == State::Warn, "{:?}", report.lines());
    world.servers = vec![down];
    let (report, schema) = world.source().await;
    assert!(!schema && report.worst() == State::Fail, "{:?}", report.lines());
}

#[tokio::test]
async fn a_right_that_is_lacking_and_a_base_that_is_elsewhere_fail() {
    let mut world = World::new();
    world.base = "DC=other,DC=example".to_owned();
    let (report, _) = world.source().await;
    assert!(failed(&report).iter().any(|line| line.contains("DC=other")), "{:?}", report.lines());
    let world = World::new();
    world.ad.misbehave(Some(Fault::Forbid));
    let (report, _) = world.source().await;
    assert_eq!(report.worst(), State::Fail, "{:?}", report.lines());
}

/// A service that answers everything with this status.
async fn service(status: StatusCode) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(move || async move { status });
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test]
async fn what_a_service_refuses_is_told_by_what_it_means() {
    let expected = [
        (StatusCode::UNAUTHORIZED, "does not take the token"),
        (StatusCode::FORBIDDEN, "lacks a right"),
        (StatusCode::NOT_FOUND, "look at the"),
    ];
    for (status, says) in expected {
        let mut world = World::new();
        world.target = format!("http://{}/scim", service(status).await);
        let fails = failed(&world.target().await);
        assert!(fails.len() == 1 && fails[0].contains(says), "{status}: {fails:?}");
        assert!(fails[0].contains(TARGET) && !fails[0].contains("\"token\""), "{fails:?}");
    }
}

#[test]
fn the_worst_line_counts() {
    let mut report = Report::new(false);
    assert_eq!(report.worst(), State::Ok);
    report.add(State::Warn, "cloud", "token", "old").unwrap();
    report.add(State::Ok, "corp", "bind", "signed in").unwrap();
    assert_eq!(report.worst(), State::Warn);
    report.add(State::Fail, "corp", "base", "not there").unwrap();
    assert_eq!((report.worst(), report.count(State::Fail)), (State::Fail, 1));
    assert_eq!(report.lines()[2].to_string(), "FAIL  corp: base: not there");
    assert_eq!(report.lines()[1].to_string(), "ok    corp: bind: signed in");
}

#[test]
fn a_long_list_is_cut() {
    let names: Vec<String> = (0..14).map(|n| n.to_string()).collect();
    let text = few(names.iter().map(String::as_str));
    assert!(text.ends_with("11 and 2 more"), "{text}");
    assert_eq!(few(["a", "b"]), "a, b");
}
