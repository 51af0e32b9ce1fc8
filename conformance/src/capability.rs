//! What the target can do: what it announces, and what a try showed.

use std::time::Duration;

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::alive;
use crate::check::{Need, Stop};
use crate::context::Cx;
use crate::json::member;
use crate::run::Run;

/// One thing a target can have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Capability {
    /// Its name, as in the ServiceProviderConfig where it stands there.
    pub name: String,
    /// Whether it is announced; absent where nothing is said.
    pub announced: Option<bool>,
    /// Whether it worked when tried; absent where it was not tried.
    pub works: Option<bool>,
    /// What the try showed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// What a try showed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Probe {
    /// It is there.
    Works,
    /// It is there, and wrong.
    Fails(String),
    /// The answer says that there is no such thing.
    Absent(String),
    /// It could not be tried.
    Untried(String),
}

/// What was found out before the checks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Capabilities {
    found: Vec<(Feature, Option<bool>, Probe)>,
}

/// What is announced or tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feature {
    Patch,
    Bulk,
    Filter,
    Sort,
    Etag,
    ChangePassword,
    Cursor,
    Index,
    Users,
    Groups,
    Me,
    Search,
    Root,
}

impl Feature {
    const ALL: &'static [Self] = &[
        Self::Users,
        Self::Groups,
        Self::Patch,
        Self::Bulk,
        Self::Filter,
        Self::Sort,
        Self::Etag,
        Self::ChangePassword,
        Self::Index,
        Self::Cursor,
        Self::Search,
        Self::Me,
        Self::Root,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Patch => "patch",
            Self::Bulk => "bulk",
            Self::Filter => "filter",
            Self::Sort => "sort",
            Self::Etag => "etag",
            Self::ChangePassword => "changePassword",
            Self::Cursor => "pagination.cursor",
            Self::Index => "pagination.index",
            Self::Users => "users",
            Self::Groups => "groups",
            Self::Me => "me",
            Self::Search => "search",
            Self::Root => "root query",
        }
    }

    /// Whether the target announces it; `None` where nothing is said.
    pub(crate) fn announced(self, cx: &Cx) -> Option<bool> {
        let served = cx.served();
        let paging = |name| member(member(served.config(), "pagination")?, name)?.as_bool();
        match self {
            Self::Cursor => paging("cursor"),
            // What RFC 7644 section 3.4.2.4 has always had.
            Self::Index => paging("index").or(Some(true)),
            Self::Users => (!served.types_are_assumed()).then(|| served.type_of("User").is_some()),
            Self::Groups => {
                (!served.types_are_assumed()).then(|| served.type_of("Group").is_some())
            }
            Self::Me | Self::Search | Self::Root => None,
            _ => served.announces(self.name()),
        }
    }

    fn of(need: Need) -> Option<Self> {
        Some(match need {
            Need::Patch => Self::Patch,
            Need::Bulk => Self::Bulk,
            Need::Filter => Self::Filter,
            Need::Sort => Self::Sort,
            Need::Etag => Self::Etag,
            Need::ChangePassword => Self::ChangePassword,
            Need::CursorPaging => Self::Cursor,
            Need::IndexPaging => Self::Index,
            Need::Users => Self::Users,
            Need::Groups => Self::Groups,
            Need::Me => Self::Me,
            Need::Search => Self::Search,
            Need::RootQuery => Self::Root,
            _ => return None,
        })
    }

    /// Tries it in the simplest way there is.
    pub(crate) async fn probe(self, cx: &Cx) -> Probe {
        self.tried(cx).await.unwrap_or_else(|stop| match stop {
            Stop::Failed(failure) => Probe::Fails(failure.message),
            Stop::Skipped(text) | Stop::Broken(text) => Probe::Untried(text),
        })
    }

    async fn tried(self, cx: &Cx) -> Result<Probe, Stop> {
        let users = cx.served().users();
        let answer = match self {
            Self::ChangePassword => {
                return Ok(Probe::Untried("a change shows only where one logs in".to_owned()));
            }
            Self::Patch => {
                let user = cx.user().create().await?;
                let kind = cx.served().type_of(users);
                let has = |name| kind.is_some_and(|kind| cx.served().is_announced(kind, name));
                let (path, value) = match () {
                    () if has("displayName") => ("displayName", json!(cx.unique("patched"))),
                    () if has("active") => ("active", json!(false)),
                    () => ("userName", json!(cx.unique_mail("patched"))),
                };
                cx.patch(&user, json!([{"op": "replace", "path": path, "value": value}])).await?
            }
            Self::Bulk => {
                let user = cx.user().body()?;
                let operation =
                    json!({"method": "POST", "path": users, "bulkId": "probe", "data": user});
                let answer = cx.bulk(json!([operation])).await?;
                if answer.is_success() && answer.list("Operations").len() != 1 {
                    return Ok(Probe::Fails("the answer has no Operations".to_owned()));
                }
                answer
            }
            Self::Filter => {
                let filter = format!("userName eq \"{}\"", cx.unique_mail("nobody"));
                cx.list(users, &[("filter", &filter)]).await?
            }
            Self::Sort => cx.list(users, &[("sortBy", "userName"), ("count", "1")]).await?,
            Self::Etag => {
                let user = cx.user().create().await?;
                let answer = cx.get(&user).await?;
                if answer.is_success() && answer.version().is_none() {
                    return Ok(Probe::Fails("neither an ETag nor meta.version".to_owned()));
                }
                answer
            }
            Self::Cursor => {
                let request =
                    cx.request(Method::GET, users).raw_query("cursor=").query("count", "1");
                let answer = request.send().await?;
                // A server without cursors ignores the parameter, as it does any other that it does not know.
                let said = self.announced(cx).is_some() || answer.get("nextCursor").is_some();
                if answer.is_success() && !said {
                    let text = "it is not announced, and a try brings no nextCursor";
                    return Ok(Probe::Absent(text.to_owned()));
                }
                answer
            }
            Self::Index => cx.list(users, &[("startIndex", "1"), ("count", "1")]).await?,
            Self::Users => cx.list(users, &[]).await?,
            Self::Groups => cx.list(cx.served().groups(), &[]).await?,
            Self::Me => {
                let answer = cx.get("/Me").await?;
                // A redirect to the resource is as good (RFC 7644 section 3.11).
                if matches!(answer.status(), 307 | 308) {
                    return Ok(Probe::Works);
                }
                answer
            }
            Self::Search => cx.search(users, json!({"count": 1})).await?,
            Self::Root => {
                let filter = format!("id eq \"{}\"", cx.unique("nobody"));
                cx.list("/", &[("filter", &filter)]).await?
            }
        };
        let said = format!("a try was answered {}", answer.summary());
        Ok(match answer.status() {
            200..=299 => Probe::Works,
            403 | 404 | 405 | 501 => Probe::Absent(said),
            _ => Probe::Fails(said),
        })
    }

    /// Whether trying it writes.
    fn writes(self) -> bool {
        matches!(self, Self::Patch | Self::Bulk | Self::Etag)
    }
}

impl Capabilities {
    /// Tries everything that is not announced as missing.
    ///
    /// # Errors
    /// Where the target has stopped answering.
    pub(crate) async fn find(cx: &Cx, patience: Duration) -> Result<Self, String> {
        let mut found = Vec::new();
        for feature in Feature::ALL.iter().copied() {
            let announced = feature.announced(cx);
            let probe = if announced == Some(false) {
                Probe::Untried("announced as not supported".to_owned())
            } else if cx.run.read_only && feature.writes() {
                Probe::Untried("the run is read-only".to_owned())
            } else {
                let tried = cx.run.pacer.within(patience, feature.probe(cx)).await;
                let silence = || Probe::Absent(format!("there was no answer within {patience:?}"));
                let probe = tried.unwrap_or_else(silence);
                if cx.evidence.ends_in_silence()
                    && let Err(why) = alive::probe(&cx.run, patience).await
                {
                    cx.run.give_up();
                    let name = feature.name();
                    return Err(format!(
                        "the target stopped answering when {name} was tried, before the first check: {why}"
                    ));
                }
                if let Some(why) = cx.run.pacer.gave_up() {
                    return Err(why);
                }
                probe
            };
            found.push((feature, announced, probe));
        }
        Ok(Self { found })
    }

    /// For the report.
    pub(crate) fn listed(&self) -> Vec<Capability> {
        let listed = |(feature, announced, probe): &(Feature, Option<bool>, Probe)| {
            let (works, detail) = match probe {
                Probe::Works => (Some(true), ""),
                Probe::Fails(text) | Probe::Absent(text) => (Some(false), text.as_str()),
                Probe::Untried(text) => (None, text.as_str()),
            };
            let (name, detail) = (feature.name().to_owned(), detail.to_owned());
            Capability { name, announced: *announced, works, detail }
        };
        self.found.iter().map(listed).collect()
    }

    /// Why the target cannot have what a check needs; `None` when it can.
    pub(crate) fn lacks(&self, need: Need, run: &Run) -> Option<String> {
        let served = run.served();
        let has = |kind: &str, path: &str| {
            served.type_of(kind).is_some_and(|kind| served.is_announced(kind, path))
        };
        let text = match need {
            Need::Write => run.read_only.then_some("it writes, and the run is read-only"),
            Need::Credentials => {
                (!run.target.has_credentials()).then_some("the run has no credentials")
            }
            Need::Config => (!served.config().is_object())
                .then_some("/ServiceProviderConfig gave no JSON object"),
            Need::Schemas => served.schemas_are_assumed().then_some("/Schemas gave no schemas"),
            Need::ResourceTypes => {
                served.types_are_assumed().then_some("/ResourceTypes gave no resource types")
            }
            Need::Enterprise => {
                (!served.has_enterprise()).then_some("users have no enterprise extension")
            }
            Need::Password => {
                (!has("User", "password")).then_some("the served User schema has no password")
            }
            Need::Attribute(path) => {
                return (!has("User", path))
                    .then(|| format!("the served User schema has no {path}"));
            }
            Need::GroupAttribute(path) => {
                return (!has("Group", path))
                    .then(|| format!("the served Group schema has no {path}"));
            }
            Need::Async => {
                let asynchronous = member(served.config(), "securityEvents")
                    .and_then(|events| member(events, "asyncRequest"))
                    .and_then(|value| value.as_str())
                    .is_some_and(|value| !value.eq_ignore_ascii_case("none"));
                (!asynchronous).then_some("asynchronous answers are not announced")
            }
            _ => return self.lacks_feature(Feature::of(need)?),
        };
        text.map(str::to_owned)
    }

    fn lacks_feature(&self, feature: Feature) -> Option<String> {
        let (_, announced, probe) = self.found.iter().find(|(one, _, _)| *one == feature)?;
        let name = feature.name();
        match (announced, probe) {
            (Some(false), _) => Some(format!("the target announces that it has no {name}")),
            (Some(true), Probe::Absent(text)) => {
                Some(format!("{name} is announced and not there: {text}; see capability.{name}"))
            }
            (None, Probe::Fails(text) | Probe::Absent(text) | Probe::Untried(text)) => {
                Some(format!("{name} is not announced, and {text}"))
            }
            (Some(true), _) | (None, Probe::Works) => None,
        }
    }
}
