//! The gateway: what agents ask, and the links that they open.

mod challenge;
mod channel;
mod credential;
mod guard;
mod handlers;
mod poll;
mod throttle;
mod watch;

pub(crate) use challenge::Challenges;
pub(crate) use channel::{Links, connect};
pub(crate) use credential::Credentials;
pub(crate) use guard::{LinkedAgent, agent_of, bearer, linked_of};
pub(crate) use handlers::{bootstrap, challenge, enroll, renew};
pub(crate) use poll::{poll, result};
pub(crate) use throttle::{Throttle, network};
pub(crate) use watch::look;
pub use watch::watch;

use std::net::SocketAddr;

use rustls_pki_types::CertificateDer;

/// Who is at the other end of a connection, as far as TCP and TLS know.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The address; where a trusted proxy is in front, that of whom it serves.
    pub address: SocketAddr,
    /// The client certificate, verified against the service's own authority.
    pub certificate: Option<CertificateDer<'static>>,
}
