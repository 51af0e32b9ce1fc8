//! Moments as directories write them: FILETIME numbers and generalized time.

use chrono::{DateTime, Duration, NaiveDate, TimeZone, Utc};

/// A tenth of a microsecond is the unit; the epoch is the first moment of 1601.
const TICKS_PER_SECOND: i64 = 10_000_000;
/// Seconds from 1601 to 1970.
const EPOCH_OFFSET: i64 = 11_644_473_600;

/// The moment of a FILETIME; `None` for the two numbers that mean "never" and for what no calendar holds.
#[must_use]
pub fn from_filetime(ticks: i64) -> Option<DateTime<Utc>> {
    if ticks <= 0 || ticks == i64::MAX {
        return None;
    }
    let nanoseconds = u32::try_from(ticks % TICKS_PER_SECOND * 100).ok()?;
    Utc.timestamp_opt(ticks / TICKS_PER_SECOND - EPOCH_OFFSET, nanoseconds).single()
}

/// The moment of a generalized time (RFC 4517 section 3.3.13): `20260102030405.0Z`, minutes, seconds and fraction optional,
/// `Z` or an offset at the end. `None` when the text is none.
#[must_use]
pub fn from_generalized(text: &str) -> Option<DateTime<Utc>> {
    let bytes = text.as_bytes();
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (whole, rest) = text.split_at(digits);
    if !matches!(digits, 10 | 12 | 14) {
        return None;
    }
    let part = |from: usize, to: usize| whole.get(from..to)?.parse::<u32>().ok();
    let year = whole.get(..4)?.parse().ok()?;
    let date = NaiveDate::from_ymd_opt(year, part(4, 6)?, part(6, 8)?)?;
    let minute = if digits >= 12 { part(10, 12)? } else { 0 };
    // A leap second is shown as the last one of its minute.
    let second = if digits >= 14 { part(12, 14)?.min(59) } else { 0 };
    let unit = match digits {
        10 => Duration::hours(1),
        12 => Duration::minutes(1),
        _ => Duration::seconds(1),
    };
    let (fraction, zone) = fraction(rest)?;
    let nanoseconds = unit.num_nanoseconds()?.checked_mul(fraction)? / FRACTION;
    let local =
        date.and_hms_opt(part(8, 10)?, minute, second)? + Duration::nanoseconds(nanoseconds);
    Some(local.and_utc() - offset(zone)?)
}

/// Fractions are taken to six digits.
const FRACTION: i64 = 1_000_000;

/// Splits `.123Z` into millionths and the zone.
fn fraction(rest: &str) -> Option<(i64, &str)> {
    let Some(digits) = rest.strip_prefix(['.', ',']) else { return Some((0, rest)) };
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    if length == 0 {
        return None;
    }
    let (digits, zone) = digits.split_at(length);
    let six: String = digits.chars().chain("000000".chars()).take(6).collect();
    Some((six.parse().ok()?, zone))
}

fn offset(zone: &str) -> Option<Duration> {
    if zone == "Z" {
        return Some(Duration::zero());
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = zone.get(1..)?;
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let hours: i64 = digits.get(..2)?.parse().ok()?;
    let minutes: i64 = digits.get(2..4).map_or(Ok(0), str::parse).ok()?;
    (hours < 24 && minutes < 60).then(|| Duration::minutes(sign * (hours * 60 + minutes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn filetimes() {
        let moment = from_filetime(129_699_324_000_000_000).unwrap();
        assert_eq!(moment.to_rfc3339(), "2012-01-01T23:00:00+00:00");
        assert_eq!(from_filetime(0), None);
        assert_eq!(from_filetime(i64::MAX), None);
        assert_eq!(from_filetime(-1), None);
    }

    #[test]
    fn generalized_times() {
        let of = |text| from_generalized(text).map(|moment| moment.to_rfc3339());
        assert_eq!(of("20260102030405.0Z").as_deref(), Some("2026-01-02T03:04:05+00:00"));
        assert_eq!(of("20260102030405Z").as_deref(), Some("2026-01-02T03:04:05+00:00"));
        assert_eq!(of("2026010203Z").as_deref(), Some("2026-01-02T03:00:00+00:00"));
        assert_eq!(of("202601020304.5Z").as_deref(), Some("2026-01-02T03:04:30+00:00"));
        assert_eq!(of("20260102030405+0130").as_deref(), Some("2026-01-02T01:34:05+00:00"));
        assert_eq!(of("20161231235960Z").as_deref(), Some("2016-12-31T23:59:59+00:00"));
        for wrong in [
            "",
            "Z",
            "20261302030405Z",
            "20260102030405",
            "2026010203040Z",
            "20260102030405.Z",
            "20260102030405+9",
        ] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[0-9.,Z+\\-é]{0,24}") {
            let _ = from_generalized(&text);
        }

        #[test]
        fn no_number_makes_it_panic(ticks in any::<i64>()) {
            let _ = from_filetime(ticks);
        }
    }
}
