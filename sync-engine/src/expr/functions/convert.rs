//! From one kind of value to another.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::Returns::{Each, One};
use super::Want::{Binary, Condition, Scalar, Text, Word};
use super::{Apply, Args, Function, opt, req};
use crate::AttributeValue;
use crate::expr::error::{Fault, Given};
use crate::expr::eval::Env;
use crate::expr::types::Kind;
use crate::expr::value::{self, Value};

const CBOOL: Function = Function {
    name: "CBool",
    params: &[req("expression", Condition)],
    repeat: 0,
    returns: One(Kind::Boolean),
    apply: Apply::Plain(cbool),
    summary: "True for a number other than 0, for True and for a comparison that holds; False for null.",
    examples: &[
        ("CBool([mail] = [mail])", "True"),
        ("CBool([mail] = [sn])", "False"),
        ("CBool(2)", "True"),
        ("CBool(0)", "False"),
        ("CBool([country])", "False"),
    ],
};

const CSTR: Function = Function {
    name: "CStr",
    params: &[req("value", Scalar)],
    repeat: 0,
    returns: Each(Kind::Text),
    apply: Apply::Plain(cstr),
    summary: "A number, a reference or a boolean as text.",
    examples: &[
        ("CStr([userAccountControl])", r#""514""#),
        ("CStr([manager])", r#""CN=Joe,OU=Staff,DC=contoso,DC=com""#),
        ("CStr(IsPresent([mail]))", r#""True""#),
        ("CStr([country])", "NULL"),
    ],
};

const TO_BASE64: Function = Function {
    name: "ConvertToBase64",
    params: &[req("source", Scalar)],
    repeat: 0,
    returns: Each(Kind::Text),
    apply: Apply::Plain(to_base64),
    summary: "Base64 of the bytes, or of a text as UTF-16 (little endian).",
    examples: &[
        (r#"ConvertToBase64("Hello world!")"#, r#""SABlAGwAbABvACAAdwBvAHIAbABkACEA""#),
        ("ConvertToBase64([objectGUID])", r#""EREAAKqqIiK7uzMzzMxERA==""#),
    ],
};

const TO_UTF8_HEX: Function = Function {
    name: "ConvertToUTF8Hex",
    params: &[req("source", Text)],
    repeat: 0,
    returns: Each(Kind::Text),
    apply: Apply::Plain(to_utf8_hex),
    summary: "The bytes of the UTF-8 in hexadecimal.",
    examples: &[(r#"ConvertToUTF8Hex("Hello world!")"#, r#""48656C6C6F20776F726C6421""#)],
};

pub(super) const PROVISIONING: &[Function] = &[CBOOL, TO_BASE64, TO_UTF8_HEX, CSTR];

pub(super) const CONNECT: &[Function] = &[
    CBOOL,
    Function {
        name: "CGuid",
        params: &[req("guid", Text)],
        repeat: 0,
        returns: Each(Kind::Binary),
        apply: Apply::Plain(cguid),
        summary: "The 16 bytes of a GUID, in the mixed order of Active Directory.",
        examples: &[
            (
                r#"CGuid("00001111-aaaa-2222-bbbb-3333cccc4444")"#,
                "0x11110000AAAA2222BBBB3333CCCC4444",
            ),
            (
                r#"StringFromGuid(CGuid("{00001111-AAAA-2222-bbbb-3333cccc4444}"))"#,
                r#""00001111-aaaa-2222-bbbb-3333cccc4444""#,
            ),
        ],
    },
    Function {
        name: "CNum",
        params: &[req("value", Text)],
        repeat: 0,
        returns: Each(Kind::Number),
        apply: Apply::Plain(cnum),
        summary: "A whole number of text.",
        examples: &[
            (r#"CNum("42")"#, "42"),
            (r#"CNum(" -7 ")"#, "-7"),
            ("CNum([country])", "NULL"),
        ],
    },
    Function {
        name: "ConvertFromBase64",
        params: &[req("source", Text), opt("encoding", Word(&["Unicode", "ASCII", "UTF8"]))],
        repeat: 0,
        returns: Each(Kind::Text),
        apply: Apply::Plain(from_base64),
        summary: "The text of Base64; UTF-16 (little endian) unless said otherwise.",
        examples: &[
            (r#"ConvertFromBase64("SABlAGwAbABvACAAdwBvAHIAbABkACEA")"#, r#""Hello world!""#),
            (r#"ConvertFromBase64("SGVsbG8gd29ybGQh", UTF8)"#, r#""Hello world!""#),
            (r#"ConvertFromBase64("SGVsbG8gd29ybGQh", ASCII)"#, r#""Hello world!""#),
        ],
    },
    Function {
        name: "ConvertFromUTF8Hex",
        params: &[req("source", Text)],
        repeat: 0,
        returns: Each(Kind::Text),
        apply: Apply::Plain(from_utf8_hex),
        summary: "The text of UTF-8 in hexadecimal.",
        examples: &[(r#"ConvertFromUTF8Hex("48656C6C6F20776F726C6421")"#, r#""Hello world!""#)],
    },
    TO_BASE64,
    TO_UTF8_HEX,
    Function {
        name: "CRef",
        params: &[req("value", Text)],
        repeat: 0,
        returns: Each(Kind::Reference),
        apply: Apply::Plain(cstr),
        summary: "A reference of the text of a DN.",
        examples: &[(
            r#"CRef("CN=Pool,CN=RTC Service," & %Forest.LDAP%)"#,
            r#""CN=Pool,CN=RTC Service,DC=contoso,DC=com""#,
        )],
    },
    CSTR,
    Function {
        name: "StringFromGuid",
        params: &[req("guid", Binary)],
        repeat: 0,
        returns: Each(Kind::Text),
        apply: Apply::Plain(string_from_guid),
        summary: "The text of the 16 bytes of a GUID.",
        examples: &[("StringFromGuid([objectGUID])", r#""00001111-aaaa-2222-bbbb-3333cccc4444""#)],
    },
    Function {
        name: "StringFromSid",
        params: &[req("objectSid", Binary)],
        repeat: 0,
        returns: Each(Kind::Text),
        apply: Apply::Plain(string_from_sid),
        summary: "The text S-1-... of the bytes of a security identifier.",
        examples: &[(
            "StringFromSid([objectSid])",
            r#""S-1-5-21-1004336348-1177238915-682003330-512""#,
        )],
    },
];

fn cbool(_: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    match args.one(0)? {
        None => Ok(Value::from(false)),
        Some(AttributeValue::Text(text)) if text.is_empty() => Ok(Value::from(false)),
        Some(value) => value::to_boolean(value).map(Value::from).map_err(|fault| fault.at(0)),
    }
}

fn cstr(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    match args.text(0)? {
        Some(text) => env.text(text),
        None => Ok(Value::Null),
    }
}

fn cnum(_: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    Ok(args.number(0)?.map_or(Value::Null, Value::from))
}

fn to_base64(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let encoded = match args.one(0)? {
        None => return Ok(Value::Null),
        Some(AttributeValue::Binary(bytes)) => {
            env.allow(bytes.len())?;
            STANDARD.encode(bytes)
        }
        Some(value) => {
            let text = value::to_text(value).map_err(|fault| fault.at(0))?;
            env.allow(text.len())?;
            let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            STANDARD.encode(bytes)
        }
    };
    env.text(encoded)
}

fn from_base64(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let Some(text) = args.text(0)? else { return Ok(Value::Null) };
    env.charge(text.len())?;
    let bytes = decode_base64(&text)
        .ok_or_else(|| Fault::value("this text is not Base64").about(&text).at(0))?;
    let wrong = |name: &str| Fault::value(format!("the bytes are not {name}")).at(0);
    match args.text_or_empty(1)?.as_ref() {
        "UTF8" => env.text(String::from_utf8(bytes).map_err(|_| wrong("UTF-8"))?),
        "ASCII" if bytes.is_ascii() => {
            env.text(String::from_utf8(bytes).map_err(|_| wrong("ASCII"))?)
        }
        "ASCII" => Err(wrong("ASCII")),
        _ => {
            let (pairs, rest) = bytes.as_chunks::<2>();
            let units: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
            if !rest.is_empty() {
                return Err(wrong("UTF-16"));
            }
            env.text(String::from_utf16(&units).map_err(|_| wrong("UTF-16"))?)
        }
    }
}

/// Base64 with or without its padding, white space left out.
pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

/// Bytes in upper-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 0xF)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let pairs = text.as_bytes().as_chunks::<2>().0;
    pairs.iter().map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn to_utf8_hex(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let Some(text) = args.text(0)? else { return Ok(Value::Null) };
    env.allow(text.len())?;
    env.text(hex(text.as_bytes()))
}

fn from_utf8_hex(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let Some(text) = args.text(0)? else { return Ok(Value::Null) };
    env.charge(text.len())?;
    let bytes = unhex(text.trim());
    let decoded = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let wrong = || Fault::value("this text is not UTF-8 in hexadecimal").about(&text).at(0);
    env.text(decoded.ok_or_else(wrong)?)
}

/// The bytes of `00001111-aaaa-2222-bbbb-3333cccc4444`, braces allowed: the first three groups little endian.
pub(super) fn guid_bytes(text: &str) -> Option<[u8; 16]> {
    let text = match (text.strip_prefix('{'), text.strip_suffix('}')) {
        (Some(inner), Some(_)) => inner.strip_suffix('}')?,
        (None, None) => text,
        _ => return None,
    };
    let groups: Vec<&str> = text.split('-').collect();
    if !groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]) {
        return None;
    }
    let bytes = unhex(&groups.concat())?;
    let mut bytes: [u8; 16] = bytes.try_into().ok()?;
    mix(&mut bytes);
    Some(bytes)
}

fn mix(bytes: &mut [u8; 16]) {
    bytes[0..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
}

/// The text of a GUID whose bytes are in the order they are written in.
pub(super) fn guid_text(bytes: [u8; 16]) -> String {
    let digits = hex(&bytes).to_ascii_lowercase();
    let (a, b, c) = (&digits[..8], &digits[8..12], &digits[12..16]);
    format!("{a}-{b}-{c}-{}-{}", &digits[16..20], &digits[20..])
}

fn cguid(_: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let Some(text) = args.text(0)? else { return Ok(Value::Null) };
    let bytes = guid_bytes(&text)
        .ok_or_else(|| Fault::value("this text is not a GUID").about(&text).at(0))?;
    Ok(Value::One(AttributeValue::Binary(bytes.to_vec())))
}

fn string_from_guid(_: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let Some(bytes) = args.binary(0)? else { return Ok(Value::Null) };
    let wrong = || Fault::value(format!("a GUID has 16 bytes, not {}", bytes.len())).at(0);
    let mut bytes: [u8; 16] = bytes.try_into().map_err(|_| wrong())?;
    mix(&mut bytes);
    Ok(Value::text(guid_text(bytes)))
}

/// MS-DTYP 2.4.2: revision, count, authority (big endian), sub-authorities (little endian).
fn string_from_sid(_: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let Some(bytes) = args.binary(0)? else { return Ok(Value::Null) };
    let wrong = || Fault::value("these bytes are not a security identifier").at(0);
    let (head, rest) = bytes.split_first_chunk::<8>().ok_or_else(wrong)?;
    let (parts, left) = rest.as_chunks::<4>();
    if head[0] != 1 || usize::from(head[1]) != parts.len() || !left.is_empty() || parts.len() > 15 {
        return Err(wrong());
    }
    let authority = head[2..].iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let mut text = if authority >> 32 == 0 {
        format!("S-1-{authority}")
    } else {
        format!("S-1-0x{authority:012X}")
    };
    for part in parts {
        text.push_str(&format!("-{}", u32::from_le_bytes(*part)));
    }
    Ok(Value::text(text))
}
