//! The bits of `userAccountControl` and `groupType` that say what an object is.

/// ADS_UF_ACCOUNTDISABLE.
const ACCOUNT_DISABLED: i64 = 0x0002;
/// ADS_GROUP_TYPE_SECURITY_ENABLED: the top bit, so that a security group's number is negative.
const SECURITY_ENABLED: i64 = 0x8000_0000;

/// Whether `userAccountControl` lets the account sign in.
#[must_use]
pub fn account_enabled(bits: i64) -> bool {
    bits & ACCOUNT_DISABLED == 0
}

/// Whether `groupType` is that of a security group.
#[must_use]
pub fn security_enabled(bits: i64) -> bool {
    bits & SECURITY_ENABLED != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits() {
        assert!(account_enabled(512));
        assert!(!account_enabled(514));
        assert!(!account_enabled(66050));
        assert!(security_enabled(-2_147_483_646));
        assert!(!security_enabled(8));
    }
}
