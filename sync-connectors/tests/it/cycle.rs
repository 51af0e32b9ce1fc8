//! Whole cycles: a domain, the engine, and services as the shipped profiles describe them.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use scim_client::target::fields::Parameter;
use scim_client::{Auth, Client, InProcess, TargetProfile};
use scim_server::auth::StaticToken;
use scim_server::clock::{Clock as _, SystemClock};
use scim_server::store::MemoryStore as Resources;
use scim_server::{Registry, ScimServer};
use scim_sync::cycle::{CycleInput, CycleOptions, CycleReport, Outcome, run_cycle};
use scim_sync::observer::{Event, Observer};
use scim_sync::rules::RuleSet;
use scim_sync::run::CycleMode;
use scim_sync::stop::Stop;
use scim_sync::undo::NoUndo;
use scim_sync::{MemoryStore, SyncStore as _};
use scim_sync_connectors::ldap::{LdapBind, LdapConfig, LdapConnector, LdapServer};
use scim_sync_connectors::scim::ScimConnector;
use testkit::FakeAd;
use testkit::fake_ad::{BASE, PASSWORD};

const TOKEN: &str = "0123456789abcdef0123";

const RULES: &str = r#"
version = 1

[[rule]]
name = "users in"
direction = "inbound"
connector = "ad"
object-type = "user"
metaverse-type = "person"
link = "provision"
precedence = 100
flow = [
    { to = "sourceAnchor", from = "anchor" },
    { to = "userName", from = "sAMAccountName" },
    { to = "displayName", from = "cn" },
    { to = "mail", from = "mail" },
]

[[rule]]
name = "groups in"
direction = "inbound"
connector = "ad"
object-type = "group"
metaverse-type = "group"
link = "provision"
precedence = 100
flow = [
    { to = "sourceAnchor", from = "anchor" },
    { to = "displayName", from = "cn" },
    { to = "member", from = "member" },
]

[[rule]]
name = "users out"
direction = "outbound"
connector = "cloud"
object-type = "User"
metaverse-type = "person"
link = "provision"
precedence = 100
match = ["userName"]
on-delete = "delete"
on-out-of-scope = "disable"
flow = [
    { to = "externalId", from = "sourceAnchor" },
    { to = "userName", from = "userName" },
    { to = "displayName", from = "displayName" },
    { to = "name.givenName", from = "userName" },
    { to = "name.familyName", from = "displayName" },
    { to = "active", constant = true },
    { to = "password", constant = "Xy-12345-zA", apply = "on-create" },
    { to = 'emails[type eq "work"].value', from = "mail" },
    { to = 'emails[type eq "work"].primary', constant = true },
]

[[rule]]
name = "groups out"
direction = "outbound"
connector = "cloud"
object-type = "Group"
metaverse-type = "group"
link = "provision"
precedence = 100
match = ["displayName"]
on-delete = "delete"
on-out-of-scope = "delete"
flow = [
    { to = "displayName", from = "displayName" },
    { to = "members", from = "member" },
]
"#;

struct Silent;

impl Observer for Silent {
    fn event(&mut self, _: &Event) {}
}

/// A domain with an agent between it and a service.
struct World {
    ad: FakeAd,
    users: Vec<[u8; 16]>,
    staff: [u8; 16],
    state: MemoryStore,
    rules: RuleSet,
    source: LdapConnector,
    target: ScimConnector,
    /// The service as it is, whatever it shows.
    service: Client,
}

/// A service that hides and refuses what the profile says.
fn as_described(service: Router, target: TargetProfile) -> InProcess {
    let as_described = from_fn(move |mut request: Request, next: Next| {
        let target = target.clone();
        async move {
            let uri = request.uri().to_string();
            // Some spell their endpoints in lower case.
            let uri = uri.replace("/users", "/Users").replace("/groups", "/Groups");
            if uri.contains("attributes=")
                && target.admits_parameter(Parameter::Attributes).is_err()
            {
                return StatusCode::BAD_REQUEST.into_response();
            }
            let endpoint = if uri.contains("/Groups") { "Groups" } else { "Users" };
            *request.uri_mut() = uri.parse().unwrap();
            let (mut parts, body) = next.run(request).await.into_parts();
            let mut bytes = to_bytes(body, usize::MAX).await.unwrap();
            if let Ok(mut document) = serde_json::from_slice::<serde_json::Value>(&bytes) {
                hide(&mut document, endpoint, &target);
                bytes = document.to_string().into();
                parts.headers.remove("content-length");
            }
            Response::from_parts(parts, Body::from(bytes))
        }
    });
    InProcess::new(Router::new().fallback_service(service).layer(as_described))
}

fn hide(document: &mut serde_json::Value, endpoint: &str, target: &TargetProfile) {
    if let Some(object) = document.as_object_mut() {
        object.retain(|name, _| {
            name.parse().is_ok_and(|path| target.shows(endpoint, &path)) || name.contains(':')
        });
        if let Some(rows) = object.get_mut("Resources").and_then(serde_json::Value::as_array_mut) {
            rows.iter_mut().for_each(|row| hide(row, endpoint, target));
        }
    }
}

impl World {
    fn new(target: TargetProfile) -> Result<Self, String> {
        let ad = FakeAd::start();
        for place in ["People", "Groups"] {
            ad.add("organizationalUnit", &format!("OU={place},{BASE}"), &[]);
        }
        let user = |name: &str| {
            let dn = format!("CN={name} Smith,OU=People,{BASE}");
            let mail = format!("{name}@fake.example");
            let values =
                [("sAMAccountName", name), ("userAccountControl", "512"), ("mail", mail.as_str())];
            ad.add("user", &dn, &values)
        };
        let users: Vec<_> = ["ada", "bob", "cy", "dora"].map(user).into();
        let staff =
            ad.add("group", &format!("CN=staff,OU=Groups,{BASE}"), &[("groupType", "-2147483646")]);
        ad.link(staff, "member", &users[..3], true);
        let bind = LdapBind::simple("CN=reader,DC=fake,DC=example", PASSWORD);
        let source = LdapConfig {
            allow_plaintext: true,
            ..LdapConfig::active_directory("ad", LdapServer::new(&ad.url()), bind, BASE)
        };
        let registry = Arc::new(Registry::standard());
        let server = ScimServer::builder(Arc::clone(&registry))
            .store(Resources::new(registry, SystemClock::new().now()))
            .authenticator(StaticToken::new(&TOKEN.into()).unwrap())
            .base_url("https://localhost/scim/v2")
            .build()
            .unwrap();
        let router = Router::new().nest("/scim/v2", server.router());
        let client = |transport: InProcess| {
            Client::builder("https://localhost/scim/v2/")
                .auth(Auth::bearer(TOKEN))
                .transport(transport)
                .jitter(0.0)
        };
        let described = as_described(router.clone(), target.clone());
        let agent = client(described).target(target).build().map_err(|error| error.to_string())?;
        Ok(Self {
            users,
            staff,
            ad,
            state: MemoryStore::new(),
            rules: RuleSet::from_toml(RULES).unwrap(),
            source: LdapConnector::new(source).unwrap(),
            target: ScimConnector::new("cloud".into(), agent),
            service: client(InProcess::new(router)).build().unwrap(),
        })
    }

    async fn cycle(&mut self, mode: CycleMode) -> Result<CycleReport, String> {
        let options = CycleOptions { mode, ..CycleOptions::default() };
        let input = CycleInput {
            store: &mut self.state,
            rules: &self.rules,
            connectors: &[&self.source, &self.target],
            options: &options,
            now: &|| SystemClock::new().now(),
            stop: &Stop::new(),
            undo: &mut NoUndo,
        };
        let report = run_cycle(input, &mut Silent).await.map_err(|error| error.to_string())?;
        match report.outcome() {
            Outcome::Done => Ok(report),
            outcome => {
                let escrows =
                    self.state.escrows(None, None, 9).map_err(|error| error.to_string())?;
                let messages: BTreeSet<_> =
                    escrows.into_iter().map(|(_, escrow)| escrow.message).collect();
                Err(format!("{outcome:?}: {:?} {messages:?}", report.errors))
            }
        }
    }

    /// A cycle that has nothing to do.
    async fn quiet(&mut self, mode: CycleMode) -> Result<(), String> {
        let report = self.cycle(mode).await?;
        match report.writes()
            + report.targets.iter().map(|target| target.plan.counts().steps()).sum::<u64>()
        {
            0 => Ok(()),
            _ => Err(format!("a cycle has something to do again: {:?}", report.targets)),
        }
    }

    /// The members of the group at the service.
    async fn members(&self) -> Vec<String> {
        let groups = self.service.resources("Groups").list().await.unwrap().resources;
        let members = groups[0].get("members").map(|members| members.values().to_vec());
        let users = self.service.resources("Users").list().await.unwrap().resources;
        let name = |id: &str| {
            let user = users.iter().find(|user| user.id() == Some(id)).unwrap();
            user.object().get_str("userName").unwrap().to_owned()
        };
        let ids = members.unwrap_or_default();
        let mut names: Vec<_> = ids
            .iter()
            .map(|member| name(member.as_object().unwrap().get_str("value").unwrap()))
            .collect();
        names.sort();
        names
    }
}

/// A domain is written to a service, and then nothing is: not after a read of changes and not after one of everything. A
/// member that goes while everything is read goes at the service.
async fn synchronised(target: TargetProfile) -> Result<(), String> {
    let mut world = World::new(target)?;
    world.cycle(CycleMode::Initial).await?;
    let mut members = vec!["ada", "bob", "cy"];
    let same = |found: &[String], wanted: &[&str]| match found == wanted {
        true => Ok(()),
        false => Err(format!("the members are {found:?} and should be {wanted:?}")),
    };
    same(&world.members().await, &members)?;
    world.quiet(CycleMode::Incremental).await?;
    world.quiet(CycleMode::Initial).await?;
    for (mode, user) in [(CycleMode::Initial, 0), (CycleMode::Incremental, 1)] {
        let (staff, gone) = (world.staff, world.users[user]);
        world.ad.link(staff, "member", &[gone], false);
        world.cycle(mode).await?;
        members.remove(0);
        same(&world.members().await, &members)?;
    }
    world.ad.link(world.staff, "member", &world.users[3..], true);
    world.cycle(CycleMode::Incremental).await?;
    same(&world.members().await, &["cy", "dora"])?;
    world.quiet(CycleMode::Initial).await
}

/// Services that cannot be synchronised by rules for users and groups, and what is said about it.
const NOT: &[(&str, &str)] = &[
    ("logfire", "create of Users"),
    ("pingfederate", "it has no endpoint Groups"),
    ("salesforce", "without entitlements"),
    ("snowflake-before-2026-03", "a list of Groups without filter"),
    // It has a scheme of its own for the token, which the server here does not know.
    ("zscaler", "401 Unauthorized"),
];

#[tokio::test]
async fn every_shipped_profile_is_synchronised() {
    let mut wrong = Vec::new();
    for name in TargetProfile::shipped_names() {
        let done = synchronised(TargetProfile::named(name).unwrap()).await;
        let why = NOT.iter().find(|(not, _)| *not == name).map(|(_, why)| *why);
        match (done, why) {
            (Ok(()), None) => {}
            (Err(error), Some(why)) if error.contains(why) => {}
            (done, _) => wrong.push(format!("{name}: {done:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The week's full read comes after the place of the scope was renamed.
#[tokio::test]
async fn a_full_read_goes_by_the_place_that_was_renamed() {
    let mut world = World::new(TargetProfile::named("generic").unwrap()).unwrap();
    let place = world.ad.add("organizationalUnit", &format!("OU=Staff,{BASE}"), &[]);
    let values = [("sAMAccountName", "eve"), ("userAccountControl", "512")];
    world.ad.add("user", &format!("CN=eve,OU=Staff,{BASE}"), &values);
    let scoped = |ad: &FakeAd| {
        let bind = LdapBind::simple("CN=reader,DC=fake,DC=example", PASSWORD);
        let mut config = LdapConfig {
            allow_plaintext: true,
            ..LdapConfig::active_directory("ad", LdapServer::new(&ad.url()), bind, BASE)
        };
        config.scope.include = vec![format!("OU=Staff,{BASE}")];
        LdapConnector::new(config).unwrap()
    };
    world.source = scoped(&world.ad);
    let first = world.cycle(CycleMode::Initial).await.unwrap();
    assert_eq!(first.writes(), 1);
    world.ad.rename(place, &format!("OU=Team,{BASE}"));
    // In a new process, where only the state remembers.
    world.source = scoped(&world.ad);
    world.quiet(CycleMode::Initial).await.unwrap();
    world.source = scoped(&world.ad);
    world.quiet(CycleMode::Incremental).await.unwrap();
}
