//! The users that all checks of filters, sorting and paging look at: known, shared, never changed.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, stream};
use scim_core::{Filter, Leniency, Profile, Registry, Resource};
use serde_json::{Value, json};

use super::Cx;
use crate::check::Stop;
use crate::json::at;

/// The shared users.
#[derive(Debug)]
pub struct Dataset {
    prefix: String,
    people: Vec<Person>,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Person {
    /// A short name for messages: `ada`.
    pub label: &'static str,
    /// Its id at the target.
    pub id: String,
    /// The resource as the target shows it when read.
    pub resource: Value,
}

impl Person {
    /// The value at a path, as the target shows it.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Value> {
        at(&self.resource, path)
    }

    /// The string at a path.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        self.get(path)?.as_str()
    }
}

/// label, given name, family name, title, userType, active, nickName. `""` is left out. Chosen so that case, missing
/// values, equal values, other scripts and characters that need escapes all occur.
type Row =
    (&'static str, &'static str, &'static str, &'static str, &'static str, bool, &'static str);

const ROWS: &[Row] = &[
    ("ada", "Ada", "Lovelace", "Engineer", "Employee", true, "Countess"),
    ("alan", "Alan", "Turing", "engineer", "Employee", true, ""),
    ("barbara", "Barbara", "Liskov", "Professor", "Employee", true, "Barb"),
    ("donald", "Donald", "Knuth", "Professor Emeritus", "Contractor", false, "Don"),
    ("edsger", "Edsger", "Dijkstra", "", "Contractor", false, ""),
    ("grace", "Grace", "Hopper", "Rear Admiral", "Employee", true, "Amazing Grace"),
    ("kateryna", "Катерина", "Ющенко", "Програмістка", "Employee", true, ""),
    ("ken", "Ken", "Thompson", "Engineer", "Intern", true, "ken"),
    ("lukasz", "Łukasz", "Żółć", "Zażółć gęślą", "Intern", false, ""),
    ("margaret", "Margaret", "O'Hamilton", "Lead \"Apollo\" \\ Engineer", "", true, "Maggie"),
    ("radia", "Radia", "Perlman", "", "", true, "Mother"),
    ("yukihiro", "ゆきひろ", "まつもと", "Designer 😀", "Contractor", true, "Matz"),
];

impl Dataset {
    /// Creates the people, a few at a time; `cx` owns what it creates.
    pub(crate) async fn create(cx: &Cx) -> Result<Self, Stop> {
        let prefix = cx.unique("data-");
        let people: Vec<_> = ROWS.iter().map(|row| person(cx, &prefix, row)).collect();
        let people = stream::iter(people).buffered(4).try_collect().await?;
        Ok(Self { prefix, people })
    }

    /// Everyone, in alphabetical order of the labels.
    #[must_use]
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// How many they are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.people.len()
    }

    /// Whether there is nobody; there always is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    /// What each `userName` begins with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A filter that finds everyone here and nobody else.
    #[must_use]
    pub fn everyone(&self) -> String {
        format!("userName sw \"{}\"", self.prefix)
    }

    /// A filter narrowed to the people here, so that what else the target holds does not matter.
    #[must_use]
    pub fn scoped(&self, filter: &str) -> String {
        format!("{} and ({filter})", self.everyone())
    }

    /// One of them.
    ///
    /// # Errors
    /// [`Stop::Broken`] when nobody has this label.
    pub fn person(&self, label: &str) -> Result<&Person, Stop> {
        let found = self.people.iter().find(|person| person.label == label);
        found.ok_or_else(|| Stop::Broken(format!("nobody in the data set is called {label}")))
    }

    /// The labels of those for whom this holds.
    #[must_use]
    pub fn labels_where(&self, holds: impl Fn(&Person) -> bool) -> BTreeSet<String> {
        let who = self.people.iter().filter(|person| holds(person));
        who.map(|person| person.label.to_owned()).collect()
    }

    /// The labels of the people among these resources, in the order of the resources; strangers are passed over.
    #[must_use]
    pub fn labels_of(&self, resources: &[Value]) -> Vec<String> {
        let label = |resource: &Value| {
            let id = at(resource, "id")?.as_str()?;
            let person = self.people.iter().find(|person| person.id == id)?;
            Some(person.label.to_owned())
        };
        resources.iter().filter_map(label).collect()
    }

    /// Who should match a filter: the oracle of `scim-core` over the resources as the target shows them.
    ///
    /// # Errors
    /// [`Stop::Broken`] when the filter is none, or names what RFC 7643's users do not have.
    pub fn expected(&self, filter: &str) -> Result<BTreeSet<String>, Stop> {
        let broken = |error: &dyn std::fmt::Display| {
            Stop::Broken(format!("the check's own filter {filter}: {error}"))
        };
        let registry = Registry::rfc7643();
        let mut leniency = Leniency::new(Profile::strict());
        let filter: Filter = filter.parse().map_err(|error| broken(&error))?;
        let filter =
            filter.resolve(registry.user(), &mut leniency).map_err(|error| broken(&error))?;
        let mut labels = BTreeSet::new();
        for person in &self.people {
            let resource: Resource =
                serde_json::from_value(person.resource.clone()).map_err(|error| broken(&error))?;
            if filter.matches(&resource) {
                labels.insert(person.label.to_owned());
            }
        }
        Ok(labels)
    }
}

async fn person(cx: &Cx, prefix: &str, row: &Row) -> Result<Person, Stop> {
    let (label, given, family, title, user_type, active, nick) = *row;
    let mail = format!("{prefix}{label}@{}", cx.run.target.domain());
    let mut user = cx
        .user()
        .with("userName", mail.as_str())
        .with_if_announced("name", json!({"givenName": given, "familyName": family}))
        .with_if_announced("displayName", format!("{given} {family}"))
        .with_if_announced("externalId", format!("{prefix}{label}"))
        .with_if_announced("active", active)
        .with_if_announced("emails", emails(label, &mail));
    for (name, value) in [("title", title), ("userType", user_type), ("nickName", nick)] {
        if !value.is_empty() {
            user = user.with_if_announced(name, value);
        }
    }
    let made = user.create().await?;
    let read = cx.get(&made).await?;
    if read.status() != 200 {
        let text = format!("setup: GET {} was answered {}", made.path(), read.summary());
        return Err(Stop::Broken(text));
    }
    Ok(Person { label, id: made.id().to_owned(), resource: read.value() })
}

fn emails(label: &str, mail: &str) -> Value {
    let work = json!({"value": mail, "type": "work", "primary": true});
    match label {
        "edsger" => json!([]),
        "grace" | "ken" | "radia" => {
            json!([work, {"value": format!("{label}@home.example.net"), "type": "home"}])
        }
        _ => json!([work]),
    }
}

impl Cx {
    /// Who of the data set matches a filter at the target: asks for the scoped filter and follows the pages.
    ///
    /// # Errors
    /// [`Stop::Failed`] unless each page is a 200 with resources; as [`Cx::dataset`].
    pub async fn matching(&self, filter: &str) -> Result<BTreeSet<String>, Stop> {
        let dataset = self.dataset().await?;
        let users = self.served().users().to_owned();
        let scoped = dataset.scoped(filter);
        let mut found = BTreeSet::new();
        let mut seen = 0_usize;
        loop {
            let start = (seen + 1).to_string();
            let query = [("filter", scoped.as_str()), ("startIndex", start.as_str())];
            let query = if seen == 0 { &query[..1] } else { &query[..] };
            let answer = self.list(&users, query).await?;
            self.expect_status(&answer, &[200])?;
            let page = answer.resources();
            found.extend(dataset.labels_of(page));
            seen += page.len();
            let total = answer.total().and_then(|total| usize::try_from(total).ok());
            // More pages than people means that the filter is ignored; what was found tells it.
            if page.is_empty()
                || total.is_none_or(|total| seen >= total)
                || seen > 4 * dataset.len()
            {
                return Ok(found);
            }
        }
    }
}
