//! What has to wait because too little is known of a system.
//!
//! What a source has not told yet looks as if it were not there. An identity that is worked out without one of its sources
//! lacks the values and the members that only this source has, and a target would lose them; an object that would join it
//! becomes an identity of its own. So everything waits that shares a type of identity with such a source.

use std::collections::BTreeSet;

use crate::rules::{Direction, RuleSet};
use crate::{ConnectorId, ObjectType};

/// The systems that wait where these lack: themselves, the sources that make or join identities of the same types, and
/// the targets that take these.
pub(crate) fn held_back(rules: &RuleSet, lacking: &BTreeSet<ConnectorId>) -> BTreeSet<ConnectorId> {
    let mut held = lacking.clone();
    let mut types: BTreeSet<&ObjectType> = BTreeSet::new();
    loop {
        let before = (held.len(), types.len());
        for rule in rules.rules().iter().filter(|rule| rule.enabled) {
            if rule.direction == Direction::Inbound && held.contains(&rule.connector) {
                types.insert(&rule.metaverse_type);
            }
            if types.contains(&rule.metaverse_type) {
                held.insert(rule.connector.clone());
            }
        }
        if before == (held.len(), types.len()) {
            return held;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = r#"
        version = 1
        rule = [
            { name = "1", direction = "inbound", connector = "ad", object-type = "user", metaverse-type = "person", link = "provision" },
            { name = "2", direction = "inbound", connector = "ad", object-type = "group", metaverse-type = "group", link = "provision" },
            { name = "3", direction = "inbound", connector = "hr", object-type = "row", metaverse-type = "person", link = "provision" },
            { name = "4", direction = "inbound", connector = "lab", object-type = "device", metaverse-type = "device", link = "provision" },
            { name = "5", direction = "outbound", connector = "cloud", object-type = "User", metaverse-type = "person", link = "provision" },
            { name = "6", direction = "outbound", connector = "cloud", object-type = "Device", metaverse-type = "device", link = "provision" },
            { name = "7", direction = "outbound", connector = "lists", object-type = "Group", metaverse-type = "group", link = "provision" },
            { name = "8", direction = "outbound", connector = "stock", object-type = "Device", metaverse-type = "device", link = "provision" },
        ]
    "#;

    fn held(lacking: &[&str]) -> Vec<String> {
        let rules = RuleSet::from_toml(RULES).unwrap();
        let lacking = lacking.iter().map(ConnectorId::new).collect();
        held_back(&rules, &lacking).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_source_holds_back_all_that_shares_its_identities() {
        assert_eq!(held(&["hr"]), ["ad", "cloud", "hr", "lists"]);
        assert_eq!(held(&["lab"]), ["cloud", "lab", "stock"]);
    }

    #[test]
    fn a_target_holds_back_nobody_else() {
        assert_eq!(held(&["lists"]), ["lists"]);
        assert!(held(&[]).is_empty());
    }
}
