//! Two sources that feed one target, one of which cannot be read.

use scim_sync::cycle::{CycleReport, Outcome};
use scim_sync::rules::RuleSet;
use scim_sync::run::{CycleMode, Reset};
use scim_sync::{Anchor, AttributeSet};

use crate::simulated::{Directory, Entry, ReadFault};
use crate::world::{RULES, World, name, text};

/// Titles are known to `hr` alone, as are some of the members, and people whom the directory does not have.
const HR: &str = r#"
[[rule]]
name = "In hr user"
direction = "inbound"
connector = "hr"
object-type = "user"
metaverse-type = "person"
link = "provision"
precedence = 200
join = [[{ from = "sAMAccountName", to = "userName" }]]

[[rule.flow]]
to = "sourceAnchor"
from = "objectGUID"
[[rule.flow]]
to = "userName"
from = "sAMAccountName"
[[rule.flow]]
to = "title"
from = "title"

[[rule]]
name = "In hr group"
direction = "inbound"
connector = "hr"
object-type = "group"
metaverse-type = "group"
link = "join"
precedence = 200
join = [[{ from = "cn", to = "displayName" }]]

[[rule.flow]]
to = "member"
from = "member"
merge = "merge"
"#;

const TITLE: &str = "[[rule.flow]]\nto = \"title\"\nfrom = \"title\"\n";

pub(crate) fn rules() -> String {
    let merged = "to = \"member\"\nfrom = \"member\"\nmerge = \"merge\"\n";
    format!("{}{HR}", RULES.replacen("to = \"member\"\nfrom = \"member\"\n", merged, 1))
}

pub(crate) fn hr_user(hr: &Directory, anchor: &str, account: &str) {
    let attributes = AttributeSet::new()
        .with("objectGUID", anchor)
        .with("sAMAccountName", account)
        .with("title", "Countess");
    hr_put(hr, anchor, "user", attributes, &[]);
}

fn hr_put(hr: &Directory, anchor: &str, object_type: &str, of: AttributeSet, members: &[&str]) {
    let mut state = hr.state.lock().unwrap();
    let anchor = Anchor::new(anchor);
    let members = members.iter().map(Anchor::new).collect();
    let entry = Entry {
        object_type: object_type.into(),
        attributes: of,
        references: [(name("member"), members)].into(),
        in_scope: true,
        dn: None,
    };
    state.entries.insert(anchor.clone(), entry);
    state.touch(&anchor);
}

pub(crate) fn two_sources() -> World {
    let mut world = World::new();
    let mut hr = Directory::new("hr");
    hr.page = 2;
    let users = ["ada", "bob", "eve"].map(|account| world.user(account));
    world.group("Staff", &[&users[0]]);
    for (anchor, account) in [("h1", "ada"), ("h2", "bob"), ("h3", "eve"), ("h4", "only-hr")] {
        hr_user(&hr, anchor, account);
    }
    let staff = AttributeSet::new().with("cn", "Staff");
    hr_put(&hr, "h5", "group", staff, &["h2", "h3", "h4"]);
    world.hr = Some(hr);
    world.rules = RuleSet::from_toml(&rules()).unwrap();
    world
}

const FAULTS: [ReadFault; 5] = [
    ReadFault::CutOff(1),
    ReadFault::Breaks(0),
    ReadFault::Breaks(2),
    ReadFault::HalfPage(1),
    ReadFault::Credentials,
];

fn cycle_without_hr(world: &mut World, fault: ReadFault) -> CycleReport {
    *world.hr.as_ref().unwrap().fault.lock().unwrap() = Some(fault);
    let report = world.cycle();
    assert_eq!(report.outcome(), Outcome::CouldNotRun, "{fault:?}");
    report
}

#[track_caller]
fn says(report: &CycleReport, sentence: &str) {
    assert!(report.errors.iter().any(|error| error == sentence), "{:?}", report.errors);
}

const NEVER: &str = "hr was never read to its end: until then nothing is worked out for cloud";

#[test]
fn both_together_make_the_target() {
    let mut world = two_sources();
    assert_eq!(world.cycle().outcome(), Outcome::Done);
    assert_eq!(world.resources().len(), 5);
    let (_, ada) = world.find("ada").unwrap();
    assert_eq!(text(&ada.attributes, "title"), "Countess");
    let (_, staff) = world.find("Staff").unwrap();
    assert_eq!(staff.references[&name("members")].len(), 4);
    assert_eq!(world.cycle().writes(), 0);
}

#[test]
fn a_first_read_that_breaks_off_lets_the_target_wait() {
    for fault in FAULTS {
        let mut world = two_sources();
        let report = cycle_without_hr(&mut world, fault);
        says(&report, NEVER);
        assert!(world.resources().is_empty(), "{fault:?}");
        assert_eq!(world.cycle().outcome(), Outcome::Done, "{fault:?}");
        let mut whole = two_sources();
        whole.cycle();
        assert_eq!(world.resources(), whole.resources(), "{fault:?}");
        assert_eq!(world.cycle().writes(), 0, "{fault:?}");
    }
}

#[test]
fn a_state_that_is_rebuilt_from_one_source_alone_takes_nothing_away() {
    for fault in FAULTS {
        for reset in [None, Some(Reset::ConnectorDataStore), Some(Reset::Full)] {
            let mut world = two_sources();
            world.cycle();
            let before = world.resources();
            world.options.reset.extend(reset);
            if reset.is_none() {
                world.store = Default::default();
            }
            let report = cycle_without_hr(&mut world, fault);
            says(&report, NEVER);
            assert_eq!(world.resources(), before, "{fault:?}");
            world.options.reset.clear();
            // Twice, and by force too: what is not known does not become known by that.
            world.options.mode = CycleMode::Initial;
            cycle_without_hr(&mut world, fault);
            world.options.mode = CycleMode::ExportOnly;
            world.cycle();
            assert_eq!(world.resources(), before, "{fault:?}");
            world.options.mode = CycleMode::Incremental;
            let report = world.cycle();
            assert_eq!((report.outcome(), report.writes()), (Outcome::Done, 0), "{fault:?}");
            assert_eq!(world.resources(), before, "{fault:?}");
            assert_eq!(world.cycle().writes(), 0, "{fault:?}");
        }
    }
}

#[test]
fn an_attribute_that_was_not_read_yet_is_not_empty() {
    for fault in FAULTS {
        let mut world = two_sources();
        let without = rules().replace(TITLE, "");
        assert_eq!(rules().matches(TITLE).count(), 3);
        world.rules = RuleSet::from_toml(&without).unwrap();
        world.cycle();
        // Somebody has kept the titles by hand until now.
        for resource in world.target.state.lock().unwrap().resources.values_mut() {
            if resource.object_type.as_str() == "User" {
                resource.attributes.set(name("title"), vec!["Countess".into()]);
            }
        }
        let before = world.resources();
        world.rules = RuleSet::from_toml(&rules()).unwrap();
        let report = cycle_without_hr(&mut world, fault);
        says(
            &report,
            "hr was not read with all the attributes that the rules ask for now: until then nothing is worked out for cloud",
        );
        assert_eq!(world.resources(), before, "{fault:?}");
        world.options.mode = CycleMode::ExportOnly;
        world.cycle();
        assert_eq!(world.resources(), before, "{fault:?}");
        world.options.mode = CycleMode::Incremental;
        let report = world.cycle();
        assert_eq!((report.outcome(), report.writes()), (Outcome::Done, 0), "{fault:?}");
        assert_eq!(world.resources(), before, "{fault:?}");
    }
}

#[test]
fn a_source_that_was_read_once_and_fails_now_stops_nobody() {
    for fault in FAULTS {
        let mut world = two_sources();
        world.cycle();
        let ada = world.anchors("user")[0].clone();
        world.set(&ada, "displayName", "Ada Lovelace");
        let report = cycle_without_hr(&mut world, fault);
        assert_eq!((report.errors.len(), report.writes()), (1, 1), "{fault:?}: {report:?}");
        let (_, ada) = world.find("ada").unwrap();
        assert_eq!(text(&ada.attributes, "title"), "Countess", "{fault:?}");
    }
}

#[test]
fn a_target_that_takes_nothing_of_the_source_goes_on() {
    let mut world = two_sources();
    let rules = r#"
version = 1

[[rule]]
name = "In group alone"
direction = "inbound"
connector = "ad"
object-type = "group"
metaverse-type = "group"
link = "provision"
flow = [{ to = "sourceAnchor", from = "objectGUID" }, { to = "displayName", from = "cn" }]

[[rule]]
name = "Out group alone"
direction = "outbound"
connector = "cloud"
object-type = "Group"
metaverse-type = "group"
link = "provision"
match = ["externalId"]
flow = [{ to = "externalId", from = "sourceAnchor" }, { to = "displayName", from = "displayName" }]

[[rule]]
name = "In device"
direction = "inbound"
connector = "hr"
object-type = "user"
metaverse-type = "device"
link = "provision"
"#;
    world.rules = RuleSet::from_toml(rules).unwrap();
    let report = cycle_without_hr(&mut world, ReadFault::CutOff(1));
    says(&report, "hr was never read to its end: until then nothing is worked out from it");
    assert_eq!(report.writes(), 1);
}
