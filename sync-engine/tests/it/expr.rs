//! The expression language.

#![expect(clippy::expect_used, clippy::panic, reason = "a helper of a test fails by panicking")]

mod check;
mod functions;
mod grammar;
mod properties;
mod speed;
mod tree;

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write;

use chrono::{DateTime, Utc};
use scim_sync::expr::{Attributes, Context, Dialect, EvalError, Expression, Outcome, UniqueProbe};
use scim_sync::{AttributeName, AttributeSet, AttributeValue};

/// The object of the examples in `docs/expressions.md`.
pub(crate) struct Sample(pub(crate) AttributeSet);

impl Attributes for Sample {
    fn get(&self, name: &AttributeName) -> Cow<'_, [AttributeValue]> {
        Cow::Borrowed(self.0.get(name))
    }

    fn is_reference(&self, name: &AttributeName) -> bool {
        *name == AttributeName::from("manager")
    }
}

pub(crate) fn sample() -> Sample {
    let guid = [
        0x11, 0x11, 0x00, 0x00, 0xAA, 0xAA, 0x22, 0x22, 0xBB, 0xBB, 0x33, 0x33, 0xCC, 0xCC, 0x44,
        0x44,
    ];
    let sid = [
        1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 0xDC, 0xF4, 0xDC, 0x3B, 0x83, 0x3D, 0x2B, 0x46, 0x82,
        0x8B, 0xA6, 0x28, 0x00, 0x02, 0, 0,
    ];
    let role = [("value", "admin"), ("displayName", "Admin")]
        .map(|(name, value)| (AttributeName::from(name), AttributeValue::from(value)));
    let mut set = AttributeSet::new()
        .with("givenName", "Zoë")
        .with("sn", "Smith")
        .with("mail", "zoe.smith@contoso.com")
        .with("department", "")
        .with("mobile", "+91 8887779999")
        .with("c", "USA")
        .with("st", "CA")
        .with("hireDate", "2021-07-01-07:00")
        .with("manager", "CN=Joe,OU=Staff,DC=contoso,DC=com")
        .with("proxyAddresses", "SMTP:zoe.smith@contoso.com")
        .with("proxyAddresses", "smtp:zs@contoso.com")
        .with("otherPhone", "425-555-0100")
        .with("otherPhone", "425-555-0101")
        .with("userAccountControl", 514)
        .with("lastLogonTimestamp", 129_699_324_000_000_000);
    for (name, bytes) in [
        ("objectGUID", guid.to_vec()),
        ("objectSid", sid.to_vec()),
        ("userCertificate", include_bytes!("expr/certificate.der").to_vec()),
    ] {
        set.set(AttributeName::from(name), vec![AttributeValue::Binary(bytes)]);
    }
    set.set(
        AttributeName::from("appRoleAssignments"),
        vec![AttributeValue::Complex(role.into_iter().collect())],
    );
    Sample(set)
}

pub(crate) fn now() -> DateTime<Utc> {
    "2021-07-02T15:33:38Z".parse().expect("a date")
}

/// Everything is taken but what has `free` in it.
pub(crate) struct Taken;

impl UniqueProbe for Taken {
    fn is_taken(&self, value: &AttributeValue) -> Result<bool, String> {
        Ok(!value.as_text().is_some_and(|text| text.contains("free")))
    }
}

/// SplitMix64: what a seed gives, it gives again.
pub(crate) fn seeded(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// Evaluates with the sample object and everything the context can have.
pub(crate) fn evaluate(text: &str, dialect: Dialect) -> Result<Outcome, EvalError> {
    let expression = Expression::parse(text, dialect).unwrap_or_else(|error| panic!("{error}"));
    let (object, random) = (sample(), RefCell::new(seeded(7)));
    let imported = AttributeSet::new().with("proxyAddresses", "SMTP:old@contoso.com");
    let parameters = BTreeMap::from([
        ("Domain.Netbios".to_owned(), "CONTOSO".to_owned()),
        ("Forest.LDAP".to_owned(), "DC=contoso,DC=com".to_owned()),
    ]);
    let cx = Context::new(&object, now(), &random)
        .imported(&imported)
        .parameters(&parameters)
        .unique(&Taken);
    expression.evaluate(&cx)
}

/// What an evaluation gives, as the reference writes it; the message where it fails.
pub(crate) fn shown(text: &str, dialect: Dialect) -> String {
    match evaluate(text, dialect) {
        Ok(Outcome::Values(values)) => render(&values),
        Ok(Outcome::Redacted(values)) => format!("[Redact] {}", render(&values)),
        Ok(Outcome::Null) => "NULL".to_owned(),
        Ok(Outcome::AuthoritativeNull) => "(authoritative null)".to_owned(),
        Ok(Outcome::Ignore) => "(ignored)".to_owned(),
        Err(error) => format!("! {}", error.message()),
    }
}

fn render(values: &[AttributeValue]) -> String {
    match values {
        [one] => render_one(one),
        many => format!("[{}]", many.iter().map(render_one).collect::<Vec<_>>().join(", ")),
    }
}

fn render_one(value: &AttributeValue) -> String {
    match value {
        AttributeValue::Text(text) => format!("\"{}\"", text.replace('"', "\"\"")),
        AttributeValue::Integer(number) => number.to_string(),
        AttributeValue::Boolean(true) => "True".to_owned(),
        AttributeValue::Boolean(false) => "False".to_owned(),
        AttributeValue::DateTime(moment) => {
            moment.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
        }
        AttributeValue::Binary(bytes) => bytes.iter().fold("0x".to_owned(), |mut out, byte| {
            write!(out, "{byte:02X}").expect("a string takes all");
            out
        }),
        AttributeValue::Complex(parts) => {
            let parts: Vec<String> =
                parts.iter().map(|(name, part)| format!("{name}: {}", render_one(part))).collect();
            format!("{{{}}}", parts.join(", "))
        }
    }
}
