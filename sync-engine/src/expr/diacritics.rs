//! The table of `NormalizeDiacritics`.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Letters that no decomposition takes apart.
fn letter(c: char) -> Option<&'static str> {
    Some(match c {
        'æ' => "ae",
        'Æ' => "AE",
        'ø' | 'œ' => "oe",
        'Ø' | 'Œ' => "OE",
        'ß' => "ss",
        'ẞ' => "SS",
        'ł' => "l",
        'Ł' => "L",
        'ı' => "i",
        // Not in Microsoft's table, which leaves names of Vietnam and Croatia with a letter no address may have.
        'đ' => "d",
        'Đ' => "D",
        _ => return None,
    })
}

/// The text without diacritics. Marks are taken from Latin letters only: in other scripts they make another letter.
pub(crate) fn normalize(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut latin = false;
    for c in text.nfd() {
        if is_combining_mark(c) {
            if !latin {
                out.push(c);
            }
            continue;
        }
        let replaced = letter(c);
        latin = c.is_ascii_alphabetic() || replaced.is_some();
        match replaced {
            Some(letters) => out.push_str(letters),
            None => out.push(c),
        }
    }
    // What was not Latin is put together again.
    out.nfc().collect()
}
