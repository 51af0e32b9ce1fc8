//! The order of a bulk job: every operation once, what it refers to before it, cycles broken (RFC 7644 section 3.7.1).

use std::collections::BTreeMap;

use smol_str::SmolStr;

use super::BulkItem;

/// One step of a bulk job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Do the operation of this index.
    Run {
        /// The index in the request.
        index: usize,
        /// The bulkIds of operations that come later because they refer back to this one: what refers to them is left
        /// out of the data for now.
        withheld: Vec<SmolStr>,
    },
    /// Add what was left out of the operation of this index.
    Link {
        /// The index in the request.
        index: usize,
    },
}

/// Plans a bulk job.
///
/// Operations stay in the order of the request, except that a POST moves in front of the first operation that refers
/// to it. Of the references that close a cycle, those found last are withheld, and added as soon as both sides exist.
/// References to unknown or ambiguous bulkIds do not influence the order; the operations that have them fail.
pub fn plan(items: &[BulkItem]) -> Vec<Step> {
    let creators = creators(items);
    let needs: Vec<Vec<(usize, SmolStr)>> = items
        .iter()
        .map(|item| {
            let references = item.references().into_iter();
            references.filter_map(|id| Some(((*creators.get(&id)?)?, id))).collect()
        })
        .collect();
    let mut planner = Planner {
        needs,
        state: vec![State::New; items.len()],
        withheld: vec![Vec::new(); items.len()],
        open_links: vec![0; items.len()],
        waiting: vec![Vec::new(); items.len()],
        steps: Vec::with_capacity(items.len()),
    };
    for index in 0..items.len() {
        planner.visit(index);
    }
    planner.steps
}

/// Which POST creates the resource of a bulkId; `None` for a bulkId that several claim.
pub(super) fn creators(items: &[BulkItem]) -> BTreeMap<SmolStr, Option<usize>> {
    let mut creators = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        if let Some(bulk_id) = item.creates() {
            creators
                .entry(bulk_id.clone())
                .and_modify(|creator| *creator = None)
                .or_insert(Some(index));
        }
    }
    creators
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    New,
    /// On the path from the operation that is being planned.
    Open,
    Done,
}

struct Planner {
    needs: Vec<Vec<(usize, SmolStr)>>,
    state: Vec<State>,
    withheld: Vec<Vec<SmolStr>>,
    /// How many withheld references of an operation still wait for their target.
    open_links: Vec<usize>,
    /// The operations that wait for this one with a withheld reference.
    waiting: Vec<Vec<usize>>,
    steps: Vec<Step>,
}

impl Planner {
    /// Depth first with its own stack: a chain of references may be as long as the request.
    fn visit(&mut self, root: usize) {
        if self.state[root] != State::New {
            return;
        }
        self.state[root] = State::Open;
        let mut stack = vec![(root, 0)];
        while let Some(top) = stack.last_mut() {
            let (index, next) = *top;
            top.1 += 1;
            let Some((target, bulk_id)) = self.needs[index].get(next) else {
                stack.pop();
                self.finish(index);
                continue;
            };
            match self.state[*target] {
                State::New => {
                    self.state[*target] = State::Open;
                    stack.push((*target, 0));
                }
                // Only POSTs are referred to, so what closes a cycle is always a POST and refers in its data.
                State::Open => {
                    self.withheld[index].push(bulk_id.clone());
                    self.open_links[index] += 1;
                    self.waiting[*target].push(index);
                }
                State::Done => {}
            }
        }
    }

    fn finish(&mut self, index: usize) {
        self.state[index] = State::Done;
        self.steps.push(Step::Run { index, withheld: std::mem::take(&mut self.withheld[index]) });
        for waiter in std::mem::take(&mut self.waiting[index]) {
            self.open_links[waiter] -= 1;
            if self.open_links[waiter] == 0 {
                self.steps.push(Step::Link { index: waiter });
            }
        }
    }
}
