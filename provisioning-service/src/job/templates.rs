//! The templates that come with the service. They are data: `templates/templates.toml` names them, and the rules are those
//! that come with the engine.

use scim_sync::ConnectorId;
use scim_sync::rules::RuleSet;
use scim_sync::rules::graph::JobSchema;
use serde::Deserialize;

use super::wire;

const SHIPPED: &str = include_str!("../../templates/templates.toml");

/// A template.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Template {
    /// What jobs name it by.
    pub id: String,
    /// What it does, in a sentence.
    pub description: String,
    /// Whether it is the usual one.
    #[serde(default)]
    pub default: bool,
    /// The rules that it stands for.
    pub rules: ShippedRules,
    /// What its directory is called.
    pub source: String,
    /// What its target is called.
    pub target: String,
}

/// The rules that come with the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShippedRules {
    /// Users, groups and contacts of Active Directory.
    AdToScim,
    /// Users and groups of OpenLDAP.
    OpenldapToScim,
}

#[derive(Deserialize)]
struct File {
    template: Vec<Template>,
}

/// All of them.
///
/// # Errors
/// None for the file that comes with the service.
pub fn all() -> Result<Vec<Template>, String> {
    toml::from_str::<File>(SHIPPED).map(|file| file.template).map_err(|error| error.to_string())
}

/// The one of this name.
#[must_use]
pub fn by_id(id: &str) -> Option<Template> {
    all().ok()?.into_iter().find(|template| template.id == id)
}

impl Template {
    /// The schema of a new job.
    ///
    /// # Errors
    /// None for the rules that come with the engine.
    pub fn schema(&self) -> Result<JobSchema, String> {
        let (source, target) = (ConnectorId::new(&self.source), ConnectorId::new(&self.target));
        let rules = match self.rules {
            ShippedRules::AdToScim => RuleSet::ad_to_scim(&source, &target),
            ShippedRules::OpenldapToScim => RuleSet::openldap_to_scim(&source, &target),
        };
        let rules = rules.map_err(|error| error.to_string())?;
        Ok(JobSchema::from_rules(&rules).value)
    }

    /// The template as the API tells it, with its schema or without.
    ///
    /// # Errors
    /// As [`Template::schema`].
    pub fn wire(&self, with_schema: bool) -> Result<wire::Template, String> {
        Ok(wire::Template {
            id: self.id.clone(),
            default: self.default,
            description: self.description.clone(),
            discoverable: true,
            factory_tag: "scim-sync".to_owned(),
            schema: with_schema.then(|| self.schema()).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Deprovision, Mapping};

    #[test]
    fn every_template_is_a_mapping_that_comes_back_as_it_was() {
        let all = all().unwrap();
        assert_eq!(all.iter().filter(|template| template.default).count(), 1);
        for template in all {
            let schema = template.schema().unwrap();
            let mapping = Mapping::of(&schema, &Deprovision::default()).unwrap();
            assert_eq!(mapping.source.as_str(), template.source);
            assert_eq!(mapping.target.as_str(), template.target);
            assert_eq!(mapping.notes, [] as [String; 0], "{}", template.id);
            let json = serde_json::to_string(&schema).unwrap();
            assert_eq!(JobSchema::from_json(&json).unwrap(), schema);
        }
    }
}
