//! Regular expressions as .NET writes them, matched in linear time.
//!
//! What needs backtracking - look-around, back-references, atomic groups - is refused when the expression is loaded.

use regex::{Regex, RegexBuilder};

use super::error::Given;

/// How large a compiled pattern may be, in bytes.
const SIZE_LIMIT: usize = 1024 * 1024;

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Pattern(Regex);

impl Pattern {
    /// Compiles a .NET pattern; the sentence says what it cannot have.
    pub(crate) fn new(pattern: &str) -> Result<Self, String> {
        let translated = translate(pattern)?;
        RegexBuilder::new(&translated)
            .size_limit(SIZE_LIMIT)
            .dfa_size_limit(SIZE_LIMIT)
            .nest_limit(100)
            .build()
            .map(Self)
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => {
                    "the regular expression is too large when compiled: use smaller repetitions"
                        .to_owned()
                }
                other => {
                    let told = other.to_string();
                    let last = told.lines().last().unwrap_or_default();
                    let last = last.strip_prefix("error: ").unwrap_or(last);
                    format!("the regular expression is wrong: {last}")
                }
            })
    }

    /// The number of a group by name or number.
    pub(crate) fn group(&self, name: &str) -> Option<usize> {
        if let Ok(number) = name.parse::<usize>() {
            return (number < self.0.captures_len()).then_some(number);
        }
        self.0.capture_names().position(|known| known == Some(name))
    }

    /// The text of a group of the first match.
    pub(crate) fn extract<'t>(&self, text: &'t str, group: usize) -> Option<&'t str> {
        Some(self.0.captures(text)?.get(group)?.as_str())
    }

    /// Every match replaced.
    ///
    /// Finding one match is linear, finding all of them need not be: `paid` is asked for each match with the price of the
    /// search for the next one and the length of what was made.
    pub(crate) fn replace(
        &self,
        text: &str,
        replacement: &Replacement,
        limit: usize,
        paid: Paid<'_>,
    ) -> Given<String> {
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for captures in self.0.captures_iter(text) {
            let Some(whole) = captures.get(0) else { continue };
            out.push_str(&text[done..whole.start()]);
            replacement.write(text, &captures, &mut out, limit);
            done = whole.end();
            paid(price(text, done), out.len())?;
        }
        out.push_str(&text[done..]);
        paid(0, out.len())?;
        Ok(out)
    }

    /// Of every match, the part that the group matched replaced by `with`.
    pub(crate) fn replace_group(
        &self,
        text: &str,
        group: usize,
        with: &str,
        paid: Paid<'_>,
    ) -> Given<String> {
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for captures in self.0.captures_iter(text) {
            let end = captures.get(0).map_or(text.len(), |whole| whole.end());
            if let Some(part) = captures.get(group) {
                out.push_str(&text[done..part.start()]);
                out.push_str(with);
                done = part.end();
            }
            paid(price(text, end), out.len())?;
        }
        out.push_str(&text[done..]);
        paid(0, out.len())?;
        Ok(out)
    }
}

/// Takes the price of some work and looks at the length of what was made.
pub(crate) type Paid<'p> = &'p mut dyn FnMut(usize, usize) -> Given<()>;

/// What looking for the next match may cost: it may read all that is left.
fn price(text: &str, done: usize) -> usize {
    1 + (text.len() - done) / 8
}

/// A replacement text with .NET's substitutions, taken apart.
#[derive(Debug)]
pub(crate) struct Replacement(Vec<Part>);

#[derive(Debug)]
enum Part {
    Text(String),
    Group(usize),
    Before,
    After,
    Last,
    Entire,
}

impl Replacement {
    /// `$1`, `${name}`, `$$`, `$&`, `` $` ``, `$'`, `$+`, `$_`. What names no group stands for itself, as in .NET.
    pub(crate) fn new(text: &str, pattern: &Pattern) -> Self {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            plain.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            let (part, used) = substitution(after, pattern);
            match part {
                Some(Part::Text(literal)) => plain.push_str(&literal),
                Some(part) => {
                    if !plain.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut plain)));
                    }
                    parts.push(part);
                }
                None => plain.push('$'),
            }
            rest = &after[used..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Self(parts)
    }

    fn write(&self, text: &str, captures: &regex::Captures<'_>, out: &mut String, limit: usize) {
        let group = |at: usize| captures.get(at).map_or("", |found| found.as_str());
        let (start, end) = captures.get(0).map_or((0, 0), |whole| (whole.start(), whole.end()));
        for part in &self.0 {
            // Too long already: the caller says so.
            if out.len() > limit {
                return;
            }
            out.push_str(match part {
                Part::Text(text) => text,
                Part::Group(at) => group(*at),
                Part::Before => &text[..start],
                Part::After => &text[end..],
                Part::Last => captures.iter().flatten().last().map_or("", |found| found.as_str()),
                Part::Entire => text,
            });
        }
    }
}

/// What stands after a `$`, and how long it is.
fn substitution(after: &str, pattern: &Pattern) -> (Option<Part>, usize) {
    let Some(first) = after.chars().next() else { return (None, 0) };
    match first {
        '$' => (Some(Part::Text("$".to_owned())), 1),
        '&' => (Some(Part::Group(0)), 1),
        '`' => (Some(Part::Before), 1),
        '\'' => (Some(Part::After), 1),
        '+' => (Some(Part::Last), 1),
        '_' => (Some(Part::Entire), 1),
        '{' => {
            let found = after.find('}').and_then(|end| Some((end, pattern.group(&after[1..end])?)));
            found.map_or((None, 0), |(end, group)| (Some(Part::Group(group)), end + 1))
        }
        '0'..='9' => {
            let length = after.bytes().take_while(u8::is_ascii_digit).count().min(4);
            // The longest number that is a group, as .NET takes it.
            for length in (1..=length).rev() {
                if let Some(group) = pattern.group(&after[..length]) {
                    return (Some(Part::Group(group)), length);
                }
            }
            (None, 0)
        }
        _ => (None, 0),
    }
}

/// A .NET pattern in the syntax of the crate `regex`.
fn translate(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let used = match c {
            '\\' => escape(rest, &mut out, false)?,
            '[' => class(rest, &mut out, 0)?,
            '(' if rest.starts_with("(?") => group(rest, &mut out)?,
            other => {
                out.push(other);
                other.len_utf8()
            }
        };
        rest = &rest[used..];
    }
    Ok(out)
}

fn linear(what: &str) -> String {
    format!("the regular expression has {what}, which cannot be matched in linear time")
}

fn group(rest: &str, out: &mut String) -> Result<usize, String> {
    let refused = [
        ("(?=", "a look-ahead"),
        ("(?!", "a look-ahead"),
        ("(?<=", "a look-behind"),
        ("(?<!", "a look-behind"),
        ("(?>", "an atomic group"),
        ("(?(", "a conditional"),
    ];
    if let Some((_, what)) = refused.iter().find(|(start, _)| rest.starts_with(start)) {
        return Err(linear(what));
    }
    if rest.starts_with("(?#") {
        return rest
            .find(')')
            .map(|end| end + 1)
            .ok_or_else(|| "a comment of the regular expression is never closed".to_owned());
    }
    for (open, close) in [("(?<", '>'), ("(?'", '\'')] {
        if let Some(name) = rest.strip_prefix(open) {
            let Some(end) = name.find(close) else {
                return Err("a group's name of the regular expression is never closed".to_owned());
            };
            let name = &name[..end];
            if name.contains('-') {
                return Err(linear("a balancing group"));
            }
            if name.starts_with(|c: char| c.is_ascii_digit()) {
                return Err(format!("the group {name} of the regular expression needs a name"));
            }
            out.push_str("(?<");
            out.push_str(name);
            out.push('>');
            return Ok(open.len() + end + 1);
        }
    }
    let options = rest[2..].bytes().take_while(|b| !matches!(b, b':' | b')')).count();
    if rest[2..2 + options].contains('n') {
        return Err("the option n of the regular expression is not known here".to_owned());
    }
    out.push_str("(?");
    Ok(2)
}

/// An escape; the number of bytes it took.
fn escape(rest: &str, out: &mut String, in_class: bool) -> Result<usize, String> {
    let Some(next) = rest[1..].chars().next() else {
        return Err("the regular expression ends in a backslash".to_owned());
    };
    match next {
        'b' if in_class => out.push_str("\\x08"),
        '0'..='9' if in_class => return Err("octal escapes are not known here".to_owned()),
        '1'..='9' => return Err(linear("a back-reference")),
        'k' if !in_class => return Err(linear("a back-reference")),
        'G' if !in_class => return Err(linear("\\G")),
        '0' => out.push_str("\\x00"),
        'e' => out.push_str("\\x1B"),
        'Z' if !in_class => out.push_str("(?:\\n?\\z)"),
        'c' => {
            let Some(control) = rest[2..].chars().next().filter(char::is_ascii_alphabetic) else {
                return Err("\\c of the regular expression is followed by a letter".to_owned());
            };
            out.push_str(&format!("\\x{:02X}", u32::from(control.to_ascii_uppercase()) - 0x40));
            return Ok(3);
        }
        // A letter may be an escape of its own; a sign is escaped, and so is what would begin a set operation.
        c if c.is_ascii_alphabetic() || c.is_ascii_punctuation() => {
            out.push('\\');
            out.push(c);
        }
        other => out.push(other),
    }
    Ok(1 + next.len_utf8())
}

/// A character class: .NET has no nested classes but in a subtraction, and no set operators.
fn class(rest: &str, out: &mut String, depth: usize) -> Result<usize, String> {
    if depth > 8 {
        return Err("the classes of the regular expression are nested too deep".to_owned());
    }
    let mut at = 1;
    out.push('[');
    if rest[at..].starts_with('^') {
        out.push('^');
        at += 1;
    }
    let first = at;
    while let Some(c) = rest[at..].chars().next() {
        match c {
            ']' if at > first => {
                out.push(']');
                return Ok(at + 1);
            }
            ']' => out.push_str("\\]"),
            '\\' => {
                at += escape(&rest[at..], out, true)?;
                continue;
            }
            '-' if rest[at + 1..].starts_with('[') && at > first => {
                out.push_str("--");
                at += 1 + class(&rest[at + 1..], out, depth + 1)?;
                continue;
            }
            '[' | '&' | '~' => {
                out.push('\\');
                out.push(c);
            }
            '-' if rest[at + 1..].starts_with(']') || at == first => out.push_str("\\-"),
            other => out.push(other),
        }
        at += c.len_utf8();
    }
    Err("a class of the regular expression is never closed".to_owned())
}
