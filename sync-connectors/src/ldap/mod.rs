//! x
mod ber;
mod controls;
mod dn;
mod filetime;
mod filter;
mod guid;
mod sid;
mod uac;

pub use filter::LdapFilter;
