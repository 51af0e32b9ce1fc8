//! Text. Places and lengths count characters (Unicode scalar values), from 1.

use unicode_normalization::char::is_combining_mark;

use super::Returns::Each;
use super::Want::{Culture as CultureName, Number, Text, Word as OneWord};
use super::{Apply, Args, Function, opt, req};
use crate::expr::culture::{self, Culture};
use crate::expr::diacritics;
use crate::expr::error::{Fault, Given};
use crate::expr::eval::Env;
use crate::expr::types::Kind;
use crate::expr::value::Value;

const COMPARE: super::Want = OneWord(&["vbTextCompare", "vbBinaryCompare"]);

const LEFT: Function = Function {
    name: "Left",
    params: &[req("string", Text), req("numChars", Number)],
    repeat: 0,
    returns: Each(Kind::Text),
    apply: Apply::Plain(left),
    summary: "The first characters. A number below 0 gives the whole text; null gives the empty text.",
    examples: &[
        (r#"Left("John Doe", 3)"#, r#""Joh""#),
        (r#"Left("John", 0)"#, r#""""#),
        (r#"Left("John", -1)"#, r#""John""#),
        (r#"Left("John", 99)"#, r#""John""#),
        (r#"Left([country], 3)"#, r#""""#),
    ],
};

const INSTR: Function = Function {
    name: "InStr",
    params: &[
        req("value1", Text),
        req("value2", Text),
        opt("start", Number),
        opt("compareType", COMPARE),
    ],
    repeat: 0,
    returns: Each(Kind::Number),
    apply: Apply::Plain(instr),
    summary: "The place of the first value2 in value1, 0 where there is none. Compares exactly unless vbTextCompare is given.",
    examples: &[
        (r#"InStr("The quick brown fox", "quick")"#, "5"),
        (r#"InStr("repEated", "e", 3, vbBinaryCompare)"#, "7"),
        (r#"InStr("repEated", "e", 3, vbTextCompare)"#, "4"),
        (r#"InStr("abc", "x")"#, "0"),
        (r#"InStr("abc", "a", 2)"#, "0"),
        (r#"InStr([country], "x")"#, "0"),
    ],
};

const TRIM: Function = Function {
    name: "Trim",
    params: &[req("value", Text)],
    repeat: 0,
    returns: Each(Kind::Text),
    apply: Apply::Plain(trim),
    summary: "Without white space at both ends, for each value.",
    examples: &[(r#"Trim(" Test ")"#, r#""Test""#), ("Trim([country])", "NULL")],
};

const WORD: Function = Function {
    name: "Word",
    params: &[req("string", Text), req("wordNumber", Number), req("delimiters", Text)],
    repeat: 0,
    returns: Each(Kind::Text),
    apply: Apply::Plain(word),
    summary: "The nth part between any of the delimiters, empty parts not counted; the empty text where there is none.",
    examples: &[
        (r#"Word("The quick brown fox", 3, " ")"#, r#""brown""#),
        (r#"Word("This,string!has&many separators", 3, ",!&#")"#, r#""has""#),
        (r#"Word("one two", 0, " ")"#, r#""""#),
        (r#"Word("one two", 3, " ")"#, r#""""#),
        (r#"Word([country], 1, " ")"#, r#""""#),
    ],
};

pub(super) const PROVISIONING: &[Function] = &[
    Function {
        name: "Append",
        params: &[req("source", Text), req("suffix", Text)],
        repeat: 0,
        returns: Each(Kind::Text),
        apply: Apply::Plain(append),
        summary: "The source and then the suffix. A null source gives null: a suffix alone is nobody's name.",
        examples: &[
            (r#"Append([mail], ".test")"#, r#""zoe.smith@contoso.com.test""#),
            (r#"Append([country], ".test")"#, "NULL"),
        ],
    },
    INSTR,
    LEFT,
    Function {
        name: "Mid",
        params: &[req("source", Text), req("start", Number), req("length", Number)],
        repeat: 0,
        returns: Each(Kind::Text),
        apply: Apply::Plain(mid_clips),
        summary: "Characters from a place on, as many as there are; null gives the empty text.",
        examples: &[
            (r#"Mid("John Doe", 3, 5)"#, r#""hn Do""#),
            (r#"Mid("John Doe", 6, 999)"#, r#""Doe""#),
            (r#"Mid("John", 5, 1)"#, r#""""#),
            (r#"Append(Mid([givenName], 1, 3), Mid([sn], 1, 5))"#, r#""ZoëSmith""#),
        ],
    },
    Function {
        name: "NormalizeDiacritics",
        params: &[req("source", Text)],
        repeat: 0,
        returns: Each(Kind::Text),
        apply: Apply::Plain(normalize_diacritics),
        summary: "Letters with accents as letters without, by a fixed table: ä a, ø oe, ß ss, ł l.",
        examples: &[
            ("NormalizeDiacritics([givenName])", r#""Zoe""#),
            (
                r#"NormalizeDiacritics("Łukasz Øster Straße Æble")"#,
                r#""Lukasz OEster Strasse AEble""#,
            ),
        ],
    },
    Function {
        name: "PCase",
        params: &[req("source", Text), opt("wordSeparators", Text)],
        repeat: 0,
        returns: Each(Kind::Text),
        apply: Apply::Plain(pcase),
        summary: "Each word with a capital and the rest small. Words end as in .NET's ToTitleCase, or at the separators given.",
        examples: &[
            (r#"PCase("PABLO GONSALVES (SECOND)")"#, r#""Pablo Gonsalves (Second)""#),
            (r#"PCase("PINTO-DE'SILVA", " '-")"#, r#""Pinto-De'Silva""#),
            (r#"PCase("PINTO-DE'SILVA")"#, r#""Pinto-De'silva""#),
            (r#"PCase(Join(" ", "GREGORY", "JAMES"))"#, r#""Gregory James""#),
        ],
    },
    Function {
        name: "StripSpaces",
        params: &[req("source", Text)],
        repeat: 0,
        returns: Each(Kind::Text),
        apply: Apply::Plain(strip_spaces),
        summary: "Without its spaces (U+0020); other white space stays.",
        examples: &[(r#"StripSpaces(" a b  c ")"#, r#""abc""#)],
    },
    Function {
        name: "ToLower",
        params: &[req("source", Text), opt("culture", CultureName)],
        repeat: 0,
        returns: Each(Kind::Text),
        apply: Apply::Plain(lower),
        summary: "In lower case, by the invariant culture or the one named.",
        examples: &[
            (r#"ToLower("John.SMITH@Contoso.com")"#, r#""john.smith@contoso.com""#),
            (r#"ToLower("TITLE", "tr-TR")"#, r#""tıtle""#),
            (r#"ToLower("İI")"#, r#""İi""#),
        ],
    },
    Function {
        name: "ToUpper",
        params: &[req("source", Text), opt("culture", CultureName)],
        repeat: 0,
        returns: Each(Kind::Text),
        apply: Apply::Plain(upper),
        summary: "In upper case, by the invariant culture or the one named. One character becomes one: ß stays.",
        examples: &[
            (r#"ToUpper("straße")"#, r#""STRAßE""#),
            (r#"ToUpper("title", "tr-TR")"#, r#""TİTLE""#),
            (r#"ToUpper("title", "az")"#, r#""TİTLE""#),
            (r#"ToUpper("title", "lt-LT")"#, r#""TITLE""#),
            (r#"ToUpper("οδός", "el-GR")"#, r#""ΟΔΌΣ""#),
        ],
    },
    TRIM,
    WORD,
];

pub(super) const CONNECT: &[Function] = &[
    INSTR,
    Function {
        name: "InStrRev",
        params: &[
            req("stringcheck", Text),
            req("stringmatch", Text),
            opt("start", Number),
            opt("compare", COMPARE),
        ],
        repeat: 0,
        returns: Each(Kind::Number),
        apply: Apply::Plain(instr_rev),
        summary: "The place of the last stringmatch that ends at or before start; 0 where there is none.",
        examples: &[
            (r#"InStrRev("abbcdbbbef", "bb")"#, "7"),
            (r#"InStrRev("abbcdbbbef", "bb", 6)"#, "2"),
            (r#"InStrRev("abc", "x")"#, "0"),
            (r#"InStrRev("aBbA", "a", -1, vbTextCompare)"#, "4"),
        ],
    },
    Function {
        name: "LCase",
        params: &[req("value", Text)],
        repeat: 0,
        returns: Each(Kind::Text),
        apply: Apply::Plain(lower),
        summary: "In lower case.",
        examples: &[(r#"LCase("TeSt")"#, r#""test""#)],
    },
    LEFT,
    Function {
        name: "Len",
        params: &[req("value", Text)],
        repeat: 0,
        returns: Each(Kind::Number),
        apply: Apply::Plain(len),
        summary: "How many characters; 0 for null.",
        examples: &[(r#"Len("John Doe")"#, "8"), ("Len([country])", "0")],
    },
    Function {
        name: "LTrim",
        params: &[req("value", Text)],
        repeat: 0,
        returns: Each(Kind::Text),
        apply: Apply::Plain(ltrim),
        summary: "Without white space at its beginning.",
        examples: &[(r#"LTrim(" Test ")"#, r#""Test ""#)],
    },
    Function {
        name: "Mid",
        params: &[req("string", Text), req("start", Number), req("numChars", Number)],
        repeat: 0,
        returns: Each(Kind::Text),
        apply: Apply::Plain(mid_returns),
        summary: "Characters from a place on. A place outside of the text, or a number below 0, gives the whole text.",
        examples: &[
            (r#"Mid("John Doe", 3, 5)"#, r#""hn Do""#),
            (r#"Mid("John Doe", 6, 999)"#, r#""Doe""#),
            (r#"Mid("John", 2, 0)"#, r#""""#),
            (r#"Mid("John", 2, -1)"#, r#""John""#),
            (r#"Mid("John", 0, 2)"#, r#""John""#),
            (r#"Mid("John", 5, 2)"#, r#""John""#),
            ("Mid([country], 1, 2)", r#""""#),
        ],
    },
    Function {
        name: "PadLeft",
        params: &[req("string", Text), req("length", Number), req("padCharacter", Text)],
        repeat: 0,
        returns: Each(Kind::Text),
        apply: Apply::Plain(pad_left),
        summary: "Filled up at its beginning to a length; null gives the empty text.",
        examples: &[
            (r#"PadLeft("User", 10, "0")"#, r#""000000User""#),
            (r#"PadLeft("User", 4, "0")"#, r#""User""#),
            (r#"PadLeft([country], 4, "0")"#, r#""""#),
        ],
    },
    Function {
        name: "PadRight",
        params: &[req("string", Text), req("length", Number), req("padCharacter", Text)],
        repeat: 0,
        returns: Each(Kind::Text),
        apply: Apply::Plain(pad_right),
        summary: "Filled up at its end to a length; null gives the empty text.",
        examples: &[(r#"PadRight("User", 10, "0")"#, r#""User000000""#)],
    },
    Function {
        name: "PCase",
        params: &[req("string", Text)],
        repeat: 0,
        returns: Each(Kind::Text),
        apply: Apply::Plain(pcase_spaces),
        summary: "Each word between spaces with a capital and the rest small.",
        examples: &[
            (r#"PCase("TEsT")"#, r#""Test""#),
            (r#"PCase("anna-LENA o'neil")"#, r#""Anna-lena O'neil""#),
        ],
    },
    Function {
        name: "Replace",
        params: &[req("string", Text), req("oldValue", Text), req("newValue", Text)],
        repeat: 0,
        returns: Each(Kind::Text),
        apply: Apply::Plain(replace),
        summary: r"Every oldValue as newValue. In both, \n, \r and \t are the control characters.",
        examples: &[
            (r#"Replace("One Way" & CRLF & "Redmond", "\r\n", ", ")"#, r#""One Way, Redmond""#),
            (r#"Replace("aaa", "a", "b")"#, r#""bbb""#),
        ],
    },
    Function {
        name: "ReplaceChars",
        params: &[req("string", Text), req("replacePattern", Text)],
        repeat: 0,
        returns: Each(Kind::Text),
        apply: Apply::Plain(replace_chars),
        summary: "Characters by a list \"a:b,c:d\"; a target may have several characters or none. White space in the list is ignored.",
        examples: &[
            (r#"ReplaceChars("Räksmörgås", "’:,Å:A,Ä:A,Ö:O,å:a,ä:a,ö:o")"#, r#""Raksmorgas""#),
            (r#"ReplaceChars("O’Neil", "’:,ö:oe")"#, r#""ONeil""#),
            (r#"ReplaceChars("Köln", "ö:oe, ß:ss")"#, r#""Koeln""#),
        ],
    },
    Function {
        name: "Right",
        params: &[req("string", Text), req("numChars", Number)],
        repeat: 0,
        returns: Each(Kind::Text),
        apply: Apply::Plain(right),
        summary: "The last characters. A number below 0 gives the whole text; null gives the empty text.",
        examples: &[
            (r#"Right("John Doe", 3)"#, r#""Doe""#),
            (r#"Right("John", 0)"#, r#""""#),
            (r#"Right("John", -1)"#, r#""John""#),
            (r#"Right("John", 99)"#, r#""John""#),
        ],
    },
    Function {
        name: "RTrim",
        params: &[req("value", Text)],
        repeat: 0,
        returns: Each(Kind::Text),
        apply: Apply::Plain(rtrim),
        summary: "Without white space at its end.",
        examples: &[(r#"RTrim(" Test ")"#, r#"" Test""#)],
    },
    TRIM,
    Function {
        name: "UCase",
        params: &[req("string", Text)],
        repeat: 0,
        returns: Each(Kind::Text),
        apply: Apply::Plain(upper),
        summary: "In upper case.",
        examples: &[(r#"UCase("TeSt")"#, r#""TEST""#)],
    },
    WORD,
];

fn append(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let Some(source) = args.text(0)? else { return Ok(Value::Null) };
    env.text(source + args.text_or_empty(1)?)
}

/// The text up to its nth character.
fn first(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(at, _)| &text[..at])
}

/// The text from its nth character on, counted from 0.
fn from(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or("", |(at, _)| &text[at..])
}

fn left(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let text = args.text_or_empty(0)?;
    let count = usize::try_from(args.need_number(1)?).unwrap_or(usize::MAX);
    env.text(first(&text, count))
}

fn right(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let text = args.text_or_empty(0)?;
    let count = usize::try_from(args.need_number(1)?).unwrap_or(usize::MAX);
    let length = text.chars().count();
    env.text(from(&text, length.saturating_sub(count)))
}

fn mid_clips(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let text = args.text_or_empty(0)?;
    let start = usize::try_from(args.need_number(1)?).unwrap_or(1).max(1);
    let length = usize::try_from(args.need_number(2)?).unwrap_or(0);
    env.text(first(from(&text, start - 1), length))
}

fn mid_returns(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let text = args.text_or_empty(0)?;
    let (start, length) = (args.need_number(1)?, args.need_number(2)?);
    match (usize::try_from(start), usize::try_from(length)) {
        (Ok(start), Ok(length)) if start > 0 && start <= text.chars().count() => {
            env.text(first(from(&text, start - 1), length))
        }
        (_, Ok(0)) => Ok(Value::text("")),
        _ => env.text(text),
    }
}

fn len(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let text = args.text_or_empty(0)?;
    env.charge(text.len())?;
    Ok(Value::from(text.chars().count() as i64))
}

fn trimmed(env: &mut Env<'_>, args: &Args<'_>, trim: impl FnOnce(&str) -> &str) -> Given<Value> {
    match args.text(0)? {
        Some(text) => env.text(trim(&text)),
        None => Ok(Value::Null),
    }
}

fn trim(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    trimmed(env, args, str::trim)
}

fn ltrim(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    trimmed(env, args, str::trim_start)
}

fn rtrim(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    trimmed(env, args, str::trim_end)
}

fn strip_spaces(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    match args.text(0)? {
        Some(text) => env.text(text.replace(' ', "")),
        None => Ok(Value::Null),
    }
}

fn normalize_diacritics(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    match args.text(0)? {
        Some(text) => {
            env.charge(text.len())?;
            env.text(diacritics::normalize(&text))
        }
        None => Ok(Value::Null),
    }
}

fn cultured(
    env: &mut Env<'_>,
    args: &Args<'_>,
    change: impl FnOnce(Culture, &str) -> String,
) -> Given<Value> {
    let Some(text) = args.text(0)? else { return Ok(Value::Null) };
    let culture =
        Culture::named(&args.text_or_empty(1)?).map_err(|sentence| Fault::value(sentence).at(1))?;
    env.charge(text.len())?;
    env.text(change(culture, &text))
}

fn lower(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    cultured(env, args, Culture::lower)
}

fn upper(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    cultured(env, args, Culture::upper)
}

fn pcase(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let Some(text) = args.text(0)? else { return Ok(Value::Null) };
    let separators = args.text(1)?;
    env.charge(text.len().saturating_mul(separators.as_ref().map_or(1, |s| s.len().max(1))))?;
    match separators {
        Some(separators) => env.text(capitals(&text, |c| separators.contains(c))),
        None => env.text(title_case(&text)),
    }
}

fn pcase_spaces(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let Some(text) = args.text(0)? else { return Ok(Value::Null) };
    env.charge(text.len())?;
    env.text(capitals(&text, |c| c == ' '))
}

fn capitals(text: &str, separates: impl Fn(char) -> bool) -> String {
    let mut begins = true;
    text.chars()
        .map(|c| {
            let changed = if begins { culture::upper(c) } else { culture::lower(c) };
            begins = separates(c);
            changed
        })
        .collect()
}

/// .NET's ToTitleCase over small letters: a word begins at a letter and goes on over letters, marks, numbers and apostrophes.
fn title_case(text: &str) -> String {
    let mut inside = false;
    text.chars()
        .map(|c| {
            if inside {
                inside = c.is_alphanumeric() || is_combining_mark(c) || c == '\'';
                culture::lower(c)
            } else {
                inside = c.is_alphabetic();
                if inside { culture::upper(c) } else { c }
            }
        })
        .collect()
}

fn word(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let text = args.text_or_empty(0)?;
    let number = args.need_number(1)?;
    let delimiters = args.text_or_empty(2)?;
    env.charge(text.len().saturating_mul(delimiters.len().max(1)))?;
    let mut words = text.split(|c| delimiters.contains(c)).filter(|word| !word.is_empty());
    let word = usize::try_from(number).ok().filter(|number| *number > 0);
    env.text(word.and_then(|number| words.nth(number - 1)).unwrap_or_default())
}

/// The two texts of a search, with letters made alike where case does not count.
fn searched(env: &mut Env<'_>, args: &Args<'_>) -> Given<Option<(String, String)>> {
    let (Some(text), Some(what)) = (args.text(0)?, args.text(1)?) else { return Ok(None) };
    env.charge(text.len() + what.len())?;
    let insensitive = args.text_or_empty(3)? == "vbTextCompare";
    let alike = |text: &str| {
        // One character for one, so that the places stay.
        if insensitive { text.chars().map(culture::fold).collect() } else { text.to_owned() }
    };
    Ok(Some((alike(&text), alike(&what))))
}

/// A place in bytes as a place in characters, from 1.
fn place(text: &str, at: usize) -> Value {
    Value::from(text[..at].chars().count() as i64 + 1)
}

fn instr(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let start = args.number(2)?.unwrap_or(1);
    let Ok(start @ 1..) = usize::try_from(start) else {
        return Err(Fault::value("the place to start from is 1 or more").at(2));
    };
    let Some((text, what)) = searched(env, args)? else { return Ok(Value::from(0)) };
    let rest = from(&text, start - 1);
    let skipped = text.len() - rest.len();
    let found = rest.find(&what).filter(|_| !rest.is_empty());
    Ok(found.map_or(Value::from(0), |at| place(&text, skipped + at)))
}

fn instr_rev(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let start = args.number(2)?.unwrap_or(-1);
    if start == 0 || start < -1 {
        return Err(Fault::value("the place to start from is 1 or more, or -1 for the end").at(2));
    }
    let Some((text, what)) = searched(env, args)? else { return Ok(Value::from(0)) };
    let length = text.chars().count();
    let end = usize::try_from(start).unwrap_or(length);
    if end > length || length == 0 {
        return Ok(Value::from(0));
    }
    if what.is_empty() {
        return Ok(Value::from(end as i64));
    }
    let found = first(&text, end).rfind(&what);
    Ok(found.map_or(Value::from(0), |at| place(&text, at)))
}

fn padding(env: &mut Env<'_>, args: &Args<'_>) -> Given<Option<(String, String)>> {
    let Some(text) = args.text(0)? else { return Ok(None) };
    let length = usize::try_from(args.need_number(1)?).unwrap_or(0);
    let with = args.text_or_empty(2)?;
    let mut with = with.chars();
    let (Some(with), None) = (with.next(), with.next()) else {
        return Err(Fault::value("the padding is exactly one character").at(2));
    };
    let missing = length.saturating_sub(text.chars().count());
    env.allow(missing.saturating_mul(with.len_utf8()))?;
    Ok(Some((text.into_owned(), std::iter::repeat_n(with, missing).collect())))
}

fn pad_left(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    match padding(env, args)? {
        Some((text, padding)) => env.text(padding + &text),
        None => Ok(Value::text("")),
    }
}

fn pad_right(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    match padding(env, args)? {
        Some((text, padding)) => env.text(text + &padding),
        None => Ok(Value::text("")),
    }
}

/// `text` with every `old` as `new`, within the bounds of the evaluation.
pub(super) fn replaced(env: &mut Env<'_>, text: &str, old: &str, new: &str) -> Given<Value> {
    if old.is_empty() {
        return Err(Fault::value("the text to replace is empty").at(1));
    }
    env.charge(text.len())?;
    let count = text.matches(old).count();
    env.allow(text.len().saturating_add(count.saturating_mul(new.len())))?;
    Ok(Value::text(text.replace(old, new)))
}

fn replace(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let Some(text) = args.text(0)? else { return Ok(Value::Null) };
    let named = |text: &str| text.replace("\\n", "\n").replace("\\r", "\r").replace("\\t", "\t");
    let (old, new) = (named(&args.text_or_empty(1)?), named(&args.text_or_empty(2)?));
    replaced(env, &text, &old, &new)
}

fn replace_chars(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let Some(text) = args.text(0)? else { return Ok(Value::Null) };
    let pattern: String = args.text_or_empty(1)?.chars().filter(|c| !c.is_whitespace()).collect();
    env.charge(pattern.len())?;
    let mut table = std::collections::BTreeMap::new();
    for entry in pattern.split(',').filter(|entry| !entry.is_empty()) {
        let pair = entry.split_once(':').and_then(|(source, target)| {
            let mut chars = source.chars();
            Some((chars.next().filter(|_| chars.as_str().is_empty())?, target))
        });
        let Some((source, target)) = pair.filter(|(_, target)| !target.contains(':')) else {
            let message = "each entry is one character, a colon and what replaces it";
            return Err(Fault::value(message).about(entry).at(1));
        };
        table.insert(source, target);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match table.get(&c) {
            Some(target) => out.push_str(target),
            None => out.push(c),
        }
        if out.len() > crate::expr::eval::MAX_MADE {
            break;
        }
    }
    env.text(out)
}
