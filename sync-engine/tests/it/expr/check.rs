//! The type check.

use std::collections::BTreeMap;

use scim_sync::AttributeName;
use scim_sync::expr::{AttributeType, Dialect, Expression, Kind};

const P: Dialect = Dialect::Provisioning;
const C: Dialect = Dialect::Connect;

fn schema() -> BTreeMap<AttributeName, AttributeType> {
    [
        ("mail", Kind::Text, false),
        ("proxyAddresses", Kind::Text, true),
        ("userAccountControl", Kind::Number, false),
        ("pwdLastSet", Kind::Number, false),
        ("objectGUID", Kind::Binary, false),
        ("userCertificate", Kind::Binary, true),
        ("manager", Kind::Reference, false),
        ("whenCreated", Kind::Date, false),
        ("enabled", Kind::Boolean, false),
    ]
    .into_iter()
    .map(|(name, kind, multi_valued)| {
        (AttributeName::from(name), AttributeType { kind, multi_valued })
    })
    .collect()
}

#[test]
fn types() {
    let cases: &[(Dialect, &str, &str)] = &[
        (P, "[mail]", "text"),
        (P, "Trim([proxyAddresses])", "text (multi-valued)"),
        (P, r#"Join(",", [proxyAddresses])"#, "text"),
        (P, "Item([proxyAddresses], 1)", "text"),
        (P, "RemoveDuplicates([proxyAddresses])", "text (multi-valued)"),
        (P, r#"BitAnd([userAccountControl], "2")"#, "a number"),
        (P, r#"Append([userAccountControl], "x")"#, "text"),
        (P, "IIF([userAccountControl] = \"514\", \"a\", [mail])", "text"),
        (P, "Coalesce([mail], [userAccountControl])", "any value"),
        (P, r#"Switch([mail], , "a", True)"#, "True or False"),
        (P, "NumFromDate([mail])", "a number"),
        (C, "[userAccountControl] + 1", "a number"),
        (C, r#"[mail] & CStr([manager])"#, "text"),
        (C, "[userAccountControl] & \"x\"", "text"),
        (C, "IIF(IsPresent([mail]), [mail], NULL)", "text"),
        (C, r#"IIF(IsPresent([mail]), [mail], Error("no"))"#, "text"),
        (
            C,
            r#"IIF(InStr([proxyAddresses], "SIP:") = 1, NULL, [proxyAddresses])"#,
            "text (multi-valued)",
        ),
        (C, "Where($c, [userCertificate], CertNotAfter($c) > Now())", "bytes (multi-valued)"),
        (C, "Select($p, [proxyAddresses], Len($p))", "a number (multi-valued)"),
        (C, "With($p, [proxyAddresses], Count($p))", "a number"),
        (C, r#"ImportedValue("proxyAddresses")"#, "text (multi-valued)"),
        (C, "DateFromNum([pwdLastSet])", "a date"),
        (C, "CRef([mail])", "a reference"),
        (C, "DNComponent([manager], 1)", "text"),
        (C, "Switch([enabled], 1, True, NULL)", "a number"),
    ];
    let schema = schema();
    for (dialect, text, expected) in cases {
        let expression =
            Expression::parse(text, *dialect).unwrap_or_else(|error| panic!("{error}"));
        let found = expression.check(&schema).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(found.to_string(), *expected, "{text}");
    }
}

/// The text, the marked part, the message, what to do.
#[test]
fn mistakes() {
    let cases: &[(Dialect, &str, &str, &str, &str)] = &[
        (P, "[mial]", "[mial]", "the schema has no attribute `mial`", "did you mean [mail]?"),
        (P, "[nothing]", "[nothing]", "the schema has no attribute `nothing`", ""),
        (
            P,
            r#"Append([objectGUID], "x")"#,
            "[objectGUID]",
            "Append wants text here, this is bytes",
            "ConvertToBase64 makes text of bytes",
        ),
        (P, r#"Left([mail], "x")"#, "\"x\"", "\"x\" is not a number", ""),
        (P, r#"CDate("soon")"#, "\"soon\"", "\"soon\" is not a date", ""),
        (
            P,
            "CDate([pwdLastSet])",
            "[pwdLastSet]",
            "CDate wants a date here, this is a number",
            "DateFromNum makes a date of a FILETIME",
        ),
        (
            C,
            "LCase([userAccountControl])",
            "[userAccountControl]",
            "LCase wants text here, this is a number",
            "CStr makes text of it",
        ),
        (
            C,
            "BitAnd([mail], 2)",
            "[mail]",
            "BitAnd wants a number here, this is text",
            "CNum makes a number of text",
        ),
        (
            C,
            r#"FormatDateTime([mail], "yyyy")"#,
            "[mail]",
            "FormatDateTime wants a date here, this is text",
            "CDate makes a date of text",
        ),
        (
            C,
            "DateAdd(\"d\", 1, [pwdLastSet])",
            "[pwdLastSet]",
            "DateAdd wants a date here, this is a number",
            "DateFromNum makes a date of a FILETIME",
        ),
        (
            C,
            "StringFromGuid([mail])",
            "[mail]",
            "StringFromGuid wants bytes here, this is text",
            "CGuid makes bytes of the text of a GUID",
        ),
        (
            C,
            "DNComponent([mail], 1)",
            "[mail]",
            "DNComponent wants a reference here, this is text",
            "CRef makes a reference of text",
        ),
        (
            C,
            "[mail] + 1",
            "[mail]",
            "+ wants a number here, this is text",
            "CNum makes a number of text",
        ),
        (
            C,
            "\"x\" & [whenCreated]",
            "[whenCreated]",
            "& wants text here, this is a date",
            "FormatDateTime makes text of a date",
        ),
        (C, "[mail] = 1", "1", "`=` cannot compare text with a number", "convert one of the two"),
        (
            C,
            "IIF([objectGUID], 1, 2)",
            "[objectGUID]",
            "IIF wants a condition here, this is bytes",
            "StringFromGuid, StringFromSid and ConvertToBase64 make text of bytes",
        ),
        (
            C,
            r#"ImportedValue("mial")"#,
            "\"mial\"",
            "the schema has no attribute `mial`",
            "did you mean [mail]?",
        ),
    ];
    let schema = schema();
    for (dialect, text, marked, message, mend) in cases {
        let expression =
            Expression::parse(text, *dialect).unwrap_or_else(|error| panic!("{error}"));
        let error = expression.check(&schema).expect_err(text);
        assert_eq!((error.message(), error.marked(), error.mend()), (*message, *marked, *mend));
    }
}
