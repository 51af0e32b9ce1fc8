//! The export has two batches under way: while one is with the target, the next one is marked, and is sent as soon as the
//! first has its answers. What the first one's answers mean for the second.

use std::sync::Mutex;

use async_trait::async_trait;
use futures::FutureExt as _;
use futures::stream::BoxStream;
use scim_sync::connector::{
    ConnectorSchema, ExportFailure, ExportOperation, ExportOutcome, ExportWrite, Exported,
    FailureKind, ImportPage, ImportRequest, ImportShape, ImportedObject, MatchQuery,
};
use scim_sync::cycle::{CycleInput, CycleReport, run_cycle};
use scim_sync::export::ExportEnd;
use scim_sync::observer::{Event, Observer};
use scim_sync::stop::Stop;
use scim_sync::store::Which;
use scim_sync::undo::{Inverse, UndoEntry, UndoSink};
use scim_sync::{
    Anchor, AttributeSet, AttributeValue, Connector, ConnectorError, ConnectorId, SyncStore,
};

use crate::simulated::{Resource, Target};
use crate::world::{World, name, text};

/// What happens to a creation instead of what the target would do.
type Script<'s> = dyn Fn(&str, &ExportWrite, &Target) -> Option<ExportOutcome> + Send + Sync + 's;

/// The target, with what it is asked for in its order.
struct Watched<'s> {
    inner: Target,
    asked: Mutex<Vec<String>>,
    script: Box<Script<'s>>,
}

/// Whom a write is about, and what it refers to.
fn told(write: &ExportWrite) -> (String, String) {
    let (attributes, references) = match &write.operation {
        ExportOperation::Create { attributes, references } => {
            (attributes.clone(), references.clone())
        }
        ExportOperation::Update { current, references, .. } => {
            let added = references.iter().map(|(name, edit)| (name.clone(), edit.add.clone()));
            (current.clone(), added.collect())
        }
        ExportOperation::Delete { anchor, .. } => {
            (AttributeSet::new().with("userName", anchor.as_str()), Default::default())
        }
    };
    let referred = references.values().flatten().map(|to| format!(">{to}")).collect();
    (text(&attributes, "userName"), referred)
}

#[async_trait]
impl Connector for Watched<'_> {
    fn id(&self) -> &ConnectorId {
        self.inner.id()
    }

    async fn schema(&self) -> Result<ConnectorSchema, ConnectorError> {
        self.inner.schema().await
    }

    fn import<'a>(
        &'a self,
        request: ImportRequest,
    ) -> BoxStream<'a, Result<ImportPage, ConnectorError>> {
        self.inner.import(request)
    }

    async fn read(
        &self,
        anchors: &[Anchor],
        shape: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        for anchor in anchors {
            self.asked.lock().unwrap().push(format!("read {anchor}"));
        }
        self.inner.read(anchors, shape).await
    }

    async fn find(
        &self,
        query: &MatchQuery,
        shape: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        let value = query.value.as_text().unwrap_or_default();
        self.asked.lock().unwrap().push(format!("find {value}"));
        self.inner.find(query, shape).await
    }

    async fn export(&self, writes: Vec<ExportWrite>) -> Result<Vec<ExportOutcome>, ConnectorError> {
        let what = match writes.first().map(|write| &write.operation) {
            Some(ExportOperation::Update { .. }) => "update",
            _ => "create",
        };
        let names = writes.iter().map(told).map(|(name, referred)| format!(" {name}{referred}"));
        self.asked.lock().unwrap().push(format!("{what}{}", names.collect::<String>()));
        let mut outcomes = Vec::new();
        for write in writes {
            let scripted = match &write.operation {
                ExportOperation::Create { .. } => {
                    (self.script)(&told(&write).0, &write, &self.inner)
                }
                _ => None,
            };
            match scripted {
                Some(outcome) => outcomes.push(outcome),
                None => outcomes.extend(self.inner.export(vec![write]).await?),
            }
        }
        Ok(outcomes)
    }
}

/// Runs a cycle; what the target was asked for, and what came of it.
fn cycle<'s>(
    world: &mut World,
    script: impl Fn(&str, &ExportWrite, &Target) -> Option<ExportOutcome> + Send + Sync + 's,
) -> (Vec<String>, CycleReport) {
    world.now += chrono::TimeDelta::minutes(10);
    let now = world.now;
    let clock = move || now;
    let inner = world.target.clone();
    let target = Watched { inner, asked: Mutex::default(), script: Box::new(script) };
    let input = CycleInput {
        store: &mut world.store,
        rules: &world.rules,
        connectors: &[&world.directory, &target],
        options: &world.options,
        now: &clock,
        stop: &world.stop,
        undo: &mut world.undo as &mut dyn UndoSink,
    };
    let mut events: Vec<Event> = Vec::new();
    let listener: &mut (dyn Observer + Send) = &mut events;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let report = runtime.block_on(run_cycle(input, listener)).unwrap();
    (target.asked.into_inner().unwrap(), report)
}

/// A cycle in which the target does what it is asked for.
fn plain(world: &mut World) -> (Vec<String>, CycleReport) {
    cycle(world, |_, _, _| None)
}

/// Users, in batches of two to begin with; batches double while the target is quick.
fn world(users: usize) -> (World, Vec<Anchor>) {
    let mut world = World::new();
    world.options.export_batch = 2;
    let users = (1..=users).map(|number| world.user(&format!("u{number}"))).collect();
    (world, users)
}

fn managed_by(world: &mut World, user: &Anchor, manager: &Anchor) {
    world.change(user, |entry| {
        entry.references.insert(name("manager"), [manager.clone()].into());
    });
}

fn failed(kind: FailureKind) -> Option<ExportOutcome> {
    Some(ExportOutcome::Failed(ExportFailure { kind, message: "as scripted".to_owned() }))
}

/// How many objects wait to be written, and how many of these are marked as sent.
fn waiting(world: &World) -> (usize, usize) {
    let cloud = ConnectorId::new("cloud");
    let waiting = world.store.objects(&cloud, Which::PendingExport, None, 1_000).unwrap();
    let sent = waiting.iter().filter(|object| {
        object.pending_export.as_ref().is_some_and(|pending| pending.sent.is_some())
    });
    (waiting.len(), sent.count())
}

fn manager_of(world: &World, user: &str) -> Vec<Anchor> {
    let (_, resource) = world.find(user).unwrap();
    resource.references.get(&name("manager")).into_iter().flatten().cloned().collect()
}

fn converged(world: &mut World) {
    let (asked, report) = plain(world);
    assert_eq!((asked, report.writes()), (vec![], 0));
    assert_eq!(world.differences(), Vec::<String>::new());
}

#[test]
fn a_lost_answer_is_looked_into_before_the_next_batch_goes() {
    let (mut world, _) = world(6);
    let (asked, report) = cycle(&mut world, |user, write, target| {
        if user != "u2" {
            return None;
        }
        // Made, and nobody hears of it.
        target.export(vec![write.clone()]).now_or_never().unwrap().unwrap();
        failed(FailureKind::Unknown)
    });
    assert_eq!(asked, ["create u1 u2", "find g0002", "create u3 u4", "create u5 u6"]);
    let export = report.targets[0].export.as_ref().unwrap();
    assert_eq!((export.created, export.adopted, export.failed), (5, 1, 0));
    converged(&mut world);
}

#[test]
fn a_refusal_is_kept_and_the_next_batch_goes() {
    let (mut world, _) = world(6);
    let (asked, report) = cycle(&mut world, |user, _, _| match user {
        "u1" => failed(FailureKind::Refused),
        _ => None,
    });
    assert_eq!(asked, ["create u1 u2", "create u3 u4", "create u5 u6"]);
    assert_eq!((report.writes(), report.escrowed), (5, 1));
    assert_eq!(waiting(&world), (1, 0));
}

#[test]
fn a_busy_target_is_sent_nothing_more_and_no_mark_is_left() {
    let (mut world, _) = world(8);
    let (asked, report) = cycle(&mut world, |user, _, _| match user {
        "u2" => failed(FailureKind::Busy),
        _ => None,
    });
    assert_eq!(asked, ["create u1 u2"]);
    let export = report.targets[0].export.as_ref().unwrap();
    assert!(matches!(export.ended, Some(ExportEnd::Busy(_))), "{:?}", export.ended);
    assert_eq!(waiting(&world), (7, 0), "the batch that was ready is as if it had never been");
    // What has no mark is not looked up before it is made.
    let (asked, report) = plain(&mut world);
    assert_eq!(asked, ["create u2 u3", "create u4 u5", "create u6 u7 u8"]);
    assert_eq!(report.writes(), 7);
    converged(&mut world);
}

#[test]
fn a_target_that_breaks_off_leaves_the_marks_of_no_batch() {
    let (mut world, _) = world(8);
    *world.target.gone_after.lock().unwrap() = Some(0);
    let (asked, report) = plain(&mut world);
    assert_eq!(asked, ["create u1 u2"]);
    let export = report.targets[0].export.as_ref().unwrap();
    assert!(matches!(export.ended, Some(ExportEnd::Broken(_))), "{:?}", export.ended);
    assert_eq!(waiting(&world), (8, 0));
    *world.target.gone_after.lock().unwrap() = None;
    let (asked, _) = plain(&mut world);
    assert_eq!(asked[0], "create u1 u2");
    converged(&mut world);
}

#[test]
fn a_stop_waits_for_the_batch_that_was_sent_and_sends_no_other() {
    let (mut world, _) = world(8);
    let stop = world.stop.clone();
    let (asked, report) = cycle(&mut world, |_, _, _| {
        stop.stop();
        None
    });
    assert_eq!(asked, ["create u1 u2"]);
    assert!(report.stopped);
    assert_eq!((report.writes(), waiting(&world)), (2, (6, 0)));
    world.stop = Stop::new();
    let (asked, _) = plain(&mut world);
    assert_eq!(asked[0], "create u3 u4");
    converged(&mut world);
}

#[test]
fn what_the_batch_before_made_is_referred_to_at_once() {
    let (mut world, users) = world(6);
    for user in &users[2..] {
        managed_by(&mut world, user, &users[0]);
    }
    let (asked, report) = plain(&mut world);
    assert_eq!(asked, ["create u1 u2", "create u3>r1 u4>r1", "create u5>r1 u6>r1"]);
    let export = report.targets[0].export.as_ref().unwrap();
    assert_eq!((export.created, export.references), (6, 0));
    converged(&mut world);
}

#[test]
fn what_is_in_the_same_batch_is_referred_to_later() {
    let (mut world, users) = world(4);
    managed_by(&mut world, &users[1], &users[0]);
    managed_by(&mut world, &users[3], &users[1]);
    let (asked, _) = plain(&mut world);
    assert_eq!(asked, ["create u1 u2", "create u3 u4>r2", "update u2>r1"]);
    converged(&mut world);
}

#[test]
fn a_target_that_takes_no_references_with_a_creation_gets_them_afterwards() {
    let (mut world, users) = world(4);
    managed_by(&mut world, &users[2], &users[0]);
    let (asked, report) = cycle(&mut world, |_, write, _| match &write.operation {
        ExportOperation::Create { references, .. } if !references.is_empty() => {
            failed(FailureKind::Refused)
        }
        _ => None,
    });
    assert_eq!(asked, ["create u1 u2", "create u3>r1 u4", "create u3", "update u3>r1"]);
    assert_eq!(report.escrowed, 0);
    converged(&mut world);
}

/// An answer to the making of u1 that names something else.
fn answers_with(user: &str, anchor: &Anchor) -> Option<ExportOutcome> {
    let anchor = Some(anchor.clone());
    (user == "u1").then(|| ExportOutcome::Done(Exported { anchor, ..Exported::default() }))
}

/// Whether an undo would remove the object.
fn would_be_removed(world: &World, object: &Anchor) -> bool {
    let removes = |entry: &UndoEntry| matches!(&entry.inverse, Inverse::Remove { anchor, .. } if anchor == object);
    world.undo.iter().any(removes)
}

#[test]
fn an_answer_that_names_an_object_that_is_known_holds_the_next_batch_up_in_nothing() {
    let (mut world, users) = world(6);
    for user in &users[2..] {
        managed_by(&mut world, user, &users[0]);
    }
    // The target takes it for one that it has, which none of our rules would have found.
    let old = Anchor::new("old");
    let resource = Resource::new("User", &[("userName", "another name")]);
    world.target.state.lock().unwrap().resources.insert(old.clone(), resource);
    let (asked, report) = cycle(&mut world, |user, write, target| {
        let answer = answers_with(user, &old)?;
        if let ExportOperation::Create { attributes, .. } = &write.operation {
            let mut state = target.state.lock().unwrap();
            state.resources.get_mut(&old)?.attributes = attributes.clone();
        }
        Some(answer)
    });
    // What comes of it is not known while the next batch goes, and is when the one after goes.
    assert_eq!(
        asked,
        ["create u1 u2", "create u3 u4", "create u5>old u6>old", "update u3>old u4>old"]
    );
    let export = report.targets[0].export.as_ref().unwrap();
    assert_eq!((export.created, export.adopted, export.failed), (5, 1, 0));
    for user in ["u3", "u4", "u5", "u6"] {
        assert_eq!(manager_of(&world, user), [Anchor::new("old")]);
    }
    assert!(!would_be_removed(&world, &old), "it was there before");
    converged(&mut world);
}

#[test]
fn an_answer_that_names_the_object_of_another_is_one_failure_and_no_more() {
    let mut world = World::new();
    world.options.export_batch = 2;
    world.user("bob");
    plain(&mut world);
    let (bob, _) = world.find("bob").unwrap();
    let users: Vec<Anchor> = (1..=4).map(|number| world.user(&format!("u{number}"))).collect();
    managed_by(&mut world, &users[2], &users[0]);
    world.undo.clear();
    let (asked, report) = cycle(&mut world, |user, _, _| answers_with(user, &bob));
    assert_eq!(asked, ["create u1 u2", "create u4 u3"]);
    assert_eq!((report.writes(), report.escrowed), (3, 1));
    assert!(manager_of(&world, "u3").is_empty(), "not bob, whoever the target takes u1 for");
    assert!(!would_be_removed(&world, &bob), "it was there before");
    let bob = world.resources().remove(&bob).unwrap();
    assert_eq!(bob.attributes.first(&name("userName")), Some(&AttributeValue::text("bob")));
}
