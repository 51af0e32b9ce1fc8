//! Rules in the shape of Microsoft's job schema, the `synchronizationSchema` of Graph.
//!
//! An object mapping there leads from a source straight to a target. Here it becomes two rules: an inbound one that takes
//! the object in and lets the attributes flow that the mapping reads, under their own names, and an outbound one with the
//! mapping itself. The way back puts the two together again, whatever the inbound flows compute.
//!
//! What the other side has no form for is told in notes; nothing is lost in silence. Members that are not known here are
//! kept when a schema is read and written again.

mod export;
mod import;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::{Behavior, FlowType, Operator};
use crate::expr::MappingSource;

/// A job schema: `microsoft.graph.synchronizationSchema`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobSchema {
    /// The systems with their objects and attributes, as they were given.
    #[serde(default, deserialize_with = "nullable")]
    pub directories: Vec<Value>,
    /// The rules.
    #[serde(default, deserialize_with = "nullable")]
    pub synchronization_rules: Vec<JobRule>,
    /// What else there is.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What leads from one system to another: `microsoft.graph.synchronizationRule`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobRule {
    /// Its name.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// The lower number is applied first.
    #[serde(default, deserialize_with = "nullable")]
    pub priority: u32,
    /// The system that is read.
    pub source_directory_name: String,
    /// The system that is written.
    pub target_directory_name: String,
    /// What is mapped.
    #[serde(default, deserialize_with = "nullable")]
    pub object_mappings: Vec<ObjectMapping>,
    /// What else there is: `editable`, `id`, `metadata`.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// How objects of one type become objects of another: `microsoft.graph.objectMapping`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectMapping {
    /// How their attributes flow.
    #[serde(default, deserialize_with = "nullable")]
    pub attribute_mappings: Vec<AttributeMapping>,
    /// Whether it is applied.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// `Add`, `Update` and `Delete`, with commas between.
    #[serde(default = "all_flows")]
    pub flow_types: String,
    /// Its name.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// Which objects are mapped.
    #[serde(default)]
    pub scope: Option<ScopeFilter>,
    /// The type in the source.
    pub source_object_name: String,
    /// The type in the target.
    pub target_object_name: String,
    /// What else there is: `metadata`.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// How one attribute gets its value: `microsoft.graph.attributeMapping`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttributeMapping {
    /// What there is instead of nothing.
    #[serde(default)]
    pub default_value: Option<String>,
    /// Whether references to what is not there are written.
    #[serde(default, deserialize_with = "nullable")]
    pub export_missing_references: bool,
    /// When it is written.
    #[serde(default, deserialize_with = "nullable")]
    pub flow_behavior: Behavior,
    /// What it may do to values that are there.
    #[serde(default, deserialize_with = "nullable")]
    pub flow_type: FlowType,
    /// From 1 on, objects are found by it, the lowest first.
    #[serde(default, deserialize_with = "nullable")]
    pub matching_priority: u32,
    /// Where the value comes from. Text and tree may both be there: the text wins.
    #[serde(default)]
    pub source: Option<MappingSource>,
    /// Where it goes to.
    pub target_attribute_name: String,
    /// What else there is.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Which objects are mapped: `microsoft.graph.filter`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScopeFilter {
    /// Which objects are of the kind at all.
    #[serde(default, deserialize_with = "nullable")]
    pub category_filter_groups: Vec<FilterGroup>,
    /// Which objects are in scope: those that one of the groups takes in.
    #[serde(default, deserialize_with = "nullable")]
    pub groups: Vec<FilterGroup>,
    /// Which objects are read.
    #[serde(default, deserialize_with = "nullable")]
    pub input_filter_groups: Vec<FilterGroup>,
}

/// Clauses that must all hold: `microsoft.graph.filterGroup`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilterGroup {
    /// The clauses.
    #[serde(default, deserialize_with = "nullable")]
    pub clauses: Vec<FilterClause>,
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
}

/// One clause: `microsoft.graph.filterClause`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilterClause {
    /// What is asked.
    pub operator_name: Operator,
    /// Of which attribute.
    #[serde(default, deserialize_with = "nullable")]
    pub source_operand_name: String,
    /// What it is compared with.
    #[serde(default)]
    pub target_operand: Option<FilterOperand>,
}

/// What a clause compares with: `microsoft.graph.filterOperand`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilterOperand {
    /// The values.
    #[serde(default, deserialize_with = "nullable")]
    pub values: Vec<String>,
}

/// Rules or a job schema, with what was not carried over.
#[derive(Clone, Debug, PartialEq)]
pub struct Converted<T> {
    /// What came of it.
    pub value: T,
    /// What the other side has no form for, in sentences.
    pub notes: Vec<String>,
}

/// Why a job schema does not become rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct GraphError {
    /// Where, as a path through the JSON.
    pub place: String,
    /// What is wrong and what to mend.
    pub message: String,
}

impl JobSchema {
    /// Reads a job schema.
    ///
    /// # Errors
    /// [`GraphError`] with the path, and line and column in the message.
    pub fn from_json(text: &str) -> Result<Self, GraphError> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        serde_path_to_error::deserialize(&mut deserializer).map_err(|error| GraphError {
            place: error.path().to_string(),
            message: error.inner().to_string(),
        })
    }
}

/// `null` is as good as nothing.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

const fn yes() -> bool {
    true
}

fn all_flows() -> String {
    "Add, Update, Delete".to_owned()
}
