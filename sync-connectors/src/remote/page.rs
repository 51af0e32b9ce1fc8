//! List responses, one a line.

use std::io::Write as _;

use scim_core::query::{ListPage, ListResponse};
use scim_core::resource::{Resource, Value};
use scim_core::{Limits, json as core_json};
use scim_sync::ConnectorError;
use scim_sync::connector::{ImportChange, ImportEnd, Watermark};
use serde::Serialize;

use super::fault::{self, protocol};
use super::resource::Asked;
use super::wire;

/// Puts changes into lines.
pub(super) struct PageWriter {
    asked: Asked,
    /// At most so many resources in a line.
    count: usize,
    /// Told with the next line.
    expected: Option<u64>,
    resources: Vec<Vec<u8>>,
    bytes: usize,
}

impl PageWriter {
    pub(super) fn new(asked: Asked, count: Option<usize>) -> Self {
        let count = count.unwrap_or(usize::MAX).max(1);
        Self { asked, count, expected: None, resources: Vec::new(), bytes: 0 }
    }

    /// Begins a page.
    pub(super) fn expect(&mut self, expected: Option<u64>) {
        self.expected = expected;
    }

    /// Adds a change; the line that was full before it, if one was.
    pub(super) fn push(
        &mut self,
        change: &ImportChange,
    ) -> Result<Option<Vec<u8>>, ConnectorError> {
        let resource = json(&self.asked.write(change)?);
        let full = !self.resources.is_empty()
            && (self.bytes + resource.len() > wire::PAGE || self.resources.len() >= self.count);
        let line = full.then(|| self.line(None)).transpose()?;
        self.bytes += resource.len();
        self.resources.push(resource);
        Ok(line)
    }

    /// The line with what is left.
    pub(super) fn line(&mut self, end: Option<&ImportEnd>) -> Result<Vec<u8>, ConnectorError> {
        let resources = std::mem::take(&mut self.resources);
        let watermark = end.and_then(|end| end.watermark.as_ref());
        let page = ListPage {
            total_results: self.expected.take(),
            items_per_page: Some(resources.len() as u64),
            next_cursor: watermark.map(|watermark| watermark.0.to_string()),
            ..ListPage::default()
        };
        let mut line = Vec::with_capacity(self.bytes + 256);
        self.bytes = 0;
        page.write(resources, &mut line);
        if let Some(end) = end {
            let sweep = if end.sweep { "true" } else { "false" };
            line = with_member(line, wire::END, format!("{{\"sweep\":{sweep}}}").as_bytes());
        }
        line.push(b'\n');
        if line.len() > wire::MAX_LINE {
            return Err(ConnectorError::Incomplete(format!(
                "one object, or the position of the read, takes {} bytes; at most {} travel at once",
                line.len(),
                wire::MAX_LINE
            )));
        }
        Ok(line)
    }
}

/// A line that was read.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) resources: Vec<Resource>,
    pub(super) expected: Option<u64>,
    pub(super) end: Option<ImportEnd>,
}

/// Reads a line.
///
/// # Errors
/// The connector error that it tells; [`ConnectorError::Protocol`] when it is no list response.
pub(super) fn read(line: &[u8]) -> Result<Page, ConnectorError> {
    let mut object = core_json::parse_object(line, &Limits::default()).map_err(protocol)?;
    if let Some(error) = fault::read(&object) {
        return Err(error);
    }
    let sweep = match object.remove(wire::END) {
        None => None,
        Some(end) => {
            let sweep = end.as_object().and_then(|end| end.get("sweep")).and_then(Value::as_bool);
            Some(sweep.ok_or_else(|| protocol("its end mark does not say whether to sweep"))?)
        }
    };
    let list = ListResponse::from_object(object).map_err(protocol)?;
    let end = match sweep {
        None => None,
        Some(sweep) => {
            let watermark = list.page.next_cursor.as_deref().map(serde_json::from_str);
            let watermark = watermark.transpose().map_err(|_| protocol("its cursor is no JSON"))?;
            Some(ImportEnd { watermark: watermark.map(Watermark), sweep })
        }
    };
    Ok(Page { resources: list.resources, expected: list.page.total_results, end })
}

/// The JSON text of something of ours.
#[expect(
    clippy::expect_used,
    reason = "structures with text as keys and no foreign Serialize always have a JSON text"
)]
pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("it has a JSON text")
}

/// Adds a member behind the others of a JSON object that has some.
pub(super) fn with_member(mut object: Vec<u8>, name: &str, value: &[u8]) -> Vec<u8> {
    object.truncate(object.len().saturating_sub(1));
    // Writing to memory does not fail.
    let _ = write!(object, ",\"{name}\":");
    object.extend_from_slice(value);
    object.push(b'}');
    object
}
