//! `objectGUID`: sixteen octets whose first three fields are little-endian, and the anchor made from them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use scim_sync::Anchor;
use uuid::Uuid;

/// The octets of an `objectGUID` as the identifier people read; `None` when there are not sixteen.
pub(crate) fn from_octets(octets: &[u8]) -> Option<Uuid> {
    let octets: [u8; 16] = octets.try_into().ok()?;
    Some(Uuid::from_bytes_le(octets))
}

/// The anchor of an Active Directory object: Base64 of the octets as the directory stores them (SYNC row 19), so that it
/// is the same text that Microsoft's own tools call the source anchor or immutable id.
pub(crate) fn anchor(guid: Uuid) -> Anchor {
    Anchor::new(STANDARD.encode(guid.to_bytes_le()))
}

/// The GUID within an anchor that [`anchor`] made.
pub(crate) fn from_anchor(anchor: &Anchor) -> Option<Uuid> {
    from_octets(&STANDARD.decode(anchor.as_str()).ok()?)
}

/// The name by which any server of Active Directory finds the object, wherever it was moved: `<GUID=...>`.
pub(crate) fn base_dn(guid: Uuid) -> String {
    format!("<GUID={}>", guid.hyphenated())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fields_are_little_endian() {
        let octets = [
            0x04, 0x03, 0x02, 0x01, 0x06, 0x05, 0x08, 0x07, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e,
            0x0f, 0x10,
        ];
        let guid = from_octets(&octets).unwrap();
        assert_eq!(guid.to_string(), "01020304-0506-0708-090a-0b0c0d0e0f10");
        assert_eq!(anchor(guid).as_str(), "BAMCAQYFCAcJCgsMDQ4PEA==");
        assert_eq!(from_anchor(&anchor(guid)), Some(guid));
        assert_eq!(base_dn(guid), "<GUID=01020304-0506-0708-090a-0b0c0d0e0f10>");
        assert_eq!(from_octets(&octets[..15]), None);
    }
}
