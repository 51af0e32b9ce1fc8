//! A directory, a target and the state between them, and what the target must look like.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use scim_sync::cycle::{CycleError, CycleInput, CycleOptions, CycleReport, run_cycle};
use scim_sync::guard::Guard;
use scim_sync::observer::{Event, Observer};
use scim_sync::rules::RuleSet;
use scim_sync::stop::Stop;
use scim_sync::undo::{UndoEntry, UndoSink};
use scim_sync::{
    Anchor, AttributeName, AttributeSet, AttributeValue, MemoryStore, ObjectType, SyncStore,
};

use crate::simulated::{Dice, Directory, Entry, Resource, Target, Written};

pub(crate) const RULES: &str = r#"
version = 1

[[rule]]
name = "In user"
direction = "inbound"
connector = "ad"
object-type = "user"
metaverse-type = "person"
link = "provision"

[[rule.flow]]
to = "sourceAnchor"
from = "objectGUID"
[[rule.flow]]
to = "userName"
from = "sAMAccountName"
[[rule.flow]]
to = "displayName"
from = "displayName"
[[rule.flow]]
to = "title"
from = "title"
[[rule.flow]]
to = "enabled"
from = "enabled"
[[rule.flow]]
to = "manager"
from = "manager"

[[rule]]
name = "In group"
direction = "inbound"
connector = "ad"
object-type = "group"
metaverse-type = "group"
link = "provision"

[[rule.flow]]
to = "sourceAnchor"
from = "objectGUID"
[[rule.flow]]
to = "displayName"
from = "cn"
[[rule.flow]]
to = "member"
from = "member"

[[rule]]
name = "Out user"
direction = "outbound"
connector = "cloud"
object-type = "User"
metaverse-type = "person"
link = "provision"
match = ["externalId", "userName"]
on-delete = "delete"
on-out-of-scope = "disable"

[[rule.flow]]
to = "externalId"
from = "sourceAnchor"
[[rule.flow]]
to = "userName"
from = "userName"
[[rule.flow]]
to = "displayName"
from = "displayName"
[[rule.flow]]
to = "title"
from = "title"
[[rule.flow]]
to = "active"
from = "enabled"
[[rule.flow]]
to = "manager"
from = "manager"

[[rule]]
name = "Out group"
direction = "outbound"
connector = "cloud"
object-type = "Group"
metaverse-type = "group"
link = "provision"
match = ["externalId"]
on-delete = "delete"
on-out-of-scope = "delete"

[[rule.flow]]
to = "externalId"
from = "sourceAnchor"
[[rule.flow]]
to = "displayName"
from = "displayName"
[[rule.flow]]
to = "members"
from = "member"
"#;

pub(crate) fn name(text: &str) -> AttributeName {
    AttributeName::new(text)
}

/// Limits that never stop anything.
pub(crate) fn unguarded() -> Guard {
    toml::from_str(
        "deletes = { off = 'a test' }\nmembers = { off = 'a test' }\nemptied = { off = 'a test' }\nfirst-run = { off = 'a test' }",
    )
    .unwrap()
}

/// Everything that a cycle needs.
pub(crate) struct World {
    pub(crate) directory: Directory,
    /// Another source, where there is one.
    pub(crate) hr: Option<Directory>,
    pub(crate) target: Target,
    pub(crate) store: MemoryStore,
    pub(crate) rules: RuleSet,
    pub(crate) options: CycleOptions,
    pub(crate) now: DateTime<Utc>,
    pub(crate) undo: Vec<UndoEntry>,
    pub(crate) events: Vec<Event>,
    pub(crate) stop: Stop,
    made: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        let options = CycleOptions {
            guard: unguarded(),
            sync_batch: 7,
            export_batch: 5,
            reference_batch: 3,
            ..CycleOptions::default()
        };
        Self {
            directory: Directory::new("ad"),
            hr: None,
            target: Target::new("cloud"),
            store: MemoryStore::new(),
            rules: RuleSet::from_toml(RULES).unwrap(),
            options,
            now: DateTime::UNIX_EPOCH + TimeDelta::days(20_000),
            undo: Vec::new(),
            events: Vec::new(),
            stop: Stop::new(),
            made: 0,
        }
    }

    /// Runs a cycle, ten minutes after the last.
    pub(crate) fn cycle(&mut self) -> CycleReport {
        let mut store = std::mem::take(&mut self.store);
        let report = self.cycle_on(&mut store);
        self.store = store;
        report.unwrap()
    }

    /// Runs a cycle on another state.
    pub(crate) fn cycle_on(
        &mut self,
        store: &mut dyn SyncStore,
    ) -> Result<CycleReport, CycleError> {
        self.now += TimeDelta::minutes(10);
        let now = self.now;
        let clock = move || now;
        let mut connectors: Vec<&dyn scim_sync::Connector> = vec![&self.directory, &self.target];
        connectors.extend(self.hr.as_ref().map(|hr| hr as &dyn scim_sync::Connector));
        let input = CycleInput {
            store,
            rules: &self.rules,
            connectors: &connectors,
            options: &self.options,
            now: &clock,
            stop: &self.stop,
            undo: &mut self.undo as &mut dyn UndoSink,
        };
        let mut told: Vec<Event> = Vec::new();
        let listener: &mut (dyn Observer + Send) = &mut told;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let report = runtime.block_on(run_cycle(input, listener));
        self.events.extend(told);
        report
    }

    // --- the directory

    pub(crate) fn user(&mut self, account: &str) -> Anchor {
        self.made += 1;
        let anchor = Anchor::new(format!("g{:04}", self.made));
        let attributes = AttributeSet::new()
            .with("objectGUID", anchor.as_str())
            .with("sAMAccountName", account)
            .with("displayName", format!("The {account}").as_str())
            .with("enabled", true);
        self.put(&anchor, "user", attributes);
        anchor
    }

    pub(crate) fn group(&mut self, cn: &str, members: &[&Anchor]) -> Anchor {
        self.made += 1;
        let anchor = Anchor::new(format!("g{:04}", self.made));
        let attributes = AttributeSet::new().with("objectGUID", anchor.as_str()).with("cn", cn);
        self.put(&anchor, "group", attributes);
        let members = members.iter().map(|member| (*member).clone()).collect();
        self.change(&anchor, |entry| {
            entry.references.insert(name("member"), members);
        });
        anchor
    }

    fn put(&mut self, anchor: &Anchor, object_type: &str, attributes: AttributeSet) {
        let mut state = self.directory.state.lock().unwrap();
        let entry = Entry {
            object_type: ObjectType::new(object_type),
            attributes,
            references: BTreeMap::new(),
            in_scope: true,
            dn: None,
        };
        state.entries.insert(anchor.clone(), entry);
        state.touch(anchor);
    }

    pub(crate) fn change(&mut self, anchor: &Anchor, change: impl FnOnce(&mut Entry)) {
        let mut state = self.directory.state.lock().unwrap();
        if let Some(entry) = state.entries.get_mut(anchor) {
            change(entry);
        }
        state.touch(anchor);
    }

    pub(crate) fn set(
        &mut self,
        anchor: &Anchor,
        attribute: &str,
        value: impl Into<AttributeValue>,
    ) {
        let value = value.into();
        self.change(anchor, |entry| entry.attributes.set(name(attribute), vec![value]));
    }

    /// Removes an object, and every reference to it, as a directory does.
    pub(crate) fn delete(&mut self, anchor: &Anchor) {
        let mut state = self.directory.state.lock().unwrap();
        state.entries.remove(anchor);
        let mut touched = vec![anchor.clone()];
        for (other, entry) in &mut state.entries {
            let mut had = false;
            for to in entry.references.values_mut() {
                had |= to.remove(anchor);
            }
            if had {
                touched.push(other.clone());
            }
        }
        for anchor in touched {
            state.touch(&anchor);
        }
    }

    pub(crate) fn anchors(&self, object_type: &str) -> Vec<Anchor> {
        let state = self.directory.state.lock().unwrap();
        let of_type = |entry: &Entry| entry.object_type.as_str() == object_type;
        state.entries.iter().filter(|(_, e)| of_type(e)).map(|(a, _)| a.clone()).collect()
    }

    /// One random change of the directory.
    pub(crate) fn edit(&mut self, dice: &mut Dice) {
        let users = self.anchors("user");
        let groups = self.anchors("group");
        match dice.below(14) {
            0 | 1 => {
                let account = format!("u{}", self.made + 1);
                self.user(&account);
            }
            2 => {
                let cn = format!("Group {}", self.made + 1);
                let members: Vec<&Anchor> = users.iter().filter(|_| dice.percent(40)).collect();
                self.group(&cn, &members);
            }
            3 => {
                if let Some(user) = dice.pick(&users) {
                    let text = format!("Renamed {}", dice.below(100));
                    self.set(user, "displayName", text.as_str());
                }
            }
            4 => {
                if let Some(user) = dice.pick(&users) {
                    let values: Vec<AttributeValue> =
                        if dice.percent(50) { vec![] } else { vec!["Countess".into()] };
                    self.change(user, |entry| entry.attributes.set(name("title"), values));
                }
            }
            5 => {
                if let Some(user) = dice.pick(&users) {
                    let on = dice.percent(50);
                    self.set(user, "enabled", on);
                }
            }
            6 => {
                // A directory is never left empty: a complete read that tells nothing is taken for a fault.
                if let Some(user) = dice.pick(&users)
                    && users.len() > 1
                {
                    self.delete(user);
                }
            }
            7 => {
                if let Some(group) = dice.pick(&groups)
                    && dice.percent(40)
                {
                    self.delete(group);
                }
            }
            8 | 9 => {
                let all: Vec<Anchor> = users.iter().chain(&groups).cloned().collect();
                if let Some(anchor) = dice.pick(&all) {
                    self.change(anchor, |entry| entry.in_scope = !entry.in_scope);
                }
            }
            10..=12 => {
                let all: Vec<Anchor> = users.iter().chain(&groups).cloned().collect();
                if let (Some(group), Some(member)) = (dice.pick(&groups), dice.pick(&all)) {
                    self.change(group, |entry| {
                        let members = entry.references.entry(name("member")).or_default();
                        if !members.remove(member) {
                            members.insert(member.clone());
                        }
                    });
                }
            }
            _ => {
                if let (Some(user), Some(manager)) = (dice.pick(&users), dice.pick(&users)) {
                    let managers = BTreeSet::from([manager.clone()]);
                    self.change(user, |entry| {
                        entry.references.insert(name("manager"), managers);
                    });
                }
            }
        }
    }

    // --- what the target must look like

    /// Everything in which the target is not what the directory says, in sentences.
    pub(crate) fn differences(&self) -> Vec<String> {
        let directory = self.directory.state.lock().unwrap();
        let target = self.target.state.lock().unwrap();
        let mut differences = Vec::new();
        let mut by_external: BTreeMap<String, (&Anchor, &Resource)> = BTreeMap::new();
        for (anchor, resource) in &target.resources {
            let external = text(&resource.attributes, "externalId");
            if by_external.insert(external.clone(), (anchor, resource)).is_some() {
                differences.push(format!("{external} is there twice"));
            }
        }
        let external: BTreeMap<&Anchor, String> =
            by_external.iter().map(|(external, (anchor, _))| (*anchor, external.clone())).collect();
        for (anchor, entry) in &directory.entries {
            let user = entry.object_type.as_str() == "user";
            let Some((_, resource)) = by_external.get(anchor.as_str()) else {
                if entry.in_scope {
                    differences.push(format!("{anchor} is missing"));
                }
                continue;
            };
            let active = resource.attributes.first(&name("active"));
            if !entry.in_scope {
                let off = user && active == Some(&AttributeValue::Boolean(false));
                if !off {
                    differences.push(format!("{anchor} is out of scope and there"));
                }
                continue;
            }
            let pairs: &[(&str, &str)] = if user {
                &[
                    ("sAMAccountName", "userName"),
                    ("displayName", "displayName"),
                    ("title", "title"),
                    ("enabled", "active"),
                ]
            } else {
                &[("cn", "displayName")]
            };
            for (from, to) in pairs {
                let (wanted, has) =
                    (entry.attributes.get(&name(from)), resource.attributes.get(&name(to)));
                if wanted != has {
                    differences.push(format!("{anchor} has {to} {has:?} and not {wanted:?}"));
                }
            }
            let (from, to) = if user { ("manager", "manager") } else { ("member", "members") };
            // Those out of scope may be there or not: it depends on whether they ever were in scope.
            let in_scope = |anchor: &str| {
                directory.entries.get(&Anchor::new(anchor)).is_some_and(|e| e.in_scope)
            };
            let wanted: BTreeSet<String> = entry
                .references
                .get(&name(from))
                .into_iter()
                .flatten()
                .map(|anchor| anchor.as_str().to_owned())
                .filter(|anchor| in_scope(anchor))
                .collect();
            let has: BTreeSet<String> = resource
                .references
                .get(&name(to))
                .into_iter()
                .flatten()
                .filter_map(|anchor| external.get(anchor).cloned())
                .filter(|anchor| in_scope(anchor))
                .collect();
            if wanted != has {
                differences.push(format!("{anchor} has {to} {has:?} and not {wanted:?}"));
            }
        }
        for external in by_external.keys() {
            if !directory.entries.contains_key(&Anchor::new(external)) {
                differences.push(format!("{external} is gone and there"));
            }
        }
        differences
    }

    /// What was taken away from somebody who should have it, in sentences; looks at what was written since the last call.
    pub(crate) fn harm(&self) -> Vec<String> {
        let directory = self.directory.state.lock().unwrap();
        let mut target = self.target.state.lock().unwrap();
        let written = std::mem::take(&mut target.written);
        let mut harm = Vec::new();
        for written in written {
            let (resource, what) = match &written {
                Written::Create(_) | Written::Update(_) => continue,
                Written::Off(anchor) => match target.resources.get(anchor) {
                    Some(resource) => (resource, "switched off"),
                    None => continue,
                },
                Written::Delete(_, resource) => (&**resource, "deleted"),
            };
            let external = text(&resource.attributes, "externalId");
            let Some(entry) = directory.entries.get(&Anchor::new(&external)) else { continue };
            let user = entry.object_type.as_str() == "user";
            let disabled =
                entry.attributes.first(&name("enabled")) == Some(&AttributeValue::Boolean(false));
            let meant = match &written {
                Written::Off(_) => !entry.in_scope || disabled,
                Written::Delete(..) => !user && !entry.in_scope,
                Written::Create(_) | Written::Update(_) => true,
            };
            if !meant {
                harm.push(format!("{external} was {what}"));
            }
        }
        harm
    }

    pub(crate) fn resources(&self) -> BTreeMap<Anchor, Resource> {
        self.target.state.lock().unwrap().resources.clone()
    }

    /// The resource of the target with this user name or display name.
    /// Who somebody is in the target.
    pub(crate) fn account(&self, person: &Anchor) -> Anchor {
        let of = |resource: &Resource| text(&resource.attributes, "externalId") == person.as_str();
        let resources = self.resources();
        resources.into_iter().find(|(_, resource)| of(resource)).unwrap().0
    }

    pub(crate) fn find(&self, called: &str) -> Option<(Anchor, Resource)> {
        self.resources().into_iter().find(|(_, resource)| {
            let user_name = text(&resource.attributes, "userName");
            user_name == called
                || user_name.is_empty() && text(&resource.attributes, "displayName") == called
        })
    }
}

pub(crate) fn text(attributes: &AttributeSet, attribute: &str) -> String {
    let value = attributes.first(&name(attribute)).and_then(AttributeValue::as_text);
    value.unwrap_or_default().to_owned()
}
