//! Dates. The Provisioning dialect hands them on as text, `M/d/yyyy h:mm:ss tt` in UTC; Connect has a type for them.

use chrono::{DateTime, Datelike, Months, NaiveDateTime, TimeDelta, Utc};

use super::Returns::{Each, One};
use super::Want::{Date, Number, OneOf, Styles as StyleList, Text};
use super::{Apply, Args, Function, Param, opt, req};
use crate::expr::Dialect;
use crate::expr::dotnet_date::{self, Styles};
use crate::expr::error::{Fault, Given};
use crate::expr::eval::Env;
use crate::expr::types::Kind;
use crate::expr::value::Value;

const FEW: super::Want = OneOf(&["yyyy", "m", "d", "ww", "h", "n", "s"]);
const INTERVALS: super::Want = OneOf(&["yyyy", "q", "m", "y", "d", "w", "ww", "h", "n", "s"]);

/// Seconds from 1601, the start of FILETIME, to 1970.
const FILETIME_EPOCH: i64 = 11_644_473_600;
/// FILETIME counts tenths of microseconds.
const PER_SECOND: i64 = 10_000_000;

const fn plain(
    name: &'static str,
    params: &'static [Param],
    returns: super::Returns,
    apply: fn(&mut Env<'_>, &Args<'_>) -> Given<Value>,
    summary: &'static str,
    examples: &'static [(&'static str, &'static str)],
) -> Function {
    Function { name, params, repeat: 0, returns, apply: Apply::Plain(apply), summary, examples }
}

pub(super) const PROVISIONING: &[Function] = &[
    plain(
        "CDate",
        &[req("expression", Date)],
        Each(Kind::Text),
        cdate,
        "A date in one of the usual forms, in UTC.",
        &[
            (r#"CDate("2020-03-16-07:00")"#, r#""3/16/2020 7:00:00 AM""#),
            (r#"CDate("2021-06-30+08:00")"#, r#""6/29/2021 4:00:00 PM""#),
            (r#"CDate("2009-06-15T01:45:30-07:00")"#, r#""6/15/2009 8:45:30 AM""#),
            ("CDate([country])", "NULL"),
        ],
    ),
    plain(
        "DateAdd",
        &[req("interval", FEW), req("value", Number), req("dateTime", Date)],
        Each(Kind::Text),
        date_add,
        "The date so many years (yyyy), months (m), days (d), weeks (ww), hours (h), minutes (n) or seconds (s) later. A month \
         too short takes its last day.",
        &[
            (r#"DateAdd("d", 7, CDate("2012-03-16-07:00"))"#, r#""3/23/2012 7:00:00 AM""#),
            (r#"DateAdd("d", -10, CDate("2012-03-16-07:00"))"#, r#""3/6/2012 7:00:00 AM""#),
            (r#"DateAdd("ww", 2, CDate("2012-03-16-07:00"))"#, r#""3/30/2012 7:00:00 AM""#),
            (r#"DateAdd("m", 10, CDate("2012-03-16-07:00"))"#, r#""1/16/2013 7:00:00 AM""#),
            (r#"DateAdd("yyyy", 2, CDate("2012-03-16-07:00"))"#, r#""3/16/2014 7:00:00 AM""#),
            (r#"DateAdd("m", 1, CDate("2024-01-31"))"#, r#""2/29/2024 12:00:00 AM""#),
            (r#"DateAdd("h", -1, CDate("2024-01-01"))"#, r#""12/31/2023 11:00:00 PM""#),
        ],
    ),
    plain(
        "DateDiff",
        &[req("interval", FEW), req("date1", Date), req("date2", Date)],
        Each(Kind::Number),
        date_diff,
        "How much later date2 is: years and months by the calendar, weeks by their Sundays, the others as whole units passed.",
        &[
            (r#"DateDiff("d", CDate("2021-08-18+08:00"), CDate("2021-08-31+08:00"))"#, "13"),
            (r#"DateDiff("d", CDate("8/25/2021 5:41:18 PM"), CDate("2012-03-16-07:00"))"#, "-3449"),
            (r#"DateDiff("ww", CDate("8/25/2021 5:41:18 PM"), CDate("2012-03-16-07:00"))"#, "-493"),
            (r#"DateDiff("m", CDate("8/25/2021 5:41:18 PM"), CDate("2012-03-16-07:00"))"#, "-113"),
            (r#"DateDiff("yyyy", CDate("8/25/2021 5:41:18 PM"), CDate("2012-03-16-07:00"))"#, "-9"),
            (r#"DateDiff("d", CDate("2021-08-31+08:00"), CDate("2021-08-31+08:00"))"#, "0"),
            (r#"DateDiff("h", CDate("2021-08-24"), CDate("2021-08-25"))"#, "24"),
            (r#"DateDiff("n", CDate("2021-08-24"), CDate("2021-08-25"))"#, "1440"),
            (r#"DateDiff("s", CDate("2021-08-24"), CDate("2021-08-25"))"#, "86400"),
        ],
    ),
    plain(
        "DateFromNum",
        &[req("value", Number)],
        Each(Kind::Text),
        date_from_num,
        "The date of a FILETIME.",
        &[
            ("DateFromNum(129699324000000000)", r#""1/1/2012 11:00:00 PM""#),
            ("DateFromNum([lastLogonTimestamp])", r#""1/1/2012 11:00:00 PM""#),
        ],
    ),
    plain(
        "FormatDateTime",
        &[
            req("source", Text),
            opt("dateTimeStyles", StyleList),
            req("inputFormat", Text),
            req("outputFormat", Text),
        ],
        Each(Kind::Text),
        reformat,
        "A date from one .NET format into another, in UTC.",
        &[
            (
                r#"FormatDateTime("20150123105347.1Z", , "yyyyMMddHHmmss.fZ", "yyyy-MM-dd")"#,
                r#""2015-01-23""#,
            ),
            (
                r#"FormatDateTime("2020-12-31-08:00", , "yyyy-MM-ddzzz", "yyyy-MM-dd")"#,
                r#""2020-12-31""#,
            ),
            (
                r#"FormatDateTime("7/4/2021 03:05:09 PM", , "M/d/yyyy hh:mm:ss tt", "yyyy-MM-ddTHH:mm:ssK")"#,
                r#""2021-07-04T15:05:09Z""#,
            ),
            (
                r#"FormatDateTime(" 2021 - 07 ", "AllowWhiteSpaces", "yyyy-MM", "MMMM yyyy")"#,
                r#""July 2021""#,
            ),
            (r#"FormatDateTime([country], , "yyyy", "yy")"#, "NULL"),
        ],
    ),
    plain(
        "Now",
        &[],
        One(Kind::Text),
        now,
        "The time of the run, in UTC.",
        &[("Now()", r#""7/2/2021 3:33:38 PM""#)],
    ),
    plain(
        "NumFromDate",
        &[req("value", Date)],
        Each(Kind::Number),
        num_from_date,
        "The FILETIME of a date, as accountExpires has it.",
        &[
            (
                r#"NumFromDate(Join("", FormatDateTime("2020-12-31-08:00", , "yyyy-MM-ddzzz", "yyyy-MM-dd"), " 23:59:59-08:00"))"#,
                "132539615990000000",
            ),
            (r#"NumFromDate("2012-01-01T23:00:00Z")"#, "129699324000000000"),
        ],
    ),
];

pub(super) const CONNECT: &[Function] = &[
    plain(
        "CDate",
        &[req("value", Text)],
        Each(Kind::Date),
        cdate,
        "A date of text in one of the usual forms, in UTC.",
        &[
            (r#"CDate("2013-01-10 4:00 PM -8")"#, "2013-01-11T00:00:00Z"),
            (r#"CDate("12/25/2007")"#, "2007-12-25T00:00:00Z"),
            ("CDate([country])", "NULL"),
        ],
    ),
    plain(
        "DateAdd",
        &[req("interval", INTERVALS), req("value", Number), req("date", Date)],
        Each(Kind::Date),
        date_add,
        "The date so many years (yyyy), quarters (q), months (m), days (y, d, w), weeks (ww), hours (h), minutes (n) or seconds \
         (s) later.",
        &[
            (r#"DateAdd("m", 3, CDate("2001-01-01"))"#, "2001-04-01T00:00:00Z"),
            (r#"DateAdd("q", 1, CDate("2001-11-30"))"#, "2002-02-28T00:00:00Z"),
            (r#"DateAdd("w", 1, CDate("2001-11-30"))"#, "2001-12-01T00:00:00Z"),
            (r#"DateAdd("y", -1, CDate("2001-01-01"))"#, "2000-12-31T00:00:00Z"),
            (r#"DateAdd("n", 90, CDate("2001-01-01"))"#, "2001-01-01T01:30:00Z"),
        ],
    ),
    plain(
        "DateFromNum",
        &[req("value", Number)],
        Each(Kind::Date),
        date_from_num,
        "The date of a FILETIME.",
        &[("DateFromNum(129699324000000000)", "2012-01-01T23:00:00Z")],
    ),
    plain(
        "FormatDateTime",
        &[req("value", Date), req("format", Text)],
        Each(Kind::Text),
        format_date,
        "A date in a .NET format.",
        &[
            (r#"FormatDateTime(CDate("12/25/2007"), "yyyy-MM-dd")"#, r#""2007-12-25""#),
            (
                r#"FormatDateTime(DateFromNum(130543784930000000), "yyyyMMddHHmmss.0Z")"#,
                r#""20140905081453.0Z""#,
            ),
        ],
    ),
    plain(
        "Now",
        &[],
        One(Kind::Date),
        now,
        "The time of the run, in UTC.",
        &[("Now()", "2021-07-02T15:33:38Z")],
    ),
    plain(
        "NumFromDate",
        &[req("value", Date)],
        Each(Kind::Number),
        num_from_date,
        "The FILETIME of a date.",
        &[(r#"NumFromDate(CDate("2012-01-01 23:00:00"))"#, "129699324000000000")],
    ),
];

/// A date as the dialect hands it on.
fn given(env: &Env<'_>, moment: DateTime<Utc>) -> Value {
    match env.dialect {
        Dialect::Provisioning => Value::text(dotnet_date::general(moment)),
        Dialect::Connect => Value::from(moment),
    }
}

fn out_of_range() -> Box<Fault> {
    Fault::value("the date lies outside of the years 1 to 9999")
}

fn cdate(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    // An empty text is no date and no mistake either: nothing was entered.
    if args.value(0).is_null_or_empty() {
        return Ok(Value::Null);
    }
    Ok(args.date(0)?.map_or(Value::Null, |moment| given(env, moment)))
}

fn now(env: &mut Env<'_>, _: &Args<'_>) -> Given<Value> {
    Ok(given(env, env.cx.now))
}

fn date_add(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let Some(moment) = args.date(2)? else { return Ok(Value::Null) };
    let Some(value) = args.number(1)? else { return Ok(Value::Null) };
    let interval = args.text_or_empty(0)?;
    let months = |each: i64| {
        let months = u32::try_from(value.unsigned_abs().checked_mul(each.unsigned_abs())?).ok()?;
        if value < 0 {
            moment.checked_sub_months(Months::new(months))
        } else {
            moment.checked_add_months(Months::new(months))
        }
    };
    let seconds = |each: i64| {
        let delta = TimeDelta::try_seconds(value.checked_mul(each)?)?;
        moment.checked_add_signed(delta)
    };
    let later = match interval.as_ref() {
        "yyyy" => months(12),
        "q" => months(3),
        "m" => months(1),
        "d" | "y" | "w" => seconds(86_400),
        "ww" => seconds(7 * 86_400),
        "h" => seconds(3_600),
        "n" => seconds(60),
        "s" => seconds(1),
        other => return Err(Fault::value("this is not an interval").about(other).at(0)),
    };
    let later = later.filter(|moment| dotnet_date::in_range(moment.naive_utc()));
    Ok(given(env, later.ok_or_else(out_of_range)?))
}

fn date_diff(_: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let (Some(from), Some(to)) = (args.date(1)?, args.date(2)?) else { return Ok(Value::Null) };
    let (from, to) = (from.naive_utc(), to.naive_utc());
    let passed = to.signed_duration_since(from);
    let months = |moment: NaiveDateTime| i64::from(moment.year()) * 12 + i64::from(moment.month0());
    let interval = args.text_or_empty(0)?;
    Ok(Value::from(match interval.as_ref() {
        "yyyy" => i64::from(to.year()) - i64::from(from.year()),
        "m" => months(to) - months(from),
        "d" => passed.num_days(),
        "ww" => {
            let weeks = dotnet_date::week_start(from).zip(dotnet_date::week_start(to));
            let (from, to) = weeks.ok_or_else(out_of_range)?;
            to.signed_duration_since(from).num_days() / 7
        }
        "h" => passed.num_hours(),
        "n" => passed.num_minutes(),
        "s" => passed.num_seconds(),
        other => return Err(Fault::value("this is not an interval").about(other).at(0)),
    }))
}

fn date_from_num(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let Some(number) = args.number(0)? else { return Ok(Value::Null) };
    if number < 0 {
        return Err(Fault::value("a FILETIME is not negative").at(0));
    }
    let nanos = u32::try_from(number % PER_SECOND).unwrap_or(0) * 100;
    let moment = DateTime::from_timestamp(number / PER_SECOND - FILETIME_EPOCH, nanos)
        .filter(|moment| dotnet_date::in_range(moment.naive_utc()))
        .ok_or_else(|| {
            // 0x7FFFFFFFFFFFFFFF in accountExpires is the usual case.
            Fault::value("this FILETIME lies beyond the year 9999, which means never").at(0)
        })?;
    Ok(given(env, moment))
}

fn num_from_date(_: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    if args.value(0).is_null_or_empty() {
        return Ok(Value::Null);
    }
    let Some(moment) = args.date(0)? else { return Ok(Value::Null) };
    let seconds = moment.timestamp() + FILETIME_EPOCH;
    if seconds < 0 {
        return Err(Fault::value("a FILETIME begins with the year 1601").at(0));
    }
    let number = seconds
        .checked_mul(PER_SECOND)
        .and_then(|ticks| ticks.checked_add(i64::from(moment.timestamp_subsec_nanos() / 100)));
    number.map(Value::from).ok_or_else(out_of_range)
}

fn reformat(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let Some(text) = args.text(0)?.filter(|text| !text.is_empty()) else {
        return Ok(Value::Null);
    };
    let styles = match args.text(1)? {
        Some(styles) if !styles.trim().is_empty() => {
            Styles::parse(&styles).map_err(|sentence| Fault::value(sentence).at(1))?
        }
        _ => Styles::USUAL,
    };
    let (input, output) = (args.text_or_empty(2)?, args.text_or_empty(3)?);
    env.charge(text.len() + input.len() + output.len())?;
    let moment = dotnet_date::parse_exact(&text, &input, styles, env.cx.now)
        .map_err(|sentence| Fault::value(sentence).at(2))?
        .ok_or_else(|| {
            Fault::value(format!("this date is not in the form {input}")).about(&text).at(0)
        })?;
    let made = dotnet_date::format(moment, &output);
    env.text(made.map_err(|sentence| Fault::value(sentence).at(3))?)
}

fn format_date(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let Some(moment) = args.date(0)? else { return Ok(Value::Null) };
    let format = args.text_or_empty(1)?;
    env.charge(format.len())?;
    let made = dotnet_date::format(moment, &format);
    env.text(made.map_err(|sentence| Fault::value(sentence).at(1))?)
}
