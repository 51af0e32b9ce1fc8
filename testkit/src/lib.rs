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
//! | [`nats`] | a real NATS server in a temporary folder |
//! | [`postgres`] | a real PostgreSQL in a temporary folder |
//! | [`gate`] | where whoever comes waits until the test lets them on |
//! | [`proxy`] | counts the requests to a server, and loses or refuses some |
//! | [`smtp`] | a mail server that keeps what it is given, and refuses when told to |
//! | [`program`] | any program as a child process: what it says, how it ends |
//! | [`managed`] | the provisioning service and its agents as real processes |
//! | [`api`] | the service's API as an operator asks it, with `curl` |
//! | [`wire`] | the way of an agent to its service, to be cut, held and healed |
//! | [`held`] | what a server holds, and what it should hold of a domain |
//! | [`fake_ad`] | a small Active Directory that can be told to misbehave |

use std::fmt;

mod accept;
pub mod api;
pub mod client;
pub mod fake_ad;
pub mod gate;
pub mod held;
pub mod http;
mod ldap_tools;
pub mod managed;
pub mod nats;
pub mod openldap;
mod output;
pub mod people;
pub mod poll;
pub mod postgres;
pub mod program;
pub mod proxy;
pub mod samba;
pub mod server;
pub mod smtp;
pub mod wire;

pub use api::Api;
pub use client::Client;
pub use fake_ad::FakeAd;
pub use gate::Gate;
pub use held::{Held, Thing};
pub use http::Response;
pub use ldap_tools::{Bed, LdapEntry, ldif_line};
pub use nats::Nats;
pub use openldap::OpenLdap;
pub use postgres::Postgres;
pub use program::{Program, Ran};
pub use proxy::Proxy;
pub use samba::Samba;
pub use server::{Launch, Refused, Server};
pub use smtp::SmtpSink;
pub use wire::Wire;

/// Fails the running test with a message; the one place where this crate panics.
#[track_caller]
#[expect(clippy::panic, reason = "a test helper reports by failing its test")]
fn fail(message: fmt::Arguments<'_>) -> ! {
    panic!("{message}")
}
