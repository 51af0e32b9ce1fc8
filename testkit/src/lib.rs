//! Test helpers shared by the workspace: real servers, a hostile and a friendly HTTP client,
//! a poll loop, made-up people.
//!
//! Everything here has a deadline, and every failure says what was last seen: the request and
//! its answer, the state a poll kept finding, or what the server wrote before it gave up.
//!
//! | Module | For |
//! |---|---|
//! | [`server`] | start, stop, kill and restart the real `scim-server` binary |
//! | [`client`] | SCIM requests with a token and JSON bodies |
//! | [`http`] | HTTP/1.1 as bytes, for requests that no proper client would send |
//! | [`poll`] | wait until something is true, without sleeping blindly |
//! | [`people`] | deterministic users, groups and contacts |
//! | [`samba`], [`openldap`] | real directories in a temporary folder |
//! | [`postgres`] | a real PostgreSQL in a temporary folder |
//! | [`proxy`] | counts the requests to a server, and loses or refuses some |
//! | [`fake_ad`] | a small Active Directory that can be told to misbehave |

use std::fmt;

pub mod client;
pub mod fake_ad;
pub mod http;
mod ldap_tools;
pub mod openldap;
pub mod people;
pub mod poll;
pub mod postgres;
pub mod proxy;
pub mod samba;
pub mod server;

pub use client::Client;
pub use fake_ad::FakeAd;
pub use http::Response;
pub use ldap_tools::{Bed, LdapEntry, ldif_line};
pub use openldap::OpenLdap;
pub use postgres::Postgres;
pub use proxy::Proxy;
pub use samba::Samba;
pub use server::{Launch, Refused, Server};

/// Fails the running test with a message; the one place where this crate panics.
#[track_caller]
#[expect(clippy::panic, reason = "a test helper reports by failing its test")]
fn fail(message: fmt::Arguments<'_>) -> ! {
    panic!("{message}")
}
