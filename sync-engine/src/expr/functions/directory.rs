//! Distinguished names (RFC 4514).

use super::Returns::Each;
use super::Want::{Number, Reference, Text, Word};
use super::{Apply, Args, Function, opt, req};
use crate::expr::error::{Fault, Given};
use crate::expr::eval::Env;
use crate::expr::types::Kind;
use crate::expr::value::Value;

pub(super) const CONNECT: &[Function] = &[
    Function {
        name: "DNComponent",
        params: &[req("dn", Reference), req("componentNumber", Number)],
        repeat: 0,
        returns: Each(Kind::Text),
        apply: Apply::Plain(dn_component),
        summary: "The value of the nth component from the left, unescaped; null where there is none.",
        examples: &[
            (r#"DNComponent(CRef("CN=Joe,OU=Atlanta,DC=contoso,DC=com"), 1)"#, r#""Joe""#),
            (r#"DNComponent(CRef("CN=Doe\, Joe,OU=Atlanta"), 1)"#, r#""Doe, Joe""#),
            ("DNComponent([manager], 2)", r#""Staff""#),
            ("DNComponent([manager], 9)", "NULL"),
        ],
    },
    Function {
        name: "DNComponentRev",
        params: &[
            req("dn", Reference),
            req("componentNumber", Number),
            opt("options", Word(&["DC"])),
        ],
        repeat: 0,
        returns: Each(Kind::Text),
        apply: Apply::Plain(dn_component_rev),
        summary: "The value of the nth component from the right; with DC the domain components do not count.",
        examples: &[
            (
                r#"DNComponentRev(CRef("cn=Joe,ou=Atlanta,ou=GA,ou=US, dc=contoso,dc=com"), 3)"#,
                r#""US""#,
            ),
            (
                r#"DNComponentRev(CRef("cn=Joe,ou=Atlanta,ou=GA,ou=US, dc=contoso,dc=com"), 1, "DC")"#,
                r#""US""#,
            ),
            (r#"DNComponentRev(CRef("cn=Joe,ou=US,dc=com"), 1, DC)"#, r#""US""#),
        ],
    },
    Function {
        name: "EscapeDNComponent",
        params: &[req("value", Text)],
        repeat: 0,
        returns: Each(Kind::Text),
        apply: Apply::Plain(escape),
        summary: "One component, such as \"cn=\" & name, with what a DN cannot have escaped.",
        examples: &[
            (r#"EscapeDNComponent("cn=Doe, Joe")"#, r#""cn=Doe\, Joe""#),
            (r##"EscapeDNComponent("cn=#1 <a+b>; ""x"" ")"##, r##""cn=\#1 \<a\+b\>\; \""x\""\ ""##),
            (r#"EscapeDNComponent("Doe, Joe")"#, r#""Doe\, Joe""#),
        ],
    },
];

/// Type and value of each component; of one with several parts (`a=1+b=2`) the first.
fn components(dn: &str) -> Option<Vec<(String, String)>> {
    let mut out = Vec::new();
    for rdn in split(dn, &[',', ';']) {
        let first = split(rdn, &['+']).into_iter().next()?;
        let (kind, value) = first.split_once('=')?;
        out.push((kind.trim().to_owned(), unescape(trim_value(value))?));
    }
    Some(out)
}

/// White space around a value, but not an escaped space at its end.
fn trim_value(value: &str) -> &str {
    let value = value.trim_start();
    let trimmed = value.trim_end();
    let slashes = trimmed.bytes().rev().take_while(|b| *b == b'\\').count();
    if slashes % 2 == 1 && trimmed.len() < value.len() { &value[..=trimmed.len()] } else { trimmed }
}

fn split<'t>(text: &'t str, separators: &[char]) -> Vec<&'t str> {
    let mut parts = Vec::new();
    let (mut start, mut escaped, mut quoted) = (0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            c if !quoted && separators.contains(&c) => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// `\,` and `\C3\A9` and quotes; nothing where the bytes are not UTF-8.
fn unescape(value: &str) -> Option<String> {
    let bytes = value.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => {
                let pair = value.get(at + 1..at + 3);
                let hex = pair.filter(|p| p.bytes().all(|b| b.is_ascii_hexdigit()));
                if let Some(byte) = hex.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
                    out.push(byte);
                    at += 3;
                } else {
                    out.push(*bytes.get(at + 1)?);
                    at += 2;
                }
            }
            b'"' => at += 1,
            byte => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).ok()
}

fn pick(env: &mut Env<'_>, args: &Args<'_>, reverse: bool) -> Given<Value> {
    let Some(dn) = args.text(0)? else { return Ok(Value::Null) };
    env.charge(dn.len())?;
    let number = args.need_number(1)?;
    let Ok(number @ 1..) = usize::try_from(number) else {
        return Err(Fault::value("components are counted from 1").at(1));
    };
    let mut parts =
        components(&dn).ok_or_else(|| Fault::value("this is not a DN").about(&dn).at(0))?;
    if reverse {
        parts.reverse();
    }
    if args.text_or_empty(2)? == "DC" {
        parts.retain(|(kind, _)| !kind.eq_ignore_ascii_case("dc"));
    }
    match parts.into_iter().nth(number - 1) {
        Some((_, value)) => env.text(value),
        None => Ok(Value::Null),
    }
}

fn dn_component(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    pick(env, args, false)
}

fn dn_component_rev(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    pick(env, args, true)
}

fn escape(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let Some(text) = args.text(0)? else { return Ok(Value::Null) };
    env.charge(text.len())?;
    // The type and its equals sign, where there is one, stay.
    let (kind, value) = match text.split_once('=') {
        Some((kind, value)) if is_type(kind) => (Some(kind), value),
        _ => (None, text.as_ref()),
    };
    let mut out = String::with_capacity(text.len() + 8);
    if let Some(kind) = kind {
        out.push_str(kind);
        out.push('=');
    }
    let last = value.chars().count().saturating_sub(1);
    for (at, c) in value.chars().enumerate() {
        match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' => {
                out.push('\\');
                out.push(c);
            }
            '#' if at == 0 => out.push_str("\\#"),
            ' ' if at == 0 || at == last => out.push_str("\\ "),
            '\0' => out.push_str("\\00"),
            '\n' => out.push_str("\\0A"),
            '\r' => out.push_str("\\0D"),
            other => out.push(other),
        }
    }
    env.text(out)
}

/// A short name or a dotted number.
fn is_type(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
}
