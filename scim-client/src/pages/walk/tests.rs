//! Walks over simulated targets, honest and lying.

use proptest::prelude::*;
use scim_core::query::{ListPage, PageRequest};

use super::{Opening, Walk, mark};
use crate::pages::PagingError;

/// How a simulated target pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Index,
    /// By cursor whenever there is a `cursor`, else by index.
    Both,
    /// By cursor whatever is asked.
    Cursor,
}

/// An honest target: every resource once, on pages of its own liking.
#[derive(Clone, Debug)]
struct Target {
    kind: Kind,
    results: u64,
    /// The most that it puts on a page, `count` or not.
    cap: u64,
    ignores_count: bool,
    tells_total: bool,
    /// Pages are shorter than they could be, by these numbers in turn; with cursors down to none.
    short: Vec<u64>,
}

impl Target {
    fn answer(&self, asked: &PageRequest, turn: usize) -> (ListPage, Vec<u64>) {
        let (start, cursor) = match asked {
            PageRequest::Cursor { cursor, .. } if self.kind != Kind::Index => (
                cursor.as_deref().map_or(0, |c| c.split('/').next().unwrap().parse().unwrap()),
                true,
            ),
            PageRequest::Cursor { .. } => (0, false),
            PageRequest::Index { .. } if self.kind == Kind::Cursor => (0, true),
            PageRequest::Index { start, .. } => (start - 1, false),
        };
        let wanted = match asked.count() {
            Some(count) if !self.ignores_count => count.min(self.cap),
            _ => self.cap,
        };
        let less = self.short.get(turn % self.short.len().max(1)).copied().unwrap_or(0);
        let least = u64::from(!cursor);
        let size = wanted.saturating_sub(less).max(least.min(wanted));
        let end = (start + size).min(self.results);
        let rows: Vec<u64> = (start..end).collect();
        let page = ListPage {
            total_results: self.tells_total.then_some(self.results),
            items_per_page: Some(rows.len() as u64),
            start_index: (!cursor).then_some(start + 1),
            next_cursor: (cursor && end < self.results).then(|| format!("{end}/{turn}")),
            previous_cursor: None,
        };
        (page, rows)
    }
}

fn marks(rows: &[u64]) -> Vec<u64> {
    rows.iter().map(|row| mark(&row.to_string())).collect()
}

/// Walks to the end, at most so many pages.
fn walk(
    mut walk: Walk,
    limit: usize,
    mut answer: impl FnMut(&PageRequest, usize) -> (ListPage, Vec<u64>),
) -> (Vec<u64>, usize, Result<(), PagingError>) {
    let (mut rows, mut turn) = (Vec::new(), 0);
    while let Some(asked) = walk.next().cloned() {
        assert!(turn < limit, "no end after {turn} pages, {} rows", rows.len());
        let (page, new) = answer(&asked, turn);
        turn += 1;
        let known = |row: &u64| walk.had(mark(&row.to_string()));
        let fresh: Vec<u64> = new.iter().copied().filter(|row| !known(row)).collect();
        if let Err(error) = walk.arrived(&page, marks(&new)) {
            assert!(walk.next().is_none(), "an error ends the walk");
            return (rows, turn, Err(error));
        }
        rows.extend(fresh);
    }
    (rows, turn, Ok(()))
}

fn first(count: Option<u64>) -> PageRequest {
    PageRequest::Index { start: 1, count }
}

fn target() -> impl Strategy<Value = Target> {
    (
        prop_oneof![Just(Kind::Index), Just(Kind::Both), Just(Kind::Cursor)],
        0..60u64,
        1..20u64,
        any::<bool>(),
        any::<bool>(),
        prop::collection::vec(0..6u64, 0..5),
    )
        .prop_map(|(kind, results, cap, ignores_count, tells_total, mut short)| {
            // Not only empty pages.
            short.push(0);
            Target { kind, results, cap, ignores_count, tells_total, short }
        })
}

proptest! {
    #[test]
    fn an_honest_target_is_read_once_and_whole(
        target in target(),
        count in 1..25u64,
        empty_cursor in any::<bool>(),
    ) {
        let opening = if empty_cursor { Opening::EmptyCursor } else { Opening::Plain };
        let (rows, pages, end) =
            walk(Walk::new(first(Some(count)), opening), 1_000, |asked, turn| target.answer(asked, turn));
        // One page, full or followed by an empty one, of a target that tells nothing and goes by cursor: whether there
        // are more cannot be known.
        let vague = target.kind == Kind::Cursor && !target.tells_total && !empty_cursor;
        let unknowable = vague && (target.results >= count || target.short.len() > 1);
        if !(unknowable && matches!(end, Err(PagingError::Repeated { .. }))) {
            prop_assert_eq!(end, Ok(()));
        }
        prop_assert_eq!(rows, (0..target.results).collect::<Vec<_>>());
        // One more than needed where only an empty page tells the end.
        let least = target.results.div_ceil(target.cap).max(1) as usize;
        prop_assert!(pages >= least);
    }

    /// Pages at random: whatever comes, the walk ends, and does not end well with fewer than the last total.
    #[test]
    fn a_liar_is_left_soon(
        pages in prop::collection::vec(
            (prop::collection::vec(0..30u64, 0..6), prop::option::of(0..40u64), prop::option::of(0..8u8)),
            1..9,
        ),
        count in prop::option::of(1..7u64),
    ) {
        let (mut last_total, mut sent) = (None, 0);
        let (_, _, end) = walk(Walk::new(first(count), Opening::Plain), 3_000, |_, turn| {
            let (rows, total, cursor) = &pages[turn % pages.len()];
            sent += rows.len() as u64;
            last_total = total.filter(|_| cursor.is_none());
            let page = ListPage {
                total_results: *total,
                next_cursor: cursor.map(|c| format!("c{c}")),
                ..ListPage::default()
            };
            (page, rows.clone())
        });
        if let (Ok(()), Some(total)) = (&end, last_total)
            && pages.iter().all(|(_, _, cursor)| cursor.is_none())
        {
            prop_assert!(sent >= total, "{sent} of {total}");
        }
    }
}

#[test]
fn one_page_is_one_request() {
    let target = Target {
        kind: Kind::Index,
        results: 7,
        cap: 100,
        ignores_count: false,
        tells_total: true,
        short: vec![],
    };
    for opening in [Opening::Plain, Opening::EmptyCursor, Opening::Whole] {
        let (rows, pages, end) =
            walk(Walk::new(first(Some(7)), opening), 9, |asked, turn| target.answer(asked, turn));
        assert_eq!((rows.len(), pages, end), (7, 1, Ok(())), "{opening:?}");
    }
}

#[test]
fn a_target_that_ignores_start_index_repeats_itself() {
    let page = |total| ListPage { total_results: total, ..ListPage::default() };
    for total in [Some(10), None] {
        let (rows, pages, end) =
            walk(Walk::new(first(None), Opening::Plain), 9, |_, _| (page(total), vec![1, 2, 3]));
        assert_eq!((rows.len(), pages), (3, 2));
        assert_eq!(end, Err(PagingError::Repeated { page: 2 }));
    }
}

#[test]
fn a_circle_of_cursors_is_noticed() {
    let (_, pages, end) = walk(Walk::new(first(None), Opening::EmptyCursor), 99, |_, turn| {
        let at = if turn < 5 { turn } else { 5 + (turn - 5) % 7 } as u64;
        let page = ListPage { next_cursor: Some(format!("c{at}")), ..ListPage::default() };
        (page, vec![at * 2, at * 2 + 1])
    });
    assert!(matches!(end, Err(PagingError::Repeated { .. })), "{end:?}");
    assert!(pages <= 3 * 12, "{pages}");
}

#[test]
fn a_cursor_that_stays_may_still_move_on() {
    let (rows, _, end) = walk(Walk::new(first(None), Opening::EmptyCursor), 99, |_, turn| {
        let more = (turn < 4).then(|| "scroll".to_owned());
        (ListPage { next_cursor: more, ..ListPage::default() }, vec![turn as u64])
    });
    assert_eq!((rows, end), ((0..5).collect(), Ok(())));
}

#[test]
fn empty_pages_do_not_go_on_for_ever() {
    let (_, pages, end) = walk(Walk::new(first(None), Opening::EmptyCursor), 999, |_, turn| {
        (ListPage { next_cursor: Some(format!("c{turn}")), ..ListPage::default() }, vec![])
    });
    assert_eq!((pages, end), (100, Err(PagingError::Endless { pages: 100 })));
}

#[test]
fn results_that_vanish_are_an_error_by_index() {
    let (_, _, end) = walk(Walk::new(first(Some(2)), Opening::Plain), 9, |_, turn| {
        let page = ListPage { total_results: Some(9 - turn as u64), ..ListPage::default() };
        (page, vec![turn as u64 * 2, turn as u64 * 2 + 1])
    });
    assert_eq!(end, Err(PagingError::Shrunk { before: 9, now: 8 }));
    let (_, _, end) = walk(Walk::new(first(Some(2)), Opening::Plain), 9, |_, turn| {
        let page = ListPage { total_results: Some(9), ..ListPage::default() };
        (page, if turn < 2 { vec![turn as u64 * 2, turn as u64 * 2 + 1] } else { vec![] })
    });
    assert_eq!(end, Err(PagingError::Incomplete { received: 4, total: 9 }));
}

#[test]
fn a_target_without_pages_has_to_give_everything() {
    let whole = |total, rows: Vec<u64>| {
        walk(Walk::new(first(Some(2)), Opening::Whole), 9, |asked, _| {
            assert_eq!(*asked, first(None), "it is not asked for a page");
            (ListPage { total_results: total, ..ListPage::default() }, rows.clone())
        })
    };
    assert_eq!(whole(None, vec![1, 2, 3]).2, Ok(()));
    assert_eq!(whole(Some(3), vec![1, 2, 3]).2, Ok(()));
    let incomplete = PagingError::Incomplete { received: 3, total: 9 };
    assert_eq!(whole(Some(9), vec![1, 2, 3]).2, Err(incomplete));
}

#[test]
fn asking_for_no_results_is_one_request() {
    let (rows, pages, end) = walk(Walk::new(first(Some(0)), Opening::Plain), 9, |_, _| {
        (ListPage { total_results: Some(9), ..ListPage::default() }, vec![])
    });
    assert_eq!((rows.len(), pages, end), (0, 1, Ok(())));
}
