//! The managed agent beside a directory, and the provisioning service at the other end of the link.

mod agent;
mod gate;
mod service;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use scim_provisioning_service::clock::{Clock as _, FixedClock, SystemClock};
use scim_provisioning_service::config::{Config, TlsMode};
use scim_sync_connectors::remote::RemoteScope;
use serde_json::json;
use testkit::FakeAd;
use testkit::fake_ad::BASE;
use testkit::poll;

use agent::{Home, Run, mode};
use service::{GROUP, Service};

const PATIENCE: Duration = Duration::from_secs(60);

/// A service that has every certificate renewed a second after it was signed.
fn hasty() -> Service {
    let day = Duration::from_secs(24 * 60 * 60);
    Service::with(Config {
        certificate_lifetime: day,
        renew_before: day - Duration::from_secs(1),
        ..Config::default()
    })
}

#[test]
fn an_agent_is_enrolled_linked_and_asked() {
    let service = Service::start();
    let home = Home::new();
    home.enrol(service.url(), &service.code());
    assert_eq!(mode(&home.identity().join("1/key.pem")), 0o600);
    assert_eq!(mode(&home.identity()), 0o700);
    let config = std::fs::read_to_string(home.path("agent.toml")).unwrap();
    for foreign in ["[[rule]]", "[[target]]", "[guard]", "[schedule]", "scope"] {
        assert!(!config.contains(&format!("\n{foreign}")), "{foreign} is the service's:\n{config}");
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    std::fs::write(home.path("agent.toml"), format!("health = \"{port}\"\n{config}")).unwrap();

    let (code, text) = home.run(&["doctor"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("takes the agent; it answers for corp.example"), "{text}");
    assert!(text.contains("20 user") && text.contains("All is well"), "{text}");

    let mut run = home.start();
    service.linked();
    let (_, agent) = service.agent();
    assert!(agent.last_bootstrap.is_some());
    assert_eq!(agent.directories, ["people"]);
    assert_eq!(service.count("people", RemoteScope::default()), 20);
    let (status, types) = service.ask("GET", "/people/ResourceTypes", "");
    assert_eq!((status, &types["Resources"][0]["id"]), (200, &json!("user")));
    let search = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"] });
    let (status, error) = service.ask("POST", "/elsewhere/.search", &search.to_string());
    assert!(status == 404 && error.to_string().contains("it has people"), "{error}");
    run.says("answered POST /people/.search: 200");

    let health = poll::until(PATIENCE, || get(&port.to_string(), "/health"));
    assert!(
        health.starts_with("HTTP/1.1 200") && health.contains("\"link\":\"linked\""),
        "{health}"
    );
    let (code, text) = home.run(&["status"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("linked by websocket") && text.contains(GROUP), "{text}");
    // Nobody else may be this agent meanwhile.
    let (code, text) = home.run(&["run"]);
    assert!(code == 1 && text.contains("another agent"), "{text}");

    run.terminate();
    assert_eq!(run.code(), 0);
    run.says("with everything answered");
    let (_, text) = home.run(&["status"]);
    assert!(text.contains("it does not run"), "{text}");
    // What only an agent with rules can do is not done.
    let (code, text) = home.run(&["plan"]);
    assert!(code == 1 && text.contains(service.url()), "{text}");
}

fn get(address: &str, path: &str) -> Result<String, String> {
    let mut socket = TcpStream::connect(address).map_err(|error| error.to_string())?;
    write!(socket, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).map_err(|error| error.to_string())?;
    Ok(text)
}

#[test]
fn the_scope_of_a_directory_comes_with_the_request() {
    let fake = FakeAd::start();
    for (unit, number) in [("Staff", 7), ("Guests", 3)] {
        fake.add("organizationalUnit", &format!("OU={unit},{BASE}"), &[]);
        for n in 0..number {
            let account = format!("{unit}{n}");
            fake.add(
                "user",
                &format!("CN={account},OU={unit},{BASE}"),
                &[("sAMAccountName", &account), ("userAccountControl", "512"), ("cn", &account)],
            );
        }
    }
    let service = Service::start();
    let home = Home::new();
    let url = fake.url();
    let more = ["--directory", "active-directory", "--server", &url, "--base", BASE];
    let (code, text) = home.setup(service.url(), &service.code(), &more);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("signed in to") && text.contains("enrolled"), "{text}");
    let _run = home.start();
    service.linked();
    assert_eq!(service.count("ad", RemoteScope::default()), 10);
    let staff = vec![format!("OU=Staff,{BASE}")];
    let within = RemoteScope { include: staff.clone(), ..RemoteScope::default() };
    assert_eq!(service.count("ad", within), 7);
    let without = RemoteScope { exclude: staff, ..RemoteScope::default() };
    assert_eq!(service.count("ad", without), 3);
}

#[test]
fn a_code_is_good_once_in_its_time_and_with_its_service() {
    let (service, other) = (Service::start(), Service::start());
    let refused = |code: &str, service: &str, why: &str| {
        let home = Home::new();
        let nowhere = ["--no-check", "--server", "ldaps://127.0.0.1:1", "--base", "DC=x"];
        let (status, text) = home.setup(service, code, &nowhere);
        assert!(status == 1 && text.contains(why), "{why:?} should be said\n{text}");
        assert!(!home.identity().join("current").exists(), "{text}");
        assert!(!text.contains(code), "the code is not shown\n{text}");
    };
    let used = service.code();
    let home = Home::new();
    home.enrol(service.url(), &used);
    refused(&used, service.url(), "used");
    let expired = service.code_for(Some(TimeDelta::milliseconds(1)));
    refused(&expired, service.url(), "expired");
    refused("ABCD-EFGH", service.url(), "13 groups");
    // A code that was never made, for the same authority.
    let unknown = scim_sync_link::gateway::EnrolmentCode::new(
        service.app().agents.authority().fingerprint(),
        [9; 15],
    );
    let unknown = secrecy::ExposeSecret::expose_secret(&unknown.text()).to_owned();
    refused(&unknown, service.url(), "does not take the code");
    // The service of another code is not believed, and gets to see neither code nor key.
    let own = service.code();
    refused(&own, other.url(), "is not believed, so the code was not sent");
    home.enrol_again(service.url(), &own);
    assert_eq!(
        service.runtime.block_on(other.app().agents.list(&Default::default())).unwrap().len(),
        0
    );
    refused(&service.code(), "https://127.0.0.1:1", "is not reached");
}

impl Home {
    /// A second identity in the place of the first.
    fn enrol_again(&self, service: &str, code: &str) {
        let nowhere = ["--no-check", "--server", "ldaps://127.0.0.1:1", "--base", "DC=x"];
        let (status, text) = self.setup(service, code, &nowhere);
        assert!(status == 1 && text.contains("--force"), "{text}");
        let forced = [&nowhere[..], &["--force"]].concat();
        let (status, text) = self.setup(service, code, &forced);
        assert_eq!(status, 0, "{text}");
        assert_eq!(self.generation(), 2);
        assert!(!self.identity().join("1").exists(), "the old key is gone");
    }
}

#[test]
fn a_revoked_agent_ends_with_a_sentence() {
    let service = Service::start();
    let home = Home::new();
    home.enrol(service.url(), &service.code());
    let mut run = home.start();
    service.linked();
    service.revoke();
    assert_eq!(run.code(), 4);
    run.says("the service does not want this agent");
    run.says("revoked");
    let (code, text) = home.run(&["doctor"]);
    assert!(code == 1 && text.contains("does not want this agent"), "{text}");
    let (_, text) = home.run(&["status"]);
    assert!(text.contains("did not want it"), "{text}");
    // Started again by somebody who does not know, it says the same.
    assert_eq!(home.start().code(), 4);
}

#[test]
fn an_expired_certificate_without_a_service_is_tried_again() {
    // The agent's clock is a year ahead of the one by which its certificate was made, as after a machine woke up.
    let past = SystemClock::new().now() - TimeDelta::days(365);
    let clock = Arc::new(FixedClock::at(past));
    let mut service = Service::with_clock(Config { tls: TlsMode::Off, ..Config::default() }, clock);
    let home = Home::new();
    home.enrol(service.url(), &service.code());
    service.end();
    let mut run = home.start();
    run.says("certificate expired on");
    run.says("tried again every hour");
    poll::until(PATIENCE, || {
        let (_, text) = home.run(&["status"]);
        if text.contains("by this machine's clock") { Ok(()) } else { Err(text) }
    });
    assert!(run.is_running(), "{}", run.log());
    run.terminate();
    assert_eq!(run.code(), 0);
    // With the service there, its clock is the one that counts.
    service.begin();
    let _again = home.start();
    service.linked();
}

#[test]
fn an_old_agent_is_told_so() {
    let service =
        Service::with(Config { minimum_agent_version: "99.0.0".to_owned(), ..Config::default() });
    let home = Home::new();
    home.enrol(service.url(), &service.code());
    let mut run = home.start();
    assert_eq!(run.code(), 4);
    run.says("too old");
    run.says("99.0.0");
}

#[test]
fn a_wrong_clock_is_told_by_how_much() {
    let ahead = SystemClock::new().now() + TimeDelta::minutes(10);
    let service = Service::with_clock(Config::default(), Arc::new(FixedClock::at(ahead)));
    let home = Home::new();
    home.enrol(service.url(), &service.code());
    let (code, text) = home.run(&["doctor"]);
    assert!(code == 0 && text.contains("the clocks are 9 min"), "{text}");
    let run = home.start();
    service.linked();
    run.says("this machine's clock is 9 min");
    run.says("behind the service's");
}

#[test]
fn the_link_comes_back_after_the_service() {
    let mut service = Service::start();
    let home = Home::new();
    home.enrol(service.url(), &service.code());
    let run = home.start();
    service.linked();
    service.end();
    run.says("connecting again");
    run.says("trying again until it answers");
    service.begin();
    service.linked();
    assert_eq!(service.count("people", RemoteScope::default()), 20);
    run.says("is there again, after");
    let warnings = run.log().matches("WARN").count();
    assert!(warnings <= 3, "{warnings} warnings\n{}", run.log());

    // An agent that starts while its service is down waits for it.
    drop(run);
    service.end();
    let run = home.start();
    run.says("trying again until it answers");
    service.begin();
    service.linked();
}

#[test]
fn a_certificate_is_renewed_while_a_request_is_on_its_way() {
    let service = hasty();
    let home = Home::new();
    home.enrol(service.url(), &service.code());
    home.files(20_000);
    let run = home.start();
    service.linked();
    let (before, generation) = (service.agent().1.certificates, home.generation());
    // More than fits into the window: the agent waits in the middle of its answer.
    let read = service.read("people", RemoteScope::default());
    let people = read.count(&service.runtime, || {
        poll::until(PATIENCE, || match home.generation() {
            number if number > generation + 1 => Ok(()),
            number => Err(format!("generation {number}\n{}", run.log())),
        });
    });
    assert_eq!(people, 20_000, "the answer is whole");
    let after = service.agent().1.certificates;
    assert!(before.iter().all(|old| after.iter().all(|new| new.serial != old.serial)));
    assert_eq!(mode(&home.identity().join(format!("{}/key.pem", home.generation()))), 0o600);
    assert_eq!(run.log().matches("linked to").count(), 1, "the link has held\n{}", run.log());
}

#[test]
fn killed_in_the_middle_of_a_renewal_it_comes_back() {
    let service = hasty();
    let home = Home::new();
    home.enrol(service.url(), &service.code());
    home.files(3);
    let steps = ["key.pem", "about.json", "ca.pem", "certificate.pem", "current"];
    for step in steps.iter().cycle().take(10) {
        let mut run = home.start();
        service.linked();
        let generation = home.generation();
        // Killed the moment that this step is on the disk; the next one may have begun.
        poll::until(PATIENCE, || {
            let there = match *step {
                "current" => home.generation() > generation,
                name => home.identity().join(format!("{}/{name}", generation + 1)).exists(),
            };
            if there { Ok(()) } else { Err(format!("{step} is not there\n{}", run.log())) }
        });
        run.kill();
        service.unlinked();
    }
    let run = home.start();
    service.linked();
    assert_eq!(service.count("people", RemoteScope::default()), 3);
    assert!(!run.log().contains("does not want"), "{}", run.log());
}

#[test]
fn behind_a_proxy_that_ends_tls_requests_are_signed() {
    let service = Service::with(Config { tls: TlsMode::Off, ..Config::default() });
    let home = Home::new();
    home.enrol(service.url(), &service.code());
    let _run = home.start();
    service.linked();
    assert_eq!(service.count("people", RemoteScope::default()), 20);
}

#[test]
fn where_websockets_do_not_get_through_it_polls() {
    let service = Service::without_websockets();
    let home = Home::new();
    home.enrol(service.url(), &service.code());
    home.files(3000);
    let run = home.start();
    service.linked();
    run.says("WebSockets do not get through");
    run.says("by long-poll");
    assert_eq!(service.count("people", RemoteScope::default()), 3000);
    // Each bootstrap tries the WebSocket again; that is said once.
    run.bootstraps(&service, 3);
    assert_eq!(run.log().matches("WARN").count(), 1, "{}", run.log());
    assert_eq!(service.count("people", RemoteScope::default()), 3000);
    assert_eq!(run.log().matches("linked to").count(), 1, "the link has held\n{}", run.log());
    // And when the network is mended, it goes back.
    service.heal();
    run.says("WebSockets get through again");
    run.says("by websocket");
    service.linked_by("websocket");
    assert_eq!(service.count("people", RemoteScope::default()), 3000);
    assert_eq!(run.log().matches("WARN").count(), 1, "{}", run.log());
}

impl Run {
    /// Waits for so many bootstraps from now.
    fn bootstraps(&self, service: &Service, many: usize) {
        let mut last = service.agent().1.last_bootstrap;
        for _ in 0..many {
            last = poll::until(PATIENCE, || match service.agent().1.last_bootstrap {
                now if now != last => Ok(now),
                _ => Err(format!("no bootstrap\n{}", self.log())),
            });
        }
    }
}

#[test]
fn everything_goes_through_the_proxy() {
    let service = Service::start();
    let (proxy, tunnels) = connect_proxy();
    let mut home = Home::new();
    home.environment.push(("HTTPS_PROXY".to_owned(), format!("http://{proxy}")));
    home.enrol(service.url(), &service.code());
    let enrolled = tunnels.load(Ordering::SeqCst);
    assert!(enrolled >= 1, "enrolment did not go through the proxy");
    let run = home.start();
    service.linked();
    assert_eq!(service.count("people", RemoteScope::default()), 20);
    run.says(" through http://127.0.0.1");
    assert!(tunnels.load(Ordering::SeqCst) >= enrolled + 2, "bootstrap and link");
}

/// A proxy that knows CONNECT, and how many asked for it.
fn connect_proxy() -> (std::net::SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let tunnels = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tunnels);
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let counted = Arc::clone(&counted);
            std::thread::spawn(move || tunnel(client, &counted));
        }
    });
    (address, tunnels)
}

fn tunnel(mut client: TcpStream, counted: &AtomicUsize) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let target = head.strip_prefix("CONNECT ")?.split(' ').next()?;
    let server = TcpStream::connect(target).ok()?;
    counted.fetch_add(1, Ordering::SeqCst);
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
    let (mut from, mut to) = (client.try_clone().ok()?, server.try_clone().ok()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
    let (mut from, mut to) = (server, client);
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(std::net::Shutdown::Both);
    Some(())
}
