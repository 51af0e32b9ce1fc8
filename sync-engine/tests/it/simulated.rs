//! A directory and a target in memory, with the faults that real ones have.

use std::collections::{BTreeMap, BTreeSet};

use scim_sync::connector::{AttributeSchema, ReferenceTo, TypeSchema, ValueKind};
use scim_sync::{Anchor, AttributeName};

mod directory;
mod target;

pub(crate) use directory::*;
pub(crate) use target::*;

/// Numbers that come again with the same seed (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % bound.max(1) as u64).unwrap()
    }

    pub(crate) fn percent(&mut self, share: u64) -> bool {
        self.roll() % 100 < share
    }

    pub(crate) fn pick<'t, T>(&mut self, of: &'t [T]) -> Option<&'t T> {
        if of.is_empty() { None } else { of.get(self.below(of.len())) }
    }
}

fn references(
    of: &BTreeMap<AttributeName, BTreeSet<Anchor>>,
) -> BTreeMap<AttributeName, Vec<ReferenceTo>> {
    of.iter()
        .filter(|(_, to)| !to.is_empty())
        .map(|(name, to)| (name.clone(), to.iter().cloned().map(ReferenceTo::Anchor).collect()))
        .collect()
}

fn type_schema(names: &[(&str, ValueKind, bool)]) -> TypeSchema {
    let attributes = names.iter().map(|(name, kind, multi_valued)| {
        (AttributeName::new(name), AttributeSchema { kind: *kind, multi_valued: *multi_valued })
    });
    TypeSchema { attributes: attributes.collect() }
}
