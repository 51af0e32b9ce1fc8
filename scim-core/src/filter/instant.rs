//! Dates and times as RFC 7643 section 2.3.5 has them: xsd:dateTime.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};

/// The instant that an xsd:dateTime stands for; without an offset it is in UTC (AMBIGUITIES 42).
///
/// `24:00:00` is midnight at the end of the day. Digits beyond nanoseconds are dropped. Years outside 0001 to 9999 are
/// not taken: XML Schema asks for no more. Source: RFC 7643 section 2.3.5, XML Schema part 2 section 3.2.7.
pub(crate) fn parse_instant(text: &str) -> Option<DateTime<Utc>> {
    let (date_time, zone) = text.split_at_checked(19)?;
    let b = date_time.as_bytes();
    if b[4] != b'-' || b[7] != b'-' || b[10] != b'T' || b[13] != b':' || b[16] != b':' {
        return None;
    }
    let year = i32::try_from(number(&b[0..4])?).ok().filter(|year| *year > 0)?;
    let date = NaiveDate::from_ymd_opt(year, number(&b[5..7])?, number(&b[8..10])?)?;
    let (hour, minute, second) = (number(&b[11..13])?, number(&b[14..16])?, number(&b[17..19])?);
    let (nanos, zone) = fraction(zone.as_bytes())?;
    let local: NaiveDateTime = match (hour, minute, second, nanos) {
        (24, 0, 0, 0) => date.succ_opt()?.and_hms_opt(0, 0, 0)?,
        (_, _, 0..=59, _) => date.and_hms_nano_opt(hour, minute, second, nanos)?,
        _ => return None,
    };
    local.checked_sub_signed(offset(zone)?).map(|instant| instant.and_utc())
}

/// A run of digits as a number.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |n, b| b.is_ascii_digit().then(|| n * 10 + u32::from(b - b'0')))
}

/// The nanoseconds of a fraction, and what follows it.
fn fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    let Some(digits) = text.strip_prefix(b".") else { return Some((0, text)) };
    let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if count == 0 {
        return None;
    }
    let (digits, rest) = digits.split_at(count);
    let mut nanos = number(&digits[..count.min(9)])?;
    for _ in count..9 {
        nanos *= 10;
    }
    Some((nanos, rest))
}

/// How far the zone is ahead of UTC.
fn offset(zone: &[u8]) -> Option<TimeDelta> {
    let (sign, hours, minutes) = match zone {
        [] | [b'Z'] => return Some(TimeDelta::zero()),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            (*sign, number(&[*h1, *h2])?, number(&[*m1, *m2])?)
        }
        _ => return None,
    };
    if hours > 14 || minutes > 59 || (hours == 14 && minutes > 0) {
        return None;
    }
    let ahead = TimeDelta::minutes(i64::from(hours * 60 + minutes));
    Some(if sign == b'-' { -ahead } else { ahead })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_one_instant() {
        let utc = parse_instant("2011-05-13T04:42:34Z").unwrap();
        for same in [
            "2011-05-13T04:42:34",
            "2011-05-13T04:42:34.000",
            "2011-05-13T06:42:34+02:00",
            "2011-05-12T23:12:34-05:30",
        ] {
            assert_eq!(parse_instant(same), Some(utc), "{same}");
        }
        assert_eq!(utc.to_rfc3339(), "2011-05-13T04:42:34+00:00");
        assert_eq!(parse_instant("2011-05-13T24:00:00Z"), parse_instant("2011-05-14T00:00:00Z"),);
        assert!(parse_instant("2011-05-13T04:42:34.1234567891Z") > Some(utc));
    }

    #[test]
    fn what_is_no_date_time() {
        for bad in [
            "",
            "2011-05-13",
            "2011-05-13T04:42Z",
            "2011-05-13 04:42:34Z",
            "2011-05-13t04:42:34z",
            "0000-01-01T00:00:00Z",
            "2011-02-30T00:00:00Z",
            "2011-05-13T25:00:00Z",
            "2011-05-13T24:00:01Z",
            "2011-05-13T04:60:00Z",
            "2011-05-13T04:42:60Z",
            "2011-05-13T04:42:34.Z",
            "2011-05-13T04:42:34+15:00",
            "2011-05-13T04:42:34+0200",
            "2011-05-13T04:42:34Zx",
            "+011-05-13T04:42:34Z",
            "2011-05-13T04:42:3é",
            "2011-05-13T04:42:34é",
        ] {
            assert_eq!(parse_instant(bad), None, "{bad}");
        }
    }
}
