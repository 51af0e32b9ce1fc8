//! What the transports with a socket have in common.

use std::fmt;
use std::time::Duration;

use secrecy::{SecretBox, SecretSlice};

/// How connections are made and how long, how large an exchange may be.
pub(crate) struct Settings {
    pub(crate) connect_timeout: Duration,
    pub(crate) timeout: Duration,
    pub(crate) body_limit: usize,
    /// PEM texts.
    pub(crate) roots: Vec<Vec<u8>>,
    /// A PEM text.
    pub(crate) identity: Option<SecretSlice<u8>>,
    pub(crate) tls: Option<rustls::ClientConfig>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(60),
            body_limit: 64 * 1024 * 1024,
            roots: Vec::new(),
            identity: None,
            tls: None,
        }
    }
}

impl Settings {
    pub(crate) fn set_identity(&mut self, pem: Vec<u8>) {
        self.identity = Some(SecretBox::new(pem.into_boxed_slice()));
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("connect_timeout", &self.connect_timeout)
            .field("timeout", &self.timeout)
            .field("body_limit", &self.body_limit)
            .field("roots", &self.roots.len())
            .field("identity", &self.identity.is_some())
            .field("tls", &self.tls.is_some())
            .finish()
    }
}
