//! Dates in the words of .NET: custom and standard format strings, and the reading of dates in whatever usual form, all in the
//! invariant culture and in UTC.
//!
//! Sources: .NET "Custom date and time format strings", "Standard date and time format strings", `DateTimeStyles`.

use std::fmt::Write;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Utc};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// How often a letter of a format may be repeated.
const MOST: usize = 32;

/// The dates .NET has: years 1 to 9999.
pub(crate) fn in_range(moment: NaiveDateTime) -> bool {
    (1..=9999).contains(&moment.year())
}

/// `M/d/yyyy h:mm:ss tt`, the form in which the provisioning service hands dates on.
pub(crate) fn general(moment: DateTime<Utc>) -> String {
    let hour = twelve(moment.hour());
    let half = if moment.hour() < 12 { "AM" } else { "PM" };
    format!(
        "{}/{}/{:04} {}:{:02}:{:02} {half}",
        moment.month(),
        moment.day(),
        moment.year(),
        hour,
        moment.minute(),
        moment.second()
    )
}

fn twelve(hour: u32) -> u32 {
    if hour.is_multiple_of(12) { 12 } else { hour % 12 }
}

/// One part of a format string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Field(char, usize),
    Literal(char),
}

/// Takes a format string apart. A single letter is a standard format.
fn items(format: &str) -> Result<Vec<Item>, String> {
    let mut chars = format.chars();
    let format = match (chars.next(), chars.next()) {
        (None, _) => return Err("the date format is empty".to_owned()),
        (Some(letter), None) => standard(letter)
            .ok_or_else(|| format!("'{letter}' alone is not a standard date format"))?,
        _ => format,
    };
    let mut items = Vec::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            'd' | 'f' | 'F' | 'g' | 'h' | 'H' | 'K' | 'm' | 'M' | 's' | 't' | 'y' | 'z' => {
                let mut count = 1;
                while c != 'K' && chars.next_if_eq(&c).is_some() {
                    count += 1;
                }
                if count > MOST {
                    return Err(format!("a letter is repeated at most {MOST} times, not {count}"));
                }
                if matches!(c, 'f' | 'F') && count > 7 {
                    return Err(format!("a fraction has at most 7 digits, not {count}"));
                }
                items.push(Item::Field(c, count));
            }
            '\'' | '"' => loop {
                match chars.next() {
                    Some(end) if end == c => break,
                    Some('\\') => match chars.next() {
                        Some(escaped) => items.push(Item::Literal(escaped)),
                        None => return Err(format!("the date format has no closing {c}")),
                    },
                    Some(inner) => items.push(Item::Literal(inner)),
                    None => return Err(format!("the date format has no closing {c}")),
                }
            },
            '\\' => match chars.next() {
                Some(escaped) => items.push(Item::Literal(escaped)),
                None => return Err("the date format ends in a backslash".to_owned()),
            },
            // %d is the custom format d, where d alone would be a standard one.
            '%' => match chars.peek() {
                Some('%') | None => {
                    return Err("a % in a date format stands before another letter".to_owned());
                }
                Some(_) => {}
            },
            other => items.push(Item::Literal(other)),
        }
    }
    Ok(items)
}

fn standard(letter: char) -> Option<&'static str> {
    Some(match letter {
        'd' => "MM/dd/yyyy",
        'D' => "dddd, dd MMMM yyyy",
        'f' => "dddd, dd MMMM yyyy HH:mm",
        'F' | 'U' => "dddd, dd MMMM yyyy HH:mm:ss",
        'g' => "MM/dd/yyyy HH:mm",
        'G' => "MM/dd/yyyy HH:mm:ss",
        'm' | 'M' => "MMMM dd",
        'o' | 'O' => "yyyy-MM-ddTHH:mm:ss.fffffffK",
        'r' | 'R' => "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
        's' => "yyyy-MM-ddTHH:mm:ss",
        't' => "HH:mm",
        'T' => "HH:mm:ss",
        'u' => "yyyy-MM-dd HH:mm:ssZ",
        'y' | 'Y' => "yyyy MMMM",
        _ => return None,
    })
}

/// Writes `moment` in a format.
pub(crate) fn format(moment: DateTime<Utc>, format: &str) -> Result<String, String> {
    let mut out = String::with_capacity(format.len() + 8);
    for item in items(format)? {
        let (field, count) = match item {
            Item::Literal(c) => {
                out.push(c);
                continue;
            }
            Item::Field(field, count) => (field, count),
        };
        let (number, width) = match (field, count) {
            ('d', 1..=2) => (moment.day(), count),
            ('d', _) => {
                let name = DAYS[moment.weekday().num_days_from_sunday() as usize % 7];
                out.push_str(if count == 3 { &name[..3] } else { name });
                continue;
            }
            ('M', 1..=2) => (moment.month(), count),
            ('M', _) => {
                let name = MONTHS[moment.month0() as usize % 12];
                out.push_str(if count == 3 { &name[..3] } else { name });
                continue;
            }
            ('y', 1..=2) => (moment.year().unsigned_abs() % 100, count),
            ('y', _) => (moment.year().unsigned_abs(), count),
            ('h', _) => (twelve(moment.hour()), count.min(2)),
            ('H', _) => (moment.hour(), count.min(2)),
            ('m', _) => (moment.minute(), count.min(2)),
            ('s', _) => (moment.second(), count.min(2)),
            ('f' | 'F', _) => {
                let digits = format!("{:09}", moment.nanosecond() % 1_000_000_000);
                let digits = digits.get(..count).unwrap_or(&digits);
                if field == 'f' {
                    out.push_str(digits);
                } else {
                    let digits = digits.trim_end_matches('0');
                    if digits.is_empty() && out.ends_with('.') {
                        out.pop();
                    }
                    out.push_str(digits);
                }
                continue;
            }
            ('t', _) => {
                let half = if moment.hour() < 12 { "AM" } else { "PM" };
                out.push_str(if count == 1 { &half[..1] } else { half });
                continue;
            }
            ('z', _) => {
                out.push_str(match count {
                    1 => "+0",
                    2 => "+00",
                    _ => "+00:00",
                });
                continue;
            }
            ('K', _) => {
                out.push('Z');
                continue;
            }
            // g: the era.
            _ => {
                out.push_str("A.D.");
                continue;
            }
        };
        // Writing to a String cannot fail.
        let _ = write!(out, "{number:0width$}");
    }
    Ok(out)
}

/// What white space a text may have beside its date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Styles {
    leading: bool,
    trailing: bool,
    inner: bool,
    no_current_date: bool,
}

impl Styles {
    /// What holds where nothing is said: RoundtripKind, AllowLeadingWhite, AllowTrailingWhite.
    pub(crate) const USUAL: Self =
        Self { leading: true, trailing: true, inner: false, no_current_date: false };

    /// Reads `AllowLeadingWhite, AdjustToUniversal` and the like. Those about time zones change nothing: all is UTC.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut styles = Self::default();
        for word in text.split([',', '|']).map(str::trim).filter(|word| !word.is_empty()) {
            match word.strip_prefix("DateTimeStyles.").unwrap_or(word) {
                "AllowLeadingWhite" => styles.leading = true,
                "AllowTrailingWhite" => styles.trailing = true,
                "AllowInnerWhite" => styles.inner = true,
                "AllowWhiteSpaces" => {
                    styles.leading = true;
                    styles.trailing = true;
                    styles.inner = true;
                }
                "NoCurrentDateDefault" => styles.no_current_date = true,
                "None" | "AdjustToUniversal" | "AssumeLocal" | "AssumeUniversal"
                | "RoundtripKind" => {}
                other => return Err(format!("\"{other}\" is none of .NET's DateTimeStyles")),
            }
        }
        Ok(styles)
    }
}

/// The parts of a date as they are read.
#[derive(Default)]
struct Parts {
    year: Option<i32>,
    month: Option<u32>,
    day: Option<u32>,
    weekday: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    nanos: u32,
    afternoon: Option<bool>,
    twelve: bool,
    offset: Option<i32>,
}

impl Parts {
    fn moment(self, now: NaiveDateTime, no_current_date: bool) -> Option<DateTime<Utc>> {
        let today = match (no_current_date, self.year, self.month, self.day) {
            (true, ..) => NaiveDate::from_ymd_opt(1, 1, 1)?,
            (false, None, None, None) => now.date(),
            (false, ..) => NaiveDate::from_ymd_opt(now.year(), 1, 1)?,
        };
        let date = NaiveDate::from_ymd_opt(
            self.year.unwrap_or(today.year()),
            self.month.unwrap_or(today.month()),
            self.day.unwrap_or(today.day()),
        )?;
        if self.weekday.is_some_and(|day| day != date.weekday().num_days_from_sunday()) {
            return None;
        }
        let hour = match (self.twelve || self.afternoon.is_some(), self.afternoon) {
            (true, afternoon) if (1..=12).contains(&self.hour) => {
                self.hour % 12 + if afternoon == Some(true) { 12 } else { 0 }
            }
            // 16:00 PM is read by .NET's general reader as what it says.
            (true, Some(true)) if !self.twelve && self.hour < 24 && self.hour > 12 => self.hour,
            (true, _) if self.twelve || self.hour > 12 => return None,
            _ => self.hour,
        };
        let time = date.and_hms_nano_opt(hour, self.minute, self.second, self.nanos)?;
        let utc =
            time.checked_sub_signed(TimeDelta::minutes(i64::from(self.offset.unwrap_or(0))))?;
        in_range(utc).then(|| utc.and_utc())
    }
}

/// The rest of a text that is being read.
struct Cursor<'t>(&'t str);

impl<'t> Cursor<'t> {
    /// Between `least` and `most` digits.
    fn digits(&mut self, least: usize, most: usize) -> Option<(u32, usize)> {
        let length = self.0.bytes().take(most).take_while(u8::is_ascii_digit).count();
        if length < least {
            return None;
        }
        let (digits, rest) = self.0.split_at(length);
        self.0 = rest;
        Some((digits.parse().ok()?, length))
    }

    fn eat(&mut self, c: char) -> bool {
        match self.0.strip_prefix(c) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn eat_word(&mut self, word: &str) -> bool {
        match self.0.get(..word.len()) {
            Some(start) if start.eq_ignore_ascii_case(word) => {
                self.0 = &self.0[word.len()..];
                true
            }
            _ => false,
        }
    }

    fn spaces(&mut self) -> bool {
        let rest = self.0.trim_start();
        let moved = rest.len() < self.0.len();
        self.0 = rest;
        moved
    }

    /// The place of a name in a list, whole or by its first three letters.
    fn name(&mut self, names: &[&str], whole: bool, short: bool) -> Option<u32> {
        let found = |(at, name): (usize, &&str)| {
            let matches = |part: &str, text: &'t str| {
                text.get(..part.len()).is_some_and(|t| t.eq_ignore_ascii_case(part))
            };
            if whole && matches(name, self.0) {
                Some((at, name.len()))
            } else {
                (short && matches(&name[..3], self.0)).then_some((at, 3))
            }
        };
        let (at, length) = names.iter().enumerate().find_map(found)?;
        self.0 = &self.0[length..];
        u32::try_from(at).ok()
    }

    /// A fraction of a second, in nanoseconds.
    fn fraction(&mut self, least: usize, most: usize) -> Option<u32> {
        let before = self.0;
        let (_, length) = self.digits(least, most.min(9))?;
        let digits = before.get(..length)?;
        format!("{digits:0<9}").parse().ok()
    }

    fn half(&mut self, long: bool) -> Option<bool> {
        for (word, afternoon) in [("AM", false), ("PM", true)] {
            if self.eat_word(if long { word } else { &word[..1] }) {
                return Some(afternoon);
            }
        }
        None
    }

    /// `+8`, `+08`, `+0800`, `+08:00`, in minutes.
    fn offset(&mut self, minutes: bool) -> Option<i32> {
        let sign = if self.eat('+') {
            1
        } else if self.eat('-') {
            -1
        } else {
            return None;
        };
        let (hours, length) = self.digits(1, 2)?;
        let mut total = hours * 60;
        if minutes {
            let colon = self.eat(':');
            if colon || (length == 2 && self.0.starts_with(|c: char| c.is_ascii_digit())) {
                let (minutes, _) = self.digits(2, 2)?;
                if minutes > 59 {
                    return None;
                }
                total += minutes;
            }
        }
        // .NET's bound for an offset.
        if total > 14 * 60 { None } else { i32::try_from(total).ok().map(|total| sign * total) }
    }

    fn zone(&mut self) -> Option<i32> {
        if self.eat_word("Z") || self.eat_word("GMT") || self.eat_word("UTC") {
            Some(0)
        } else {
            self.offset(true)
        }
    }
}

/// Reads `text`, which must be in `format`. What the format leaves out of the date is taken from `now`.
pub(crate) fn parse_exact(
    text: &str,
    format: &str,
    styles: Styles,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, String> {
    let items = items(format)?;
    Ok(read_items(text, &items, styles)
        .and_then(|parts| parts.moment(now.naive_utc(), styles.no_current_date)))
}

fn read_items(text: &str, items: &[Item], styles: Styles) -> Option<Parts> {
    let mut cursor = Cursor(text);
    if styles.leading {
        cursor.spaces();
    }
    let mut parts = Parts::default();
    for item in items {
        if styles.inner {
            cursor.spaces();
        }
        match *item {
            Item::Literal(c) if styles.inner && c.is_whitespace() => {}
            Item::Literal(c) => {
                if !cursor.eat(c) {
                    return None;
                }
            }
            Item::Field(field, count) => read_field(&mut cursor, &mut parts, field, count)?,
        }
    }
    if styles.trailing {
        cursor.spaces();
    }
    cursor.0.is_empty().then_some(parts)
}

fn read_field(cursor: &mut Cursor<'_>, parts: &mut Parts, field: char, count: usize) -> Option<()> {
    let two = |cursor: &mut Cursor<'_>| cursor.digits(count.min(2), 2).map(|(n, _)| n);
    match (field, count) {
        ('d', 1..=2) => parts.day = Some(two(cursor)?),
        ('d', _) => parts.weekday = Some(cursor.name(&DAYS, count > 3, count == 3)?),
        ('M', 1..=2) => parts.month = Some(two(cursor)?),
        ('M', _) => parts.month = Some(cursor.name(&MONTHS, count > 3, count == 3)? + 1),
        ('y', 1..=2) => parts.year = Some(century(two(cursor)?)?),
        ('y', _) => {
            let (year, _) = cursor.digits(count.min(9), count.clamp(4, 9))?;
            parts.year = Some(i32::try_from(year).ok()?);
        }
        ('h', _) => {
            parts.hour = two(cursor)?;
            parts.twelve = true;
        }
        ('H', _) => parts.hour = two(cursor)?,
        ('m', _) => parts.minute = two(cursor)?,
        ('s', _) => parts.second = two(cursor)?,
        ('f', _) => parts.nanos = cursor.fraction(count, count)?,
        ('F', _) => parts.nanos = cursor.fraction(0, count).unwrap_or(0),
        ('t', _) => parts.afternoon = Some(cursor.half(count > 1)?),
        ('z', 1..=2) => parts.offset = Some(cursor.offset(false)?),
        ('z', _) => parts.offset = Some(cursor.offset(true)?),
        ('K', _) => {
            if !cursor.0.is_empty() && cursor.0.starts_with(['Z', 'z', '+', '-']) {
                parts.offset = Some(cursor.zone()?);
            }
        }
        _ => {
            if !(cursor.eat_word("A.D.") || cursor.eat_word("AD")) {
                return None;
            }
        }
    }
    Some(())
}

/// Years of two digits lie between 1950 and 2049.
fn century(year: u32) -> Option<i32> {
    i32::try_from(if year < 50 { 2000 + year } else { 1900 + year }).ok()
}

/// Reads a date in one of the usual forms: ISO 8601, `M/d/yyyy`, `d MMMM yyyy`, `MMMM d, yyyy`; with or without time and
/// offset. Without an offset it is UTC.
pub(crate) fn parse_general(text: &str) -> Option<DateTime<Utc>> {
    let mut cursor = Cursor(text.trim());
    let mut parts = Parts::default();
    if let Some(day) = cursor.name(&DAYS, true, true) {
        parts.weekday = Some(day);
        cursor.eat(',');
        cursor.spaces();
    }
    read_date(&mut cursor, &mut parts)?;
    let gap = cursor.eat('T') || { cursor.eat(',') | cursor.spaces() };
    if !cursor.0.is_empty() {
        if gap && cursor.0.starts_with(|c: char| c.is_ascii_digit()) {
            read_time(&mut cursor, &mut parts)?;
            cursor.spaces();
        }
        if !cursor.0.is_empty() {
            parts.offset = Some(cursor.zone()?);
        }
    }
    if !cursor.0.is_empty() {
        return None;
    }
    parts.moment(NaiveDateTime::default(), false)
}

fn read_date(cursor: &mut Cursor<'_>, parts: &mut Parts) -> Option<()> {
    if let Some(month) = cursor.name(&MONTHS, true, true) {
        cursor.spaces();
        let (day, _) = cursor.digits(1, 2)?;
        cursor.eat(',');
        cursor.spaces();
        let (year, _) = cursor.digits(4, 4)?;
        (parts.year, parts.month, parts.day) =
            (i32::try_from(year).ok(), Some(month + 1), Some(day));
        return Some(());
    }
    let (first, length) = cursor.digits(1, 4)?;
    let spaced = cursor.spaces();
    let separator = cursor.0.chars().next()?;
    if spaced || cursor.0.get(1..).is_some_and(|rest| rest.starts_with(char::is_alphabetic)) {
        if !spaced {
            cursor.eat(separator);
        }
        let month = cursor.name(&MONTHS, true, true)?;
        if !cursor.eat(separator) {
            cursor.spaces();
        }
        let (year, digits) = cursor.digits(2, 4)?;
        parts.year = if digits == 2 { century(year) } else { i32::try_from(year).ok() };
        (parts.month, parts.day) = (Some(month + 1), Some(first));
        return Some(());
    }
    if !matches!(separator, '-' | '/' | '.') || !cursor.eat(separator) {
        return None;
    }
    let (second, _) = cursor.digits(1, 2)?;
    if !cursor.eat(separator) {
        return None;
    }
    if length == 4 {
        let (day, _) = cursor.digits(1, 2)?;
        (parts.year, parts.month, parts.day) = (i32::try_from(first).ok(), Some(second), Some(day));
        return Some(());
    }
    let (year, digits) = cursor.digits(2, 4)?;
    parts.year = match digits {
        2 => century(year),
        4 => i32::try_from(year).ok(),
        _ => return None,
    };
    (parts.month, parts.day) = (Some(first), Some(second));
    Some(())
}

fn read_time(cursor: &mut Cursor<'_>, parts: &mut Parts) -> Option<()> {
    (parts.hour, _) = cursor.digits(1, 2)?;
    let minutes = cursor.eat(':');
    if minutes {
        (parts.minute, _) = cursor.digits(2, 2)?;
        if cursor.eat(':') {
            (parts.second, _) = cursor.digits(2, 2)?;
            if cursor.eat('.') {
                parts.nanos = cursor.fraction(1, 9)?;
            }
        }
    }
    cursor.spaces();
    parts.afternoon = cursor.half(true);
    (minutes || parts.afternoon.is_some()).then_some(())
}

/// The Sunday that begins the week of a date.
pub(crate) fn week_start(moment: NaiveDateTime) -> Option<NaiveDateTime> {
    let days = moment.weekday().num_days_from_sunday();
    moment.checked_sub_days(Days::new(u64::from(days)))
}
