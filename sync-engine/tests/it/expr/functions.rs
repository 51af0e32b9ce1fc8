//! What every function gives: the examples of the reference, and the corners that are no example for a reader.

use scim_sync::expr::{Dialect, EvalErrorKind, Expression, Outcome, examples, reference};

use super::{evaluate, shown};

const P: Dialect = Dialect::Provisioning;
const C: Dialect = Dialect::Connect;

#[test]
fn every_example_of_the_reference_gives_what_it_says() {
    let mut wrong = Vec::new();
    for (dialect, function, text, expected) in examples() {
        let got = shown(text, dialect);
        let right = if expected == "(random)" { !got.starts_with('!') } else { got == expected };
        if !right {
            wrong
                .push(format!("{dialect} {function}: {text}\n  gives {got}\n  and not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The functions of SYNC.md A3, by dialect.
#[test]
fn every_documented_function_is_there_with_an_example() {
    let provisioning = "Append AppRoleAssignmentsComplex BitAnd CBool CDate Coalesce ConvertToBase64 ConvertToUTF8Hex \
        Count CStr DateAdd DateDiff DateFromNum FormatDateTime Guid IgnoreFlowIfNullOrEmpty IIF InStr IsNull \
        IsNullOrEmpty IsPresent IsString Item Join Left Mid NormalizeDiacritics Not Now NumFromDate PCase \
        RandomString Redact RemoveDuplicates Replace SelectUniqueValue SingleAppRoleAssignment Split StripSpaces \
        Switch ToLower ToUpper Word Trim";
    let connect = "CertExtensionOids CertFormat CertFriendlyName CertHashString CertIssuer CertIssuerDN CertIssuerOid \
        CertKeyAlgorithm CertKeyAlgorithmParams CertNameInfo CertNotAfter CertNotBefore CertPublicKeyOid \
        CertPublicKeyParametersOid CertSerialNumber CertSignatureAlgorithmOid CertSubject CertSubjectNameDN \
        CertSubjectNameOid CertThumbprint CertVersion IsCert CBool CDate CGuid ConvertFromBase64 ConvertToBase64 \
        ConvertFromUTF8Hex ConvertToUTF8Hex CNum CRef CStr StringFromGuid StringFromSid DateAdd DateFromNum \
        FormatDateTime Now NumFromDate DNComponent DNComponentRev EscapeDNComponent IsBitSet IsDate IsEmpty IsGuid \
        IsNull IsNullOrEmpty IsNumeric IsPresent IsString BitAnd BitOr RandomNum Contains Count Item ItemOrNull Join \
        RemoveDuplicates Split Error IIF Select Switch Where With Guid InStr InStrRev LCase Left Len LTrim Mid PadLeft \
        PadRight PCase Replace ReplaceChars Right RTrim Trim UCase Word ImportedValue";
    for (dialect, names) in [(P, provisioning), (C, connect)] {
        for name in names.split_whitespace() {
            let there = examples()
                .any(|(in_dialect, function, ..)| in_dialect == dialect && function == name);
            assert!(there, "{name} of the {dialect} dialect has no example");
        }
    }
}

#[test]
fn the_page_for_operators_holds_the_reference() {
    let page = include_str!("../../../../docs/expressions.md");
    let reference = reference();
    if let Ok(path) = std::env::var("WRITE_REFERENCE") {
        let (head, _) = page.split_once("## Provisioning dialect").unwrap_or((page, ""));
        std::fs::write(path, format!("{head}{reference}")).expect("the page can be written");
        return;
    }
    assert!(
        page.ends_with(&reference),
        "docs/expressions.md is behind: WRITE_REFERENCE=docs/expressions.md (absolute) with this test writes it"
    );
}

#[test]
fn corners() {
    let cases: &[(Dialect, &str, &str)] = &[
        // Documented rules of Connect over several values.
        (C, r#"Trim(Split(" a , b ", ","))"#, r#"["a", "b"]"#),
        (
            C,
            r#"Word([proxyAddresses], 1, "@") & "@fabrikam.com""#,
            r#"["SMTP:zoe.smith@fabrikam.com", "smtp:zs@fabrikam.com"]"#,
        ),
        (
            C,
            r#"IIF(InStr([proxyAddresses], "SIP:") = 1, NULL, [proxyAddresses])"#,
            r#"["SMTP:zoe.smith@contoso.com", "smtp:zs@contoso.com"]"#,
        ),
        (
            C,
            r#"RemoveDuplicates(Trim(ImportedValue("proxyAddresses")))"#,
            r#""SMTP:old@contoso.com""#,
        ),
        (
            C,
            r#"Where($item, [userCertificate], CertNotAfter($item) > Now()) = [userCertificate]"#,
            "True",
        ),
        (
            C,
            r#"With($c, Where($item, [userCertificate], CertNotAfter($item) > Now()), IIF(Count($c) > 0, CertVersion($c), NULL))"#,
            "3",
        ),
        // Operators: one level is worked from left to right.
        (C, "2 * 5 + 3", "13"),
        (C, "2 * (5 + 3)", "16"),
        (C, "3 + 5 * 2", "16"),
        (C, "7 - 2 - 1", "4"),
        (C, "7 / 2", "3"),
        (C, "-7 / 2", "-3"),
        (C, "1 / 0", "! a division by zero"),
        (C, "9223372036854775807 + 1", "! the result has more than 64 bits"),
        (C, r#""a" & 1 & True"#, r#""a1True""#),
        (C, r#"[country] & "x""#, r#""x""#),
        (C, "[country] = NULL", "True"),
        (C, "[mail] = NULL", "False"),
        (C, "[mail] <> NULL", "True"),
        (C, "[country] > 1", "False"),
        (C, "[country] + 1", "NULL"),
        (C, r#""abc" < "abd""#, "True"),
        (C, "&HFF >= 255", "True"),
        (C, r#"True || Error("never asked")"#, "True"),
        (C, r#"False && Error("never asked")"#, "False"),
        (C, r#"IsPresent([country]) || IsPresent([mail]) = False || [c] = "USA""#, "True"),
        (C, r#"Left([c], 1) = "U" && (InStr([c], "S") > 0)"#, "True"),
        (C, "[userAccountControl] = 514", "True"),
        (C, "CBool(BitAnd([userAccountControl], 2))", "True"),
        (C, r#"CBool(IIF(IsPresent([x]), BitAnd([x], &H21C07000) > 0, NULL))"#, "False"),
        (C, "BitAnd(-2147483646, &H80000000)", "2147483648"),
        (C, "%Domain.Netbios%", r#""CONTOSO""#),
        (C, "%Domain.FQDN%", "! the parameter %Domain.FQDN% has no value"),
        (C, "mail", r#""zoe.smith@contoso.com""#),
        (C, r#"Replace("a" & CRLF & "b", CRLF, "")"#, r#""ab""#),
        // Switch works out every condition, and only one value.
        (C, r#"Switch(True, "a", 1 / 0 = 1, "b")"#, "! a division by zero"),
        (C, r#"Switch(False, Error("no"), True, "b")"#, r#""b""#),
        (C, r#"Switch([c] = "UK", "English", True, Error("Unknown city"))"#, "! Unknown city"),
        // What leaves a flow alone, leaves it alone from within.
        (C, r#"Trim(IgnoreThisFlow)"#, "(ignored)"),
        (C, r#""x" & IgnoreThisFlow"#, "(ignored)"),
        (C, "AuthoritativeNull", "(authoritative null)"),
        (P, r#"Append(IgnoreFlowIfNullOrEmpty([department]), "x")"#, "(ignored)"),
        // Item.
        (C, "Item([proxyAddresses], 3)", "! there is no value 3 of 2"),
        (C, "Item([proxyAddresses], 0)", "! there is no value 0 of 2"),
        (P, "Item([proxyAddresses], 0)", "! values are counted from 1"),
        (C, "ItemOrNull([country], 1)", "NULL"),
        // The default of group write-back.
        (
            P,
            r#"Append(Append(Left(Trim([displayName]), 51), "_"), Mid("00000000-0000-0000-0000-123456789012", 25, 12))"#,
            r#""_123456789012""#,
        ),
        // Replace.
        (
            P,
            r#"Replace(Replace("a.b", ".", , , "$1", , ), , "(?<x>b)", , "<${x}$$${y}$2$0>", , )"#,
            r#""a$1<b$${y}$2b>""#,
        ),
        (P, r#"Replace("aXbX", , "(?'n'X)", "n", "-", , )"#, r#""a-b-""#),
        (P, r#"Replace([country], , "(?<d>\\d+)", "d", , [country], )"#, "NULL"),
        (P, r#"Replace([country], , "(?<d>\\d+)", "d", , "none", )"#, "NULL"),
        (P, r#"Replace("kept", , "(?<d>\\d+)", "d", , [mobile], )"#, r#""kept""#),
        (P, r#"Replace("aeiou", , "[a-z-[aeu]]", , "_", , )"#, r#""ae__u""#),
        (P, r#"Replace("x&&[y", , "[&[]", , "", , )"#, r#""xy""#),
        (P, r#"Replace("abc", "", , , "x", , )"#, "! the text to replace is empty"),
        (P, r#"Replace("ABC", "b", , , "x", , )"#, r#""ABC""#),
        (
            P,
            r#"Replace([proxyAddresses], "contoso", , , "x", , )"#,
            r#"["SMTP:zoe.smith@x.com", "smtp:zs@x.com"]"#,
        ),
        (P, r#"Replace("a1", , [sn], , "x", , )"#, r#""a1""#),
        (
            P,
            r#"Join("", 1000, Replace(ConvertToUTF8Hex("0a"), , "[a-zA-Z_]*", , "", , ))"#,
            r#""10003061""#,
        ),
        // Conversions.
        (C, r#"CNum("12x")"#, "! this text is not a whole number: \"12x\""),
        (C, r#"CNum("&H1F")"#, "31"),
        (C, r#"CBool("maybe")"#, "! this text is neither True nor False: \"maybe\""),
        (C, r#"CGuid("nothing")"#, "! this text is not a GUID: \"nothing\""),
        (C, r#"ConvertFromBase64("!!")"#, "! this text is not Base64: \"!!\""),
        (C, r#"ConvertFromBase64("YQ==")"#, "! the bytes are not UTF-16"),
        (C, r#"ConvertFromUTF8Hex("FF")"#, "! this text is not UTF-8 in hexadecimal: \"FF\""),
        (C, "StringFromGuid([objectSid])", "! a GUID has 16 bytes, not 28"),
        (C, "StringFromSid([objectGUID])", "! these bytes are not a security identifier"),
        (C, "CertSubject([objectGUID])", "! the value is not an X.509 certificate"),
        (P, "Append([objectGUID], \"x\")", "! bytes cannot be used as text"),
        // Dates.
        (P, r#"CDate("soon")"#, "! this text is not a date: \"soon\""),
        (P, r#"CDate("")"#, "NULL"),
        (P, r#"CDate("2021-02-29")"#, "! this text is not a date: \"2021-02-29\""),
        (P, r#"CDate("Mon, 15 Jun 2009 20:45:30 GMT")"#, r#""6/15/2009 8:45:30 PM""#),
        (
            P,
            r#"CDate("Tue, 15 Jun 2009 20:45:30 GMT")"#,
            "! this text is not a date: \"Tue, 15 Jun 2009 20:45:30 GMT\"",
        ),
        (P, r#"CDate("June 15, 2009 1 PM")"#, r#""6/15/2009 1:00:00 PM""#),
        (P, r#"CDate("15-Jun-09")"#, r#""6/15/2009 12:00:00 AM""#),
        (P, r#"CDate("12/31/1950 12:05 AM")"#, r#""12/31/1950 12:05:00 AM""#),
        (P, "DateFromNum(0)", r#""1/1/1601 12:00:00 AM""#),
        (
            P,
            "DateFromNum(9223372036854775807)",
            "! this FILETIME lies beyond the year 9999, which means never",
        ),
        (P, "DateFromNum(-1)", "! a FILETIME is not negative"),
        (P, r#"NumFromDate("1600-12-31")"#, "! a FILETIME begins with the year 1601"),
        (P, r#"DateAdd("yyyy", 8000, Now())"#, "! the date lies outside of the years 1 to 9999"),
        (
            P,
            r#"DateAdd("d", 9223372036854775807, Now())"#,
            "! the date lies outside of the years 1 to 9999",
        ),
        (
            P,
            r#"FormatDateTime("2020-01-01", , "yyyy/MM/dd", "d")"#,
            "! this date is not in the form yyyy/MM/dd: \"2020-01-01\"",
        ),
        (
            P,
            r#"FormatDateTime("2020-01-01 ", "None", "yyyy-MM-dd", "d")"#,
            "! this date is not in the form yyyy-MM-dd: \"2020-01-01 \"",
        ),
        (P, r#"FormatDateTime("2020-01-01 ", , "yyyy-MM-dd", "d")"#, r#""01/01/2020""#),
        (P, r#"FormatDateTime("12:30", , "HH:mm", "yyyy-MM-dd HH:mm")"#, r#""2021-07-02 12:30""#),
        (
            P,
            r#"FormatDateTime("12:30", "NoCurrentDateDefault", "HH:mm", "yyyy-MM-dd HH:mm")"#,
            r#""0001-01-01 12:30""#,
        ),
        (
            P,
            r#"FormatDateTime("2009-06-15T13:45:30.6175", , "yyyy-MM-ddTHH:mm:ss.ffff", "dddd dd MMMM yyyy 'at' h:mm:ss.FFFFFFF t zzz g")"#,
            r#""Monday 15 June 2009 at 1:45:30.6175 P +00:00 A.D.""#,
        ),
        (
            P,
            r#"FormatDateTime("2009-06-15", , "yyyy-MM-dd", "ss.FFF|%d|ddd|MMM|yy|%y|yyyyy|hh|tt|K|o")"#,
            r#""00|15|Mon|Jun|09|9|02009|12|AM|Z|o""#,
        ),
        (
            P,
            r#"FormatDateTime("2009-06-15", , "yyyy-MM-dd", "o")"#,
            r#""2009-06-15T00:00:00.0000000Z""#,
        ),
        (
            P,
            r#"FormatDateTime("2009-06-15", , "yyyy-MM-dd", "R")"#,
            r#""Mon, 15 Jun 2009 00:00:00 GMT""#,
        ),
        (
            P,
            r#"FormatDateTime("2009-06-15", , "yyyy-MM-dd", "q")"#,
            "! 'q' alone is not a standard date format",
        ),
        (P, r#"DateDiff("d", Now(), [country])"#, "NULL"),
        (C, r#"FormatDateTime(CDate("0999-01-02"), "yyyy")"#, r#""0999""#),
        // Random.
        (P, "RandomString(257, 0, 0, 0, 0)", "! the length is at most 256"),
        (P, "RandomString(3, 2, 2, 0, 0)", "! the least numbers together exceed the length"),
        (
            P,
            r#"RandomString(3, 1, 0, 0, 0, "0123456789")"#,
            "! all characters of a class are to be avoided",
        ),
        (P, "RandomString(0, 0, 0, 0, 0)", r#""""#),
        (C, "RandomNum(2, 1)", "! the end lies before the start"),
        // Text.
        (P, r#"InStr("abc", "a", 0)"#, "! the place to start from is 1 or more"),
        (P, r#"InStr("abc", "a", 99)"#, "0"),
        (P, r#"InStr("ÄÖ", "ö", 1, vbTextCompare)"#, "2"),
        (C, r#"InStrRev("abc", "")"#, "3"),
        (C, r#"PadLeft("a", 3, "")"#, "! the padding is exactly one character"),
        (C, r#"PadLeft("a", 99999999, "x")"#, "! the value would be longer than 1048576 bytes"),
        (
            C,
            r#"ReplaceChars("a", "ab:c")"#,
            "! each entry is one character, a colon and what replaces it: \"ab:c\"",
        ),
        (
            C,
            r#"ReplaceChars("aä", "ä,ö:o")"#,
            "! each entry is one character, a colon and what replaces it: \"ä\"",
        ),
        (C, r#"Split("a b", "xy")"#, "! the delimiter is exactly one character"),
        (P, r#"PCase("o'neil 3rd (x-y) élan_vital")"#, r#""O'neil 3Rd (X-Y) Élan_Vital""#),
        (P, r#"PCase("don't", "'")"#, r#""Don'T""#),
        (
            P,
            r#"NormalizeDiacritics("ǟ Ø̄ œ̄ ǣ ḗ ł ı İ ẕ ț ñ é́ Å")"#,
            r#""a OE oe ae e l i I z t n e A""#,
        ),
        (P, r#"NormalizeDiacritics("Ёлка ά")"#, r#""Ёлка ά""#),
        (P, r#"ToUpper("ıſß")"#, r#""ıſß""#),
        (P, r#"ToLower("ΟΔΟΣ", "el")"#, r#""οδοσ""#),
        (P, r#"Mid("abc", 0, 2)"#, r#""ab""#),
        (P, r#"Mid("abc", -5, 2)"#, r#""ab""#),
        (P, r#"Word("  ", 1, " ")"#, r#""""#),
        (P, "Count([proxyAddresses])", "2"),
        (P, "Not([sn])", "True"),
        (P, r#"Not("true")"#, "False"),
        (C, r#"InStrRev("", "a")"#, "0"),
        (C, r#"InStrRev("abcabc", "abc", 5)"#, "1"),
        (C, r#"InStrRev("abc", "a", 9)"#, "0"),
        (C, r#"InStr("", "")"#, "0"),
        (C, r#"InStr("abc", "", 2)"#, "2"),
        (C, r#"InStr("äöü", "ü", 2)"#, "3"),
        // Several values where one is needed.
        (
            P,
            r#"Switch([proxyAddresses], "a", "b", "c")"#,
            "! one value is needed here and there are 2",
        ),
        (
            P,
            r#"Append([proxyAddresses], [otherPhone])"#,
            r#"["SMTP:zoe.smith@contoso.com425-555-0100", "smtp:zs@contoso.com425-555-0101"]"#,
        ),
        (
            P,
            r#"Append([proxyAddresses], Split("a,b,c", ","))"#,
            "! two arguments have several values, and not the same number of them",
        ),
        // Candidates.
        (P, r#"SelectUniqueValue([country], "free")"#, r#""free""#),
        (P, r#"SelectUniqueValue([country], [department])"#, "NULL"),
        (
            P,
            r#"SelectUniqueValue("a", "b")"#,
            "! every one of the 2 candidates is taken in the target",
        ),
    ];
    let mut wrong = Vec::new();
    for (dialect, text, expected) in cases {
        let got = shown(text, *dialect);
        if got != *expected {
            wrong.push(format!("{dialect}: {text}\n  gives {got}\n  and not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_random_string_has_what_is_asked_of_it() {
    for _ in 0..50 {
        let outcome = evaluate(r#"RandomString(10, 2, 2, 2, 1, "?,")"#, P).expect("a string");
        let text = outcome.values()[0].as_text().expect("text").to_owned();
        let count = |class: fn(char) -> bool| text.chars().filter(|c| class(*c)).count();
        assert_eq!(text.chars().count(), 10);
        assert!(count(|c| c.is_ascii_digit()) >= 2, "{text}");
        assert!(count(|c| c.is_ascii_uppercase()) >= 2, "{text}");
        assert!(count(|c| c.is_ascii_lowercase()) >= 1, "{text}");
        assert!(count(|c| c.is_ascii_punctuation()) >= 2, "{text}");
        assert!(!text.contains(['?', ',']), "{text}");
    }
    let outcome = evaluate("RandomString(6, 3, 0, 0, 3)", P).expect("a string");
    let text = outcome.values()[0].as_text().expect("text").to_owned();
    assert_eq!(text.chars().filter(char::is_ascii_digit).count(), 3, "{text}");
}

#[test]
fn the_same_seed_gives_the_same_guid_and_it_is_a_version_4() {
    let outcome = evaluate("Guid()", P).expect("a GUID");
    let text = outcome.values()[0].as_text().expect("text").to_owned();
    assert_eq!(outcome, evaluate("Guid()", P).expect("a GUID"));
    assert_eq!((text.len(), &text[14..15]), (36, "4"));
    assert!("89ab".contains(&text[19..20]), "{text}");
}

#[test]
fn what_is_redacted_shows_in_no_error() {
    let error = evaluate(r#"Redact(CDate([sn]))"#, P).expect_err("no date");
    assert_eq!(error.message(), "this text is not a date");
    assert!(!error.to_string().contains("Smith"));
    assert_eq!(error.kind(), EvalErrorKind::Value);
    let outcome = evaluate(r#"Append(Redact([sn]), "x")"#, P).expect("a value");
    assert!(matches!(outcome, Outcome::Redacted(_)));
}

#[test]
fn an_error_points_at_the_argument() {
    let error = evaluate("Trim(\n  DateFromNum(CNum([sn])))", C).expect_err("no number");
    assert_eq!((error.place().line, error.place().column), (2, 20));
    assert_eq!(error.marked(), "[sn]");
    assert_eq!(
        error.to_string(),
        "this text is not a whole number: \"Smith\" (line 2, column 20)\n    DateFromNum(CNum([sn])))\n                     ^^^^"
    );
}

#[test]
fn candidates_come_one_by_one_and_only_once() {
    let text = r#"SelectUniqueValue([sn], [country], "Smith", Append([sn], "2"))"#;
    let expression = Expression::parse(text, P).expect("an expression");
    assert!(expression.is_unique_candidate());
    let (object, random) = (super::sample(), scim_sync::expr::NoRandom);
    let cx = scim_sync::expr::Context::new(&object, super::now(), &random);
    let all: Vec<_> =
        expression.candidates(&cx).expect("rules").collect::<Result<_, _>>().expect("values");
    assert_eq!(all, ["Smith".into(), "Smith2".into()]);
    assert_eq!(expression.evaluate(&cx).expect_err("no target").kind(), EvalErrorKind::Missing);
    let plain = Expression::parse("[sn]", P).expect("an expression");
    assert!(plain.candidates(&cx).is_none());
}
