//! Any order of the objects of one full read, in pages of any size, gives the same space.

use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;

/// What a system has: for each anchor a place, values and members, as indexes.
#[derive(Clone, Debug)]
struct World {
    objects: Vec<Object>,
}

#[derive(Clone, Debug)]
struct Object {
    anchor: usize,
    place: usize,
    is_group: bool,
    value: u8,
    /// Places, some of them nobody's.
    members: Vec<usize>,
    members_by_anchor: bool,
}

const ANCHORS: usize = 5;
const PLACES: usize = 7;

fn world() -> impl Strategy<Value = World> {
    let object = (
        any::<bool>(),
        0_u8..3,
        subsequence((0..PLACES).collect::<Vec<_>>(), 0..=PLACES),
        any::<bool>(),
    );
    let anchors = subsequence((0..ANCHORS).collect::<Vec<_>>(), 1..=ANCHORS);
    let places = Just((0..PLACES).collect::<Vec<_>>()).prop_shuffle();
    (anchors, places, prop::collection::vec(object, ANCHORS)).prop_map(
        |(anchors, places, objects)| {
            let objects = anchors.into_iter().zip(places).zip(objects);
            let objects = objects.map(|((anchor, place), object)| {
                let (is_group, value, members, members_by_anchor) = object;
                Object { anchor, place, is_group, value, members, members_by_anchor }
            });
            World { objects: objects.collect() }
        },
    )
}

impl World {
    fn imported(&self, object: &Object) -> ImportedObject {
        let members = object.members.iter().map(|place| {
            let holder = self.objects.iter().find(|other| other.place == *place);
            match holder {
                Some(holder) if object.members_by_anchor => {
                    by_anchor(&format!("a{}", holder.anchor))
                }
                _ => by_dn(&format!("p{place}")),
            }
        });
        ImportedObject {
            anchor: Anchor::new(format!("a{}", object.anchor)),
            dn: Some(dn(&format!("p{}", object.place))),
            object_type: if object.is_group { "group" } else { "user" }.into(),
            scope: SourceScope::In,
            attributes: AttributeSet::new().with("cn", i64::from(object.value)),
            references: BTreeMap::from([("member".into(), members.collect())]),
            version: None,
        }
    }

    /// What each object is to refer to, by anchor or by name.
    fn members(&self, object: &Object) -> BTreeSet<String> {
        let known_as = |place: &usize| match self.objects.iter().find(|other| other.place == *place)
        {
            Some(holder) => format!("a{}", holder.anchor),
            None => format!("?cn=p{place},dc=x"),
        };
        object.members.iter().map(known_as).collect()
    }

    fn read_in(&self, store: &mut MemoryStore, order: &[usize], page_size: usize) {
        let mut staging = Staging::begin(store, &ad(), ReadKind::Full, at(1)).unwrap();
        let order: Vec<usize> =
            order.iter().copied().filter(|at| *at < self.objects.len()).collect();
        for chunk in order.chunks(page_size) {
            let changes = chunk.iter().map(|at| told(self.imported(&self.objects[*at])));
            let staged = staging.page(page(changes.collect())).unwrap();
            assert!(staged.unknown.is_empty());
        }
        assert!(staging.page(end(1, true)).unwrap().unknown.is_empty());
        assert!(staging.finish().unwrap().complete);
    }
}

/// The whole space, without row numbers and without what is pending.
fn space(
    store: &MemoryStore,
) -> BTreeMap<String, (SpaceKind, Option<Dn>, String, BTreeSet<String>)> {
    let rows = store.objects(&ad(), Which::All, None, usize::MAX).unwrap();
    let told = rows.iter().map(|row| {
        let edges = store.edges(row.id, &"member".into(), None, usize::MAX).unwrap();
        let edges = edges.into_iter().map(|to| known_as(&store.object(to).unwrap().unwrap()));
        let values = format!("{:?} {:?}", row.object_type, row.hologram);
        (known_as(row), (row.kind, row.dn.clone(), values, edges.collect()))
    });
    told.collect()
}

fn order() -> impl Strategy<Value = Vec<usize>> {
    Just((0..ANCHORS).collect::<Vec<_>>()).prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_order_of_a_full_read_does_not_matter(
        before in world(),
        after in world(),
        orders in [order(), order()],
        sizes in [1_usize..4, 1_usize..4],
    ) {
        let spaces = [0, 1].map(|at| {
            let mut store = MemoryStore::new();
            before.read_in(&mut store, &orders[0], 2);
            synchronise(&mut store);
            after.read_in(&mut store, &orders[at], sizes[at]);
            is_sound(&store);
            let pending = pending(&store);
            // What the model says must be there, and what changed must be pending.
            for object in &after.objects {
                let anchor = format!("a{}", object.anchor);
                let row = row(&store, &anchor);
                prop_assert_eq!(row.kind, SpaceKind::Staged);
                prop_assert_eq!(row.dn, Some(dn(&format!("p{}", object.place))));
                prop_assert_eq!(members(&store, &anchor), after.members(object));
                let old = before.objects.iter().find(|old| old.anchor == object.anchor);
                match (&pending[&anchor], old) {
                    (PendingImport::Add, None) => {}
                    (PendingImport::DeleteAdd, Some(old)) if old.is_group != object.is_group => {}
                    (found, Some(old)) if old.is_group == object.is_group => {
                        let has = |name: &str| match found {
                            PendingImport::Update(names) => names.contains(&name.into()),
                            _ => false,
                        };
                        prop_assert_eq!(has("cn"), old.value != object.value);
                        prop_assert_eq!(has("dn"), old.place != object.place);
                        prop_assert!(has("member") || before.members(old) == after.members(object));
                    }
                    (found, old) => prop_assert!(false, "{found:?} after {old:?}"),
                }
            }
            let gone = |object: &Object| after.objects.iter().all(|it| it.anchor != object.anchor);
            for object in before.objects.iter().filter(|object| gone(object)) {
                let found = &pending[&format!("a{}", object.anchor)];
                prop_assert_eq!(found, &PendingImport::Delete);
            }
            synchronise(&mut store);
            // Its row is gone, and with it what referred to it; told once more, they refer to a name again.
            after.read_in(&mut store, &orders[at], sizes[at]);
            Ok(space(&store))
        });
        let [left, right] = spaces;
        prop_assert_eq!(left?, right?);
    }
}
