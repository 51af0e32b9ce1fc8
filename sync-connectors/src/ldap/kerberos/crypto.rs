//! The encryption types of Kerberos that are left to be used: AES in CBC mode with ciphertext stealing and HMAC-SHA1 (RFC
//! 3962), by the profile of RFC 3961 section 5.3. DES and RC4, which domains have been leaving, are not offered.
//!
//! The ciphers, HMAC and PBKDF2 are those of aws-lc-rs; here is how Kerberos puts them together.

use std::fmt;
use std::num::NonZeroU32;

use aws_lc_rs::cipher::{
    AES_128, AES_256, DecryptingKey, DecryptionContext, EncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::{constant_time, hmac, pbkdf2, rand};
use secrecy::{ExposeSecret, SecretSlice};

const BLOCK: usize = 16;
/// HMAC-SHA1, cut to 96 bits.
const MAC: usize = 12;
/// What a key of a password is made with where the server says nothing else (RFC 3962 section 4).
const ITERATIONS: u32 = 4_096;
/// More would let a stranger keep this machine busy.
const MOST_ITERATIONS: u32 = 100_000;

/// An encryption type by its number in the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    /// aes128-cts-hmac-sha1-96.
    Aes128,
    /// aes256-cts-hmac-sha1-96.
    Aes256,
}

impl Encryption {
    /// All of them, the best first.
    pub(super) const ALL: [Self; 2] = [Self::Aes256, Self::Aes128];

    pub(super) fn number(self) -> i64 {
        match self {
            Self::Aes128 => 17,
            Self::Aes256 => 18,
        }
    }

    pub(super) fn of(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The number of the checksum that goes with it.
    fn checksum(self) -> i64 {
        match self {
            Self::Aes128 => 15,
            Self::Aes256 => 16,
        }
    }

    fn octets(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes256 => 32,
        }
    }

    fn cipher(self, key: &[u8]) -> Result<UnboundCipherKey, Unspecified> {
        match self {
            Self::Aes128 => UnboundCipherKey::new(&AES_128, key),
            Self::Aes256 => UnboundCipherKey::new(&AES_256, key),
        }
    }
}

/// Why something cannot be encrypted, decrypted or checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CryptoError {
    /// What came was not made with this key, or was changed on the way.
    Integrity,
    /// A key has another length than its type.
    KeyLength,
    /// The number of iterations is none that a key should be made with.
    Iterations,
    /// The library refused.
    Library,
}

impl fmt::Display for CryptoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Integrity => "it was not made with the key that belongs to it",
            Self::KeyLength => "a key has the wrong length",
            Self::Iterations => "the password is to be made a key with too few or too many rounds",
            Self::Library => "the cryptographic library refused",
        })
    }
}

impl From<Unspecified> for CryptoError {
    fn from(_: Unspecified) -> Self {
        Self::Library
    }
}

/// A key: never shown, wiped when dropped.
#[derive(Clone, Debug)]
pub(super) struct Key {
    kind: Encryption,
    octets: SecretSlice<u8>,
}

impl Key {
    pub(super) fn new(kind: Encryption, octets: Vec<u8>) -> Result<Self, CryptoError> {
        if octets.len() != kind.octets() {
            return Err(CryptoError::KeyLength);
        }
        Ok(Self { kind, octets: octets.into() })
    }

    /// A key for one session.
    pub(super) fn random(kind: Encryption) -> Result<Self, CryptoError> {
        let mut octets = vec![0; kind.octets()];
        rand::fill(&mut octets)?;
        Self::new(kind, octets)
    }

    /// The key of an account, from its password. `parameters` are what the server says about the type (RFC 3962 section 4).
    pub(super) fn from_password(
        kind: Encryption,
        password: &str,
        salt: &[u8],
        parameters: Option<&[u8]>,
    ) -> Result<Self, CryptoError> {
        let rounds = match parameters {
            None => ITERATIONS,
            Some(octets) => {
                octets.try_into().map(u32::from_be_bytes).map_err(|_| CryptoError::Iterations)?
            }
        };
        // Fewer would let whoever listens try passwords faster.
        if !(ITERATIONS..=MOST_ITERATIONS).contains(&rounds) {
            return Err(CryptoError::Iterations);
        }
        Self::stretched(kind, password, salt, rounds)
    }

    fn stretched(
        kind: Encryption,
        password: &str,
        salt: &[u8],
        rounds: u32,
    ) -> Result<Self, CryptoError> {
        let rounds = NonZeroU32::new(rounds).ok_or(CryptoError::Iterations)?;
        let mut octets = vec![0; kind.octets()];
        let with = pbkdf2::PBKDF2_HMAC_SHA1;
        pbkdf2::derive(with, rounds, salt, password.as_bytes(), &mut octets);
        Self::new(kind, octets)?.derived(b"kerberos")
    }

    pub(super) fn kind(&self) -> Encryption {
        self.kind
    }

    pub(super) fn expose(&self) -> &[u8] {
        self.octets.expose_secret()
    }

    /// DK of RFC 3961 section 5.1.
    fn derived(&self, constant: &[u8]) -> Result<Self, CryptoError> {
        let key = EncryptingKey::ecb(self.kind.cipher(self.expose())?)?;
        let mut block = n_fold(constant, BLOCK);
        let mut octets = Vec::with_capacity(self.kind.octets());
        while octets.len() < self.kind.octets() {
            key.encrypt(&mut block)?;
            octets.extend_from_slice(&block);
        }
        Self::new(self.kind, octets)
    }

    fn used_for(&self, usage: u32, purpose: u8) -> Result<Self, CryptoError> {
        let [a, b, c, d] = usage.to_be_bytes();
        self.derived(&[a, b, c, d, purpose])
    }

    /// Encrypts for a usage (RFC 4120 section 7.5.1).
    pub(super) fn encrypt(&self, usage: u32, plain: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let mut octets = vec![0; BLOCK];
        rand::fill(&mut octets)?;
        octets.extend_from_slice(plain);
        let mac = self.used_for(usage, 0x55)?.mac(&octets);
        let mut sealed = self.used_for(usage, 0xaa)?.cbc_encrypt(octets)?;
        sealed.extend_from_slice(&mac.as_ref()[..MAC]);
        Ok(sealed)
    }

    /// Decrypts what was encrypted for a usage, when it was with this key.
    pub(super) fn decrypt(&self, usage: u32, sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let length = sealed.len().checked_sub(MAC).filter(|length| *length >= BLOCK);
        let (cipher, mac) = sealed.split_at(length.ok_or(CryptoError::Integrity)?);
        let plain = self.used_for(usage, 0xaa)?.cbc_decrypt(cipher)?;
        let expected = self.used_for(usage, 0x55)?.mac(&plain);
        constant_time::verify_slices_are_equal(&expected.as_ref()[..MAC], mac)
            .map_err(|_| CryptoError::Integrity)?;
        Ok(plain[BLOCK..].to_vec())
    }

    /// A checksum for a usage, with the number of its type.
    pub(super) fn checksum(
        &self,
        usage: u32,
        message: &[u8],
    ) -> Result<(i64, Vec<u8>), CryptoError> {
        let mac = self.used_for(usage, 0x99)?.mac(message);
        Ok((self.kind.checksum(), mac.as_ref()[..MAC].to_vec()))
    }

    /// Whether a checksum is the one of this message.
    pub(super) fn verify(
        &self,
        usage: u32,
        message: &[u8],
        checksum: &[u8],
    ) -> Result<(), CryptoError> {
        let (_, expected) = self.checksum(usage, message)?;
        constant_time::verify_slices_are_equal(&expected, checksum)
            .map_err(|_| CryptoError::Integrity)
    }

    fn mac(&self, message: &[u8]) -> hmac::Tag {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.expose()), message)
    }

    /// CBC with ciphertext stealing (RFC 3962 section 5) of at least one block, from a zero vector.
    fn cbc_encrypt(&self, mut octets: Vec<u8>) -> Result<Vec<u8>, CryptoError> {
        let key = EncryptingKey::ecb(self.kind.cipher(self.expose())?)?;
        let length = octets.len();
        octets.resize(length.next_multiple_of(BLOCK), 0);
        let mut previous = [0; BLOCK];
        for block in octets.chunks_exact_mut(BLOCK) {
            xor(block, &previous);
            key.encrypt(block)?;
            previous.copy_from_slice(block);
        }
        if octets.len() > BLOCK {
            let last_two = octets.len() - 2 * BLOCK;
            octets[last_two..].rotate_left(BLOCK);
        }
        octets.truncate(length);
        Ok(octets)
    }

    fn cbc_decrypt(&self, cipher: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let key = DecryptingKey::ecb(self.kind.cipher(self.expose())?)?;
        let mut octets = cipher.to_vec();
        let mut stolen = Vec::new();
        if cipher.len() > BLOCK {
            let tail = (cipher.len() - 1) % BLOCK + 1;
            let before = cipher.len() - tail - BLOCK;
            let (full, partial) = cipher[before..].split_at(BLOCK);
            let mut last = full.to_vec();
            key.decrypt(&mut last, DecryptionContext::None)?;
            // The end of the block before was left out of the ciphertext: it is what the padding was encrypted to.
            octets.truncate(before);
            octets.extend_from_slice(partial);
            octets.extend_from_slice(&last[tail..]);
            last.truncate(tail);
            xor(&mut last, partial);
            stolen = last;
        }
        let mut previous = [0; BLOCK];
        for block in octets.chunks_exact_mut(BLOCK) {
            let mut next = [0; BLOCK];
            next.copy_from_slice(block);
            key.decrypt(block, DecryptionContext::None)?;
            xor(block, &previous);
            previous = next;
        }
        octets.extend_from_slice(&stolen);
        Ok(octets)
    }
}

fn xor(octets: &mut [u8], with: &[u8]) {
    for (octet, other) in octets.iter_mut().zip(with) {
        *octet ^= other;
    }
}

/// Stretches or folds octets to a length (RFC 3961 section 5.1): copies, each turned 13 bits further, are added up with
/// end-around carry.
fn n_fold(input: &[u8], length: usize) -> Vec<u8> {
    let bits = input.len() * 8;
    let octet = |position: usize| {
        let (copy, within) = (position / input.len(), position % input.len());
        (0..8).fold(0_u8, |octet, bit| {
            // The copy is turned to the right, so each bit comes from further to the left.
            let from = (within * 8 + bit + bits * 13 - (13 * copy) % bits) % bits;
            octet << 1 | (input[from / 8] >> (7 - from % 8) & 1)
        })
    };
    let total = least_common_multiple(input.len(), length);
    let mut sum = vec![0_u8; length];
    for chunk in (0..total).step_by(length) {
        let mut carry = 0;
        for place in (0..length).rev() {
            carry = add(&mut sum[place], octet(chunk + place), carry);
        }
        for place in (0..length).rev() {
            carry = add(&mut sum[place], 0, carry);
        }
    }
    sum
}

/// Adds to an octet and gives the carry.
fn add(to: &mut u8, octet: u8, carry: u8) -> u8 {
    let (sum, first) = to.overflowing_add(octet);
    let (sum, second) = sum.overflowing_add(carry);
    *to = sum;
    u8::from(first || second)
}

fn least_common_multiple(a: usize, b: usize) -> usize {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    a / x * b
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            text.chars().filter_map(|c| c.to_digit(16)).map(|d| u8::try_from(d).unwrap()).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    #[test]
    fn octets_are_folded_as_in_rfc_3961() {
        assert_eq!(n_fold(b"012345", 8), hex("be072631276b1955"));
        assert_eq!(n_fold(b"password", 7), hex("78a07b6caf85fa"));
        assert_eq!(n_fold(b"kerberos", 16), hex("6b65726265726f737b9b5b2b93132b93"));
        assert_eq!(n_fold(b"Q", 21), hex("518a54a215a8452a518a54a215a8452a518a54a215"));
    }

    #[test]
    fn passwords_become_the_keys_of_rfc_3962() {
        let of = |kind, rounds| {
            Key::stretched(kind, "password", b"ATHENA.MIT.EDUraeburn", rounds).unwrap()
        };
        assert_eq!(of(Encryption::Aes128, 1).expose(), hex("42263c6e89f4fc28b8df68ee09799f15"));
        assert_eq!(
            of(Encryption::Aes256, 1200).expose(),
            hex("55a6ac740ad17b4846941051e1e8b0a7548d93b0ab30a8bc3ff16280382b8c2a")
        );
    }

    #[test]
    fn the_rounds_of_a_stranger_have_limits() {
        let of = |rounds: &[u8]| {
            Key::from_password(Encryption::Aes128, "password", b"salt", Some(rounds)).err()
        };
        assert_eq!(of(&4_096_u32.to_be_bytes()), None);
        assert_eq!(of(&1_u32.to_be_bytes()), Some(CryptoError::Iterations));
        assert_eq!(of(&u32::MAX.to_be_bytes()), Some(CryptoError::Iterations));
        assert_eq!(of(&[0, 16]), Some(CryptoError::Iterations));
    }

    #[test]
    fn ciphertext_is_stolen_as_in_rfc_3962() {
        let key = Key::new(Encryption::Aes128, b"chicken teriyaki".to_vec()).unwrap();
        let sealed = |plain: &[u8]| key.cbc_encrypt(plain.to_vec()).unwrap();
        assert_eq!(sealed(b"I would like the "), hex("c6353568f2bf8cb4d8a580362da7ff7f97"));
        assert_eq!(
            sealed(b"I would like the General Gau's "),
            hex("fc00783e0efdb2c1d445d4c8eff7ed2297687268d6ecccc0c07b25e25ecfe5")
        );
        assert_eq!(
            sealed(b"I would like the General Gau's C"),
            hex("39312523a78662d5be7fcbcc98ebf5a897687268d6ecccc0c07b25e25ecfe584")
        );
    }

    #[test]
    fn no_key_is_shown() {
        let key = Key::new(Encryption::Aes128, b"chicken teriyaki".to_vec()).unwrap();
        let shown = format!("{key:?}");
        assert!(!shown.contains("99, 104") && !shown.contains("chicken"), "{shown}");
    }

    proptest! {
        #[test]
        fn what_is_encrypted_comes_back(plain in proptest::collection::vec(any::<u8>(), 0..80), usage in 0_u32..30) {
            for kind in Encryption::ALL {
                let key = Key::random(kind).unwrap();
                let sealed = key.encrypt(usage, &plain).unwrap();
                prop_assert_eq!(key.decrypt(usage, &sealed).unwrap(), plain.clone());
                prop_assert_eq!(key.decrypt(usage + 1, &sealed), Err(CryptoError::Integrity));
            }
        }

        #[test]
        fn a_changed_octet_is_seen(plain in proptest::collection::vec(any::<u8>(), 0..40), at in any::<prop::sample::Index>()) {
            let key = Key::random(Encryption::Aes256).unwrap();
            let mut sealed = key.encrypt(3, &plain).unwrap();
            let at = at.index(sealed.len());
            sealed[at] ^= 1;
            prop_assert_eq!(key.decrypt(3, &sealed), Err(CryptoError::Integrity));
        }

        #[test]
        fn any_octets_are_decrypted_or_refused(sealed in proptest::collection::vec(any::<u8>(), 0..70)) {
            prop_assert!(Key::random(Encryption::Aes128).unwrap().decrypt(1, &sealed).is_err());
        }
    }
}
