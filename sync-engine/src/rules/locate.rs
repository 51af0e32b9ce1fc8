//! Where something is in the text of a rule file: from a path such as `rule[3].flow[0].expression` to line and column.

use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A mistake in a rule file, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct RuleError {
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters from 1.
    pub column: usize,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// One step into a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A member by name.
    Key(&'static str),
    /// An element by number.
    Index(usize),
}

/// A place in a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path(pub(crate) Vec<Step>);

impl Path {
    pub(crate) fn key(&self, key: &'static str) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Key(key));
        Self(steps)
    }

    pub(crate) fn index(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Index(index));
        Self(steps)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if at == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// The language of a rule file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// TOML.
    Toml,
    /// JSON.
    Json,
    /// Made in memory: there is no text to point into.
    None,
}

/// The text of a rule file, to point into.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Document<'a> {
    pub(crate) text: &'a str,
    pub(crate) language: Language,
}

impl Document<'_> {
    /// An error at `path`; where the path leads nowhere, at the nearest place above it.
    pub(crate) fn error(&self, path: &Path, message: impl Into<String>) -> RuleError {
        let start = self.find(path).map_or(0, |range| range.start);
        self.at(start, message)
    }

    /// An error within the text that is the value at `path`: `part` begins there and `offset` counts in it.
    ///
    /// Where the value is written with escapes, the column is that of its beginning.
    pub(crate) fn error_within(
        &self,
        path: &Path,
        part: &str,
        offset: usize,
        message: impl Into<String>,
    ) -> RuleError {
        let Some(range) = self.find(path) else { return self.at(0, message) };
        let start = match self.text.get(range.clone()).and_then(|raw| raw.find(part)) {
            Some(found) => range.start + found + offset,
            None => range.start,
        };
        self.at(start, message)
    }

    /// An error at a byte of the text.
    pub(crate) fn at(&self, byte: usize, message: impl Into<String>) -> RuleError {
        let mut byte = byte.min(self.text.len());
        while !self.text.is_char_boundary(byte) {
            byte -= 1;
        }
        let before = &self.text[..byte];
        let line = before.matches('\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before[line_start..].chars().count() + 1;
        RuleError { line, column, message: message.into() }
    }

    fn find(&self, path: &Path) -> Option<Range<usize>> {
        match self.language {
            Language::Toml => toml_span(self.text, path),
            Language::Json => Some(json_span(self.text, path)),
            Language::None => None,
        }
    }
}

fn toml_span(text: &str, path: &Path) -> Option<Range<usize>> {
    let table: Spanned<DeTable<'_>> = DeTable::parse(text).ok()?;
    let mut found = table.span();
    let mut at: Option<&DeValue<'_>> = None;
    for step in &path.0 {
        let next: Option<&Spanned<DeValue<'_>>> = match (step, at) {
            (Step::Key(key), None) => table.get_ref().get(*key),
            (Step::Key(key), Some(DeValue::Table(inner))) => inner.get(*key),
            (Step::Index(index), Some(DeValue::Array(inner))) => inner.get(*index),
            _ => None,
        };
        let Some(next) = next else { break };
        found = next.span();
        at = Some(next.get_ref());
    }
    Some(found)
}

/// Walks a JSON text that was read well before.
fn json_span(text: &str, path: &Path) -> Range<usize> {
    let bytes = text.as_bytes();
    let mut at = blanks(bytes, 0);
    for step in &path.0 {
        let found = match step {
            Step::Key(key) => json_member(bytes, at, key),
            Step::Index(index) => json_element(bytes, at, *index),
        };
        let Some(found) = found else { break };
        at = found;
    }
    at..json_end(bytes, at)
}

fn blanks(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

/// Where the value of member `key` of the object at `at` begins.
fn json_member(bytes: &[u8], at: usize, key: &str) -> Option<usize> {
    if bytes.get(at) != Some(&b'{') {
        return None;
    }
    let mut at = blanks(bytes, at + 1);
    while bytes.get(at) == Some(&b'"') {
        let end = json_end(bytes, at);
        let name = bytes.get(at + 1..end - 1)?;
        let colon = blanks(bytes, end);
        let value = blanks(bytes, colon + 1);
        if name == key.as_bytes() {
            return Some(value);
        }
        at = blanks(bytes, json_end(bytes, value));
        if bytes.get(at) == Some(&b',') {
            at = blanks(bytes, at + 1);
        }
    }
    None
}

/// Where element `index` of the array at `at` begins.
fn json_element(bytes: &[u8], at: usize, index: usize) -> Option<usize> {
    if bytes.get(at) != Some(&b'[') {
        return None;
    }
    let mut at = blanks(bytes, at + 1);
    for _ in 0..index {
        at = blanks(bytes, json_end(bytes, at));
        if bytes.get(at) != Some(&b',') {
            return None;
        }
        at = blanks(bytes, at + 1);
    }
    (bytes.get(at).is_some_and(|b| *b != b']')).then_some(at)
}

/// Where the value that begins at `at` ends.
fn json_end(bytes: &[u8], at: usize) -> usize {
    let mut depth = 0_usize;
    let mut end = at;
    let mut in_string = false;
    while let Some(byte) = bytes.get(end) {
        match byte {
            b'\\' if in_string => end += 1,
            b'"' => {
                in_string = !in_string;
                if !in_string && depth == 0 {
                    return end + 1;
                }
            }
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return end,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return end + 1;
                }
            }
            b',' if depth == 0 => return end,
            _ => {}
        }
        end += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path() -> Path {
        Path::default().key("rule").index(1).key("name")
    }

    #[test]
    fn finds_values_in_toml_and_in_json() {
        let toml = "version = 1\n[[rule]]\nname = 'a'\n[[rule]]\n  name = 'b'\n";
        let document = Document { text: toml, language: Language::Toml };
        let error = document.error(&path(), "x");
        assert_eq!((error.line, error.column), (5, 10));
        let error = document.error_within(&path(), "b", 1, "x");
        assert_eq!((error.line, error.column), (5, 12));

        let json = "{\"x\": [1, {\"name\": \"]\\\"\"}],\n \"rule\": [{\"name\": \"a\"},\n  {\"name\": \"bé\"}]}";
        let document = Document { text: json, language: Language::Json };
        let error = document.error(&path(), "x");
        assert_eq!((error.line, error.column), (3, 12));
        let error = document.error_within(&path(), "bé", 3, "x");
        assert_eq!((error.line, error.column), (3, 15));
    }

    #[test]
    fn a_path_that_leads_nowhere_points_above() {
        let document = Document { text: "{\n \"rule\": []}", language: Language::Json };
        assert_eq!(document.error(&path(), "x").line, 2);
    }
}
