//! Certificates. Each takes DER, Base64 or PEM, for each value; null gives null.

use sha1::{Digest, Sha1};
use x509_parser::certificate::X509Certificate;

use super::Returns::Each;
use super::Want::{Boolean, Certificate, OneOf};
use super::convert::hex;
use super::{Apply, Args, Function, Param, req};
use crate::AttributeValue;
use crate::expr::error::{Fault, Given};
use crate::expr::eval::Env;
use crate::expr::types::Kind;
use crate::expr::value::{self, Value};
use crate::expr::x509;

/// What reading a certificate costs for each of its bytes.
const PRICE: usize = 4;

const ONE: &[Param] = &[req("certificateRawData", Certificate)];

const fn reads(
    name: &'static str,
    kind: Kind,
    apply: fn(&mut Env<'_>, &Args<'_>) -> Given<Value>,
    summary: &'static str,
    examples: &'static [(&'static str, &'static str)],
) -> Function {
    Function {
        name,
        params: ONE,
        repeat: 0,
        returns: Each(kind),
        apply: Apply::Plain(apply),
        summary,
        examples,
    }
}

use Kind::{Boolean as Truth, Date, Number, Text};

pub(super) const CONNECT: &[Function] = &[
    reads(
        "CertExtensionOids",
        Text,
        |e, a| {
            read(e, a, |c, _| {
                let critical = c.extensions().iter().filter(|extension| extension.critical);
                let oids = critical.map(|e| AttributeValue::text(e.oid.to_id_string()));
                Value::from_values(oids.collect())
            })
        },
        "The OIDs of the critical extensions.",
        &[("CertExtensionOids([userCertificate])", r#"["2.5.29.19", "2.5.29.15"]"#)],
    ),
    reads(
        "CertFormat",
        Text,
        |e, a| read(e, a, |_, _| Value::text("X509")),
        "The name of the format, X509.",
        &[("CertFormat([userCertificate])", r#""X509""#)],
    ),
    reads(
        "CertFriendlyName",
        Text,
        |e, a| read(e, a, |_, _| Value::text("")),
        "The alias; empty, for the bytes of a certificate have none.",
        &[("CertFriendlyName([userCertificate])", r#""""#)],
    ),
    reads(
        "CertHashString",
        Text,
        thumbprint,
        "The SHA-1 of the certificate, in hexadecimal.",
        &[("CertHashString([userCertificate])", r#""0C6F2C9CFF8909E317D34CE33D600F5B757FFC42""#)],
    ),
    reads(
        "CertIssuer",
        Text,
        |e, a| read(e, a, |c, _| Value::text(x509::name(c.issuer()))),
        "The name of the issuer.",
        &[("CertIssuer([userCertificate])", r#""CN=Test CA, O=""Contoso, Ltd."", C=US""#)],
    ),
    reads(
        "CertIssuerDN",
        Text,
        |e, a| read(e, a, |c, _| Value::text(x509::name(c.issuer()))),
        "The distinguished name of the issuer.",
        &[("CertIssuerDN([userCertificate])", r#""CN=Test CA, O=""Contoso, Ltd."", C=US""#)],
    ),
    reads(
        "CertIssuerOid",
        Text,
        |e, a| read(e, a, |c, _| x509::name_oid(c.issuer()).map_or(Value::Null, Value::text)),
        "The OID of the most specific part of the issuer's name.",
        &[("CertIssuerOid([userCertificate])", r#""2.5.4.3""#)],
    ),
    reads(
        "CertKeyAlgorithm",
        Text,
        key_oid,
        "The OID of the public key's algorithm.",
        &[("CertKeyAlgorithm([userCertificate])", r#""1.2.840.10045.2.1""#)],
    ),
    reads(
        "CertKeyAlgorithmParams",
        Text,
        |e, a| read(e, a, |c, _| Value::text(hex(x509::key_parameters(c)))),
        "The DER of the public key's algorithm parameters, in hexadecimal.",
        &[("CertKeyAlgorithmParams([userCertificate])", r#""06082A8648CE3D030107""#)],
    ),
    Function {
        name: "CertNameInfo",
        params: &[
            req("certificateRawData", Certificate),
            req("x509NameType", OneOf(x509::NAME_TYPES)),
            req("includesIssuerName", Boolean),
        ],
        repeat: 0,
        returns: Each(Text),
        apply: Apply::Plain(name_info),
        summary: "One name of the subject, or with True of the issuer; empty where it has none of that type.",
        examples: &[
            (r#"CertNameInfo([userCertificate], "SimpleName", False)"#, r#""Zoe Smith""#),
            (r#"CertNameInfo([userCertificate], "SimpleName", True)"#, r#""Test CA""#),
            (
                r#"CertNameInfo([userCertificate], "EmailName", False)"#,
                r#""zoe.smith@contoso.com""#,
            ),
            (r#"CertNameInfo([userCertificate], "UpnName", False)"#, r#""zoe@contoso.com""#),
            (r#"CertNameInfo([userCertificate], "DnsName", False)"#, r#""zoe.contoso.com""#),
            (r#"CertNameInfo([userCertificate], "DnsName", True)"#, r#""Test CA""#),
            (r#"CertNameInfo([userCertificate], "DnsFromAlternativeName", True)"#, r#""""#),
            (
                r#"CertNameInfo([userCertificate], "UrlName", False)"#,
                r#""https://contoso.com/zoe""#,
            ),
        ],
    },
    reads(
        "CertNotAfter",
        Date,
        |e, a| moment(e, a, |c| c.validity().not_after.timestamp()),
        "When it ends to be valid.",
        &[("CertNotAfter([userCertificate])", "2040-01-01T00:00:00Z")],
    ),
    reads(
        "CertNotBefore",
        Date,
        |e, a| moment(e, a, |c| c.validity().not_before.timestamp()),
        "When it begins to be valid.",
        &[("CertNotBefore([userCertificate])", "2020-01-01T00:00:00Z")],
    ),
    reads(
        "CertPublicKeyOid",
        Text,
        key_oid,
        "The OID of the public key.",
        &[("CertPublicKeyOid([userCertificate])", r#""1.2.840.10045.2.1""#)],
    ),
    reads(
        "CertPublicKeyParametersOid",
        Text,
        |e, a| {
            read(e, a, |c, _| {
                let algorithm = &c.public_key().algorithm.algorithm;
                Value::text(x509::key_parameters_oid(c).unwrap_or_else(|| algorithm.to_id_string()))
            })
        },
        "The OID of the public key's parameters: the curve, or the algorithm where there is none.",
        &[("CertPublicKeyParametersOid([userCertificate])", r#""1.2.840.10045.3.1.7""#)],
    ),
    reads(
        "CertSerialNumber",
        Text,
        |e, a| read(e, a, |c, _| Value::text(hex(c.raw_serial()))),
        "The serial number, in hexadecimal.",
        &[("CertSerialNumber([userCertificate])", r#""0A1B2C""#)],
    ),
    reads(
        "CertSignatureAlgorithmOid",
        Text,
        |e, a| read(e, a, |c, _| Value::text(c.signature_algorithm.algorithm.to_id_string())),
        "The OID of the signature's algorithm.",
        &[("CertSignatureAlgorithmOid([userCertificate])", r#""1.2.840.10045.4.3.2""#)],
    ),
    reads(
        "CertSubject",
        Text,
        |e, a| read(e, a, |c, _| Value::text(x509::name(c.subject()))),
        "The distinguished name of the subject.",
        &[("CertSubject([userCertificate])", r#""CN=Zoe Smith, OU=Staff, DC=contoso, DC=com""#)],
    ),
    reads(
        "CertSubjectNameDN",
        Text,
        |e, a| read(e, a, |c, _| Value::text(x509::name(c.subject()))),
        "The distinguished name of the subject.",
        &[(
            "CertSubjectNameDN([userCertificate])",
            r#""CN=Zoe Smith, OU=Staff, DC=contoso, DC=com""#,
        )],
    ),
    reads(
        "CertSubjectNameOid",
        Text,
        |e, a| read(e, a, |c, _| x509::name_oid(c.subject()).map_or(Value::Null, Value::text)),
        "The OID of the most specific part of the subject's name.",
        &[("CertSubjectNameOid([userCertificate])", r#""2.5.4.3""#)],
    ),
    reads(
        "CertThumbprint",
        Text,
        thumbprint,
        "The SHA-1 of the certificate, in hexadecimal.",
        &[("CertThumbprint([userCertificate])", r#""0C6F2C9CFF8909E317D34CE33D600F5B757FFC42""#)],
    ),
    reads(
        "CertVersion",
        Number,
        |e, a| read(e, a, |c, _| Value::from(i64::from(c.version().0) + 1)),
        "The version of the format, usually 3.",
        &[("CertVersion([userCertificate])", "3")],
    ),
    reads(
        "IsCert",
        Truth,
        is_cert,
        "Whether the value is a certificate.",
        &[
            ("IsCert([userCertificate])", "True"),
            ("IsCert(ConvertToBase64([userCertificate]))", "True"),
            (r#"IsCert("nothing")"#, "False"),
            ("IsCert([country])", "False"),
        ],
    ),
];

/// The bytes of the first argument.
fn raw<'v>(env: &mut Env<'_>, args: &Args<'v>) -> Given<Option<&'v [u8]>> {
    let bytes = match args.one(0)? {
        None => return Ok(None),
        Some(AttributeValue::Binary(bytes)) => bytes.as_slice(),
        Some(AttributeValue::Text(text)) => text.as_bytes(),
        Some(other) => {
            let message = format!("{} is not a certificate", value::name_of(other));
            return Err(Fault::kind(message).at(0));
        }
    };
    env.charge(bytes.len().saturating_mul(PRICE))?;
    Ok(Some(bytes))
}

fn read(
    env: &mut Env<'_>,
    args: &Args<'_>,
    take: impl FnOnce(&X509Certificate<'_>, &[u8]) -> Value,
) -> Given<Value> {
    let Some(bytes) = raw(env, args)? else { return Ok(Value::Null) };
    let wrong = || Fault::value("the value is not an X.509 certificate").at(0);
    let der = x509::der(bytes).ok_or_else(wrong)?;
    let certificate = x509::parse(&der).ok_or_else(wrong)?;
    Ok(take(&certificate, &der))
}

fn is_cert(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let Some(bytes) = raw(env, args)? else { return Ok(Value::from(false)) };
    Ok(Value::from(x509::der(bytes).is_some_and(|der| x509::parse(&der).is_some())))
}

fn thumbprint(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    read(env, args, |_, der| Value::text(hex(&Sha1::digest(der))))
}

fn key_oid(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    read(env, args, |c, _| Value::text(c.public_key().algorithm.algorithm.to_id_string()))
}

fn name_info(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let kind = args.text_or_empty(1)?;
    let issuer = args.boolean(2)?.unwrap_or(false);
    if !x509::NAME_TYPES.contains(&kind.as_ref()) {
        return Err(Fault::value("this is not a type of name").about(&kind).at(1));
    }
    read(env, args, |c, _| Value::text(x509::name_info(c, &kind, issuer)))
}

fn moment(
    env: &mut Env<'_>,
    args: &Args<'_>,
    take: impl FnOnce(&X509Certificate<'_>) -> i64,
) -> Given<Value> {
    read(env, args, |c, _| {
        chrono::DateTime::from_timestamp(take(c), 0).map_or(Value::Null, Value::from)
    })
}
