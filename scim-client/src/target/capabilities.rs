//! What the target can do.

use scim_core::discovery::ServiceProviderConfig;

use super::TargetProfile;

/// What the target can do: as it announces, corrected by its profile.
#[derive(Clone, Debug)]
pub struct Capabilities {
    announced: Option<ServiceProviderConfig>,
}

impl Capabilities {
    /// Works out what holds.
    #[must_use]
    pub fn new(announced: Option<ServiceProviderConfig>, _: &TargetProfile) -> Self {
        Self { announced }
    }

    /// What the target says of itself.
    #[must_use]
    pub fn announced(&self) -> Option<&ServiceProviderConfig> {
        self.announced.as_ref()
    }
}
