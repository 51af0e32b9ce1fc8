//! Active Directory, Samba and OpenLDAP as sources.
//!
//! | Directory | Changes are found by | Anchor |
//! |---|---|---|
//! | Active Directory, Samba | the DirSync control, or `uSNChanged` | Base64 of `objectGUID` |
//! | OpenLDAP | content synchronisation, RFC 4533 | `entryUUID` |
//!
//! What holds for every read:
//!
//! - It ends with an end mark only when every query of it came to its end. A limit, a referral, a broken connection, an
//!   answer that cannot be read: each ends the stream with an error, and nothing may be concluded from it.
//! - A watermark goes with the server that counted, with the base, the types, the attributes and the scope. When one of
//!   these is another, the watermark is refused, which asks for a full read.
//! - Only attributes that the directory's schema has are asked for. Names that it lacks are skipped and logged.
//! - Objects outside of the scope are told with the reason, so that leaving it is no deletion.
//! - A renamed place (an organizational unit) makes everything under it be read again, since the directories do not tell
//!   that those names changed.

mod ber;
mod clause;
mod config;
mod connector;
mod content_sync;
mod controls;
mod dirsync;
mod entry;
mod filter;
mod guid;
#[cfg(feature = "kerberos")]
mod kerberos;
mod object;
mod paging;
mod range;
mod reading;
mod result;
mod schema;
mod scope;
mod servers;
mod session;
mod tls;
mod told;
mod usn;
mod watermark;

pub mod dn;
pub mod filetime;
pub mod sid;
pub mod uac;

pub use clause::{Clause, Exclusion};
#[cfg(feature = "kerberos")]
pub use config::KerberosAccount;
pub use config::{
    ChangeTracking, Directory, LdapBind, LdapConfig, LdapLimits, LdapServer, LdapType,
};
pub use connector::{LdapConnector, LdapProbe};
pub use filter::LdapFilter;
pub use scope::{LdapScope, ScopeGroup};
