//! One bad object does not stop the others, and everything can be explained.

use super::world::{RULES, With, World, ad, changed, group, user};
use crate::run::{self, Reset};
use crate::space::ExportKind;
use crate::store::EscrowStage;
use crate::sync::SyncMode;
use crate::{SyncStore, escrow};

/// Rules in which the title is computed on the way in, and the type on the way out.
fn computed(inbound: &str, outbound: &str) -> String {
    RULES
        .replace(
            r#"{ to = "title", from = "title" },
    { to = "mail""#,
            &format!("{{ to = \"title\", expression = '{inbound}' }},\n    {{ to = \"mail\""),
        )
        .replace(
            r#"{ to = "title", from = "title" },
    { to = "emails""#,
            &format!("{{ to = \"title\", expression = '{outbound}' }},\n    {{ to = \"emails\""),
        )
}

#[test]
fn an_expression_that_fails_is_the_object_s_own_trouble() {
    let mut world =
        World::new(&computed("FormatDateTime([title], , \"yyyy\", \"yyyy\")", "[title]"));
    let mut world2 =
        World::new(&computed("[title]", "FormatDateTime([title], , \"yyyy\", \"yyyy\")"));
    for world in [&mut world, &mut world2] {
        world.import(&ad(), vec![user("ada").with("title", "no date"), user("bob")]);
        world.sync(SyncMode::Delta);
    }
    let escrows = world.escrows();
    assert_eq!(escrows.len(), 1, "{escrows:?}");
    assert_eq!(escrows[0].0, "ada");
    assert!(escrows[0].1.contains("rule `in user`, flow to `title`"), "{escrows:?}");
    assert!(world.source("ada").link.is_none());
    assert_eq!(world.pending(), ["Add User active=True externalId=bob userName=bob"]);

    let escrows = world2.escrows();
    assert_eq!(escrows.len(), 1, "{escrows:?}");
    assert!(escrows[0].1.contains("rule `out user`, flow to `title`"), "{escrows:?}");
    let entry = world2.store.escrow(world2.source("ada").id).unwrap().unwrap();
    assert_eq!(entry.stage, EscrowStage::Outbound);
    assert_eq!(world2.pending(), ["Add User active=True externalId=bob userName=bob"]);

    // Mended at the source, it goes on at once.
    for world in [&mut world, &mut world2] {
        world.change(&ad(), vec![changed("user", "ada", &[("title", None)])]);
        world.sync(SyncMode::Delta);
        assert_eq!(world.escrows(), []);
        assert_eq!(world.pending().len(), 2);
    }
}

#[test]
fn a_flow_that_fails_leaves_the_identity_as_it_was() {
    let mut world =
        World::new(&computed("FormatDateTime([title], , \"yyyy\", \"yyyy\")", "[title]"));
    world.import(&ad(), vec![user("ada").with("title", "1815")]);
    world.cycle();
    let before = world.target();
    let bad = [("title", Some("no year")), ("mail", Some("ada@x"))];
    world.change(&ad(), vec![changed("user", "ada", &bad)]);
    assert_eq!(world.cycle(), [] as [&str; 0]);
    assert_eq!(world.escrows().len(), 1);
    assert_eq!(world.target(), before);
    world.change(&ad(), vec![changed("user", "ada", &[("title", Some("1816"))])]);
    assert_eq!(world.cycle(), ["Update User ada: emails=ada@x title=1816"]);
}

#[test]
fn what_failed_for_28_days_is_given_up_and_begins_anew_when_somebody_asks() {
    let mut world =
        World::new(&computed("FormatDateTime([title], , \"yyyy\", \"yyyy\")", "[title]"));
    world.import(&ad(), vec![user("ada").with("title", "no date"), user("bob")]);
    world.sync(SyncMode::Delta);
    let ada = world.source("ada").id;
    let mut tries = 0;
    for _ in 1..28 * 4 {
        world.later(6);
        tries += world.sync(SyncMode::Delta).escrowed;
        assert_eq!(escrow::given_up(&world.store).unwrap(), None, "{}", world.now);
    }
    world.later(6);
    tries += world.sync(SyncMode::Delta).escrowed;
    assert_eq!(tries, 2 + 28);
    let told = escrow::given_up(&world.store).unwrap().unwrap();
    assert!(told.starts_with("an object failed at every try since 1970-01-01"), "{told}");
    assert!(told.contains("rule `in user`"), "{told}");
    world.later(24);
    assert_eq!(world.sync(SyncMode::Delta).escrowed, 0, "it is tried no more");

    let (sources, targets) = (world.rules.sources(), world.rules.targets());
    let resets = [Reset::QuarantineState].into();
    run::reset(&mut world.store, &sources, &targets, &resets).unwrap();
    assert_eq!(escrow::given_up(&world.store).unwrap(), None);
    assert_eq!(world.sync(SyncMode::Delta).escrowed, 1);
    let entry = world.store.escrow(ada).unwrap().unwrap();
    assert_eq!((entry.first, entry.attempts), (world.now, 1), "its days begin anew");
    assert!(entry.next.is_some());
}

#[test]
fn nothing_may_be_said_in_three_ways() {
    // NULL gives others their turn, AuthoritativeNull does not, and IgnoreThisFlow keeps what there is.
    let more = |expression: &str| {
        format!(
            "{RULES}\n[[rule]]\nname = \"first\"\ndirection = \"inbound\"\nconnector = \"ad\"\nobject-type = \"user\"\n\
             metaverse-type = \"person\"\nlink = \"provision\"\nprecedence = 1\ndialect = \"connect\"\n\
             flow = [{{ to = \"title\", expression = 'IIF(IsPresent([mail]), {expression}, [mailNickname])' }}]\n"
        )
    };
    for (expression, expected) in [
        ("NULL", "Update User ada: emails=a@x title=from rule two"),
        ("AuthoritativeNull", "Update User ada: emails=a@x title="),
        ("IgnoreThisFlow", "Update User ada: emails=a@x"),
    ] {
        let mut world = World::new(&more(expression));
        let ada = user("ada").with("title", "from rule two").with("mailNickname", "from rule one");
        world.import(&ad(), vec![ada]);
        world.cycle();
        assert!(world.target()[0].contains("title=from rule one"), "{:?}", world.target());
        world.change(&ad(), vec![changed("user", "ada", &[("mail", Some("a@x"))])]);
        assert_eq!(world.cycle(), [expected], "{expression}");
    }
}

#[test]
fn a_unique_value_is_chosen_once() {
    let rules = RULES.replace(
        r#"{ to = "title", from = "title" },
    { to = "emails""#,
        r#"{ to = "nickName", expression = 'SelectUniqueValue([title], Append([title], "2"), Append([title], "3"))' },
    { to = "emails""#,
    );
    assert_ne!(rules, RULES);
    let mut world = World::new(&rules);
    let users = ["a", "b", "c", "d"].map(|anchor| user(anchor).with("title", "nick"));
    world.import(&ad(), users.into());
    world.cycle_with_escrow();
    let target = world.target();
    for (line, nick) in target.iter().zip(["nick", "nick2", "nick3"]) {
        assert!(line.contains(&format!("nickName={nick} ")), "{target:?}");
    }
    // Three names for four: the fourth says so.
    assert_eq!((target.len(), world.escrows().len()), (3, 1), "{target:?}");
    world.sync(SyncMode::Full);
    assert_eq!(world.pending(), [] as [&str; 0]);
}

#[test]
fn an_explanation_has_every_rule_and_value_and_changes_nothing() {
    let mut world = World::new(RULES);
    world.import(
        &ad(),
        vec![
            user("ada").with("title", "Dr").refers("manager", &["bob"]),
            user("bob"),
            group("g", &["ada"]),
        ],
    );
    world.cycle();
    world.change(&ad(), vec![changed("user", "ada", &[("title", Some("Prof"))])]);
    let before = world.store.objects(&ad(), crate::store::Which::All, None, 10).unwrap();
    let ada = world.source("ada").id;
    let rules = world.rules.clone();
    let synchronizer = crate::sync::Synchronizer::new(&rules, world.now);
    let explanation = synchronizer.explain(&mut world.store, ada).unwrap();
    assert_eq!(world.store.objects(&ad(), crate::store::Which::All, None, 10).unwrap(), before);
    assert_eq!(world.pending(), [] as [&str; 0]);

    let import = explanation.import.as_ref().unwrap();
    assert_eq!(import.attributes.first(&"title".into()), Some(&"Prof".into()));
    assert_eq!(import.references, [("manager".into(), 1)]);
    let scopes: Vec<(&str, bool)> =
        explanation.scope.iter().map(|scope| (scope.rule.as_str(), scope.in_scope)).collect();
    assert_eq!(scopes, [("in user", true), ("out user", true)]);
    assert_eq!(explanation.scope[0].clauses[0][0].clause, "hidden ISNULL");
    let identity = explanation.identity.as_ref().unwrap();
    let title = identity.attributes.iter().find(|it| it.attribute == "title".into()).unwrap();
    assert_eq!((title.values.as_slice(), title.rule.as_str()), (&["Prof".into()][..], "in user"));
    assert!(
        explanation
            .flows
            .iter()
            .any(|flow| flow.to == "manager".into() && flow.gave == "references")
    );
    let action = &explanation.actions[0];
    assert_eq!(action.action, Some(ExportKind::Update));
    assert_eq!(action.changes, [("title".into(), vec!["Dr".into()], vec!["Prof".into()])]);
    assert!(serde_json::to_string(&explanation).unwrap().contains("\"inScope\":true"));
}

#[test]
fn an_explanation_tells_what_was_looked_for() {
    let mut world = World::new(RULES);
    world.import(&ad(), vec![user("ada"), user("out").with("hidden", "x")]);
    let rules = world.rules.clone();
    let synchronizer = crate::sync::Synchronizer::new(&rules, world.now);
    let ada = world.source("ada").id;
    let explanation = synchronizer.explain(&mut world.store, ada).unwrap();
    let by: Vec<&str> = explanation.matching.iter().map(|it| it.by.as_str()).collect();
    assert_eq!(by, ["externalId", "userName"]);
    assert_eq!(explanation.actions[0].action, Some(ExportKind::Add));
    let out = world.source("out").id;
    let explanation = synchronizer.explain(&mut world.store, out).unwrap();
    assert!(!explanation.scope[0].in_scope);
    assert_eq!(explanation.actions, []);
}
