//! SCIM events (RFC 9967): the claims of a Security Event Token, without signing and without transport.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, SerializeMap, Serializer};
use smol_str::SmolStr;

use crate::bulk::OperationResult;
use crate::discovery::to_value;
use crate::error::Error;
use crate::resource::{Object, Value};

/// What kind of event it is. Unknown URIs are kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum EventUri {
    /// The resource joined the feed; it need not be new.
    FeedAdd,
    /// The resource left the feed; it need not be deleted.
    FeedRemove,
    /// Created; with the names of its attributes.
    CreateNotice,
    /// Created; with its representation.
    CreateFull,
    /// Changed by PATCH; with the names of the changed attributes.
    PatchNotice,
    /// Changed by PATCH; with the PATCH.
    PatchFull,
    /// Replaced; with the names of the changed attributes.
    PutNotice,
    /// Replaced; with the PUT body.
    PutFull,
    /// Deleted.
    Delete,
    /// Ready for use, by agreement of the two sides.
    Activate,
    /// Disabled, by agreement of the two sides.
    Deactivate,
    /// An asynchronous request was completed.
    AsyncResponse,
    /// Any other event.
    Other(SmolStr),
}

impl EventUri {
    /// The events of RFC 9967 section 7.4.
    pub const ALL: [EventUri; 12] = [
        Self::FeedAdd,
        Self::FeedRemove,
        Self::CreateNotice,
        Self::CreateFull,
        Self::PatchNotice,
        Self::PatchFull,
        Self::PutNotice,
        Self::PutFull,
        Self::Delete,
        Self::Activate,
        Self::Deactivate,
        Self::AsyncResponse,
    ];

    /// The URI.
    pub fn as_str(&self) -> &str {
        match self {
            Self::FeedAdd => "urn:ietf:params:scim:event:feed:add",
            Self::FeedRemove => "urn:ietf:params:scim:event:feed:remove",
            Self::CreateNotice => "urn:ietf:params:scim:event:prov:create:notice",
            Self::CreateFull => "urn:ietf:params:scim:event:prov:create:full",
            Self::PatchNotice => "urn:ietf:params:scim:event:prov:patch:notice",
            Self::PatchFull => "urn:ietf:params:scim:event:prov:patch:full",
            Self::PutNotice => "urn:ietf:params:scim:event:prov:put:notice",
            Self::PutFull => "urn:ietf:params:scim:event:prov:put:full",
            Self::Delete => "urn:ietf:params:scim:event:prov:delete",
            Self::Activate => "urn:ietf:params:scim:event:prov:activate",
            Self::Deactivate => "urn:ietf:params:scim:event:prov:deactivate",
            Self::AsyncResponse => "urn:ietf:params:scim:event:misc:asyncresp",
            Self::Other(uri) => uri,
        }
    }

    fn content(&self) -> Contains {
        match self {
            Self::CreateFull | Self::PatchFull | Self::PutFull => Contains::Data,
            Self::CreateNotice | Self::PatchNotice | Self::PutNotice => Contains::Attributes,
            Self::AsyncResponse => Contains::Result,
            Self::FeedAdd | Self::FeedRemove | Self::Delete | Self::Activate | Self::Deactivate => {
                Contains::Nothing
            }
            Self::Other(_) => Contains::Anything,
        }
    }
}

/// What the payload of an event has to hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Contains {
    Nothing,
    Data,
    Attributes,
    Result,
    Anything,
}

impl From<&str> for EventUri {
    fn from(uri: &str) -> Self {
        let known = Self::ALL.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(uri));
        known.unwrap_or_else(|| Self::Other(SmolStr::new(uri)))
    }
}

impl FromStr for EventUri {
    type Err = std::convert::Infallible;

    fn from_str(uri: &str) -> Result<Self, Self::Err> {
        Ok(uri.into())
    }
}

impl fmt::Display for EventUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for EventUri {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EventUri {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(SmolStr::deserialize(deserializer)?.as_str().into())
    }
}

/// The payload of one event.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Payload {
    /// The version of the resource after the event.
    pub version: Option<String>,
    /// What the event is about.
    pub content: Content,
    /// Members that RFC 9967 does not define.
    pub more: Object,
}

/// The part of a payload that depends on the event: exactly one of `data` and `attributes`, or neither.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Content {
    /// Nothing: feed events, deletion, activation.
    #[default]
    Nothing,
    /// `data`: the request as a bulk operation would have it (events that end in `full`).
    Data(Object),
    /// `attributes`: the paths of what changed (events that end in `notice`).
    Attributes(Vec<String>),
    /// The result of an operation (asynchronous responses); its version is in here.
    Result(Box<OperationResult>),
}

impl Payload {
    /// A payload without content, for deletion and the like.
    pub fn empty() -> Self {
        Self::default()
    }

    /// For an event that ends in `full`.
    pub fn data(data: Object) -> Self {
        Self { content: Content::Data(data), ..Self::default() }
    }

    /// For an event that ends in `notice`.
    pub fn attributes<S: Into<String>>(paths: impl IntoIterator<Item = S>) -> Self {
        let paths = paths.into_iter().map(Into::into).collect();
        Self { content: Content::Attributes(paths), ..Self::default() }
    }

    /// For an asynchronous response.
    pub fn result(result: OperationResult) -> Self {
        Self { content: Content::Result(Box::new(result)), ..Self::default() }
    }

    /// The same with the version of the resource after the event.
    #[must_use]
    pub fn with_version(self, version: impl Into<String>) -> Self {
        Self { version: Some(version.into()), ..self }
    }

    fn from_object(uri: &EventUri, mut object: Object) -> Result<Self, Error> {
        let contains = uri.content();
        let wrong = |problem: &str| Err(Error::syntax(format!("events.{uri}: {problem}")));
        if contains == Contains::Result {
            return OperationResult::from_object(object).map(Self::result);
        }
        let version = match object.remove("version") {
            None => None,
            Some(Value::String(version)) => Some(String::from(version)),
            Some(_) => return wrong("version must be a string"),
        };
        let content = match (object.remove("data"), object.remove("attributes")) {
            (None, None) => Content::Nothing,
            (Some(Value::Object(data)), None) => Content::Data(data),
            (None, Some(Value::Array(names))) => {
                let names: Option<_> =
                    names.iter().map(|name| name.as_str().map(str::to_owned)).collect();
                match names {
                    Some(names) => Content::Attributes(names),
                    None => return wrong("attributes must be strings"),
                }
            }
            (Some(_), Some(_)) => return wrong("it has both data and attributes"),
            (Some(_), None) => return wrong("data must be an object"),
            (None, Some(_)) => return wrong("attributes must be an array"),
        };
        let payload = Self { version, content, more: object };
        if payload.fits(contains) {
            Ok(payload)
        } else {
            wrong("it does not hold what this event has to hold")
        }
    }

    fn fits(&self, contains: Contains) -> bool {
        matches!(
            (contains, &self.content),
            (Contains::Anything, _)
                | (Contains::Nothing, Content::Nothing)
                | (Contains::Data, Content::Data(_))
                | (Contains::Attributes, Content::Attributes(_))
                | (Contains::Result, Content::Result(_))
        )
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Content::Result(result) = &self.content {
            return result.serialize(serializer);
        }
        let mut map = serializer.serialize_map(None)?;
        if let Some(version) = &self.version {
            map.serialize_entry("version", version)?;
        }
        match &self.content {
            Content::Nothing | Content::Result(_) => {}
            Content::Data(data) => map.serialize_entry("data", data)?,
            Content::Attributes(paths) => map.serialize_entry("attributes", paths)?,
        }
        for (name, value) in self.more.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Which resource an event is about: `sub_id` with format `scim` (RFC 9967 section 2.1).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Subject {
    /// The path below the base URL: `/Users/2b2f880af6674ac284bae9381673d462`.
    pub uri: String,
    /// The `externalId`, if known.
    pub external_id: Option<String>,
    /// The `id`, for receivers that do not read `uri`.
    pub id: Option<String>,
    /// Further unique attributes that identify the resource, such as `userName`.
    pub more: Object,
}

impl Subject {
    /// The resource at this path below the base URL.
    pub fn new(uri: impl Into<String>) -> Self {
        Self { uri: uri.into(), ..Self::default() }
    }

    fn from_object(mut object: Object) -> Result<Self, Error> {
        match object.remove("format") {
            Some(Value::String(format)) if format == "scim" => {}
            _ => return Err(Error::syntax("sub_id.format: it must be scim")),
        }
        let mut text = |name: &str| match object.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(String::from(text))),
            Some(_) => Err(Error::syntax(format!("sub_id.{name}: it must be a string"))),
        };
        let Some(uri) = text("uri")? else {
            return Err(Error::syntax("sub_id.uri: it is missing"));
        };
        let (external_id, id) = (text("externalId")?, text("id")?);
        Ok(Self { uri, external_id, id, more: object })
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("format", "scim")?;
        map.serialize_entry("uri", &self.uri)?;
        if let Some(external_id) = &self.external_id {
            map.serialize_entry("externalId", external_id)?;
        }
        if let Some(id) = &self.id {
            map.serialize_entry("id", id)?;
        }
        for (name, value) in self.more.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Whom a token is for: one receiver as text, or a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// A single text.
    One(String),
    /// A list.
    Many(Vec<String>),
}

impl Audience {
    /// Whether this receiver is meant.
    pub fn includes(&self, receiver: &str) -> bool {
        match self {
            Self::One(one) => one == receiver,
            Self::Many(many) => many.iter().any(|one| one == receiver),
        }
    }
}

/// The claims of a Security Event Token about one resource (RFC 8417, RFC 9967 section 2).
///
/// Several events in one token come from the same change. Claims that the RFCs do not define are kept.
///
/// ```
/// use scim_core::event::{EventUri, Payload, SecurityEventToken, Subject};
/// let token = SecurityEventToken::new("https://scim.example.com", "4d35", 1_458_496_404, Subject::new("/Users/7"))
///     .with_event(EventUri::PatchNotice, Payload::attributes(["active"]).with_version("W/\"2\""));
/// let text = serde_json::to_string(&token)?;
/// assert_eq!(serde_json::from_str::<SecurityEventToken>(&text)?, token);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SecurityEventToken {
    /// Who made it.
    pub iss: String,
    /// When, in seconds since 1970.
    pub iat: i64,
    /// The identifier of this token.
    pub jti: String,
    /// Whom it is for.
    pub aud: Option<Audience>,
    /// The identifier of the change; the same in every token about it. For an operation of an asynchronous bulk
    /// request it ends in a colon and the operation's index.
    pub txn: Option<String>,
    /// The resource.
    pub sub_id: Subject,
    /// What happened.
    pub events: BTreeMap<EventUri, Payload>,
    /// Further claims.
    pub more: Object,
}

impl SecurityEventToken {
    /// A token without events.
    pub fn new(iss: impl Into<String>, jti: impl Into<String>, iat: i64, subject: Subject) -> Self {
        Self {
            iss: iss.into(),
            iat,
            jti: jti.into(),
            aud: None,
            txn: None,
            sub_id: subject,
            events: BTreeMap::new(),
            more: Object::new(),
        }
    }

    /// The same with one more event.
    #[must_use]
    pub fn with_event(mut self, uri: EventUri, payload: Payload) -> Self {
        self.events.insert(uri, payload);
        self
    }

    /// The same for these receivers.
    #[must_use]
    pub fn with_audience(self, receivers: Vec<String>) -> Self {
        Self { aud: Some(Audience::Many(receivers)), ..self }
    }

    /// The same with the identifier of the change.
    #[must_use]
    pub fn with_txn(self, txn: impl Into<String>) -> Self {
        Self { txn: Some(txn.into()), ..self }
    }

    /// Reads the claims.
    ///
    /// # Errors
    /// [`Error::InvalidSyntax`] when a required claim is missing or not of its type, when there is a `sub` (RFC 9967
    /// section 2.1 forbids it), or when a payload does not hold what its event has to hold.
    pub fn from_object(mut object: Object) -> Result<Self, Error> {
        if object.contains("sub") {
            return Err(Error::syntax("sub: events name their subject in sub_id"));
        }
        let (iss, jti) = (required_text(&mut object, "iss")?, required_text(&mut object, "jti")?);
        let iat = match object.remove("iat") {
            Some(Value::Number(n)) => n.as_i64(),
            _ => None,
        };
        let iat = iat.ok_or_else(|| Error::syntax("iat: it must be a number of seconds"))?;
        let aud = object.remove("aud").map(audience).transpose()?;
        let txn = match object.remove("txn") {
            None => None,
            Some(Value::String(txn)) => Some(String::from(txn)),
            Some(_) => return Err(Error::syntax("txn: it must be a string")),
        };
        let sub_id = match object.remove("sub_id") {
            Some(Value::Object(subject)) => Subject::from_object(subject)?,
            _ => return Err(Error::syntax("sub_id: it must be an object")),
        };
        let Some(Value::Object(payloads)) = object.remove("events") else {
            return Err(Error::syntax("events: it must be an object"));
        };
        let mut events = BTreeMap::new();
        for (uri, payload) in payloads {
            let uri = EventUri::from(uri.as_str());
            let Value::Object(payload) = payload else {
                return Err(Error::syntax(format!("events.{uri}: it must be an object")));
            };
            let payload = Payload::from_object(&uri, payload)?;
            events.insert(uri, payload);
        }
        if events.is_empty() {
            return Err(Error::syntax("events: it must hold at least one event"));
        }
        Ok(Self { iss, iat, jti, aud, txn, sub_id, events, more: object })
    }

    /// The claims, for signing.
    pub fn to_object(&self) -> Object {
        match to_value(self) {
            Some(Value::Object(object)) => object,
            _ => Object::new(),
        }
    }
}

fn required_text(object: &mut Object, name: &str) -> Result<String, Error> {
    match object.remove(name) {
        Some(Value::String(text)) => Ok(text.into()),
        _ => Err(Error::syntax(format!("{name}: it must be a string"))),
    }
}

fn audience(value: Value) -> Result<Audience, Error> {
    let bad = || Error::syntax("aud: it must be a string or an array of strings");
    match value {
        Value::String(one) => Ok(Audience::One(one.into())),
        Value::Array(many) => many
            .iter()
            .map(|one| one.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .map(Audience::Many)
            .ok_or_else(bad),
        _ => Err(bad()),
    }
}

impl Serialize for SecurityEventToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("iss", &self.iss)?;
        map.serialize_entry("iat", &self.iat)?;
        map.serialize_entry("jti", &self.jti)?;
        match &self.aud {
            None => {}
            Some(Audience::One(one)) => map.serialize_entry("aud", one)?,
            Some(Audience::Many(many)) => map.serialize_entry("aud", many)?,
        }
        if let Some(txn) = &self.txn {
            map.serialize_entry("txn", txn)?;
        }
        map.serialize_entry("sub_id", &self.sub_id)?;
        map.serialize_entry("events", &self.events)?;
        for (name, value) in self.more.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for SecurityEventToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_object(Object::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
