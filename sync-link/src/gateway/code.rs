//! The enrolment code: what an administrator gives to whoever installs an agent.
//!
//! Thirteen groups of four letters and digits. The first half says which certificate authority the agent must find at the
//! other end, so that it never trusts what happens to answer; the second half is the secret that is good for one enrolment.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

/// Digits that people do not mistake for each other (Crockford's base 32).
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Bytes of the fingerprint, and of the secret.
const HALF: usize = 15;
/// Digits of both halves, and of the checksum behind them.
const BODY: usize = 48;
const CHECK: usize = 4;
const GROUP: usize = 4;

/// The first 120 bits of the SHA-256 of a certificate in DER.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; HALF]);

impl Fingerprint {
    /// The fingerprint of a certificate.
    #[must_use]
    pub fn of(certificate: &[u8]) -> Self {
        let mut first = [0; HALF];
        first.copy_from_slice(&digest(&SHA256, certificate).as_ref()[..HALF]);
        Self(first)
    }
}

/// A code, taken apart. Its secret shows nowhere but in [`EnrolmentCode::text`].
///
/// ```
/// use scim_sync_link::gateway::{EnrolmentCode, Fingerprint};
/// use secrecy::ExposeSecret as _;
///
/// let code = EnrolmentCode::new(Fingerprint::of(b"a certificate"), [7; 15]);
/// let text = code.text();
/// assert_eq!(text.expose_secret().len(), 64);
/// let read = EnrolmentCode::parse(&text.expose_secret().to_lowercase())?;
/// assert_eq!(read.fingerprint(), Fingerprint::of(b"a certificate"));
/// assert_eq!(read.digest(), code.digest());
/// # Ok::<(), scim_sync_link::gateway::InvalidCode>(())
/// ```
pub struct EnrolmentCode {
    fingerprint: Fingerprint,
    secret: Zeroizing<[u8; HALF]>,
}

/// What is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCode {
    /// Too short, too long, or with other characters.
    #[error("an enrolment code is 13 groups of 4 letters and digits, like 7K3M-…")]
    Form,
    /// The checksum differs.
    #[error("the enrolment code was mistyped or cut: its checksum differs")]
    Checksum,
}

impl EnrolmentCode {
    /// A code of its parts; the secret must be random.
    #[must_use]
    pub fn new(fingerprint: Fingerprint, secret: [u8; HALF]) -> Self {
        Self { fingerprint, secret: Zeroizing::new(secret) }
    }

    /// Reads a code as people type it: in upper or lower case, with or without dashes and blanks, O for 0, I and L for 1.
    ///
    /// # Errors
    /// [`InvalidCode`].
    pub fn parse(text: &str) -> Result<Self, InvalidCode> {
        let mut digits = Zeroizing::new(Vec::with_capacity(BODY + CHECK));
        for letter in text.bytes().filter(|b| *b != b'-' && !b.is_ascii_whitespace()) {
            let letter = match letter.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            let value = DIGITS.iter().position(|d| *d == letter).ok_or(InvalidCode::Form)?;
            if digits.len() == BODY + CHECK {
                return Err(InvalidCode::Form);
            }
            digits.push(u8::try_from(value).map_err(|_| InvalidCode::Form)?);
        }
        if digits.len() != BODY + CHECK {
            return Err(InvalidCode::Form);
        }
        let mut bytes = Zeroizing::new([0_u8; 2 * HALF]);
        for (chunk, place) in digits[..BODY].chunks_exact(8).zip(bytes.chunks_exact_mut(5)) {
            let bits = chunk.iter().fold(0_u64, |bits, digit| bits << 5 | u64::from(*digit));
            place.copy_from_slice(&bits.to_be_bytes()[3..]);
        }
        if check_of(&bytes[..]) != digits[BODY..] {
            return Err(InvalidCode::Checksum);
        }
        let (mut fingerprint, mut secret) = ([0; HALF], Zeroizing::new([0; HALF]));
        fingerprint.copy_from_slice(&bytes[..HALF]);
        secret.copy_from_slice(&bytes[HALF..]);
        Ok(Self { fingerprint: Fingerprint(fingerprint), secret })
    }

    /// The code as it is given away.
    #[must_use]
    pub fn text(&self) -> SecretString {
        let bytes = self.bytes();
        let mut digits = Zeroizing::new(Vec::with_capacity(BODY + CHECK));
        for chunk in bytes.chunks_exact(5) {
            let bits = chunk.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
            digits.extend((0..8).rev().map(|n| low_five(bits >> (5 * n))));
        }
        digits.extend(check_of(&bytes[..]));
        let mut text = Zeroizing::new(String::with_capacity(BODY + CHECK + 12));
        for (n, digit) in digits.iter().enumerate() {
            if n > 0 && n % GROUP == 0 {
                text.push('-');
            }
            text.push(char::from(DIGITS[usize::from(*digit)]));
        }
        text.as_str().into()
    }

    /// Which authority must be at the other end.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// What the service keeps instead of the code: the SHA-256 of its secret, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> String {
        let hash = digest(&SHA256, &self.secret[..]);
        hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn bytes(&self) -> Zeroizing<[u8; 2 * HALF]> {
        let mut bytes = Zeroizing::new([0; 2 * HALF]);
        bytes[..HALF].copy_from_slice(&self.fingerprint.0);
        bytes[HALF..].copy_from_slice(&self.secret[..]);
        bytes
    }
}

impl fmt::Debug for EnrolmentCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnrolmentCode")
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

impl TryFrom<&SecretString> for EnrolmentCode {
    type Error = InvalidCode;

    fn try_from(text: &SecretString) -> Result<Self, InvalidCode> {
        Self::parse(text.expose_secret())
    }
}

/// Twenty bits against typing mistakes.
fn check_of(bytes: &[u8]) -> [u8; CHECK] {
    let hash = digest(&SHA256, bytes);
    let bits = hash.as_ref()[..3].iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    [19, 14, 9, 4].map(|shift| low_five(bits >> shift))
}

fn low_five(bits: u64) -> u8 {
    (bits & 31) as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_code_is_read_back_and_one_changed_letter_is_noticed(
            certificate in prop::collection::vec(any::<u8>(), 0..40),
            secret in any::<[u8; HALF]>(),
            at in 0_usize..64,
            to in "[0-9A-HJKMNP-TV-Z]",
        ) {
            let code = EnrolmentCode::new(Fingerprint::of(&certificate), secret);
            let text = code.text();
            let text = text.expose_secret();
            let read = EnrolmentCode::parse(text).unwrap();
            prop_assert_eq!(read.fingerprint(), Fingerprint::of(&certificate));
            prop_assert_eq!(&read.secret[..], &secret[..]);
            if text.as_bytes()[at] != b'-' {
                let mut changed = text.to_owned();
                changed.replace_range(at..=at, &to);
                // A checksum of 20 bits lets one in a million through; a changed digit in the checksum itself never.
                prop_assert_eq!(EnrolmentCode::parse(&changed).is_ok(), changed == text);
            }
        }

        #[test]
        fn parsing_never_panics(text in "\\PC{0,80}") {
            let _ = EnrolmentCode::parse(&text);
        }
    }

    #[test]
    fn people_type_as_they_like_and_nothing_shows() {
        let code = EnrolmentCode::new(Fingerprint([0; HALF]), [0x42; HALF]);
        let text = code.text().expose_secret().to_owned();
        let typed = text.replace('-', " ").to_lowercase().replace('0', "o").replace('1', "l");
        assert_eq!(EnrolmentCode::parse(&typed).unwrap().digest(), code.digest());
        assert!(!format!("{code:?}").contains("66"));
        for bad in ["", "ABCD", &text[..63], &format!("{text}0"), &text.replace('-', "_")] {
            assert_eq!(EnrolmentCode::parse(bad).unwrap_err(), InvalidCode::Form, "{bad}");
        }
    }
}
