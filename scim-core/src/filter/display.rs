//! Filters as text that reads back as the same tree.

use std::fmt::{self, Write};

use super::{CompareOp, Comparison, Filter, Literal};

/// Where a filter is written to; told before each term, so that terms can be found again.
trait Sink: Write {
    fn term(&mut self) {}
}

impl Sink for fmt::Formatter<'_> {}

/// What stands around a filter, which decides about parentheses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    Nothing,
    And,
    Or,
}

fn write_filter(filter: &Filter, around: Around, out: &mut impl Sink) -> fmt::Result {
    match filter {
        // A list of one, which only code can make, is that one.
        Filter::And(terms) | Filter::Or(terms) if terms.len() == 1 => {
            write_filter(&terms[0], around, out)
        }
        Filter::And(terms) => write_list(terms, Around::And, around == Around::And, out),
        Filter::Or(terms) => write_list(terms, Around::Or, around != Around::Nothing, out),
        Filter::Not(inner) => {
            out.write_str("not (")?;
            write_filter(inner, Around::Nothing, out)?;
            out.write_char(')')
        }
        Filter::Compare(Comparison { path, op, value }) => {
            out.term();
            write!(out, "{path} {op} {value}")
        }
        Filter::Present(path) => {
            out.term();
            write!(out, "{path} pr")
        }
        Filter::ValuePath { path, filter } => {
            out.term();
            write!(out, "{path}[")?;
            write_filter(filter, Around::Nothing, out)?;
            out.write_char(']')
        }
    }
}

fn write_list(
    terms: &[Filter],
    list: Around,
    parentheses: bool,
    out: &mut impl Sink,
) -> fmt::Result {
    if parentheses {
        out.write_char('(')?;
    }
    for (i, term) in terms.iter().enumerate() {
        if i > 0 {
            out.write_str(if list == Around::And { " and " } else { " or " })?;
        }
        write_filter(term, list, out)?;
    }
    if parentheses {
        out.write_char(')')?;
    }
    Ok(())
}

/// The column at which a filter's `Display` writes its n-th term, counted from 0 in reading order.
#[cold]
pub(super) fn column_of_term(filter: &Filter, term: usize) -> usize {
    struct Columns {
        column: usize,
        terms_before: usize,
        found: Option<usize>,
    }
    impl Write for Columns {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.column += text.chars().count();
            Ok(())
        }
    }
    impl Sink for Columns {
        fn term(&mut self) {
            if self.terms_before == 0 {
                self.found.get_or_insert(self.column);
            }
            self.terms_before = self.terms_before.saturating_sub(1);
        }
    }
    let mut columns = Columns { column: 1, terms_before: term, found: None };
    // Counting cannot fail.
    let _ = write_filter(filter, Around::Nothing, &mut columns);
    columns.found.unwrap_or(1)
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_filter(self, Around::Nothing, f)
    }
}

impl fmt::Display for CompareOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// As JSON.
impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Null => f.write_str("null"),
            Literal::Bool(value) => write!(f, "{value}"),
            Literal::Number(number) => write!(f, "{number}"),
            Literal::String(text) => {
                f.write_char('"')?;
                for c in text.chars() {
                    match c {
                        '"' => f.write_str("\\\"")?,
                        '\\' => f.write_str("\\\\")?,
                        '\n' => f.write_str("\\n")?,
                        '\r' => f.write_str("\\r")?,
                        '\t' => f.write_str("\\t")?,
                        c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
                        c => f.write_char(c)?,
                    }
                }
                f.write_char('"')
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parentheses_only_where_they_matter() {
        for (text, written) in [
            ("((a pr))", "a pr"),
            ("(a pr and b pr) or c pr", "a pr and b pr or c pr"),
            ("(a pr or b pr) and c pr", "(a pr or b pr) and c pr"),
            ("a pr and (b pr and c pr)", "a pr and (b pr and c pr)"),
            ("NOT((a pr) OR (b EQ 1))", "not (a pr or b eq 1)"),
            ("a eq \"\\u0001\\n\\/\\u00e9\"", "a eq \"\\u0001\\n/é\""),
        ] {
            let filter: Filter = text.parse().unwrap();
            assert_eq!(filter.to_string(), written);
            assert_eq!(written.parse::<Filter>().unwrap(), filter);
        }
    }

    #[test]
    fn terms_are_found_again() {
        let filter: Filter = "a eq \"é\" and not (b[c pr]) or d pr".parse().unwrap();
        let text: Vec<char> = filter.to_string().chars().collect();
        for (term, name) in ['a', 'b', 'c', 'd'].into_iter().enumerate() {
            assert_eq!(text[column_of_term(&filter, term) - 1], name);
        }
    }
}
