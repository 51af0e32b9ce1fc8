//! Whether the rules fit the systems.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use scim_sync::ConnectorId;
use scim_sync::connector::ConnectorSchema;
use scim_sync::rules::RuleSet;

use super::{Report, State, few};
use crate::template;

/// Holds the rules against the schemas of the systems that answered.
///
/// # Errors
/// Where the report cannot be printed.
pub fn rules(
    report: &mut Report,
    rules: &RuleSet,
    schemas: &BTreeMap<ConnectorId, ConnectorSchema>,
) -> Result<()> {
    for source in rules.sources() {
        if schemas.contains_key(&source) {
            skipped(report, rules, schemas, &source)?;
        }
    }
    let unseen: Vec<String> = rules
        .sources()
        .into_iter()
        .chain(rules.targets())
        .filter(|connector| !schemas.contains_key(connector))
        .map(|connector| connector.to_string())
        .collect();
    match rules.check_known(schemas) {
        Ok(()) if unseen.is_empty() => {
            let enabled = rules.rules().iter().filter(|rule| rule.enabled).count();
            report.add(State::Ok, "rules", "schemas", format!("{enabled} rules fit both sides"))
        }
        Ok(()) => report.add(
            State::Warn,
            "rules",
            "schemas",
            format!(
                "nothing is known of the schema of {}, so the rules could not be held against it",
                unseen.join(", ")
            ),
        ),
        Err(errors) => {
            for error in errors {
                let text =
                    format!("line {}, column {}: {}", error.line, error.column, error.message);
                report.add(State::Fail, "rules", "schemas", text)?;
            }
            Ok(())
        }
    }
}

/// Names the attributes that the directory lacks. Those of the shipped rules are lacking in many directories, such as all of
/// Exchange; another one may be a slip of the pen.
fn skipped(
    report: &mut Report,
    rules: &RuleSet,
    schemas: &BTreeMap<ConnectorId, ConnectorSchema>,
    source: &ConnectorId,
) -> Result<()> {
    let missing: BTreeSet<String> = rules
        .missing(schemas)
        .into_iter()
        .filter(|(connector, _, _)| connector == source)
        .map(|(_, _, attribute)| attribute.to_string())
        .collect();
    let usual = template::attributes();
    let (usual, odd): (Vec<&str>, Vec<&str>) =
        missing.iter().map(String::as_str).partition(|name| usual.contains(&name.to_lowercase()));
    let about = source.as_str();
    if !odd.is_empty() {
        let text = format!(
            "the directory has no {}: rules that read them get nothing; look at the spelling in the rules",
            few(odd)
        );
        report.add(State::Warn, about, "attributes", text)?;
    }
    let text = if usual.is_empty() {
        "the directory has all others that rules read".to_owned()
    } else {
        format!("skipped, since the directory does not have them: {}", few(usual))
    };
    report.add(State::Ok, about, "attributes", text)
}

#[cfg(test)]
mod tests {
    use scim_sync::connector::{AttributeSchema, TypeSchema, ValueKind};

    use super::*;

    const RULES: &str = r#"
version = 1
[[rule]]
name = "In"
direction = "inbound"
connector = "ad"
object-type = "user"
metaverse-type = "person"
link = "provision"
[[rule.flow]]
to = "anchor"
from = "anchor"
[[rule.flow]]
to = "mail"
from = "mailNickname"
[[rule.flow]]
to = "title"
from = "tilte"
[[rule]]
name = "Out"
direction = "outbound"
connector = "scim"
object-type = "User"
metaverse-type = "person"
link = "provision"
match = ["externalId"]
[[rule.flow]]
to = "externalId"
from = "anchor"
"#;

    fn schema(object_type: &str, names: &[&str]) -> ConnectorSchema {
        let known = AttributeSchema { kind: ValueKind::Text, multi_valued: false };
        let attributes = names.iter().map(|name| ((*name).into(), known)).collect();
        let types = BTreeMap::from([(object_type.into(), TypeSchema { attributes })]);
        ConnectorSchema { types }
    }

    fn lines(target: Option<&[&str]>) -> Vec<String> {
        let rules = RuleSet::from_toml(RULES).unwrap();
        let mut schemas = BTreeMap::from([("ad".into(), schema("user", &["cn", "anchor"]))]);
        schemas.extend(target.map(|names| ("scim".into(), schema("User", names))));
        let mut report = Report::new(false);
        super::rules(&mut report, &rules, &schemas).unwrap();
        report.lines().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_a_directory_lacks_is_told_and_a_slip_is_a_warning() {
        let lines = lines(Some(&["externalId"]));
        assert!(lines[0].starts_with("warn") && lines[0].contains("tilte"), "{lines:?}");
        assert!(lines[1].starts_with("ok") && lines[1].contains("mailNickname"), "{lines:?}");
        assert!(lines[2].starts_with("ok") && lines[2].contains("2 rules"), "{lines:?}");
    }

    #[test]
    fn what_a_target_lacks_fails_with_its_place() {
        let lines = lines(Some(&["userName"]));
        let last = lines.last().unwrap();
        assert!(last.starts_with("FAIL") && last.contains("line 2"), "{lines:?}");
        assert!(last.contains("externalId"), "{lines:?}");
    }

    #[test]
    fn a_system_that_did_not_answer_is_no_success() {
        assert!(lines(None).last().unwrap().starts_with("warn"));
    }
}
