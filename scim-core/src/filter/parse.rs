//! The grammar of filters, with errata 4670 (precedence), 4690 and 7322 (brackets), 7319 (`not` with a space) and 8924
//! (`$ref`).
//!
//! Names, operators and values are nom parsers. What nests is not: open parentheses are kept on a list of our own, so
//! that no input can exhaust the stack, and every byte is looked at once, so that none can exhaust time.

use super::fault::{Expected, Parsed, fail, to_error};
use super::literal::literal;
use super::path::{PathText, attr_path, sub_attr};
use super::{CompareOp, Comparison, Filter, FilterError};
use crate::limits::Limits;
use crate::profile::{Leniency, Tolerance};

/// The deepest nesting whatever the limits say: evaluating and dropping a tree descends into it.
const MAX_DEPTH: usize = 256;

/// Reads a whole text as a filter.
pub(super) fn parse(
    text: &str,
    limits: &Limits,
    leniency: &mut Leniency,
) -> Result<Filter, FilterError> {
    let mut grammar = Grammar::new(limits, leniency);
    match grammar.check_length(text).and_then(|(text, ())| grammar.expression(text, 0, Place::Top))
    {
        Ok((_, filter)) => Ok(filter),
        Err(error) => Err(to_error(error, text)),
    }
}

/// Where an expression stands, which decides how it ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It is the whole text.
    Top,
    /// It is in brackets.
    Brackets,
}

/// What the parsers share.
pub(super) struct Grammar<'g> {
    limits: &'g Limits,
    leniency: &'g mut Leniency,
    terms: usize,
}

/// What was read before an open parenthesis.
struct Group {
    negated: bool,
    before: Terms,
}

/// The terms of an expression that is being read: those of the `and` at hand, and the ones joined by `or` before it.
#[derive(Default)]
struct Terms {
    any: Vec<Filter>,
    all: Vec<Filter>,
}

impl Terms {
    fn or(&mut self, term: Filter) {
        let term = self.close_and(term);
        self.any.push(term);
    }

    fn close_and(&mut self, last: Filter) -> Filter {
        if self.all.is_empty() {
            return last;
        }
        self.all.push(last);
        Filter::And(std::mem::take(&mut self.all))
    }

    fn close(mut self, last: Filter) -> Filter {
        let last = self.close_and(last);
        if self.any.is_empty() {
            return last;
        }
        self.any.push(last);
        Filter::Or(self.any)
    }
}

impl<'g> Grammar<'g> {
    pub(super) fn new(limits: &'g Limits, leniency: &'g mut Leniency) -> Self {
        Self { limits, leniency, terms: 0 }
    }

    pub(super) fn check_length<'a>(&self, text: &'a str) -> Parsed<'a, ()> {
        if text.len() > self.limits.filter_length {
            return fail(text, Expected::Shorter(self.limits.filter_length));
        }
        Ok((text, ()))
    }

    /// `FILTER` or `valFilter`, up to the end of the text or past the closing bracket.
    pub(super) fn expression<'a>(
        &mut self,
        text: &'a str,
        depth: usize,
        place: Place,
    ) -> Parsed<'a, Filter> {
        let mut rest = text;
        let mut open: Vec<Group> = Vec::new();
        let mut terms = Terms::default();
        loop {
            rest = skip_spaces(rest);
            if let Some((negated, inside)) = opening(rest) {
                self.check_depth(rest, depth + open.len())?;
                open.push(Group { negated, before: std::mem::take(&mut terms) });
                rest = inside;
                continue;
            }
            let (after, mut term) = self.term(rest, depth + open.len(), place)?;
            rest = after;
            // After a term: close what it closes, then join it to the next one.
            loop {
                rest = skip_spaces(rest);
                match (rest.as_bytes().first(), place) {
                    (None, Place::Top) if open.is_empty() => return Ok((rest, terms.close(term))),
                    (Some(b']'), Place::Brackets) if open.is_empty() => {
                        return Ok((&rest[1..], terms.close(term)));
                    }
                    (Some(b')'), _) => {
                        let Some(group) = open.pop() else { return fail(rest, more_or(place)) };
                        term = std::mem::replace(&mut terms, group.before).close(term);
                        if group.negated {
                            term = Filter::Not(Box::new(term));
                        }
                        rest = &rest[1..];
                    }
                    _ => break,
                }
            }
            match joint(rest) {
                Some((Joint::And, after)) => {
                    terms.all.push(term);
                    rest = after;
                }
                Some((Joint::Or, after)) => {
                    terms.or(term);
                    rest = after;
                }
                None if open.is_empty() => return fail(rest, more_or(place)),
                None => return fail(rest, Expected::MoreOrParenthesis),
            }
        }
    }

    fn check_depth<'a>(&self, rest: &'a str, depth: usize) -> Parsed<'a, ()> {
        let limit = self.limits.filter_depth.min(MAX_DEPTH);
        if depth >= limit {
            return fail(rest, Expected::Flatter(limit));
        }
        Ok((rest, ()))
    }

    /// `attrExp` or `valuePath`.
    #[inline]
    fn term<'a>(&mut self, text: &'a str, depth: usize, place: Place) -> Parsed<'a, Filter> {
        if !matches!(text.as_bytes().first(), Some(b'a'..=b'z' | b'A'..=b'Z' | b'$')) {
            return fail(text, Expected::Term);
        }
        self.count_term(text)?;
        let (after, path) = attr_path(text)?;
        let rest = skip_spaces(after);
        if rest.as_bytes().first() == Some(&b'[') {
            if place == Place::Brackets {
                return fail(rest, Expected::NoBracketInside);
            }
            return self.value_path(rest, depth, path);
        }
        if rest.len() == after.len() {
            return fail(rest, Expected::NameEnd);
        }
        self.attr_exp(rest, path)
    }

    fn count_term<'a>(&mut self, rest: &'a str) -> Parsed<'a, ()> {
        self.terms += 1;
        if self.terms > self.limits.filter_terms {
            return fail(rest, Expected::FewerTerms(self.limits.filter_terms));
        }
        Ok((rest, ()))
    }

    /// The rest of an `attrExp` after its attribute and a space.
    #[inline]
    pub(super) fn attr_exp<'a>(&mut self, text: &'a str, path: PathText<'_>) -> Parsed<'a, Filter> {
        let (rest, op) = match operator(text) {
            Ok(read) => read,
            // `not x pr`: the one who wrote it needs another hint.
            Err(_) if path.is("not") => {
                return fail(text, Expected::Parenthesis);
            }
            Err(error) => return Err(error),
        };
        let Some(op) = op else { return Ok((rest, Filter::Present(path.to_path()))) };
        let spaced = skip_spaces(rest);
        // RFC 7644 section 3.5.2.2 itself has an example without the space before the quote.
        if spaced.len() == rest.len() && !rest.starts_with('"') {
            return fail(rest, Expected::ValueSpace);
        }
        let (rest, value) = literal(spaced, path, self.leniency)?;
        let value = value.into_literal();
        Ok((rest, Filter::Compare(Comparison { path: path.to_path(), op, value })))
    }

    /// The bracket of a `valuePath`, which the text starts with.
    pub(super) fn brackets<'a>(&mut self, text: &'a str, depth: usize) -> Parsed<'a, Filter> {
        self.check_depth(text, depth)?;
        self.expression(&text[1..], depth + 1, Place::Brackets)
    }

    fn value_path<'a>(
        &mut self,
        text: &'a str,
        depth: usize,
        path: PathText<'_>,
    ) -> Parsed<'a, Filter> {
        let (rest, filter) = self.brackets(text, depth)?;
        if !rest.starts_with('.') {
            return Ok((
                rest,
                Filter::ValuePath { path: path.to_path(), filter: Box::new(filter) },
            ));
        }
        if !self.leniency.allows(Tolerance::ValuePathComparison, path) {
            return fail(rest, Expected::NoSubAfterBracket);
        }
        self.count_term(rest)?;
        let (after, sub) = sub_attr(rest)?;
        let spaced = skip_spaces(after);
        if spaced.len() == after.len() {
            return fail(after, Expected::NameEnd);
        }
        let (rest, comparison) = self.attr_exp(spaced, PathText::name(sub))?;
        let filter = Box::new(filter.and(comparison));
        Ok((rest, Filter::ValuePath { path: path.to_path(), filter }))
    }
}

fn more_or(place: Place) -> Expected {
    match place {
        Place::Top => Expected::MoreOrEnd,
        Place::Brackets => Expected::MoreOrBracket,
    }
}

#[inline]
pub(super) fn skip_spaces(text: &str) -> &str {
    let spaces = text.bytes().take_while(|b| *b == b' ').count();
    &text[spaces..]
}

/// `(`, `not(` or `not (`: whether it negates, and what follows.
fn opening(text: &str) -> Option<(bool, &str)> {
    match text.as_bytes() {
        [b'(', ..] => Some((false, &text[1..])),
        [b'n' | b'N', b'o' | b'O', b't' | b'T', b' ' | b'(', ..] => {
            skip_spaces(&text[3..]).strip_prefix('(').map(|inside| (true, inside))
        }
        _ => None,
    }
}

enum Joint {
    And,
    Or,
}

/// `and` or `or`, followed by a space, a parenthesis or nothing, which the next term finds fault with.
fn joint(text: &str) -> Option<(Joint, &str)> {
    let (joint, len) = match text.as_bytes() {
        [b'a' | b'A', b'n' | b'N', b'd' | b'D', ..] => (Joint::And, 3),
        [b'o' | b'O', b'r' | b'R', ..] => (Joint::Or, 2),
        _ => return None,
    };
    matches!(text.as_bytes().get(len), None | Some(b' ' | b'(')).then(|| (joint, &text[len..]))
}

/// A comparison operator, or nothing for `pr`.
#[inline]
fn operator(text: &str) -> Parsed<'_, Option<CompareOp>> {
    let (&[a, b], after) = match text.as_bytes().split_first_chunk::<2>() {
        Some((word, after)) if word.is_ascii() => (word, after),
        _ => return fail(text, Expected::Operator),
    };
    let op = match &[a.to_ascii_lowercase(), b.to_ascii_lowercase()] {
        b"eq" => Some(CompareOp::Eq),
        b"ne" => Some(CompareOp::Ne),
        b"co" => Some(CompareOp::Co),
        b"sw" => Some(CompareOp::Sw),
        b"ew" => Some(CompareOp::Ew),
        b"gt" => Some(CompareOp::Gt),
        b"ge" => Some(CompareOp::Ge),
        b"lt" => Some(CompareOp::Lt),
        b"le" => Some(CompareOp::Le),
        b"pr" => None,
        _ => return fail(text, Expected::Operator),
    };
    let ended = match (op, after.first()) {
        (None, None | Some(b' ' | b')' | b']')) => true,
        (None, Some(_)) => false,
        // What follows a comparison operator is looked at where its value is.
        (Some(_), next) => next.is_none_or(|b| !b.is_ascii_alphanumeric()),
    };
    if !ended {
        return fail(text, Expected::Operator);
    }
    Ok((&text[2..], op))
}
