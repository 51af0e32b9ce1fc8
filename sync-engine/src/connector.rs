//! The seam to a connected system: what is asked of it and what it answers.
//!
//! A connector knows its system's protocol and nothing of rules: it reads objects, says what changed, finds objects by a
//! value, and carries out writes that somebody else decided.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::{
    Anchor, AttributeName, AttributeSet, AttributeValue, ConnectorId, Dn, ObjectType, SpaceId,
    Values,
};

/// One connected system.
///
/// An import is a stream of pages. It counts as complete only when its last page carries an [`ImportEnd`]: a stream that
/// ends without one, or with an error, has told what it has told, and nothing may be concluded from what it did not tell.
#[async_trait]
pub trait Connector: Send + Sync {
    /// The name by which rules and state call this system.
    fn id(&self) -> &ConnectorId;

    /// What object types there are and which attributes they have.
    ///
    /// # Errors
    /// Any [`ConnectorError`].
    async fn schema(&self) -> Result<ConnectorSchema, ConnectorError>;

    /// Is told how far an earlier read came, before the system is asked anything. A full read and single questions do not go
    /// on from there; what the connector keeps in its watermarks beside that (which objects the names of a scope meant, for
    /// one) holds for them too. Most keep nothing.
    fn remember(&self, _watermark: &Watermark) {}

    /// Reads everything, or what changed since a watermark. Dropping the stream ends the read.
    ///
    /// Errors travel in the stream; [`ConnectorError::WatermarkRefused`] asks for a full read instead.
    fn import<'a>(
        &'a self,
        request: ImportRequest,
    ) -> BoxStream<'a, Result<ImportPage, ConnectorError>>;

    /// Reads single objects whole, by anchor. Objects that are not there are not in the answer.
    ///
    /// # Errors
    /// Any [`ConnectorError`].
    async fn read(
        &self,
        anchors: &[Anchor],
        shape: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError>;

    /// Finds objects by one value, for a join and for a preview. At most `query.limit` are given.
    ///
    /// # Errors
    /// Any [`ConnectorError`]; [`ConnectorError::Unsupported`] where the system cannot search by that attribute.
    async fn find(
        &self,
        query: &MatchQuery,
        shape: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError>;

    /// Carries out writes, as many at a time as the system likes, and tells of each what became of it, in the same order.
    ///
    /// A write that fails is an [`ExportOutcome`], not an error: one object never stops the others. An error of the whole
    /// call says that none of the writes without an outcome was begun.
    ///
    /// # Errors
    /// Any [`ConnectorError`]; [`ConnectorError::Unsupported`] from a connector that only reads.
    async fn export(&self, writes: Vec<ExportWrite>) -> Result<Vec<ExportOutcome>, ConnectorError>;
}

/// The object types and attributes of a connected system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorSchema {
    /// What there is, by type.
    pub types: BTreeMap<ObjectType, TypeSchema>,
}

/// The attributes of one object type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeSchema {
    /// By name.
    pub attributes: BTreeMap<AttributeName, AttributeSchema>,
}

impl TypeSchema {
    /// The attribute that a rule names.
    ///
    /// A SCIM path with a value filter, `emails[type eq "work"].value`, is one value of the attribute without the filter,
    /// `emails.value`; names without a filter are looked up as they are.
    #[must_use]
    pub fn attribute(&self, name: &AttributeName) -> Option<AttributeSchema> {
        if let Some(found) = self.attributes.get(name) {
            return Some(*found);
        }
        let text = name.as_str();
        let (before, rest) = text.split_once('[')?;
        let (_, after) = rest.rsplit_once(']')?;
        let whole = AttributeName::new(format!("{before}{after}"));
        self.attributes.get(&whole).map(|found| AttributeSchema { multi_valued: false, ..*found })
    }
}

/// What kind of values an attribute has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ValueKind {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// A moment.
    DateTime,
    /// Bytes.
    Binary,
    /// A reference to another object of the same system.
    Reference,
    /// A value with parts.
    Complex,
}

/// One attribute of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttributeSchema {
    /// What its values are.
    pub kind: ValueKind,
    /// Whether it can have more than one.
    pub multi_valued: bool,
}

/// Which types and attributes a read is to give. What is not named is not read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportShape {
    /// The attributes of each type, references among them. A name that the schema lacks is skipped by the connector.
    pub types: BTreeMap<ObjectType, Vec<AttributeName>>,
}

/// A read.
#[derive(Clone, Debug)]
pub struct ImportRequest {
    /// Everything or changes.
    pub mode: ImportMode,
    /// What of it.
    pub shape: ImportShape,
}

/// Everything, or what changed.
#[derive(Clone, Debug)]
pub enum ImportMode {
    /// Every object, whole. What is not told is gone, once the read has ended well. Where a system hides a part of its objects
    /// the connector tells them as changed, without that part: what is known of it stays.
    Full,
    /// What changed since a watermark that this connector gave out.
    Delta(Watermark),
}

/// How far a connector has read: opaque to everyone but the connector that made it.
///
/// The connector puts into it all that it depends on (server, base, scope, attributes), and refuses it when one of these
/// is another now.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Watermark(pub serde_json::Value);

impl fmt::Debug for Watermark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watermark({} bytes)", self.0.to_string().len())
    }
}

/// A part of a read.
#[derive(Clone, Debug, Default)]
pub struct ImportPage {
    /// What it tells, in order.
    pub changes: Vec<ImportChange>,
    /// How many objects there are in all, where the system says so: for progress only.
    pub expected: Option<u64>,
    /// On the last page of a read that came to its end.
    pub end: Option<ImportEnd>,
}

/// The mark of a read that came to its end.
#[derive(Clone, Debug)]
pub struct ImportEnd {
    /// From where to go on; `None` keeps the one there was.
    pub watermark: Option<Watermark>,
    /// Whether what was not told in this read is gone: always so for a full read, and for changes where the connector has
    /// listed all that is still there, as in the present phase of RFC 4533 or where an account may not see what was
    /// deleted; never otherwise.
    pub sweep: bool,
}

/// One thing that a read tells.
#[derive(Clone, Debug)]
pub enum ImportChange {
    /// An object, whole: what is not in it, it has not.
    Object(ImportedObject),
    /// What changed of an object that was told before.
    Changed(ChangedObject),
    /// An object that is there and has not changed.
    Present(Anchor),
    /// An object that was deleted.
    Deleted(Anchor),
}

/// Whether the connector's own scope (base, group, clauses) takes an object in.
///
/// Objects outside are told too: so a move into the scope brings the object with all its values, and a move out of it is
/// told apart from a deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SourceScope {
    /// Taken in.
    #[default]
    In,
    /// Left out, with the reason in plain words.
    Out(String),
}

/// A whole object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedObject {
    /// What identifies it.
    pub anchor: Anchor,
    /// Where it is, in systems that have names.
    pub dn: Option<Dn>,
    /// What it is.
    pub object_type: ObjectType,
    /// Whether the connector's scope takes it in.
    pub scope: SourceScope,
    /// Its values, without references.
    pub attributes: AttributeSet,
    /// Its references, whole.
    pub references: BTreeMap<AttributeName, Vec<ReferenceTo>>,
    /// Its version (entity tag), in systems that have one.
    pub version: Option<String>,
}

/// What changed of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedObject {
    /// What identifies it.
    pub anchor: Anchor,
    /// What it is.
    pub object_type: ObjectType,
    /// Its name, where that changed.
    pub dn: Option<Dn>,
    /// Whether it is in scope, where that may have changed.
    pub scope: Option<SourceScope>,
    /// New values of attributes; no values mean that the attribute was cleared.
    pub attributes: BTreeMap<AttributeName, Values>,
    /// Changed references.
    pub references: BTreeMap<AttributeName, ReferenceChange>,
    /// Its new version, in systems that have one.
    pub version: Option<String>,
}

/// A change of one reference attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReferenceChange {
    /// Whether `added` is all that there is now.
    pub replace: bool,
    /// What came.
    pub added: Vec<ReferenceTo>,
    /// What went.
    pub removed: Vec<ReferenceTo>,
}

/// Another object of the same system, as well as the connector can name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReferenceTo {
    /// By what identifies it.
    Anchor(Anchor),
    /// By its name only: it may be outside of what is read.
    Dn(Dn),
}

/// A search for the object that a join is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchQuery {
    /// Of this type.
    pub object_type: ObjectType,
    /// Where this attribute, or [`MatchQuery::DN`] for the name of the object,
    pub attribute: AttributeName,
    /// has this value.
    pub value: AttributeValue,
    /// At most so many; two are enough to know that one is not unique.
    pub limit: usize,
}

impl MatchQuery {
    /// The attribute name that stands for the object's own name.
    pub const DN: &'static str = "dn";
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportWrite {
    /// The object of the connector space that it is for.
    pub object: SpaceId,
    /// What it is.
    pub object_type: ObjectType,
    /// What to do.
    pub operation: ExportOperation,
}

/// What to do to an object of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportOperation {
    /// Make it.
    Create {
        /// With these values.
        attributes: AttributeSet,
        /// And these references, whose objects are there already.
        references: BTreeMap<AttributeName, Vec<Anchor>>,
    },
    /// Change it.
    Update {
        /// Which one.
        anchor: Anchor,
        /// The version that the change was computed from.
        version: Option<String>,
        /// All values that the target was last known to have, so that a connector can tell a value that is new from one
        /// that changes inside something that is there.
        current: AttributeSet,
        /// Values of attributes, before and after.
        attributes: BTreeMap<AttributeName, AttributeEdit>,
        /// References that come and go.
        references: BTreeMap<AttributeName, ReferenceEdit>,
    },
    /// Remove it.
    Delete {
        /// Which one.
        anchor: Anchor,
        /// The version that was seen last.
        version: Option<String>,
    },
}

/// A change of one attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttributeEdit {
    /// The values that the target was last known to have.
    pub before: Values,
    /// The values that it shall have; none clear the attribute.
    pub after: Values,
}

/// References that come and go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReferenceEdit {
    /// To add.
    pub add: Vec<Anchor>,
    /// To take away.
    pub remove: Vec<Anchor>,
}

/// What became of a write.
#[derive(Clone, Debug)]
pub enum ExportOutcome {
    /// It happened.
    Done(Exported),
    /// It did not happen, and why.
    Failed(ExportFailure),
}

/// A write that happened.
#[derive(Clone, Debug, Default)]
pub struct Exported {
    /// What identifies the object: always told after a create.
    pub anchor: Option<Anchor>,
    /// Its version after the write.
    pub version: Option<String>,
    /// The object as the target told it in its answer: confirms the write without reading again. Only the attributes
    /// that were written are in it.
    pub observed: Option<AttributeSet>,
    /// References that the target would not take, while the rest of the write happened.
    pub refused: Vec<RefusedReference>,
}

/// A reference that the target would not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedReference {
    /// Of this attribute,
    pub attribute: AttributeName,
    /// to this object.
    pub anchor: Anchor,
    /// What the target said.
    pub message: String,
}

/// A write that did not happen, or of which nobody knows.
#[derive(Clone, Debug)]
pub struct ExportFailure {
    /// What kind.
    pub kind: FailureKind,
    /// What the target said and what to mend, in a sentence, without secrets.
    pub message: String,
}

/// Why a write failed, as far as it decides what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FailureKind {
    /// Another object has a value that must be unique.
    NotUnique,
    /// The target refuses the values.
    Refused,
    /// The object is not there (any more).
    Missing,
    /// The object changed since it was read.
    Changed,
    /// Nobody knows whether it happened: the answer was lost.
    Unknown,
    /// The target has no time now; it did not happen.
    Busy,
    /// The credentials were not accepted, or lack a right.
    Forbidden,
}

/// Why a connected system could not be read or written at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectorError {
    /// The watermark cannot be used (too old, of another server, of another scope): read everything.
    #[error("the changes since the last read cannot be had: {0}; everything will be read")]
    WatermarkRefused(String),
    /// No connection, or it broke.
    #[error("{0}")]
    Unreachable(String),
    /// The credentials were not accepted.
    #[error("{0}")]
    Credentials(String),
    /// The credentials are good and lack a right; the text says which.
    #[error("{0}")]
    Forbidden(String),
    /// The system answered with something that it must not answer.
    #[error("{0}")]
    Protocol(String),
    /// The read was cut off by a limit of the system before its end.
    #[error("{0}")]
    Incomplete(String),
    /// The system cannot do this.
    #[error("{0}")]
    Unsupported(String),
    /// The configuration asks for something that cannot be; the text says what to mend.
    #[error("{0}")]
    Configuration(String),
}
