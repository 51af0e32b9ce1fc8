//! What came back, with the questions that checks ask of it.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use crate::json;

/// An answer of the target.
#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
    json: Option<Value>,
    exchange: usize,
}

impl Answer {
    pub(crate) fn new(response: http::Response<Bytes>, exchange: usize) -> Self {
        let (parts, body) = response.into_parts();
        let json = serde_json::from_slice(&body).ok();
        Self { status: parts.status.as_u16(), headers: parts.headers, body, json, exchange }
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether the status is 200 to 299.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The first header of this name, where it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The media type without its parameters, in lower case.
    #[must_use]
    pub fn media_type(&self) -> Option<String> {
        let value = self.header("content-type")?;
        Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }

    /// The body as it came.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.body
    }

    /// The body as JSON; `None` when it is none.
    #[must_use]
    pub fn json(&self) -> Option<&Value> {
        self.json.as_ref()
    }

    /// The body as JSON, null when it is none; for comparing whole bodies.
    #[must_use]
    pub fn value(&self) -> Value {
        self.json.clone().unwrap_or_default()
    }

    /// The value at a path, whatever the case of its names: `name.familyName`, `emails.0.value`,
    /// `urn:…:User:manager.value`. `None` where it is missing or null.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Value> {
        json::at(self.json.as_ref()?, path)
    }

    /// The string at a path.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        self.get(path)?.as_str()
    }

    /// The values of a multi-valued attribute; empty where it is missing.
    #[must_use]
    pub fn list(&self, path: &str) -> &[Value] {
        json::values(self.get(path))
    }

    /// The resources of a list answer.
    #[must_use]
    pub fn resources(&self) -> &[Value] {
        self.json.as_ref().map_or(&[], json::resources)
    }

    /// The `id` of each resource of a list answer.
    #[must_use]
    pub fn ids(&self) -> Vec<&str> {
        self.resources().iter().filter_map(|one| json::at(one, "id")?.as_str()).collect()
    }

    /// `totalResults`.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        self.get("totalResults")?.as_u64()
    }

    /// The `id` of the resource.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.text("id")
    }

    /// The `ETag` header, else `meta.version`.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.header("etag").or_else(|| self.text("meta.version"))
    }

    /// `scimType` of an error.
    #[must_use]
    pub fn scim_type(&self) -> Option<&str> {
        self.text("scimType")
    }

    /// The number of this exchange in the evidence.
    #[must_use]
    pub fn exchange(&self) -> usize {
        self.exchange
    }

    /// The answer in a few words, for messages: status and the beginning of the body.
    #[must_use]
    pub fn summary(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let detail = self.text("detail").map(|d| match self.scim_type() {
            Some(scim_type) => format!("{scim_type}: {d}"),
            None => d.to_owned(),
        });
        let text = detail.unwrap_or_else(|| text.trim().to_owned());
        if text.is_empty() {
            return self.status.to_string();
        }
        let short: String = text.chars().take(160).collect();
        let more = if short.len() < text.len() { "…" } else { "" };
        format!("{} {short}{more}", self.status)
    }
}
