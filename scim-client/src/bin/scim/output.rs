//! What goes to standard output: JSON, JSON Lines, tables, CSV.

use std::io::{BufWriter, Stdout, Write, stdout};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets};
use scim_client::scim_core::{AttrPath, NameError, Object, Resource, Value};

use crate::ended::printable;

/// What is said when there is no room, or no right to write.
pub(crate) const UNWRITABLE: &str = "standard output cannot be written";

/// How resources are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// JSON, indented; several resources are one array.
    #[default]
    Json,
    /// A resource a line.
    Jsonl,
    /// For people.
    Table,
    /// For spreadsheets, with a line of column names.
    Csv,
}

/// How output looks.
#[derive(Args, Clone, Debug)]
pub(crate) struct OutputArgs {
    /// How the result is written.
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: Format,
    /// Columns of tables and CSV, such as id,userName,name.familyName,emails.
    #[arg(short, long, value_delimiter = ',', value_name = "PATH,...")]
    pub(crate) columns: Vec<String>,
}

impl OutputArgs {
    /// Whether what is written has columns.
    pub(crate) fn has_columns(&self) -> bool {
        matches!(self.format, Format::Table | Format::Csv)
    }

    /// The columns that were asked for, or else the usual ones.
    ///
    /// # Errors
    /// When columns were asked for where there are none.
    pub(crate) fn columns<'a>(&'a self, usual: &[&'a str]) -> anyhow::Result<Vec<&'a str>> {
        if self.columns.is_empty() {
            return Ok(usual.to_vec());
        }
        if !self.has_columns() {
            bail!("only tables and CSV have columns; say --format table or --format csv");
        }
        Ok(self.columns.iter().map(String::as_str).collect())
    }

    /// A printer for any number of resources of this endpoint.
    pub(crate) fn many(&self, endpoint: &str) -> anyhow::Result<Printer> {
        let columns = self.columns(usual_columns(endpoint))?;
        Ok(Printer::new(self.format, &columns, true)?)
    }

    /// A printer for one resource of this endpoint: JSON without an array around it.
    pub(crate) fn one(&self, endpoint: &str) -> anyhow::Result<Printer> {
        Ok(Printer { array: false, ..self.many(endpoint)? })
    }
}

/// What most people want to see of a resource.
fn usual_columns(endpoint: &str) -> &'static [&'static str] {
    match endpoint.trim_matches('/') {
        "Users" => &["id", "userName", "displayName", "active", "emails"],
        "Groups" => &["id", "displayName", "externalId"],
        _ => &["id", "displayName", "externalId", "meta.resourceType"],
    }
}

/// Writes resources, one after the other; only a table is collected first.
pub(crate) struct Printer {
    out: BufWriter<Stdout>,
    format: Format,
    columns: Vec<AttrPath>,
    array: bool,
    written: u64,
    table: Table,
}

impl Printer {
    /// A printer with these columns.
    pub(crate) fn new(format: Format, columns: &[&str], array: bool) -> Result<Self, NameError> {
        let columns: Vec<AttrPath> =
            columns.iter().map(|column| column.trim().parse()).collect::<Result<_, _>>()?;
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(columns.iter().map(ToString::to_string));
        Ok(Self { out: BufWriter::new(stdout()), format, columns, array, written: 0, table })
    }

    /// Writes one.
    pub(crate) fn write(&mut self, resource: &Resource) -> anyhow::Result<()> {
        self.put(resource).context(UNWRITABLE)
    }

    fn put(&mut self, resource: &Resource) -> anyhow::Result<()> {
        match self.format {
            Format::Json => {
                let text = serde_json::to_string_pretty(resource)?;
                if self.array {
                    self.out.write_all(if self.written == 0 { b"[\n" } else { b",\n" })?;
                    for (number, line) in text.lines().enumerate() {
                        let end = if number == 0 { "" } else { "\n" };
                        write!(self.out, "{end}  {line}")?;
                    }
                } else {
                    writeln!(self.out, "{text}")?;
                }
            }
            Format::Jsonl => {
                serde_json::to_writer(&mut self.out, resource).map_err(as_io)?;
                self.out.write_all(b"\n")?;
            }
            Format::Table => {
                self.table.add_row(self.cells(resource).iter().map(|cell| printable(cell)));
            }
            Format::Csv => {
                if self.written == 0 {
                    self.csv_header()?;
                }
                let cells = self.cells(resource);
                self.csv_line(cells)?;
            }
        }
        self.written += 1;
        Ok(())
    }

    /// Writes what is left.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        self.end().context(UNWRITABLE)
    }

    fn end(&mut self) -> anyhow::Result<()> {
        match self.format {
            Format::Json if self.array => {
                self.out.write_all(if self.written == 0 { b"[]\n" } else { b"\n]\n" })?;
            }
            Format::Table => writeln!(self.out, "{}", self.table)?,
            Format::Csv if self.written == 0 => self.csv_header()?,
            _ => {}
        }
        Ok(self.out.flush()?)
    }

    fn csv_header(&mut self) -> anyhow::Result<()> {
        let names = self.columns.iter().map(ToString::to_string).collect();
        self.csv_line(names)
    }

    fn csv_line(&mut self, cells: Vec<String>) -> anyhow::Result<()> {
        let mut line = csv::Writer::from_writer(Vec::new());
        line.write_record(cells)?;
        let line = line.into_inner().map_err(|e| e.into_error())?;
        Ok(self.out.write_all(&line)?)
    }

    fn cells(&self, resource: &Resource) -> Vec<String> {
        self.columns.iter().map(|column| cell(resource.object(), column)).collect()
    }
}

/// A failure of the writer, so that a pipe whose reader is gone is known as such.
fn as_io(error: serde_json::Error) -> std::io::Error {
    error.into()
}

/// What stands in a column: the values of a list one after the other.
fn cell(resource: &Object, path: &AttrPath) -> String {
    let inside = path.uri().and_then(|uri| resource.get(uri.as_str()));
    let object = inside.and_then(Value::as_object).unwrap_or(resource);
    let Some(value) = object.get(path.name().as_str()) else { return String::new() };
    let texts: Vec<String> = value
        .values()
        .iter()
        .filter_map(|value| match (path.sub(), value) {
            (Some(sub), Value::Object(object)) => object.get(sub.as_str()).map(text),
            (Some(_), _) => None,
            (None, value) => Some(text(value)),
        })
        .collect();
    texts.join("; ")
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.to_string(),
        Value::Object(object) => match object.get("value") {
            Some(value) => text(value),
            None => Value::Object(object.clone()).to_string(),
        },
        other => other.to_string(),
    }
}

/// Writes any JSON, indented.
pub(crate) fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    raw(format!("{text}\n").as_bytes())
}

/// Writes text.
pub(crate) fn plain(text: &str) -> anyhow::Result<()> {
    raw(printable(text).as_bytes())
}

/// Writes bytes.
pub(crate) fn raw(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).context(UNWRITABLE)
}
