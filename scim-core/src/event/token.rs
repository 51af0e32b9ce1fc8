//! The claims of a token, with the events in it (RFC 8417, RFC 9967 section 2).

use std::collections::BTreeMap;

use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{EventUri, Payload};
use crate::discovery::to_value;
use crate::error::Error;
use crate::resource::{Object, Value};

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
