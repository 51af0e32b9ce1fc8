//! Files of comma separated values: people from a personnel system, a directory for a review.
//!
//! One file holds the objects of one type, a line each, with the names of the attributes in the first line. Reading tells
//! all of it; a file that has not changed since the last read tells nothing. Writing puts a new file in the place of the
//! old one, so that a reader sees either.

mod file;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt as _};
use scim_sync::connector::{
    AttributeSchema, ConnectorSchema, ExportOutcome, ExportWrite, ImportChange, ImportEnd,
    ImportMode, ImportPage, ImportRequest, ImportShape, ImportedObject, MatchQuery, TypeSchema,
    ValueKind, Watermark,
};
use scim_sync::{Anchor, AttributeName, Connector, ConnectorError, ConnectorId, ObjectType};
use serde::{Deserialize, Serialize};

/// Objects of one page of a read.
const PAGE: usize = 500;

/// A folder of files as a connected system.
#[derive(Clone, Debug)]
pub struct CsvConnector {
    id: ConnectorId,
    files: BTreeMap<ObjectType, CsvFile>,
}

/// The file of one object type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CsvFile {
    /// Where it is.
    pub path: PathBuf,
    /// The column that identifies a line for as long as it lives.
    pub anchor: String,
    /// What stands between two columns.
    #[serde(default = "comma")]
    pub separator: char,
    /// What stands between two values of one column; columns in [`multi_valued`](Self::multi_valued) and
    /// [`references`](Self::references) only.
    #[serde(default = "bar")]
    pub value_separator: char,
    /// Columns with several values.
    #[serde(default)]
    pub multi_valued: Vec<String>,
    /// Columns whose values are anchors of other lines, in whichever of the files.
    #[serde(default)]
    pub references: Vec<String>,
}

const fn comma() -> char {
    ','
}

const fn bar() -> char {
    '|'
}

/// What a read goes on from: the digests of the files as they were.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    files: BTreeMap<ObjectType, String>,
}

impl CsvConnector {
    /// These files, under the name `id`.
    ///
    /// # Errors
    /// [`ConnectorError::Configuration`] where a separator is not one byte, or both are the same.
    pub fn new(
        id: ConnectorId,
        files: BTreeMap<ObjectType, CsvFile>,
    ) -> Result<Self, ConnectorError> {
        for (object_type, file) in &files {
            if !file.separator.is_ascii() || file.separator == file.value_separator {
                return Err(ConnectorError::Configuration(format!(
                    "{id}: {object_type}: the separators have to be two different characters, that of the columns an ASCII one"
                )));
            }
        }
        Ok(Self { id, files })
    }

    fn file(&self, object_type: &ObjectType) -> Result<&CsvFile, ConnectorError> {
        self.files.get(object_type).ok_or_else(|| {
            ConnectorError::Configuration(format!(
                "{}: there is no file for {object_type}",
                self.id
            ))
        })
    }

    fn mark(&self, shape: &ImportShape) -> Result<Mark, ConnectorError> {
        let files = shape
            .types
            .keys()
            .map(|object_type| Ok((object_type.clone(), file::digest(self.file(object_type)?)?)));
        Ok(Mark { files: files.collect::<Result<_, ConnectorError>>()? })
    }

    /// Every object of a type that `wanted` takes.
    fn select(
        &self,
        object_type: &ObjectType,
        names: &[AttributeName],
        mut wanted: impl FnMut(&ImportedObject) -> bool,
        limit: usize,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        let mut found = Vec::new();
        for object in file::Reader::open(self.file(object_type)?, object_type, names)? {
            let object = object?;
            if found.len() < limit && wanted(&object) {
                found.push(object);
            }
        }
        Ok(found)
    }
}

/// A read that is under way.
struct Reading<'a> {
    connector: &'a CsvConnector,
    shape: ImportShape,
    types: VecDeque<ObjectType>,
    mark: Mark,
    open: Option<file::Reader>,
    ended: bool,
}

impl Reading<'_> {
    fn page(&mut self) -> Result<ImportPage, ConnectorError> {
        let mut changes = Vec::new();
        while changes.len() < PAGE {
            let Some(reader) = &mut self.open else {
                let Some(object_type) = self.types.pop_front() else { break };
                let names = self.shape.types.get(&object_type).map_or(&[][..], Vec::as_slice);
                self.open = Some(file::Reader::open(
                    self.connector.file(&object_type)?,
                    &object_type,
                    names,
                )?);
                continue;
            };
            match reader.next() {
                Some(object) => changes.push(ImportChange::Object(object?)),
                None => self.open = None,
            }
        }
        let end = (self.open.is_none() && self.types.is_empty()).then(|| self.end()).transpose()?;
        Ok(ImportPage { changes, expected: None, end })
    }

    /// The end of the read, where the files are still those that were begun with.
    fn end(&self) -> Result<ImportEnd, ConnectorError> {
        let now = self.connector.mark(&self.shape)?;
        if now != self.mark {
            return Err(ConnectorError::Incomplete(format!(
                "{}: a file was written while it was read; it is read again in the next cycle",
                self.connector.id
            )));
        }
        let mark = serde_json::to_value(&now)
            .map_err(|error| ConnectorError::Protocol(error.to_string()))?;
        Ok(ImportEnd { watermark: Some(Watermark(mark)), sweep: true })
    }
}

#[async_trait]
impl Connector for CsvConnector {
    fn id(&self) -> &ConnectorId {
        &self.id
    }

    async fn schema(&self) -> Result<ConnectorSchema, ConnectorError> {
        let types = self.files.iter().map(|(object_type, file)| {
            let attributes = file::columns(file)?.into_iter().map(|column| {
                let has =
                    |list: &[String]| list.iter().any(|name| name.eq_ignore_ascii_case(&column));
                let reference = has(&file.references);
                let kind = if reference { ValueKind::Reference } else { ValueKind::Text };
                let schema =
                    AttributeSchema { kind, multi_valued: reference || has(&file.multi_valued) };
                (AttributeName::new(&column), schema)
            });
            Ok((object_type.clone(), TypeSchema { attributes: attributes.collect() }))
        });
        Ok(ConnectorSchema { types: types.collect::<Result<_, ConnectorError>>()? })
    }

    fn import<'a>(
        &'a self,
        request: ImportRequest,
    ) -> BoxStream<'a, Result<ImportPage, ConnectorError>> {
        let mark = match self.mark(&request.shape) {
            Ok(mark) => mark,
            Err(error) => return stream::once(async { Err(error) }).boxed(),
        };
        if let ImportMode::Delta(watermark) = &request.mode {
            let same = serde_json::from_value::<Mark>(watermark.0.clone())
                .is_ok_and(|before| before == mark);
            let page = if same {
                Ok(ImportPage {
                    end: Some(ImportEnd { watermark: None, sweep: false }),
                    ..ImportPage::default()
                })
            } else {
                Err(ConnectorError::WatermarkRefused("the file is another one now".to_owned()))
            };
            return stream::once(async { page }).boxed();
        }
        let types = request.shape.types.keys().cloned().collect();
        let reading = Reading {
            connector: self,
            shape: request.shape,
            types,
            mark,
            open: None,
            ended: false,
        };
        stream::unfold(reading, |mut reading| async {
            if reading.ended {
                return None;
            }
            let page = reading.page();
            reading.ended = !matches!(&page, Ok(page) if page.end.is_none());
            Some((page, reading))
        })
        .boxed()
    }

    async fn read(
        &self,
        anchors: &[Anchor],
        shape: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        let mut found = Vec::new();
        for (object_type, names) in &shape.types {
            found.extend(self.select(
                object_type,
                names,
                |object| anchors.contains(&object.anchor),
                usize::MAX,
            )?);
        }
        Ok(found)
    }

    async fn find(
        &self,
        query: &MatchQuery,
        shape: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        let names = shape.types.get(&query.object_type).map_or(&[][..], Vec::as_slice);
        let mut names = names.to_vec();
        names.push(query.attribute.clone());
        let wanted = |object: &ImportedObject| {
            object.attributes.get(&query.attribute).contains(&query.value)
        };
        self.select(&query.object_type, &names, wanted, query.limit)
    }

    /// Writes each file once, with all that changes in it.
    async fn export(&self, writes: Vec<ExportWrite>) -> Result<Vec<ExportOutcome>, ConnectorError> {
        let mut tables = BTreeMap::new();
        for write in &writes {
            if !tables.contains_key(&write.object_type) {
                tables.insert(
                    write.object_type.clone(),
                    file::Table::read(self.file(&write.object_type)?)?,
                );
            }
        }
        let mut outcomes = Vec::with_capacity(writes.len());
        for write in writes {
            if let Some(table) = tables.get_mut(&write.object_type) {
                outcomes.push(table.apply(write.operation));
            }
        }
        for table in tables.values() {
            table.save()?;
        }
        Ok(outcomes)
    }
}
