//! What the certificate functions read of an X.509 certificate, in the words of .NET's `X509Certificate2`.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// The user principal name within a subject alternative name.
const UPN: &str = "1.3.6.1.4.1.311.20.2.3";
const COMMON_NAME: &str = "2.5.4.3";
const EMAIL: &str = "1.2.840.113549.1.9.1";

const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0C;
const BMP_STRING: u8 = 0x1E;
const CONTEXT_0: u8 = 0xA0;

/// The DER of what may be DER, Base64 or PEM.
pub(crate) fn der(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    // DER begins with a SEQUENCE, whose sign is the digit 0: Base64 of it begins with M.
    if bytes.first() == Some(&0x30) {
        return Some(Cow::Borrowed(bytes));
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let body = match text.split_once("-----BEGIN CERTIFICATE-----") {
        Some((_, rest)) => rest.split_once("-----END CERTIFICATE-----")?.0,
        None => text,
    };
    let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD_NO_PAD.decode(body.trim_end_matches('=')).ok().map(Cow::Owned)
}

/// Reads a certificate; nothing where the bytes are none or go on after it.
pub(crate) fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    let (rest, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    rest.is_empty().then_some(certificate)
}

/// A tag and its contents, and what follows. Lengths of up to four bytes.
fn tlv(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let count = usize::from(first & 0x7F);
        if count == 0 || count > 4 {
            return None;
        }
        let (digits, rest) = rest.split_at_checked(count)?;
        (digits.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((*tag, contents, rest))
}

/// The DER of the public key algorithm's parameters; empty where it has none.
pub(crate) fn key_parameters<'c>(certificate: &X509Certificate<'c>) -> &'c [u8] {
    let read = |raw: &'c [u8]| {
        let (_, key, _) = tlv(raw)?;
        let (_, algorithm, _) = tlv(key)?;
        let (_, _, parameters) = tlv(algorithm)?;
        Some(parameters)
    };
    read(certificate.tbs_certificate.subject_pki.raw).unwrap_or_default()
}

/// The named curve where the parameters are one.
pub(crate) fn key_parameters_oid(certificate: &X509Certificate<'_>) -> Option<String> {
    let algorithm = &certificate.tbs_certificate.subject_pki.algorithm;
    let (tag, ..) = tlv(key_parameters(certificate))?;
    let parameters = algorithm.parameters.as_ref().filter(|_| tag == OBJECT_IDENTIFIER)?;
    Some(parameters.clone().oid().ok()?.to_id_string())
}

/// A name as .NET writes it: the most specific component first.
pub(crate) fn name(name: &X509Name<'_>) -> String {
    let rdns: Vec<String> = name
        .iter_rdn()
        .map(|rdn| rdn.iter().map(attribute).collect::<Vec<_>>().join(" + "))
        .collect();
    rdns.into_iter().rev().collect::<Vec<_>>().join(", ")
}

/// The type of the most specific component.
pub(crate) fn name_oid(name: &X509Name<'_>) -> Option<String> {
    name.iter_attributes().last().map(|part| part.attr_type().to_id_string())
}

fn attribute(part: &AttributeTypeAndValue<'_>) -> String {
    let oid = part.attr_type().to_id_string();
    let key = match oid.as_str() {
        COMMON_NAME => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "SERIALNUMBER",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "S",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "T",
        "2.5.4.13" => "Description",
        "2.5.4.17" => "PostalCode",
        "2.5.4.20" => "Phone",
        "2.5.4.42" => "G",
        "2.5.4.43" => "I",
        "2.5.4.46" => "dnQualifier",
        "0.9.2342.19200300.100.1.25" => "DC",
        EMAIL => "E",
        other => return format!("OID.{other}={}", quoted(&value(part))),
    };
    format!("{key}={}", quoted(&value(part)))
}

fn value(part: &AttributeTypeAndValue<'_>) -> String {
    if let Ok(text) = part.as_str() {
        return text.to_owned();
    }
    let bytes = part.as_slice();
    if part.attr_value().tag().0 == u32::from(BMP_STRING) {
        let (pairs, _) = bytes.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
        return String::from_utf16_lossy(&units);
    }
    // T61: Latin-1 in practice.
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn quoted(value: &str) -> String {
    let special = |c: char| matches!(c, ',' | '+' | '=' | '"' | '\n' | '<' | '>' | '#' | ';');
    if value.contains(special) || value.trim() != value || value.is_empty() {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    }
}

/// The kinds of name that `CertNameInfo` knows.
pub(crate) const NAME_TYPES: &[&str] =
    &["SimpleName", "EmailName", "UpnName", "DnsName", "DnsFromAlternativeName", "UrlName"];

/// One name of the subject, or of the issuer; empty where there is none of that kind.
pub(crate) fn name_info(certificate: &X509Certificate<'_>, kind: &str, issuer: bool) -> String {
    let whole = if issuer { certificate.issuer() } else { certificate.subject() };
    let part = |oid: &str| {
        let found = whole.iter_attributes().filter(|part| part.attr_type().to_id_string() == oid);
        found.last().map(value)
    };
    let alternative = |pick: &dyn Fn(&GeneralName<'_>) -> Option<String>| {
        certificate.extensions().iter().find_map(|extension| {
            let names = match extension.parsed_extension() {
                ParsedExtension::SubjectAlternativeName(names) if !issuer => &names.general_names,
                ParsedExtension::IssuerAlternativeName(names) if issuer => &names.general_names,
                _ => return None,
            };
            names.iter().find_map(pick)
        })
    };
    let email = || {
        alternative(&|name| match name {
            GeneralName::RFC822Name(email) => Some((*email).to_owned()),
            _ => None,
        })
    };
    let dns = || {
        alternative(&|name| match name {
            GeneralName::DNSName(dns) => Some((*dns).to_owned()),
            _ => None,
        })
    };
    let found = match kind {
        "SimpleName" => {
            [COMMON_NAME, "2.5.4.11", "2.5.4.10", EMAIL].into_iter().find_map(part).or_else(email)
        }
        "EmailName" => email().or_else(|| part(EMAIL)),
        "UpnName" => alternative(&|name| match name {
            GeneralName::OtherName(oid, contents) if oid.to_id_string() == UPN => upn(contents),
            _ => None,
        }),
        "DnsName" => dns().or_else(|| part(COMMON_NAME)),
        "DnsFromAlternativeName" => dns(),
        "UrlName" => alternative(&|name| match name {
            GeneralName::URI(uri) => Some((*uri).to_owned()),
            _ => None,
        }),
        _ => None,
    };
    found.unwrap_or_default()
}

/// `[0] { UTF8String }`.
fn upn(contents: &[u8]) -> Option<String> {
    let (tag, inner, _) = tlv(contents)?;
    let (text_tag, text, _) = if tag == CONTEXT_0 { tlv(inner)? } else { (tag, inner, &[][..]) };
    (text_tag == UTF8_STRING).then(|| String::from_utf8(text.to_vec()).ok())?
}
