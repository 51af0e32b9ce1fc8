//! One file: reading it line by line, and writing it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, StringRecord, StringRecordsIntoIter, WriterBuilder};
use scim_sync::connector::{
    ExportFailure, ExportOperation, ExportOutcome, Exported, FailureKind, ImportedObject,
    ReferenceTo, SourceScope,
};
use scim_sync::{Anchor, AttributeName, AttributeSet, AttributeValue, ConnectorError, ObjectType};
use sha2::{Digest as _, Sha256};

use super::CsvFile;

fn unreadable(path: &Path, error: &io::Error) -> ConnectorError {
    ConnectorError::Unreachable(format!("{} cannot be read: {error}", path.display()))
}

fn wrong(path: &Path, problem: &str) -> ConnectorError {
    ConnectorError::Protocol(format!("{}: {problem}", path.display()))
}

/// A digest of what is in the file.
pub(super) fn digest(file: &CsvFile) -> Result<String, ConnectorError> {
    let mut open = File::open(&file.path).map_err(|error| unreadable(&file.path, &error))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match open.read(&mut buffer).map_err(|error| unreadable(&file.path, &error))? {
            0 => break,
            read => hash.update(&buffer[..read]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The names in the first line.
pub(super) fn columns(file: &CsvFile) -> Result<Vec<String>, ConnectorError> {
    let (columns, _) = open(file)?;
    Ok(columns)
}

/// Opens a file and reads its first line.
fn open(file: &CsvFile) -> Result<(Vec<String>, csv::Reader<BufReader<File>>), ConnectorError> {
    let mut reader =
        BufReader::new(File::open(&file.path).map_err(|error| unreadable(&file.path, &error))?);
    skip_mark(&mut reader).map_err(|error| unreadable(&file.path, &error))?;
    let separator = u8::try_from(file.separator).unwrap_or(b',');
    // Not flexible: a line that is cut off is an error and not an object without its last values.
    let mut reader = ReaderBuilder::new().delimiter(separator).flexible(false).from_reader(reader);
    let header = reader.headers().map_err(|error| wrong(&file.path, &error.to_string()))?;
    let columns: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
    let mut seen = BTreeSet::new();
    for column in &columns {
        if !seen.insert(AttributeName::new(column)) {
            return Err(wrong(&file.path, &format!("there are two columns {column}")));
        }
    }
    if !seen.contains(&AttributeName::new(&file.anchor)) {
        let problem =
            format!("the first line has no column {}, which is to identify the lines", file.anchor);
        return Err(wrong(&file.path, &problem));
    }
    Ok((columns, reader))
}

/// Passes over the mark that some programs put in front of UTF-8.
fn skip_mark(reader: &mut BufReader<File>) -> io::Result<()> {
    use std::io::BufRead as _;
    if reader.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
        reader.consume(3);
    }
    Ok(())
}

/// Reads the objects of a file, one after the other.
pub(super) struct Reader {
    path: PathBuf,
    object_type: ObjectType,
    columns: Vec<Column>,
    records: StringRecordsIntoIter<BufReader<File>>,
    seen: BTreeSet<Anchor>,
    failed: bool,
}

/// What a column is.
struct Column {
    name: AttributeName,
    anchor: bool,
    reference: bool,
    separator: Option<char>,
    wanted: bool,
}

impl Column {
    fn of(name: &str, file: &CsvFile, wanted: &[AttributeName]) -> Self {
        let has = |list: &[String]| list.iter().any(|column| column.eq_ignore_ascii_case(name));
        let reference = has(&file.references);
        let name = AttributeName::new(name);
        Self {
            anchor: name == AttributeName::new(&file.anchor),
            reference,
            separator: (reference || has(&file.multi_valued)).then_some(file.value_separator),
            wanted: wanted.contains(&name),
            name,
        }
    }

    fn values<'a>(&self, field: &'a str) -> Vec<&'a str> {
        let values: Vec<&str> = match self.separator {
            Some(separator) => field.split(separator).collect(),
            None => vec![field],
        };
        values.into_iter().map(str::trim).filter(|value| !value.is_empty()).collect()
    }
}

impl Reader {
    pub(super) fn open(
        file: &CsvFile,
        object_type: &ObjectType,
        names: &[AttributeName],
    ) -> Result<Self, ConnectorError> {
        let (columns, reader) = open(file)?;
        Ok(Self {
            path: file.path.clone(),
            object_type: object_type.clone(),
            columns: columns.iter().map(|name| Column::of(name, file, names)).collect(),
            records: reader.into_records(),
            seen: BTreeSet::new(),
            failed: false,
        })
    }

    fn object(&mut self, record: &StringRecord) -> Result<ImportedObject, ConnectorError> {
        let line = record.position().map_or(0, csv::Position::line);
        let mut anchor = None;
        let mut attributes = AttributeSet::new();
        let mut references = BTreeMap::new();
        for (column, field) in self.columns.iter().zip(record) {
            if column.anchor {
                anchor = Some(field.trim()).filter(|field| !field.is_empty()).map(Anchor::new);
            }
            if !column.wanted {
                continue;
            }
            let values = column.values(field);
            if column.reference {
                let to = values.into_iter().map(|value| ReferenceTo::Anchor(Anchor::new(value)));
                references.insert(column.name.clone(), to.collect());
            } else {
                attributes.set(
                    column.name.clone(),
                    values.into_iter().map(AttributeValue::text).collect(),
                );
            }
        }
        let anchor = anchor.ok_or_else(|| {
            wrong(&self.path, &format!("line {line} has nothing that identifies it"))
        })?;
        if !self.seen.insert(anchor.clone()) {
            return Err(wrong(&self.path, &format!("line {line}: {anchor} is there twice")));
        }
        Ok(ImportedObject {
            anchor,
            dn: None,
            object_type: self.object_type.clone(),
            scope: SourceScope::In,
            attributes,
            references,
            version: None,
        })
    }
}

impl Iterator for Reader {
    type Item = Result<ImportedObject, ConnectorError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let object = match self.records.next()? {
            Ok(record) => self.object(&record),
            Err(error) => Err(wrong(&self.path, &error.to_string())),
        };
        self.failed = object.is_err();
        Some(object)
    }
}

/// A whole file, to be changed.
pub(super) struct Table {
    file: CsvFile,
    columns: Vec<String>,
    /// Whether anything is otherwise than in the file.
    changed: bool,
    /// By the column that identifies them.
    rows: BTreeMap<String, Vec<String>>,
}

impl Table {
    pub(super) fn read(file: &CsvFile) -> Result<Self, ConnectorError> {
        let (columns, reader) = open(file)?;
        let mut table = Self { file: file.clone(), columns, changed: false, rows: BTreeMap::new() };
        let at = table.column(&file.anchor)?;
        for record in reader.into_records() {
            let record = record.map_err(|error| wrong(&file.path, &error.to_string()))?;
            let row: Vec<String> = record.iter().map(str::to_owned).collect();
            if let Some(before) = table.rows.insert(row[at].trim().to_owned(), row) {
                return Err(wrong(&file.path, &format!("{} is there twice", before[at])));
            }
        }
        Ok(table)
    }

    fn column(&self, name: &str) -> Result<usize, ConnectorError> {
        let found = self.columns.iter().position(|column| column.eq_ignore_ascii_case(name));
        found.ok_or_else(|| wrong(&self.file.path, &format!("the first line has no column {name}")))
    }

    /// Changes a line, makes one or takes one away; the file is as before until [`save`](Self::save).
    pub(super) fn apply(&mut self, operation: ExportOperation) -> ExportOutcome {
        match self.try_apply(operation) {
            Ok(anchor) => {
                ExportOutcome::Done(Exported { anchor: Some(anchor), ..Exported::default() })
            }
            Err((kind, message)) => ExportOutcome::Failed(ExportFailure { kind, message }),
        }
    }

    fn try_apply(&mut self, operation: ExportOperation) -> Result<Anchor, (FailureKind, String)> {
        match operation {
            ExportOperation::Create { attributes, references } => {
                let mut row = vec![String::new(); self.columns.len()];
                for (name, values) in attributes.iter() {
                    self.set(&mut row, name, values)?;
                }
                for (name, anchors) in &references {
                    self.set_list(
                        &mut row,
                        name,
                        anchors.iter().map(|anchor| anchor.as_str().to_owned()).collect(),
                    )?;
                }
                let at = self.place(&self.file.anchor)?;
                let anchor = row[at].trim().to_owned();
                if anchor.is_empty() {
                    let message = format!(
                        "a new line needs a value for {}; let a rule flow to it",
                        self.file.anchor
                    );
                    return Err((FailureKind::Refused, message));
                }
                if self.rows.contains_key(&anchor) {
                    return Err((
                        FailureKind::NotUnique,
                        format!("there is a line {anchor} already"),
                    ));
                }
                self.put(&anchor, row);
                Ok(Anchor::new(anchor))
            }
            ExportOperation::Update { anchor, attributes, references, .. } => {
                let missing = || (FailureKind::Missing, format!("there is no line {anchor}"));
                let mut row = self.rows.get(anchor.as_str()).cloned().ok_or_else(missing)?;
                for (name, edit) in &attributes {
                    self.set(&mut row, name, &edit.after)?;
                }
                for (name, edit) in &references {
                    let at = self.place(name.as_str())?;
                    let mut values: BTreeSet<String> = row[at]
                        .split(self.file.value_separator)
                        .map(|value| value.trim().to_owned())
                        .filter(|value| !value.is_empty())
                        .collect();
                    for gone in &edit.remove {
                        values.remove(gone.as_str());
                    }
                    values.extend(edit.add.iter().map(|anchor| anchor.as_str().to_owned()));
                    self.set_list(&mut row, name, values.into_iter().collect())?;
                }
                let at = self.place(&self.file.anchor)?;
                if row[at].trim() != anchor.as_str() {
                    return Err((
                        FailureKind::Refused,
                        format!("{} identifies the line and cannot change", self.file.anchor),
                    ));
                }
                self.put(anchor.as_str(), row);
                Ok(anchor)
            }
            ExportOperation::Delete { anchor, .. } => {
                self.changed |= self.rows.remove(anchor.as_str()).is_some();
                Ok(anchor)
            }
        }
    }

    fn put(&mut self, anchor: &str, row: Vec<String>) {
        self.changed |= self.rows.get(anchor) != Some(&row);
        self.rows.insert(anchor.to_owned(), row);
    }

    fn place(&self, name: &str) -> Result<usize, (FailureKind, String)> {
        self.column(name).map_err(|error| (FailureKind::Refused, error.to_string()))
    }

    fn set(
        &self,
        row: &mut [String],
        name: &AttributeName,
        values: &[AttributeValue],
    ) -> Result<(), (FailureKind, String)> {
        let texts = values.iter().map(text).collect::<Option<Vec<String>>>();
        let texts = texts.ok_or_else(|| {
            (FailureKind::Refused, format!("{name}: a value with parts fits no column"))
        })?;
        self.set_list(row, name, texts)
    }

    fn set_list(
        &self,
        row: &mut [String],
        name: &AttributeName,
        values: Vec<String>,
    ) -> Result<(), (FailureKind, String)> {
        let at = self.place(name.as_str())?;
        let column = Column::of(&self.columns[at], &self.file, &[]);
        if values.len() > 1 && column.separator.is_none() {
            return Err((
                FailureKind::Refused,
                format!("{name}: {} values do not fit a column with one", values.len()),
            ));
        }
        if let Some(separator) = column.separator
            && let Some(value) = values.iter().find(|value| value.contains(separator))
        {
            return Err((
                FailureKind::Refused,
                format!("{name}: {value:?} contains {separator:?}, which stands between values"),
            ));
        }
        row[at] = values.join(&self.file.value_separator.to_string());
        Ok(())
    }

    /// Puts the new file in the place of the old one, where anything changed; who may read it and write to it stays.
    pub(super) fn save(&self) -> Result<(), ConnectorError> {
        if !self.changed {
            return Ok(());
        }
        let path = &self.file.path;
        let failed = |error: io::Error| {
            ConnectorError::Unreachable(format!("{} cannot be written: {error}", path.display()))
        };
        let mut beside = path.clone().into_os_string();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        let separator = u8::try_from(self.file.separator).unwrap_or(b',');
        let mut writer = WriterBuilder::new().delimiter(separator).from_writer(Vec::new());
        let mut records = std::iter::once(&self.columns).chain(self.rows.values());
        records
            .try_for_each(|row| writer.write_record(row))
            .map_err(|error| failed(io::Error::other(error)))?;
        let bytes =
            writer.into_inner().map_err(|error| failed(io::Error::other(error.to_string())))?;
        let permissions = fs::metadata(path).map_err(failed)?.permissions();
        // What an attempt left that was broken off may have other rights.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let mut file = create_private(&beside).map_err(failed)?;
        file.write_all(&bytes)
            .and_then(|()| file.set_permissions(permissions))
            .and_then(|()| file.sync_all())
            .map_err(failed)?;
        fs::rename(&beside, path).map_err(failed)
    }
}

/// A new file that nobody else may read before it has the rights of the one that it replaces.
fn create_private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn text(value: &AttributeValue) -> Option<String> {
    use base64::Engine as _;
    Some(match value {
        AttributeValue::Text(text) => text.to_string(),
        AttributeValue::Integer(number) => number.to_string(),
        AttributeValue::Boolean(boolean) => boolean.to_string(),
        AttributeValue::DateTime(moment) => moment.to_rfc3339(),
        AttributeValue::Binary(bytes) => base64::engine::general_purpose::STANDARD.encode(bytes),
        AttributeValue::Complex(_) => return None,
    })
}
