//! SCIM events (RFC 9967): the claims of a Security Event Token, without signing and without transport.

mod payload;
mod token;
mod uri;

pub use payload::{Content, Payload};
pub use token::{Audience, SecurityEventToken, Subject};
pub use uri::EventUri;
