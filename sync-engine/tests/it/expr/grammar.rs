//! What can be written, what cannot, and what is said about it.

use scim_sync::AttributeName;
use scim_sync::expr::{Dialect, Expression};

const P: Dialect = Dialect::Provisioning;
const C: Dialect = Dialect::Connect;

#[test]
fn canonical_text() {
    let cases: &[(Dialect, &str, &str)] = &[
        (P, " Append ( [ mail ] ,\"x\" ) ", r#"Append([mail], "x")"#),
        (P, r#""Company \\ \"Contoso\"""#, r#""Company \\ \"Contoso\"""#),
        (C, r#""say ""hi"" \n""#, r#""say ""hi"" \n""#),
        (P, r#"Replace([a], "x",,,"",,)"#, r#"Replace([a], "x", , , "", , )"#),
        (P, "BitAnd(&hf, &HF7)", "BitAnd(&HF, &HF7)"),
        (P, r#"DateAdd("d",-10,Now())"#, r#"DateAdd("d", -10, Now())"#),
        (P, "CBool([a]=[b])", "CBool([a] = [b])"),
        (P, r#"Trim([emails[type eq "work"].value])"#, r#"Trim([emails[type eq "work"].value])"#),
        (C, "(([a]))", "[a]"),
        (C, "a&b", "[a] & [b]"),
        (C, "1 + 2 = 3 && True", "((1 + 2) = 3) && True"),
        (C, "2*(5+3)", "2 * (5 + 3)"),
        (C, "Select(item,[a],item)", "Select($item, [a], $item)"),
        (C, "GUID()", "Guid()"),
        (C, "%Domain.Netbios%", "%Domain.Netbios%"),
        (C, r#"DNComponentRev([dn],1,"DC")"#, "DNComponentRev([dn], 1, DC)"),
        (
            C,
            "IIF(NULL, AuthoritativeNull, IgnoreThisFlow)",
            "IIF(NULL, AuthoritativeNull, IgnoreThisFlow)",
        ),
        (C, "\"Zo\u{eb}\" & CRLF", "\"Zo\u{eb}\" & CRLF"),
    ];
    for (dialect, text, canonical) in cases {
        let expression =
            Expression::parse(text, *dialect).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(expression.to_string(), *canonical);
        assert_eq!(expression.text(), *text);
        let again =
            Expression::parse(canonical, *dialect).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(again, expression);
    }
}

/// The text, the marked part, the message.
#[test]
fn refusals_name_the_place() {
    let cases: &[(Dialect, &str, &str, &str)] = &[
        (P, "", "", "a value is missing at the end"),
        (P, "Trim([a]", "(", "this parenthesis is never closed"),
        (P, "Trim([a]))", ")", "this parenthesis closes nothing"),
        (P, "Trim([a", "[", "this bracket is never closed"),
        (P, "Trim([])", "[]", "the attribute has no name"),
        (P, r#"Trim("a)"#, "\"", "this text is never closed"),
        (P, r#"Trim("a\n")"#, "\\n", "\\n is no escape: only \\\\ and \\\" are"),
        (P, "Trim(“a”)", "“", "text stands between straight double quotes"),
        (P, "Trim([a] [b])", "[", "a comma or a closing parenthesis is missing before this"),
        (P, "[a] [b]", "[", "the expression has ended before this"),
        (P, "Tirm([a])", "Tirm", "the provisioning dialect has no function `Tirm`"),
        (P, "trim([a])", "trim", "the provisioning dialect has no function `trim`"),
        (
            P,
            "PadLeft([a], 1, \"x\")",
            "PadLeft",
            "the provisioning dialect has no function `PadLeft`",
        ),
        (P, "Append([a])", "Append([a])", "Append takes 2 arguments and gets 1"),
        (P, "Trim([a], [b])", "[b]", "Trim takes 1 arguments and gets 2"),
        (P, "Append(, [b])", ",", "Append needs a value for source"),
        (P, "IIF([a] = 1)", "IIF([a] = 1)", "IIF takes 3 arguments and gets 1"),
        (P, "Now(1)", "1", "Now takes 0 arguments and gets 1"),
        (
            P,
            r#"Switch([a], "b", "c")"#,
            r#"Switch([a], "b", "c")"#,
            "Switch takes at least 4 arguments and gets 3",
        ),
        (
            P,
            r#"Switch([a], "b", "c", "d", "e")"#,
            r#"Switch([a], "b", "c", "d", "e")"#,
            "Switch takes an even number of arguments",
        ),
        (
            P,
            "SelectUniqueValue([a])",
            "SelectUniqueValue([a])",
            "SelectUniqueValue takes at least 2 arguments and gets 1",
        ),
        (
            P,
            "Trim(SelectUniqueValue([a], [b]))",
            "SelectUniqueValue",
            "SelectUniqueValue cannot stand inside of another function",
        ),
        (P, "[a] = [b]", "=", "`=` cannot be used here"),
        (P, "Trim([a] = [b])", "=", "`=` cannot be used here"),
        (P, "IIF([a] = [b] = [c], 1, 2)", "=", "`=` cannot be used here"),
        (P, "IIF([a] = 1 && [b] = 2, 1, 2)", "&&", "`&&` cannot be used here"),
        (P, "[a] & [b]", "&", "`&` cannot be used here"),
        (P, "Trim(mail)", "mail", "`mail` alone means nothing"),
        (P, "%Domain.FQDN%", "%Domain.FQDN%", "parameters belong to the Connect dialect"),
        (P, "$item", "$item", "there is no variable $item here"),
        (P, "Item([a], 1.5)", ".", "numbers are whole"),
        (
            P,
            "Item([a], 99999999999999999999)",
            "99999999999999999999",
            "the number has more than 64 bits",
        ),
        (P, "BitAnd(&HG, 1)", "&H", "&H is followed by hexadecimal digits"),
        (
            P,
            r#"InStr("a", "b", 1, vbTextcompare)"#,
            "vbTextcompare",
            "`vbTextcompare` is not a word that can stand here",
        ),
        (P, r#"DateAdd("q", 1, Now())"#, "\"q\"", "\"q\" is not known here"),
        (
            P,
            r#"ToLower([a], "xx-XX")"#,
            "\"xx-XX\"",
            "\"xx-XX\" is not the name of a culture that is known here",
        ),
        (
            P,
            r#"FormatDateTime([a], "Sometimes", "d", "d")"#,
            "\"Sometimes\"",
            "\"Sometimes\" is none of .NET's DateTimeStyles",
        ),
        (
            P,
            r#"Replace([a], "b", , , , , )"#,
            "\"b\"",
            "these arguments of Replace do not go together",
        ),
        (
            P,
            r#"Replace([a], , "(?=x)", , "", , )"#,
            r#""(?=x)""#,
            "the regular expression has a look-ahead, which cannot be matched in linear time",
        ),
        (
            P,
            r#"Replace([a], , "(?<!x)", , "", , )"#,
            r#""(?<!x)""#,
            "the regular expression has a look-behind, which cannot be matched in linear time",
        ),
        (
            P,
            r#"Replace([a], , "(x)\\1", , "", , )"#,
            r#""(x)\\1""#,
            "the regular expression has a back-reference, which cannot be matched in linear time",
        ),
        (
            P,
            r#"Replace([a], , "(?<n>x)\\k<n>", , "", , )"#,
            r#""(?<n>x)\\k<n>""#,
            "the regular expression has a back-reference, which cannot be matched in linear time",
        ),
        (
            P,
            r#"Replace([a], , "(?>x)", , "", , )"#,
            r#""(?>x)""#,
            "the regular expression has an atomic group, which cannot be matched in linear time",
        ),
        (
            P,
            r#"Replace([a], , "(x", , "", , )"#,
            r#""(x""#,
            "the regular expression is wrong: unclosed group",
        ),
        (P, r#"Replace([a], , "(?<a>x)", "b", "", , )"#, "\"b\"", "the pattern has no group \"b\""),
        (
            P,
            r#"Replace([a], , "\\w{900}{900}", , "", , )"#,
            r#""\\w{900}{900}""#,
            "the regular expression is too large when compiled: use smaller repetitions",
        ),
        (C, "Append([a], [b])", "Append", "the connect dialect has no function `Append`"),
        (C, "$item", "$item", "there is no variable $item here"),
        (C, "Where($item, $item, True)", "$item", "there is no variable $item here"),
        (C, "Select([a], [b], [c])", "[a]", "a variable is named here"),
        (C, "ImportedValue([a])", "[a]", "the name is written as text"),
        (C, "ConvertFromBase64([a], UTF16)", "UTF16", "`UTF16` is not a word that can stand here"),
        (C, "IIF(true, 1, 2)", "true", "`true` is not written like this"),
        (C, "1 +", "", "a value is missing at the end"),
        (C, "%x", "%", "a parameter is written between two percent signs"),
    ];
    for (dialect, text, marked, message) in cases {
        let error = Expression::parse(text, *dialect).expect_err(text);
        assert_eq!((error.message(), error.marked()), (*message, *marked), "{text}");
        let place = error.place();
        assert!(place.line == 1 && place.offset <= text.len(), "{text}");
    }
}

#[test]
fn the_picture_of_an_error() {
    let text = "Append(\n\tTirm([mail]), \"x\")";
    let error = Expression::parse(text, P).expect_err("misspelt");
    assert_eq!(
        error.to_string(),
        "the provisioning dialect has no function `Tirm` (line 2, column 2)\n  \tTirm([mail]), \"x\")\n  \t^^^^\n  did you mean Trim?"
    );
    let error = Expression::parse("tolower([mail])", P).expect_err("wrong case");
    assert_eq!(error.mend(), "names are case-sensitive: did you mean ToLower?");
    let error = Expression::parse("UCase([mail])", P).expect_err("other dialect");
    assert_eq!(error.mend(), "it is a function of the connect dialect");
}

#[test]
fn depth_and_length_are_bounded() {
    let nested = |depth: usize| format!("{}[a]{}", "Trim(".repeat(depth), ")".repeat(depth));
    assert!(Expression::parse(&nested(64), P).is_ok());
    let error = Expression::parse(&nested(65), P).expect_err("too deep");
    assert_eq!(error.message(), "calls and parentheses are nested more than 64 deep");
    for opening in ["Trim(", "(", "IIF(", "[a[", "\"", "%", "&H"] {
        assert!(Expression::parse(&opening.repeat(12_001), C).is_err());
    }
    assert!(Expression::parse(&"x".repeat(70_000), C).is_err());
    // A long chain is not a deep one.
    let chain = vec!["[a]"; 5_000].join(" & ");
    assert!(Expression::parse(&chain, C).is_ok());
}

#[test]
fn what_an_expression_reads() {
    let text = r#"IIF([Mail] = "x", ImportedValue("cn"), [mail] & %Domain.FQDN% & Select($i, [other], $i))"#;
    let expression = Expression::parse(text, C).expect("an expression");
    let names: Vec<String> = expression.attributes().iter().map(AttributeName::to_string).collect();
    assert_eq!(names, ["cn", "Mail", "other"]);
    assert_eq!(expression.parameters().into_iter().collect::<Vec<_>>(), ["Domain.FQDN"]);
}

#[test]
fn as_data_it_is_its_text() {
    #[derive(serde::Deserialize, serde::Serialize, PartialEq, Debug)]
    struct Flow {
        source: Expression,
    }
    let toml = "source = 'ToLower( [mail] )'\n";
    let flow: Flow = toml::from_str(toml).expect("a flow");
    assert_eq!(toml::to_string(&flow).expect("text"), "source = \"ToLower( [mail] )\"\n");
    let json = r#"{"source":{"dialect":"connect","text":"LCase([mail])"}}"#;
    let flow: Flow = serde_json::from_str(json).expect("a flow");
    assert_eq!(serde_json::to_string(&flow).expect("text"), json);
    let error =
        toml::from_str::<Flow>("source = 'Tirm([mail])'").expect_err("misspelt").to_string();
    assert!(error.contains("did you mean Trim?"), "{error}");
}
